//! Answers that are not what was asked for: what happened, and that nothing was lost.

use super::lang::Lang;
use askama::Template;
use axum::body::Body;
use axum::http::{HeaderValue, Response, StatusCode, header};
use serde_json::{Value, json};

/// Why a request is not answered with what it asked for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Problem {
    pub status: StatusCode,
    /// Stable, for programs.
    pub code: &'static str,
    pub text: String,
    /// What to do about it.
    pub help: Option<String>,
}

#[derive(Template)]
#[template(path = "problem.html")]
struct Page<'a> {
    lang: Lang,
    prefix: &'a str,
    problem: &'a Problem,
}

impl Problem {
    pub fn new(status: StatusCode, code: &'static str, text: impl Into<String>) -> Problem {
        Problem { status, code, text: text.into(), help: None }
    }

    #[must_use]
    pub fn help(mut self, help: Option<String>) -> Problem {
        self.help = help;
        self
    }

    pub fn bad(text: impl Into<String>) -> Problem {
        Problem::new(StatusCode::BAD_REQUEST, "bad-request", text)
    }

    pub fn forbidden(text: impl Into<String>) -> Problem {
        Problem::new(StatusCode::FORBIDDEN, "forbidden", text)
    }

    pub fn unauthorised() -> Problem {
        let text = "A token is needed.";
        Problem::new(StatusCode::UNAUTHORIZED, "no-token", text)
    }

    pub fn too_many() -> Problem {
        let text = "Too many wrong tokens; try again in a minute.";
        Problem::new(StatusCode::TOO_MANY_REQUESTS, "too-many-wrong-tokens", text)
    }

    pub fn too_many_watchers() -> Problem {
        let text = "Too many pages watch at once; this one can be reloaded instead.";
        Problem::new(StatusCode::SERVICE_UNAVAILABLE, "watchers", text)
    }

    pub fn not_found() -> Problem {
        Problem::new(StatusCode::NOT_FOUND, "not-found", "There is nothing here by that name.")
    }

    pub fn method() -> Problem {
        Problem::new(StatusCode::METHOD_NOT_ALLOWED, "method", "Only GET, HEAD and POST.")
    }

    pub fn too_long() -> Problem {
        let text = "The request is longer than 1 MiB.";
        Problem::new(StatusCode::PAYLOAD_TOO_LARGE, "too-long", text)
    }

    pub fn timeout() -> Problem {
        Problem::new(
            StatusCode::REQUEST_TIMEOUT,
            "too-slow",
            "The request took too long to arrive.",
        )
    }

    pub fn media() -> Problem {
        let text = "Send JSON or a form.";
        Problem::new(StatusCode::UNSUPPORTED_MEDIA_TYPE, "media-type", text)
    }

    /// The server was started without `--allow-delete`.
    pub fn read_only(lang: Lang) -> Problem {
        Problem::new(StatusCode::FORBIDDEN, "read-only", lang.text().read_only_why)
    }

    /// No scan is done yet.
    pub fn not_yet(lang: Lang) -> Problem {
        Problem::new(StatusCode::SERVICE_UNAVAILABLE, "scanning", lang.text().scan_first)
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

    /// JSON for programs, a page for people.
    pub fn response(&self, api: bool, lang: Lang, prefix: &str) -> Response<Body> {
        let (kind, body) = if api {
            ("application/problem+json", self.json().to_string())
        } else {
            // The page of a problem has no part that can fail.
            let page = Page { lang, prefix, problem: self }.render().unwrap_or_default();
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
