//! The dead man's switch: whoever waits for the call hears of a run that failed, and of none.

use crate::cli::context::{self, Context};
use crate::cli::exit::Exit;
use crate::cli::machine;
use crate::config::trusted::{self, Trust};
use crate::notify::tls;
use std::path::Path;
use std::time::Duration;

/// The whole call, from the look-up of the name to the last byte; a clean-up does not wait longer.
const PATIENCE: Duration = Duration::from_secs(10);

/// Calls the address, if there is one. A call that fails is a warning without the address in it.
pub fn call(context: &Context, file: Option<&Path>, exit: Exit) {
    let address = match file {
        Some(path) => match trusted::read(path, Trust::of_process()) {
            Ok(text) => text,
            Err(e) => {
                context.ui.warn(format!("nobody was called: {}: {e}", context::shown(path)));
                return;
            }
        },
        None => match machine::variable("RETAIN_PING_URL") {
            Some(text) => text,
            None => return,
        },
    };
    let address = target(address.trim(), exit);
    let tls = tls::of_machine();
    let agent: ureq::Agent =
        ureq::Agent::config_builder().timeout_global(Some(PATIENCE)).tls_config(tls).build().into();
    if let Err(e) = agent.get(&address).call() {
        context.ui.warn(format!("the call to the ping address failed: {}", reason(&e)));
    }
}

/// `/fail` tells that a run ended without doing its work. What was partly done, or left a quota
/// over its limit, was done.
fn target(address: &str, exit: Exit) -> String {
    if exit.did_its_work() {
        return address.to_owned();
    }
    format!("{}/fail", address.trim_end_matches('/'))
}

/// What went wrong, without the address: errors of the library may quote it.
fn reason(error: &ureq::Error) -> String {
    match error {
        ureq::Error::StatusCode(code) => format!("it answered {code}"),
        ureq::Error::Timeout(_) => format!("no answer within {} seconds", PATIENCE.as_secs()),
        ureq::Error::HostNotFound => "its host is not known".to_owned(),
        ureq::Error::BadUri(_) | ureq::Error::Http(_) => "it is not an address".to_owned(),
        ureq::Error::Io(e) => e.to_string(),
        _ => "the connection failed".to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_work_that_was_not_done_is_a_failure() {
        assert_eq!(target("http://h/x", Exit::Partly), "http://h/x");
        assert_eq!(target("http://h/x/", Exit::Refused), "http://h/x/fail");
    }
}
