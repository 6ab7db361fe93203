//! Bodies and queries of `application/x-www-form-urlencoded`, every value of a name.

/// The pairs in their order; what is not UTF-8 has its bad bytes replaced.
pub fn parse(text: &[u8]) -> Vec<(String, String)> {
    form_urlencoded::parse(text).map(|(k, v)| (k.into_owned(), v.into_owned())).collect()
}

/// A form or a query.
#[derive(Clone, Debug, Default)]
pub struct Form(Vec<(String, String)>);

impl Form {
    pub fn new(text: &[u8]) -> Form {
        Form(parse(text))
    }

    pub fn of(pairs: Vec<(String, String)>) -> Form {
        Form(pairs)
    }

    pub fn pairs(&self) -> impl Iterator<Item = (&str, &str)> {
        self.0.iter().map(|(n, v)| (n.as_str(), v.as_str()))
    }

    /// The first value of a name that is not empty.
    pub fn get(&self, name: &str) -> Option<&str> {
        self.0.iter().find(|(n, v)| n == name && !v.is_empty()).map(|(_, v)| v.as_str())
    }

    pub fn all<'a>(&'a self, name: &'a str) -> impl Iterator<Item = &'a str> {
        self.0.iter().filter(move |(n, _)| n == name).map(|(_, v)| v.as_str())
    }

    pub fn has(&self, name: &str) -> bool {
        self.0.iter().any(|(n, _)| n == name)
    }

    /// A whole number, `otherwise` where there is none.
    pub fn number(&self, name: &str, otherwise: usize) -> usize {
        self.get(name).and_then(|v| v.parse().ok()).unwrap_or(otherwise)
    }
}

/// `?a=b&c=d` of what is not empty; nothing for nothing.
pub fn query(pairs: &[(&str, &str)]) -> String {
    let mut out = form_urlencoded::Serializer::new(String::new());
    let given = pairs.iter().filter(|(_, v)| !v.is_empty());
    let text = given.fold(&mut out, |out, (k, v)| out.append_pair(k, v)).finish();
    if text.is_empty() { text } else { format!("?{text}") }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_survive_a_round() {
        for name in ["a/b", "<img src=x onerror=y>", "a&b=c", "\u{202e}x", "%2e%2e", "a\nb", ""] {
            let text = query(&[("session", name), ("empty", "")]);
            let form = Form::new(text.trim_start_matches('?').as_bytes());
            assert_eq!(form.get("session").unwrap_or_default(), name);
            assert!(!form.has("empty"));
        }
        let form = Form::new(b"id=1&id=2&n=x");
        assert_eq!(form.all("id").collect::<Vec<_>>(), ["1", "2"]);
        assert_eq!(form.number("n", 7), 7);
    }
}
