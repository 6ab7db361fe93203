//! JSON bodies, by a table of what each request takes: the same table makes the document of `openapi`.

use super::super::answer::Problem;
use super::super::form::Form;
use axum::http::StatusCode;
use serde_json::Value;

/// What a field holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    Text,
    Number,
    /// Texts.
    List,
}

/// A field of a request.
#[derive(Clone, Copy, Debug)]
pub struct Field {
    pub name: &'static str,
    pub kind: Kind,
    pub required: bool,
    pub about: &'static str,
    /// The only values, if there are only some.
    pub values: &'static [&'static str],
}

impl Field {
    pub const fn new(name: &'static str, kind: Kind, about: &'static str) -> Field {
        Field { name, kind, required: false, about, values: &[] }
    }

    pub const fn required(mut self) -> Field {
        self.required = true;
        self
    }

    pub const fn of(mut self, values: &'static [&'static str]) -> Field {
        self.values = values;
        self
    }
}

/// Reads a body by its table; the names become those of a form.
///
/// # Errors
/// Not an object, an unknown or missing field, or a value of another kind: each says which.
pub fn read(bytes: &[u8], fields: &[Field]) -> Result<Form, Problem> {
    let wrong = |text: String| Problem::new(StatusCode::UNPROCESSABLE_ENTITY, "body", text);
    let value: Value = serde_json::from_slice(bytes)
        .map_err(|e| Problem::bad(format!("the body is not JSON: {e}")))?;
    let Value::Object(object) = value else {
        return Err(wrong("the body must be an object".to_owned()));
    };
    let mut pairs = Vec::new();
    for (name, value) in &object {
        let Some(field) = fields.iter().find(|f| f.name == name) else {
            return Err(wrong(format!("`{name}` is no field of this request")));
        };
        let mut add = |text: &str| pairs.push((name.clone(), text.to_owned()));
        match (field.kind, value) {
            (Kind::Text, Value::String(text)) => {
                if !field.values.is_empty() && !field.values.contains(&text.as_str()) {
                    return Err(wrong(format!("`{name}` is one of {}", field.values.join(", "))));
                }
                add(text);
            }
            (Kind::Number, Value::Number(n)) if n.is_u64() => add(&n.to_string()),
            // An empty list would look like a field that is not there.
            (Kind::List, Value::Array(list)) if list.is_empty() => {
                return Err(wrong(format!("`{name}` is empty")));
            }
            (Kind::List, Value::Array(list)) => {
                for item in list {
                    let text = item
                        .as_str()
                        .ok_or_else(|| wrong(format!("`{name}` is a list of texts")))?;
                    add(text);
                }
            }
            _ => return Err(wrong(format!("`{name}` is of another type"))),
        }
    }
    if let Some(field) = fields.iter().find(|f| f.required && !object.contains_key(f.name)) {
        return Err(wrong(format!("`{}` is missing", field.name)));
    }
    Ok(Form::of(pairs))
}

/// A query by its table.
///
/// # Errors
/// An unknown, repeated or missing field, or a number that is none.
pub fn query(form: &Form, fields: &[Field]) -> Result<(), Problem> {
    for (name, value) in form.pairs() {
        let Some(field) = fields.iter().find(|f| f.name == name) else {
            return Err(Problem::bad(format!("`{name}` is no parameter of this request")));
        };
        if form.all(name).count() > 1 {
            return Err(Problem::bad(format!("`{name}` stands twice")));
        }
        if field.kind == Kind::Number && value.parse::<u32>().is_err() {
            return Err(Problem::bad(format!("`{name}` is a number")));
        }
        if !field.values.is_empty() && !field.values.contains(&value) {
            return Err(Problem::bad(format!("`{name}` is one of {}", field.values.join(", "))));
        }
    }
    match fields.iter().find(|f| f.required && !form.has(f.name)) {
        Some(field) => Err(Problem::bad(format!("`{}` is missing", field.name))),
        None => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const FIELDS: &[Field] = &[
        Field::new("session", Kind::Text, "").required(),
        Field::new("id", Kind::List, ""),
        Field::new("n", Kind::Number, ""),
        Field::new("way", Kind::Text, "").of(&["up", "down"]),
    ];

    #[test]
    fn a_body_is_what_its_table_says() {
        let form = read(br#"{"session":"a/b","id":["1","2"],"n":3,"way":"up"}"#, FIELDS).unwrap();
        assert_eq!(form.get("session"), Some("a/b"));
        assert_eq!(form.all("id").count(), 2);
        assert_eq!(form.number("n", 0), 3);
        for bad in [
            "",
            "[]",
            "{}",
            r#"{"session":1}"#,
            r#"{"session":"a","other":1}"#,
            r#"{"session":"a","id":"1"}"#,
            r#"{"session":"a","id":[1]}"#,
            r#"{"session":"a","id":[]}"#,
            r#"{"session":"a","n":-1}"#,
            r#"{"session":"a","way":"left"}"#,
            "\u{0}",
        ] {
            assert!(read(bad.as_bytes(), FIELDS).is_err(), "{bad}");
        }
    }

    #[test]
    fn a_query_is_what_its_table_says() {
        let check = |text: &str| query(&Form::new(text.as_bytes()), FIELDS).is_ok();
        assert!(check("session=a&n=3&way=down"));
        for bad in ["", "n=3", "session=a&x=1", "session=a&session=b", "session=a&n=x"] {
            assert!(!check(bad), "{bad}");
        }
    }
}
