//! Posts a text to a chat, in the form that Slack and Mattermost share.

use super::{NotDelivered, Secret, tls};
use serde_json::json;
use std::time::Duration;

/// Slack takes 40,000 characters and Mattermost 16,383.
const MOST: usize = 12_000;

/// Posts `text`, in several pieces if it is long.
///
/// # Errors
/// No connection, no answer in time, or an answer that is no success. The address is secret: it is
/// what lets anybody post there.
pub fn post(url: &Secret, text: &str, limit: Duration) -> Result<(), NotDelivered> {
    let failed = |e: &dyn std::fmt::Display| NotDelivered(url.redact(&e.to_string()));
    let agent: ureq::Agent = ureq::Agent::config_builder()
        .timeout_global(Some(limit))
        // A post that is redirected becomes a get, which would not arrive: it is an error below.
        .max_redirects(0)
        .tls_config(tls::of_machine())
        .user_agent(concat!("retain/", env!("CARGO_PKG_VERSION")))
        .build()
        .into();
    for piece in pieces(text, MOST) {
        let body = json!({ "text": piece }).to_string();
        let answer = agent
            .post(url.reveal())
            .header("Content-Type", "application/json")
            .send(body.as_bytes())
            .map_err(|e| failed(&e))?;
        if !answer.status().is_success() {
            return Err(failed(&format!("http status: {}", answer.status().as_u16())));
        }
    }
    Ok(())
}

/// Cuts at line ends where there are any.
fn pieces(text: &str, most: usize) -> Vec<&str> {
    let mut pieces = Vec::new();
    let mut rest = text;
    while rest.len() > most {
        let mut end = most;
        while !rest.is_char_boundary(end) {
            end -= 1;
        }
        let end = rest[..end].rfind('\n').map_or(end, |at| at + 1);
        let (piece, after) = rest.split_at(end);
        pieces.push(piece);
        rest = after;
    }
    pieces.push(rest);
    pieces
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_long_text_is_cut_at_lines_and_loses_nothing() {
        assert_eq!(pieces("short", 10), ["short"]);
        assert_eq!(pieces("one\ntwo\nthree", 9), ["one\ntwo\n", "three"]);
        assert_eq!(pieces("큰큰큰큰", 7), ["큰큰", "큰큰"]);
        let long = "a line of it\n".repeat(5000);
        let cut = pieces(&long, MOST);
        assert!(cut.iter().all(|p| p.len() <= MOST));
        assert_eq!(cut.concat(), long);
    }
}
