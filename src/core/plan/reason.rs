//! A reason as a plan holds it.

use serde::de::{Error, MapAccess, Visitor};
use serde::{Deserialize, Deserializer, Serialize};
use std::borrow::Cow;
use std::fmt;

/// A reason in words and in numbers.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct PlanReason {
    pub kind: String,
    pub text: String,
    /// `rank`, `of`, `value`, ... whatever the kind has.
    #[serde(flatten)]
    pub data: serde_json::Map<String, serde_json::Value>,
}

/// By hand, for a derived one keeps every field of a flattened structure before it looks at any: half
/// the time of reading a plan.
impl<'de> Deserialize<'de> for PlanReason {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<PlanReason, D::Error> {
        from.deserialize_map(Fields)
    }
}

struct Fields;

impl<'de> Visitor<'de> for Fields {
    type Value = PlanReason;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a reason with `kind` and `text`")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<PlanReason, A::Error> {
        let (mut kind, mut text, mut data) = (None, None, serde_json::Map::new());
        while let Some(key) = map.next_key::<Cow<'de, str>>()? {
            let (once, called) = match &*key {
                "kind" => (&mut kind, "kind"),
                "text" => (&mut text, "text"),
                _ => {
                    data.insert(key.into_owned(), map.next_value()?);
                    continue;
                }
            };
            if once.replace(map.next_value()?).is_some() {
                return Err(A::Error::duplicate_field(called));
            }
        }
        let kind = kind.ok_or_else(|| A::Error::missing_field("kind"))?;
        let text = text.ok_or_else(|| A::Error::missing_field("text"))?;
        Ok(PlanReason { kind, text, data })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_reason_is_read_as_it_is_written_whatever_it_has_and_in_any_order() {
        for (text, data) in [
            (r#"{"kind":"last","text":"the last 3","rank":2,"of":-3}"#, r#"{"rank":2,"of":-3}"#),
            (r#"{"kind":"last","text":"the last 3"}"#, "{}"),
            (
                r#"{"value":1.5,"text":"the last 3","on":{"a":[null,"\u0041"]},"kind":"last"}"#,
                r#"{"value":1.5,"on":{"a":[null,"A"]}}"#,
            ),
        ] {
            let read: PlanReason = serde_json::from_str(text).unwrap();
            assert_eq!((&*read.kind, &*read.text), ("last", "the last 3"), "{text}");
            assert_eq!(serde_json::to_value(&read.data).unwrap(), value(data), "{text}");
            assert_eq!(serde_json::to_value(&read).unwrap(), value(text));
            let by_value: PlanReason = serde_json::from_value(value(text)).unwrap();
            assert_eq!(by_value, read, "{text}");
        }
    }

    fn value(text: &str) -> serde_json::Value {
        serde_json::from_str(text).unwrap()
    }

    #[test]
    fn what_is_no_reason_is_none() {
        for (text, why) in [
            (r#"{"kind":"last"}"#, "missing field `text`"),
            (r#"{"text":"x"}"#, "missing field `kind`"),
            (r#"{"kind":"a","text":"x","kind":"b"}"#, "duplicate field `kind`"),
            (r#"{"kind":"a","text":"x","text":"x"}"#, "duplicate field `text`"),
            (r#"{"kind":1,"text":"x"}"#, "invalid type: integer `1`, expected a string"),
            (r#"["last","x"]"#, "expected a reason with `kind` and `text`"),
        ] {
            let error = serde_json::from_str::<PlanReason>(text).unwrap_err().to_string();
            assert!(error.contains(why), "{text}: {error}");
        }
    }
}
