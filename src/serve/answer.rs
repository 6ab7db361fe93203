//! Answers that are not what was asked for: what happened, and that nothing was lost.

use super::lang::{Lang, Text};
use super::said;
use askama::Template;
use axum::body::Body;
use axum::http::{HeaderValue, Response, StatusCode, header};
use serde_json::{Value, json};

/// Why a request is not answered with what it asked for.
#[derive(Clone, Debug)]
pub struct Problem {
    pub status: StatusCode,
    /// Stable, for programs.
    pub code: &'static str,
    /// In English, as programs get it.
    pub text: String,
    /// The same as one of the page's own words, which has another language too.
    word: Option<Word>,
    /// What to do about it.
    pub help: Option<String>,
}

/// One of [`Text`].
pub type Word = fn(&'static Text) -> &'static str;

#[derive(Template)]
#[template(path = "problem.html")]
struct Page<'a> {
    lang: Lang,
    t: &'static Text,
    prefix: &'a str,
    problem: &'a Problem,
    text: String,
    help: Option<String>,
    /// Nothing of ours can be loaded without a token.
    outside: bool,
}

impl Problem {
    pub fn new(status: StatusCode, code: &'static str, text: impl Into<String>) -> Problem {
        Problem { status, code, text: text.into(), word: None, help: None }
    }

    pub fn of(status: StatusCode, code: &'static str, word: Word) -> Problem {
        let text = word(Lang::En.text()).to_owned();
        Problem { status, code, text, word: Some(word), help: None }
    }

    #[must_use]
    pub fn help(mut self, help: Option<String>) -> Problem {
        self.help = help;
        self
    }

    pub fn bad(text: impl Into<String>) -> Problem {
        Problem::new(StatusCode::BAD_REQUEST, "bad-request", text)
    }

    pub fn forbidden(word: Word) -> Problem {
        Problem::of(StatusCode::FORBIDDEN, "forbidden", word)
    }

    pub fn unauthorised() -> Problem {
        Problem::of(StatusCode::UNAUTHORIZED, "no-token", |t| t.no_token)
    }

    pub fn too_many() -> Problem {
        Problem::of(StatusCode::TOO_MANY_REQUESTS, "too-many-wrong-tokens", |t| t.too_many_tokens)
    }

    pub fn too_many_watchers() -> Problem {
        Problem::of(StatusCode::SERVICE_UNAVAILABLE, "watchers", |t| t.too_many_watchers)
    }

    pub fn not_found() -> Problem {
        Problem::of(StatusCode::NOT_FOUND, "not-found", |t| t.not_found)
    }

    pub fn method() -> Problem {
        Problem::of(StatusCode::METHOD_NOT_ALLOWED, "method", |t| t.wrong_method)
    }

    pub fn too_long() -> Problem {
        Problem::of(StatusCode::PAYLOAD_TOO_LARGE, "too-long", |t| t.request_too_long)
    }

    pub fn timeout() -> Problem {
        Problem::of(StatusCode::REQUEST_TIMEOUT, "too-slow", |t| t.request_too_slow)
    }

    pub fn media() -> Problem {
        Problem::of(StatusCode::UNSUPPORTED_MEDIA_TYPE, "media-type", |t| t.wrong_media)
    }

    /// The server was started without `--allow-delete`.
    pub fn read_only() -> Problem {
        Problem::of(StatusCode::FORBIDDEN, "read-only", |t| t.read_only_why)
    }

    /// No scan is done yet.
    pub fn not_yet() -> Problem {
        Problem::of(StatusCode::SERVICE_UNAVAILABLE, "scanning", |t| t.scan_first)
    }

    /// I29: the audit could not be written, or no thread be had, so nothing was begun.
    pub fn not_begun(error: &std::io::Error) -> Problem {
        tracing::error!("a change cannot be begun: {error}");
        let text = format!("this cannot be begun or written into the audit: {error}");
        Problem::new(StatusCode::INTERNAL_SERVER_ERROR, "not-begun", text)
            .help(Some("nothing was changed".to_owned()))
    }

    pub fn internal(error: &dyn std::error::Error) -> Problem {
        tracing::error!("{error}");
        Problem::new(StatusCode::INTERNAL_SERVER_ERROR, "internal", error.to_string())
    }

    pub fn json(&self) -> Value {
        json!({
            "format": "retain-problem/1",
            "status": self.status.as_u16(),
            "code": self.code,
            "text": self.text,
            "help": self.help,
        })
    }

    /// JSON for programs, a page for people; `outside`: for people without a token.
    pub fn response(&self, api: bool, lang: Lang, prefix: &str, outside: bool) -> Response<Body> {
        let (kind, body) = if api {
            ("application/problem+json", self.json().to_string())
        } else {
            // The page of a problem has no part that can fail.
            let t = lang.text();
            let text = match self.word {
                Some(word) => word(t).to_owned(),
                None => said::fault(lang, &self.text),
            };
            let help = self.help.as_deref().map(|help| said::fault(lang, help));
            let page = Page { lang, t, prefix, problem: self, text, help, outside };
            let page = page.render().unwrap_or_default();
            ("text/html; charset=utf-8", page)
        };
        let mut response = Response::new(Body::from(body));
        *response.status_mut() = self.status;
        let headers = response.headers_mut();
        headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(kind));
        if self.status == StatusCode::UNAUTHORIZED {
            let value = HeaderValue::from_static("Bearer");
            headers.insert(header::WWW_AUTHENTICATE, value);
        }
        if matches!(self.status, StatusCode::TOO_MANY_REQUESTS | StatusCode::SERVICE_UNAVAILABLE) {
            headers.insert(header::RETRY_AFTER, HeaderValue::from_static("5"));
        }
        if self.status == StatusCode::METHOD_NOT_ALLOWED {
            headers.insert(header::ALLOW, HeaderValue::from_static("GET, HEAD, POST"));
        }
        response
    }
}
