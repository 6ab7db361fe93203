//! Policies in a few words, and what is said of them.

use retain::core::policy::load;

/// The codes of all that is said.
pub fn codes(text: &str) -> Vec<&'static str> {
    load(text).diagnostics.iter().map(|d| d.code.as_str()).collect()
}

/// A policy with something before it, in the top level, and after it.
pub fn around(top: &str, after: &str) -> String {
    format!("version = 1\n{top}\n[[policy]]\nkeep = [{{ last = 1 }}]\n{after}\n")
}
