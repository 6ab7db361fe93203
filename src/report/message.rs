//! What owners and administrators are told about quotas, in their language.
//!
//! The words are templates in TOML, `{placeholders}` in them; what is filled in comes from a disk
//! and passes the door of its sink first, so that a template can be trusted and a name cannot.

use super::human;
use super::sanitize;
use crate::core::monitor::{Finding, Level, Occasion};
use crate::core::trend::Full;
use serde::Deserialize;
use std::borrow::Cow;
use std::collections::BTreeMap;

const ENGLISH: &str = include_str!("message/en.toml");
const KOREAN: &str = include_str!("message/ko.toml");

/// A language whose words are shipped.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Lang {
    #[default]
    En,
    Ko,
}

/// All words of one language.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Words(BTreeMap<String, String>);

/// Why words are not valid.
#[derive(Debug, thiserror::Error)]
pub enum WordsError {
    #[error("{0}")]
    Syntax(#[from] toml::de::Error),
    #[error("`{0}` is no text that is sent; there are: {1}")]
    Unknown(String, String),
    #[error("`{key}` has the placeholder {{{placeholder}}}, which it is never given")]
    Placeholder { key: String, placeholder: String },
}

impl Words {
    /// Those that are shipped.
    ///
    /// # Errors
    /// Never; the texts are tested.
    pub fn shipped(lang: Lang) -> Result<Words, WordsError> {
        let text = match lang {
            Lang::En => ENGLISH,
            Lang::Ko => KOREAN,
        };
        Ok(Words(toml::from_str(text)?))
    }

    /// With some of them replaced by a file of one's own.
    ///
    /// # Errors
    /// It is not TOML, has an unknown key, or a placeholder that is unknown there.
    pub fn with(mut self, text: &str) -> Result<Words, WordsError> {
        let own: BTreeMap<String, String> = toml::from_str(text)?;
        for (key, value) in own {
            let Some(shipped) = self.0.get(&key) else {
                let known: Vec<_> = self.0.keys().cloned().collect();
                return Err(WordsError::Unknown(key, known.join(", ")));
            };
            let known: Vec<&str> = placeholders(shipped).collect();
            let common = ["owner", "quota", "root", "used", "allowed", "percent"];
            let about = ["over", "near", "ok", "subject-over", "subject-near", "subject-ok"];
            let is_known =
                |p: &str| known.contains(&p) || (about.contains(&&*key) && common.contains(&p));
            if let Some(placeholder) = placeholders(&value).find(|p| !is_known(p)) {
                let placeholder = placeholder.to_owned();
                return Err(WordsError::Placeholder { key, placeholder });
            }
            self.0.insert(key, value);
        }
        Ok(self)
    }

    /// A text with its placeholders filled in; each value passes `door` once.
    fn fill(&self, key: &str, values: &[(&str, &str)], door: Door) -> String {
        let template = self.0.get(key).map_or("", String::as_str);
        let mut out = String::with_capacity(template.len() + 64);
        let mut rest = template;
        while let Some((before, after)) = rest.split_once('{') {
            out.push_str(before);
            let Some((name, after)) = after.split_once('}') else {
                out.push('{');
                out.push_str(after);
                return out;
            };
            if let Some((_, value)) = values.iter().find(|(n, _)| *n == name) {
                out.push_str(&door.of(value));
            }
            rest = after;
        }
        out + rest
    }
}

fn placeholders(text: &str) -> impl Iterator<Item = &str> {
    text.split('{').skip(1).filter_map(|rest| rest.split_once('}').map(|(name, _)| name))
}

/// Where a message goes to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Door {
    /// A terminal, a mail, a text file.
    Plain,
    /// A chat that knows Markdown and mentions.
    Chat,
}

impl Door {
    fn of(self, text: &str) -> Cow<'_, str> {
        match self {
            Door::Plain => sanitize::terminal(text),
            Door::Chat => sanitize::chat(text),
        }
    }
}

/// A finding as it is told.
#[derive(Clone, Copy, Debug)]
pub struct Item<'a> {
    pub finding: &'a Finding,
    pub occasion: Occasion,
    /// Commands to run next, ready for a shell.
    pub commands: &'a [String],
}

