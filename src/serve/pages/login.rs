//! Signing in: a link that works once, or a token pasted into a form (I35).

use super::super::answer::Problem;
use super::super::auth::{Principal, Refusal};
use super::super::form::{Form, query};
use super::super::guard::{cookies, is_plain};
use super::super::lang::{self, Lang, Text};
use super::super::state::App;
use super::{Answer, Visit};
use askama::Template;
use axum::body::{Body, Bytes};
use axum::extract::{RawQuery, State};
use axum::http::{HeaderMap, HeaderValue, Response, StatusCode, header};
use axum::response::IntoResponse as _;
use std::sync::Arc;

#[derive(Template)]
#[template(path = "login.html")]
struct Page {
    lang: Lang,
    t: &'static Text,
    prefix: String,
    fault: Option<&'static str>,
}

pub async fn show(
    State(app): State<Arc<App>>,
    headers: HeaderMap,
    RawQuery(q): RawQuery,
) -> Answer {
    let lang = Lang::of(&headers);
    let form = Form::new(q.unwrap_or_default().as_bytes());
    if form.has("sheet") {
        // A style sheet of its own: every other path asks for a token first.
        const SHEET: &str = include_str!("../assets/outside.css");
        return Ok(([(header::CONTENT_TYPE, "text/css; charset=utf-8")], SHEET).into_response());
    }
    let Some(secret) = form.get("once") else { return page(&app, lang, StatusCode::OK, None) };
    match app.keys.open(secret) {
        Some(who) => seat(&app, who),
        // Somebody who is in already opened the link twice.
        None if cookies(&headers, &app.keys.cookie)
            .iter()
            .any(|c| app.keys.seated(c).is_some()) =>
        {
            Ok(redirect(&format!("{}/", app.prefix)))
        }
        None => refuse(&app, lang, lang.text().link_used),
    }
}

pub async fn sign_in(State(app): State<Arc<App>>, headers: HeaderMap, body: Bytes) -> Answer {
    let lang = Lang::of(&headers);
    let form = Form::new(&body);
    match form.get("token").and_then(|t| app.keys.token(t.trim())) {
        Some(who) => seat(&app, who),
        None => refuse(&app, lang, lang.text().token_wrong),
    }
}

fn refuse(app: &App, lang: Lang, why: &'static str) -> Answer {
    match app.keys.refuse() {
        Refusal::Unknown => page(app, lang, StatusCode::UNAUTHORIZED, Some(why)),
        Refusal::TooMany => Err(Problem::too_many()),
    }
}

fn page(app: &App, lang: Lang, status: StatusCode, fault: Option<&'static str>) -> Answer {
    let page = Page { lang, t: lang.text(), prefix: app.prefix.clone(), fault };
    super::status(status, &page)
}

/// The cookie, and at once away from the address that had the secret in it (W10).
fn seat(app: &App, who: Arc<Principal>) -> Answer {
    let secret = app.keys.seat(who).map_err(|e| Problem::internal(&e))?;
    let mut response = redirect(&format!("{}/", app.prefix));
    set_cookie(app, &mut response, &app.keys.cookie, &secret, true)?;
    Ok(response)
}

pub async fn sign_out(visit: Visit, headers: HeaderMap) -> Answer {
    for secret in cookies(&headers, &visit.app.keys.cookie) {
        visit.app.keys.leave(&secret);
    }
    let mut response = redirect(&format!("{}/login", visit.app.prefix));
    set_cookie(&visit.app, &mut response, &visit.app.keys.cookie, "", true)?;
    Ok(response)
}

/// The switch of languages: a preference, so a plain link.
pub async fn choose_language(visit: Visit) -> Answer {
    let to = visit.query.get("to").and_then(Lang::parse).unwrap_or_default();
    // Back to a page of ours, wherever the link came from. Nothing of what a browser would leave out
    // or turn round may be in it: without its tab, `/<tab>/evil.example` is another host's.
    let back = visit.query.get("back").filter(|b| {
        let (path, rest) = b.split_once('?').unwrap_or((b, ""));
        path.starts_with(&format!("{}/", visit.app.prefix))
            && !path.starts_with("//")
            && is_plain(path)
            && rest.bytes().all(|b| b.is_ascii_graphic() && b != b'\\')
    });
    let home = format!("{}/", visit.app.prefix);
    let mut response = redirect(back.unwrap_or(&home));
    set_cookie(&visit.app, &mut response, lang::COOKIE, to.code(), false)?;
    Ok(response)
}

fn set_cookie(
    app: &App,
    response: &mut Response<Body>,
    name: &str,
    value: &str,
    secret: bool,
) -> Result<(), Problem> {
    let path = if app.prefix.is_empty() { "/" } else { &app.prefix };
    let secure = if app.secure { "; Secure" } else { "" };
    let http = if secret { "; HttpOnly" } else { "" };
    let gone = if value.is_empty() { "; Max-Age=0" } else { "" };
    let text = format!("{name}={value}; Path={path}; SameSite=Strict{http}{secure}{gone}");
    let value = HeaderValue::from_str(&text).map_err(|e| Problem::internal(&e))?;
    response.headers_mut().append(header::SET_COOKIE, value);
    Ok(())
}

/// 303: what follows is read with GET.
pub fn redirect(to: &str) -> Response<Body> {
    let mut response = StatusCode::SEE_OTHER.into_response();
    let value = HeaderValue::from_str(to).unwrap_or(HeaderValue::from_static("/"));
    response.headers_mut().insert(header::LOCATION, value);
    response
}

/// Where the switch leads.
pub fn language_link(prefix: &str, lang: Lang, back: &str) -> String {
    let to = if lang == Lang::En { "ko" } else { "en" };
    format!("{prefix}/lang{}", query(&[("to", to), ("back", &format!("{prefix}{back}"))]))
}
