//! What a run without a person needs: patience, an end, and somebody who hears how it went.

mod clerk;
mod ping;
mod told;

use super::context::Context;
use super::exit::Exit;
use super::failure::Failure;
use crate::core::calendar::Span;
use clap::Args;
use clerk::Clerk;
use std::path::PathBuf;
use std::time::Duration;

pub use told::Told;

/// Options of a command that a timer or a CI job starts.
#[derive(Clone, Debug, Default, Args)]
#[command(next_help_heading = "Unattended runs")]
pub struct UnattendedArgs {
    /// How long to wait for another run to end
    #[arg(long, value_name = "DURATION", default_value = "5s", value_parser = length)]
    pub lock_wait: Duration,

    /// Begin after a random part of this, so that many machines do not begin at once
    #[arg(long, value_name = "DURATION", value_parser = length)]
    jitter: Option<Duration>,

    /// End between two checkpoints when this has passed since the command began; the rest is kept
    #[arg(long, value_name = "DURATION", value_parser = length)]
    deadline: Option<Duration>,

    /// Write how the run went as Prometheus text, for the node exporter's textfile collector
    #[arg(long, value_name = "FILE")]
    metrics: Option<PathBuf>,

    /// Append how the run went as Markdown, `$GITHUB_STEP_SUMMARY` for example
    #[arg(long, value_name = "FILE")]
    summary: Option<PathBuf>,

    /// A file with the address to call when the run has ended; after a failure `/fail` is appended
    ///
    /// The variable `RETAIN_PING_URL` serves as well. The address is a secret: it is never printed.
    #[arg(long, value_name = "FILE")]
    ping_file: Option<PathBuf>,
}

impl UnattendedArgs {
    /// Waits out the jitter and starts the clock of the deadline. What it gives back is to be kept
    /// for [`UnattendedArgs::end`].
    ///
    /// # Errors
    /// The system has no randomness, or no threads.
    pub fn begin(&self, context: &mut Context) -> Result<Option<Clerk>, Failure> {
        let writes = self.metrics.is_some() || self.summary.is_some();
        let clerk = writes.then(Clerk::start).transpose()?;
        if let Some(deadline) = self.deadline {
            context.signals.stop_after(deadline);
        }
        if let Some(jitter) = self.jitter.filter(|j| !j.is_zero()) {
            let pause = part_of(jitter)?;
            context.ui.detail(format!("waiting {} s before it begins", pause.as_secs()));
            std::thread::sleep(pause);
            context.look_at_clock();
        }
        context.lock_wait = Some(self.lock_wait);
        Ok(clerk)
    }

    /// Tells everybody who asked how the run ended. What cannot be told is a warning: by now the
    /// work is done, and its exit code stands.
    pub fn end(
        &self,
        context: &Context,
        clerk: Option<&Clerk>,
        told: &Told,
        ended: Result<Exit, &Failure>,
    ) {
        let exit = ended.unwrap_or_else(|failure| failure.exit);
        if let (Some(clerk), Some(path)) = (clerk, &self.metrics) {
            told.metrics(context, clerk, path, exit);
        }
        if let (Some(clerk), Some(path)) = (clerk, &self.summary) {
            told.summary(context, clerk, path, ended);
        }
        ping::call(context, self.ping_file.as_deref(), exit);
        told.log(exit);
    }
}

/// A random part of a duration.
fn part_of(whole: Duration) -> Result<Duration, Failure> {
    let mut random = [0; 8];
    rustix::rand::getrandom(&mut random, rustix::rand::GetRandomFlags::empty())
        .map_err(std::io::Error::from)?;
    #[expect(clippy::cast_precision_loss, reason = "any fraction will do")]
    let fraction = u64::from_le_bytes(random) as f64 / u64::MAX as f64;
    Ok(whole.mul_f64(fraction))
}

/// As a policy writes durations; months and years have no fixed length.
fn length(text: &str) -> Result<Duration, String> {
    let span = Span::parse(text).map_err(|e| e.to_string())?;
    span.fixed_seconds()
        .map(Duration::from_secs)
        .ok_or_else(|| "write it in s, min, h, d or w".to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_are_those_of_policies() {
        assert_eq!(length("55min"), Ok(Duration::from_mins(55)));
        assert_eq!(length("0s"), Ok(Duration::ZERO));
        for wrong in ["", "5", "5m", "1mo", "-1s", "soon"] {
            assert!(length(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn a_jitter_is_a_part_of_its_whole() {
        let whole = Duration::from_secs(1000);
        let parts: Vec<_> = (0..64).map(|_| part_of(whole).unwrap()).collect();
        assert!(parts.iter().all(|p| *p <= whole));
        assert!(parts.iter().any(|p| *p != parts[0]), "always the same");
    }
}
