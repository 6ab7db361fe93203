//! Single values: counts, sizes, shares and words, each with its own faults.

use super::codes;
use super::reader::{Context, Value, either};
use super::size;
use super::suggest::nearest;
use super::{Amount, MaxDelete};
use crate::core::model::Step;
use toml::de::DeValue;

/// The most that a rule may count to; more than any session holds.
pub(super) const MAX_COUNT: u64 = 1_000_000_000;

impl Context<'_> {
    pub fn boolean(&mut self, value: &Value) -> Option<bool> {
        let result = value.toml.as_bool();
        if result.is_none() {
            self.wrong_type(value, "`true` or `false`");
        }
        result
    }

    /// A key that says something only by being there.
    pub fn flag(&mut self, value: &Value) -> Option<()> {
        if self.boolean(value)? {
            return Some(());
        }
        let key = value.key;
        self.fault(codes::UNKNOWN_VALUE, &value.span, format!("`{key}` can only be `true`"))
            .label("this says nothing")
            .help(format!("leave `{key}` out"));
        None
    }

    /// A whole number of at least `least`.
    pub fn count(&mut self, value: &Value, least: u64, most: u64) -> Option<u64> {
        let key = value.key;
        let number = match value.toml {
            DeValue::Integer(n) => i128::from_str_radix(n.as_str(), n.radix()).ok(),
            DeValue::String(s) if s.trim().parse::<u64>().is_ok() => {
                let n = s.trim();
                self.fault(codes::WRONG_TYPE, &value.span, format!("`{key}` takes a whole number"))
                    .label("this is a string")
                    .help(format!("write `{key} = {n}` without quotes"));
                return None;
            }
            _ => {
                self.wrong_type(value, "a whole number");
                return None;
            }
        };
        let in_range =
            number.and_then(|n| u64::try_from(n).ok()).filter(|n| (least..=most).contains(n));
        if in_range.is_none() {
            let below = number.is_some_and(|n| n < i128::from(least));
            let help = match (key, below) {
                (
                    "last" | "first" | "best" | "hourly" | "daily" | "weekly" | "monthly"
                    | "yearly",
                    true,
                ) => {
                    format!(
                        "write 1 or more, or remove the rule: \
                         a rule adds to what is kept, and `{key}` of nothing adds nothing"
                    )
                }
                ("last" | "first" | "best", false) => {
                    "write `all = true` to keep everything".to_owned()
                }
                _ => format!("write a number from {least} to {most}"),
            };
            let bound = if below { format!("at least {least}") } else { format!("at most {most}") };
            self.fault(codes::COUNT, &value.span, format!("`{key}` must be {bound}"))
                .label("out of range")
                .help(help);
        }
        in_range
    }

    /// A count that fits a rule's rank.
    pub fn rank(&mut self, value: &Value, least: u64) -> Option<u32> {
        self.count(value, least, MAX_COUNT).and_then(|n| u32::try_from(n).ok())
    }

    pub fn size(&mut self, value: &Value) -> Option<u64> {
        let text = self.size_text(value, "a size such as \"5GiB\"")?;
        match size::parse(&text) {
            Ok(bytes) => Some(bytes),
            Err(_) if text.trim_end().ends_with('%') => {
                self.fault(
                    codes::SIZE,
                    &value.span,
                    format!("`{}` takes a size, not a share", value.key),
                )
                .label("a share of what?")
                .help(
                    "write a size such as \"5GiB\"; \
                         shares belong in `min-free`, `max-delete` and `max-delete-bytes`",
                );
                None
            }
            Err(error) => {
                self.fault(codes::SIZE, &value.span, error.to_string())
                    .label("not a size")
                    .help(error.help());
                None
            }
        }
    }

    /// A size, or a share of a whole; the share is above 0 and at most `most`.
    pub fn amount(&mut self, value: &Value, most: f64) -> Option<Amount> {
        let text = self.size_text(value, "a size such as \"5GiB\" or a share such as \"10%\"")?;
        if text.trim_end().ends_with('%') {
            return self.percent(value, &text, most).map(Amount::Percent);
        }
        match size::parse(&text) {
            Ok(bytes) => Some(Amount::Bytes(bytes)),
            Err(error) => {
                self.fault(codes::SIZE, &value.span, error.to_string())
                    .label("not a size")
                    .help(error.help());
                None
            }
        }
    }

    /// A count as a number, or a share as a percentage.
    pub fn max_delete(&mut self, value: &Value) -> Option<MaxDelete> {
        match value.toml {
            DeValue::String(text) if text.trim().parse::<u64>().is_err() => {
                self.percent(value, text, 100.0).map(MaxDelete::Percent)
            }
            DeValue::Float(_) => {
                self.wrong_type(value, "a whole number or a share such as \"90%\"");
                None
            }
            _ => self.count(value, 1, u64::MAX).map(MaxDelete::Count),
        }
    }

    fn percent(&mut self, value: &Value, text: &str, most: f64) -> Option<f64> {
        match size::parse_percent(text) {
            Ok(share) if share > 0.0 && share <= most => Some(share),
            Ok(_) => {
                self.fault(
                    codes::PERCENTAGE,
                    &value.span,
                    format!("`{}` must be above 0% and at most {most}%", value.key),
                )
                .label("out of range")
                .help("write a share such as \"10%\", or a size or number instead");
                None
            }
            Err(error) => {
                self.fault(codes::PERCENTAGE, &value.span, error.to_string())
                    .label("not a percentage")
                    .help(error.help());
                None
            }
        }
    }

    fn size_text(&mut self, value: &Value, wanted: &str) -> Option<String> {
        match value.toml {
            DeValue::String(text) => Some(text.to_string()),
            // So that the fault is the missing unit, with the number in the remedy.
            DeValue::Integer(n) => Some(n.as_str().to_owned()),
            _ => {
                self.wrong_type(value, wanted);
                None
            }
        }
    }

    pub fn string(&mut self, value: &Value) -> Option<Box<str>> {
        match value.toml {
            DeValue::String(text) if text.trim().is_empty() => {
                self.fault(codes::EMPTY, &value.span, format!("`{}` is empty", value.key))
                    .label("nothing stands here")
                    .help("write something, or leave the key out");
                None
            }
            DeValue::String(text) => Some(text.as_ref().into()),
            _ => {
                self.wrong_type(value, "a string");
                None
            }
        }
    }

    /// A string, or a list of strings, none of them empty.
    pub fn strings(&mut self, value: &Value) -> Option<Vec<Box<str>>> {
        Some(
            self.each(value, |cx, item| cx.string(item))?
                .into_iter()
                .map(|(text, _)| text)
                .collect(),
        )
    }

    /// Reads one value, or every value of a list that is not empty; `None` if any is faulty.
    pub fn each<'d, T>(
        &mut self,
        value: &Value<'d>,
        mut read: impl FnMut(&mut Self, &Value<'d>) -> Option<T>,
    ) -> Option<Vec<(T, Value<'d>)>> {
        let Some(items) = value.items() else {
            return read(self, value).map(|one| vec![(one, value.clone())]);
        };
        if items.is_empty() {
            self.empty_list(value);
            return None;
        }
        self.note_repeats(&items);
        let all: Vec<Option<(T, Value)>> =
            items.iter().map(|item| read(self, item).map(|v| (v, item.clone()))).collect();
        all.into_iter().collect()
    }

    fn note_repeats(&mut self, items: &[Value]) {
        let mut seen: std::collections::HashMap<&str, &Value> = std::collections::HashMap::new();
        for item in items {
            let Some(text) = item.toml.as_str() else { continue };
            if let Some(first) = seen.get(text) {
                self.fault(
                    codes::LISTED_TWICE,
                    &item.span,
                    format!("`{text}` stands twice in `{}`", item.key),
                )
                .label("again")
                .also(first.span.clone(), "first here")
                .help("remove one of them");
            } else {
                seen.insert(text, item);
            }
        }
    }

    /// One word of a few.
    pub fn choice<T: Copy>(&mut self, value: &Value, words: &[(&'static str, T)]) -> Option<T> {
        let Some(text) = value.toml.as_str() else {
            let all: Vec<String> = words.iter().map(|(w, _)| format!("\"{w}\"")).collect();
            self.wrong_type(value, &format!("one of {}", all.join(", ")));
            return None;
        };
        let found = words.iter().find(|(w, _)| *w == text).map(|(_, v)| *v);
        if found.is_none() {
            let names: Vec<&str> = words.iter().map(|(w, _)| *w).collect();
            let help = match nearest(text, names.iter().copied()) {
                Some(near) => format!("did you mean \"{near}\"?"),
                None => format!("write {}", either(&names)),
            };
            self.fault(
                codes::UNKNOWN_VALUE,
                &value.span,
                format!("`{text}` is not a value of `{}`", value.key),
            )
            .label("unknown")
            .help(help);
        }
        found
    }

    /// A step or an epoch.
    pub fn step(&mut self, value: &Value) -> Option<Step> {
        let step = match value.toml {
            DeValue::Integer(n) => u64::from_str_radix(n.as_str(), n.radix()).ok().map(Step::Whole),
            DeValue::Float(x) => x.as_str().parse().ok().and_then(Step::from_f64),
            _ => {
                self.wrong_type(value, "a number");
                return None;
            }
        };
        if step.is_none() {
            self.fault(
                codes::STEP,
                &value.span,
                format!("`{}` takes numbers from 0 up", value.key),
            )
            .label("no checkpoint has this step");
        }
        step
    }
}