/// How messages are written.
#[derive(Clone, Debug)]
pub struct Writer<'a> {
    pub words: &'a Words,
    pub root: &'a str,
    /// So many sessions are named.
    pub top: usize,
}

impl Writer<'_> {
    /// One line without control characters.
    pub fn subject(&self, items: &[Item<'_>]) -> String {
        let line = match items {
            [one] => {
                let key = match one.finding.level {
                    Level::Over => "subject-over",
                    Level::Near => "subject-near",
                    Level::Ok => "subject-ok",
                };
                self.about(key, one.finding, Door::Plain)
            }
            several => {
                let count = several.len().to_string();
                let values = [("count", &*count), ("root", self.root)];
                self.words.fill("subject-several", &values, Door::Plain)
            }
        };
        sanitize::terminal(&line).into_owned()
    }

    /// Paragraphs about one finding.
    pub fn body(&self, item: &Item<'_>, door: Door) -> String {
        let words = self.words;
        let finding = item.finding;
        let mut lines = vec![self.about(finding.level.as_str(), finding, door)];
        if item.occasion == Occasion::Reminder {
            lines.push(words.fill("reminder", &[], door));
        }
        if let Some(Full::In { days, early, late }) = finding.forecast.map(|f| f.full)
            && finding.level != Level::Ok
        {
            let late = late.map_or_else(|| words.fill("never", &[], door), |days| days.to_string());
            let values =
                [("days", &*days.to_string()), ("early", &*early.to_string()), ("late", &*late)];
            lines.push(words.fill("full-in", &values, door));
        }
        if let Some(advice) = &finding.advice {
            lines.push(String::new());
            if advice.checkpoints == 0 {
                lines.push(words.fill("nothing", &[], door));
            } else {
                let checkpoints = human::grouped(advice.checkpoints);
                let after = human::size(advice.after);
                let values = [("checkpoints", &*checkpoints), ("after", &*after)];
                lines.push(words.fill("advice", &values, door));
            }
            for loss in advice.losses.iter().take(self.top) {
                let (n, bytes) = (human::grouped(loss.checkpoints), human::size(loss.bytes));
                let values =
                    [("session", &*loss.session), ("checkpoints", &*n), ("bytes", &*bytes)];
                lines.push(words.fill("session", &values, door));
            }
            let more = advice.losses.len().saturating_sub(self.top);
            if more > 0 {
                lines.push(words.fill("more", &[("count", &*more.to_string())], door));
            }
            if advice.excess > 0 {
                let excess = human::size(advice.excess);
                lines.push(words.fill("not-enough", &[("excess", &*excess)], door));
            }
        }
        if !item.commands.is_empty() && finding.level != Level::Ok {
            lines.push(String::new());
            lines.push(words.fill("commands", &[], door));
            for command in item.commands {
                lines.push(words.fill("command", &[("command", &**command)], door));
            }
        }
        lines.join("\n") + "\n"
    }

    fn about(&self, key: &str, finding: &Finding, door: Door) -> String {
        let q = &finding.quota;
        let everybody = self.words.fill("root", &[], door);
        let owner = q.owner.as_deref().unwrap_or(&everybody);
        let (used, allowed) = (human::size(q.used), human::size(q.allowed));
        let percent = q.percent().to_string();
        let values = [
            ("owner", owner),
            ("quota", &*q.name),
            ("root", self.root),
            ("used", &*used),
            ("allowed", &*allowed),
            ("percent", &*percent),
        ];
        self.words.fill(key, &values, door)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::core::monitor::{Advice, Loss};
    use crate::core::trend::{Forecast, Trend};
    use crate::core::usage::QuotaUse;

    const GIB: u64 = 1 << 30;

    fn finding(owner: &str) -> Finding {
        Finding {
            level: Level::Over,
            quota: QuotaUse {
                quota: 0,
                name: "team".to_owned(),
                owner: Some(owner.to_owned()),
                used: 12 * GIB,
                allowed: 10 * GIB,
                after: 12 * GIB,
                min_free: false,
                evicts: false,
            },
            forecast: Some(Forecast {
                trend: Trend { per_day: 1.0, low: 0.0, high: 2.0, points: 9 },
                full: Full::In { days: 3, early: 1, late: None },
            }),
            advice: Some(Advice {
                checkpoints: 3,
                after: 11 * GIB,
                excess: GIB,
                losses: (1..=3)
                    .map(|n| Loss {
                        session: format!("{owner}/{n}"),
                        checkpoints: 1,
                        bytes: GIB,
                        by_policy: 1,
                        beyond: Vec::new(),
                    })
                    .collect(),
            }),
        }
    }

    fn body(words: &Words, finding: &Finding, door: Door) -> String {
        let commands = ["retain plan".to_owned()];
        let item = Item { finding, occasion: Occasion::Changed, commands: &commands };
        Writer { words, root: "/runs", top: 2 }.body(&item, door)
    }

    #[test]
    fn english_and_korean_say_the_same_things() {
        let english = Words::shipped(Lang::En).unwrap();
        let korean = Words::shipped(Lang::Ko).unwrap();
        assert!(english.0.keys().eq(korean.0.keys()));
        for (key, text) in &english.0 {
            let sorted = |text: &str| {
                let mut all: Vec<_> = placeholders(text).map(str::to_owned).collect();
                all.sort();
                all
            };
            assert_eq!(sorted(text), sorted(&korean.0[key]), "{key}");
        }
        assert_eq!(
            body(&english, &finding("nlp"), Door::Plain),
            "nlp uses 12.00 GiB of 10.00 GiB (120 %) under the quota \"team\" of /runs.\n\
             At this rate it will be full in 3 days (95 %: 1 to never).\n\n\
             What could be deleted would bring it to 11.00 GiB (checkpoints: 3):\n  \
             nlp/1: 1.00 GiB (checkpoints: 1)\n  nlp/2: 1.00 GiB (checkpoints: 1)\n  \
             ... and more sessions: 1\n\
             That would still be 1.00 GiB too much. What is pinned or protected has to be looked at \
             by its owner.\n\nTo look at it, and to do it:\n  retain plan\n"
        );
        let text = body(&korean, &finding("nlp"), Door::Plain);
        assert!(text.contains("nlp 사용량이 10.00 GiB 중 12.00 GiB (120 %)로"), "{text}");
        assert!(text.contains("체크포인트 3개를 삭제하면 11.00 GiB가 됩니다"), "{text}");
    }

    /// A name is text: no placeholder, no mention, no link, no control character, no second line.
    #[test]
    fn a_name_is_only_a_name() {
        let words = Words::shipped(Lang::En).unwrap();
        let nasty = "{used}\n@channel <!here|x> <https://evil> `a` \u{202e}\u{1b}[2J";
        for door in [Door::Plain, Door::Chat] {
            let text = body(&words, &finding(nasty), door);
            assert!(text.starts_with("{used}\\n"), "{text}");
            assert!(!text.contains(['\u{202e}', '\u{1b}']), "{text}");
        }
        let chat = body(&words, &finding(nasty), Door::Chat);
        assert!(!chat.contains(['<', '>', '@', '`']), "{chat}");
        let finding = finding(nasty);
        let item = Item { finding: &finding, occasion: Occasion::Changed, commands: &[] };
        let writer = Writer { words: &words, root: "/runs", top: 2 };
        assert!(!writer.subject(&[item]).contains('\n'));
        assert_eq!(writer.subject(&[item, item]), "2 notices about the storage /runs");
    }

    #[test]
    fn words_of_ones_own() {
        let words = || Words::shipped(Lang::En).unwrap();
        let own = words().with("over = \"{owner}: {percent} %!\"").unwrap();
        assert!(body(&own, &finding("nlp"), Door::Plain).starts_with("nlp: 120 %!\n"));
        for (text, part) in [
            ("ovr = \"x\"", "`ovr` is no text"),
            ("more = \"{owner}\"", "`more` has the placeholder {owner}"),
            ("over = 3", "string"),
        ] {
            let error = words().with(text).unwrap_err().to_string();
            assert!(error.contains(part), "{text}: {error}");
        }
    }
}
