//! The one place of the command line that reads the clock.

use crate::core::model::Time;

/// The machine's own time; the earliest there is if that lies outside the years 1677 to 2262.
pub fn machine_time() -> Time {
    Time::from_chrono(&chrono::Utc::now()).unwrap_or(Time(i64::MIN))
}
