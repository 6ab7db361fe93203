//! The policy in force, faults and all.

use crate::config::trusted::{self, Trust};
use crate::core::calendar::Span;
use crate::core::model::Time;
use crate::core::policy::{self, Diagnostic, Policy, Safety};
use crate::steps::DEFAULT_SOURCE;
use std::path::Path;

pub struct Law {
    /// Matches nothing while `holds` is false.
    pub policy: Policy,
    pub text: String,
    /// Its file, or `embedded default`.
    pub source: String,
    /// Of the text.
    pub digest: String,
    pub diagnostics: Vec<Diagnostic>,
    /// With every default written out; empty while there are errors.
    pub effective: String,
    /// Why there is no policy, if there is none.
    pub fault: Option<String>,
}

impl Law {
    /// Reads the policy of a root.
    pub fn read(file: Option<&Path>, now: Time) -> Law {
        let Some(path) = file else {
            return Law::of(DEFAULT_SOURCE.to_owned(), policy::DEFAULT.to_owned(), now);
        };
        let shown = path.display().to_string();
        // I16: a file that others could have changed is not followed.
        match trusted::read(path, Trust::of_process()) {
            Ok(text) => Law::of(shown, text, now),
            Err(e) => Law {
                fault: Some(format!("{shown} cannot be followed: {e}")),
                ..Law::of(shown, String::new(), now)
            },
        }
    }

    pub fn of(source: String, text: String, now: Time) -> Law {
        let mut loaded = policy::load(&text);
        let expired = loaded.expired(now);
        loaded.diagnostics.extend(expired);
        let fault = loaded.policy.is_none().then(|| format!("{source} is not a valid policy"));
        let effective = loaded.policy.as_ref().map(|p| policy::show(p, &loaded.origins));
        Law {
            policy: loaded.policy.unwrap_or_else(nothing),
            digest: blake3::hash(text.as_bytes()).to_hex().to_string(),
            diagnostics: loaded.diagnostics,
            effective: effective.unwrap_or_default(),
            text,
            source,
            fault,
        }
    }

    pub fn holds(&self) -> bool {
        self.fault.is_none()
    }
}

/// A policy that touches no session.
fn nothing() -> Policy {
    Policy {
        protections: Vec::new(),
        policies: Vec::new(),
        quotas: Vec::new(),
        layouts: Vec::new(),
        safety: Safety::default(),
        grace: Span::default(),
    }
}
