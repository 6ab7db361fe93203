//! Which language a page is in, and numbers and times in it.

use super::guard::cookies;
pub use super::words::Text;
use super::words::{EN, KO};
use crate::core::model::Time;
use crate::report::human;
use axum::http::{HeaderMap, header};

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Lang {
    #[default]
    En,
    Ko,
}

/// The cookie of those who chose.
pub const COOKIE: &str = "retain-lang";

impl Lang {
    pub fn parse(text: &str) -> Option<Lang> {
        match text.split(['-', '_']).next()?.to_ascii_lowercase().as_str() {
            "en" => Some(Lang::En),
            "ko" => Some(Lang::Ko),
            _ => None,
        }
    }

    /// What was chosen, else the first the browser names that there is.
    pub fn of(headers: &HeaderMap) -> Lang {
        if let Some(chosen) = cookies(headers, COOKIE).iter().find_map(|v| Lang::parse(v)) {
            return chosen;
        }
        let accepted = headers.get(header::ACCEPT_LANGUAGE).and_then(|v| v.to_str().ok());
        let mut best: Option<(f32, Lang)> = None;
        for part in accepted.unwrap_or_default().split(',') {
            let (tag, q) = part.split_once(";q=").unwrap_or((part, "1"));
            let weight: f32 = q.trim().parse().unwrap_or(0.0);
            if let Some(lang) = Lang::parse(tag.trim())
                && weight > 0.0
                && best.is_none_or(|(w, _)| weight > w)
            {
                best = Some((weight, lang));
            }
        }
        best.map(|(_, lang)| lang).unwrap_or_default()
    }

    pub fn code(self) -> &'static str {
        match self {
            Lang::En => "en",
            Lang::Ko => "ko",
        }
    }

    pub fn text(self) -> &'static Text {
        match self {
            Lang::En => &EN,
            Lang::Ko => &KO,
        }
    }

    /// `3 days ago`.
    pub fn ago(self, now: Time, then: Time) -> String {
        let english = human::ago(now, then);
        if self == Lang::En {
            return english;
        }
        if english == "just now" {
            return "방금".to_owned();
        }
        let future = english.starts_with("in ");
        let core = english.trim_start_matches("in ").trim_end_matches(" ago");
        let (n, unit) = core.split_once(' ').unwrap_or((core, ""));
        let unit = korean_unit(unit.trim_end_matches('s'));
        format!("{n}{unit} {}", if future { "후" } else { "전" })
    }

    /// `20 hours`.
    pub fn length(self, seconds: u64) -> String {
        match self {
            Lang::En => human::length(seconds),
            Lang::Ko => {
                let (n, unit) = human::length_parts(seconds);
                format!("{n}{}", korean_unit(unit))
            }
        }
    }

    /// `9 checkpoints`.
    pub fn checkpoints(self, n: u64) -> String {
        match self {
            Lang::En => human::count(n, "checkpoint"),
            Lang::Ko => format!("체크포인트 {}개", human::grouped(n)),
        }
    }

    /// `2 sessions`.
    pub fn sessions(self, n: u64) -> String {
        match self {
            Lang::En => human::count(n, "session"),
            Lang::Ko => format!("세션 {}개", human::grouped(n)),
        }
    }
}

fn korean_unit(english: &str) -> &str {
    match english {
        "second" => "초",
        "minute" => "분",
        "hour" => "시간",
        "day" => "일",
        "week" => "주",
        "month" => "개월",
        "year" => "년",
        other => other,
    }
}

/// A text with `{}` in it, filled.
pub fn fill(text: &str, with: &[&str]) -> String {
    let mut parts = text.split("{}");
    let mut out = parts.next().unwrap_or_default().to_owned();
    let mut with = with.iter();
    for part in parts {
        out.push_str(with.next().copied().unwrap_or_default());
        out.push_str(part);
    }
    out
}

#[cfg(test)]
mod tests {
    use super::super::words::PAIRS;
    use super::*;

    fn accepted(value: &'static str) -> Lang {
        let mut headers = HeaderMap::new();
        headers.insert(header::ACCEPT_LANGUAGE, value.parse().unwrap());
        Lang::of(&headers)
    }

    #[test]
    fn the_browser_says_which() {
        assert_eq!(accepted("ko-KR,ko;q=0.9,en;q=0.8"), Lang::Ko);
        assert_eq!(accepted("en;q=0.8, ko;q=0.9"), Lang::Ko);
        assert_eq!(accepted("de, fr"), Lang::En);
        assert_eq!(accepted("ko;q=0, en;q=0.1"), Lang::En);
        let mut headers = HeaderMap::new();
        headers.insert(header::COOKIE, "a=b; retain-lang=ko".parse().unwrap());
        assert_eq!(Lang::of(&headers), Lang::Ko);
    }

    #[test]
    fn both_languages_have_the_same_gaps() {
        for (name, en, ko) in PAIRS {
            assert_eq!(en.matches("{}").count(), ko.matches("{}").count(), "{name}");
            assert!(!en.is_empty() && !ko.is_empty(), "{name}");
        }
    }

    #[test]
    fn times_and_gaps() {
        let now = Time::from_nanos(0);
        let before = |s: i64| Time::from_nanos(-s * Time::NANOS_PER_SEC);
        assert_eq!(Lang::Ko.ago(now, before(7200)), "2시간 전");
        assert_eq!(Lang::Ko.ago(now, before(0)), "방금");
        assert_eq!(Lang::Ko.length(7 * 86_400), "7일");
        assert_eq!(Lang::En.length(90 * 60), "90 minutes");
        assert_eq!(Lang::En.ago(now, before(60)), "1 minute ago");
        assert_eq!(fill("{} of {}", &["1", "2"]), "1 of 2");
    }
}
