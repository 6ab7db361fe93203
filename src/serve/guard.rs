//! What a request must be before any route sees it (I35).
//!
//! The order is the point: the request line, the `Host`, where the browser says it comes from, the
//! token, and last what a mutation must carry. Only then is it routed. Every answer, refusals
//! included, leaves with the same headers.

use super::answer::Problem;
use super::auth::{Login, Refusal};
use super::lang::Lang;
use super::state::App;
use axum::Router;
use axum::body::{Body, Bytes};
use axum::http::header::{self, HeaderMap, HeaderName, HeaderValue};
use axum::http::request::Parts;
use axum::http::{Method, Request, Response, Uri};
use axum::response::IntoResponse as _;
use hyper::body::Incoming;
use std::sync::Arc;
use std::time::Duration;
use tower_service::Service as _;

/// The longest body that is read.
pub const BODY: usize = 1 << 20;
/// A body that takes longer to arrive is given up, and so is a handler that takes longer.
const PATIENCE: Duration = Duration::from_secs(20);
/// So long is waited for the rest of what is refused.
const REFUSED: Duration = Duration::from_secs(1);
const HANDLER: Duration = Duration::from_secs(60);
/// The header, and the form field, that a mutation repeats.
pub const CSRF_HEADER: &str = "x-retain-csrf";
pub const CSRF_FIELD: &str = "csrf";

/// Answers one request.
pub async fn answer(app: Arc<App>, router: Router, request: Request<Incoming>) -> Response<Body> {
    let api = is_api(&app, request.uri());
    let lang = Lang::of(request.headers());
    let head = request.method() == Method::HEAD;
    // Without a token no style sheet can be loaded but that of the login page.
    let mut outside = is_public(&app, request.uri());
    let (parts, body) = request.into_parts();
    let mut body = Some(body);
    let mut response = match admit(&app, parts, &mut body).await {
        Ok(request) => route(router, request).await,
        Err(problem) => {
            if let Some(body) = body {
                drain(body).await;
            }
            outside = true;
            problem.response(api, lang, &app.prefix, outside)
        }
    };
    // A handler's refusal: only here is it known whether a person or a program asked.
    if let Some(problem) = response.extensions_mut().remove::<Problem>() {
        response = problem.response(api, lang, &app.prefix, outside);
    }
    seal(response.headers_mut());
    if head {
        *response.body_mut() = Body::empty();
    }
    response
}

async fn route(mut router: Router, request: Request<Body>) -> Response<Body> {
    match tokio::time::timeout(HANDLER, router.call(request)).await {
        Ok(Ok(response)) => response,
        Ok(Err(never)) => match never {},
        Err(_) => Problem::timeout().into_response(),
    }
}

fn is_api(app: &App, uri: &Uri) -> bool {
    uri.path().strip_prefix(&app.prefix).is_some_and(|rest| rest.starts_with("/api/"))
}

/// The one page that is shown without a token: where one is asked for.
fn is_public(app: &App, uri: &Uri) -> bool {
    uri.path().strip_prefix(&app.prefix) == Some("/login")
}

/// The request as routes may see it, with its [`Login`] in the extensions.
/// The body is taken when it is read.
async fn admit(
    app: &App,
    mut parts: Parts,
    body: &mut Option<Incoming>,
) -> Result<Request<Body>, Problem> {
    plain(app, &parts.uri, &parts.headers)?;
    let host = host(app, &parts.headers)?;
    origin(&parts, &host)?;
    let public = is_public(app, &parts.uri);
    let login = match login(app, &parts.headers) {
        Ok(login) => Some(login),
        Err(_) if public => None,
        Err(problem) => return Err(problem),
    };
    let body = if parts.method == Method::POST {
        let bytes = match body.take() {
            Some(body) => collect(body).await?,
            None => Bytes::new(),
        };
        let field = form_field(&parts.headers, &bytes)?;
        match &login {
            Some(login) => csrf(login, &parts.headers, field.as_deref())?,
            // The login form has no login yet; where it comes from was checked.
            None if !public => return Err(Problem::unauthorised()),
            None => {}
        }
        Body::from(bytes)
    } else if matches!(parts.method, Method::GET | Method::HEAD) {
        // A reading request has no body, and nobody waits for one.
        Body::empty()
    } else {
        return Err(Problem::method());
    };
    if let Some(login) = login {
        parts.extensions.insert(login);
    }
    parts.uri = below(app, &parts.uri)?;
    Ok(Request::from_parts(parts, body))
}

/// The target as routes know it, without the prefix.
fn below(app: &App, uri: &Uri) -> Result<Uri, Problem> {
    let target = uri.path_and_query().map_or("/", |p| p.as_str());
    let rest = target.strip_prefix(&app.prefix).unwrap_or(target);
    let slash = if rest.starts_with('/') { "" } else { "/" };
    format!("{slash}{rest}").parse().map_err(|_| Problem::bad("the target is not a path"))
}

/// W1, W6, W9: a path of plain characters, below the prefix, and one way to say how long it is.
fn plain(app: &App, uri: &Uri, headers: &HeaderMap) -> Result<(), Problem> {
    if uri.scheme().is_some() || uri.authority().is_some() {
        return Err(Problem::bad("the request target must be a path"));
    }
    let path = uri.path();
    if !is_plain(path) {
        return Err(Problem::bad("the path has characters that no page of this server has"));
    }
    if headers.contains_key(header::TRANSFER_ENCODING)
        && headers.contains_key(header::CONTENT_LENGTH)
    {
        return Err(Problem::bad("two lengths"));
    }
    if path.strip_prefix(&app.prefix).is_none_or(|rest| !rest.is_empty() && !rest.starts_with('/'))
    {
        return Err(Problem::not_found());
    }
    Ok(())
}

/// Whether a path is of characters that a page of this server could have.
pub fn is_plain(path: &str) -> bool {
    let safe = |b: u8| b.is_ascii_alphanumeric() || b"/-_.~".contains(&b);
    path.bytes().all(safe) && !path.split('/').any(|part| part == ".." || part == ".")
}

/// W1: one `Host`, and one of ours.
fn host(app: &App, headers: &HeaderMap) -> Result<String, Problem> {
    let mut all = headers.get_all(header::HOST).iter();
    let (Some(host), None) = (all.next(), all.next()) else {
        return Err(Problem::bad("one Host header is needed"));
    };
    let host = host.to_str().map(str::to_ascii_lowercase).unwrap_or_default();
    if app.hosts.contains(&host) {
        return Ok(host);
    }
    Err(Problem::forbidden(|t| t.wrong_host))
}

/// W2, W3, W13: what a browser says about where the request comes from.
fn origin(parts: &Parts, host: &str) -> Result<(), Problem> {
    let headers = &parts.headers;
    let one = |name: &HeaderName| headers.get(name).map(HeaderValue::as_bytes);
    let refused = || Err(Problem::forbidden(|t| t.wrong_origin));
    if let Some(origin) = one(&header::ORIGIN) {
        let ours = ["http://", "https://"].iter().any(|scheme| {
            let rest = origin.strip_prefix(scheme.as_bytes());
            rest.is_some_and(|rest| rest.eq_ignore_ascii_case(host.as_bytes()))
        });
        if !ours {
            return refused();
        }
    }
    let site = one(&HeaderName::from_static("sec-fetch-site"));
    let mutates = parts.method != Method::GET && parts.method != Method::HEAD;
    match site {
        None | Some(b"same-origin") => Ok(()),
        // Typed, or a bookmark.
        Some(b"none") if !mutates => Ok(()),
        // A link from elsewhere may lead here. What another page embeds or fetches may not.
        Some(_) if !mutates => {
            let mode = one(&HeaderName::from_static("sec-fetch-mode"));
            let dest = one(&HeaderName::from_static("sec-fetch-dest"));
            if mode == Some(b"navigate") && dest == Some(b"document") { Ok(()) } else { refused() }
        }
        Some(_) => refused(),
    }
}

/// W4: the token in the header, or the cookie of a login.
fn login(app: &App, headers: &HeaderMap) -> Result<Login, Problem> {
    let mut tried = false;
    if let Some(value) = headers.get(header::AUTHORIZATION) {
        tried = true;
        let token = value.to_str().ok().and_then(|v| v.strip_prefix("Bearer "));
        if let Some(who) = token.and_then(|t| app.keys.token(t)) {
            return Ok(Login { who, csrf: None });
        }
    } else {
        for secret in cookies(headers, &app.keys.cookie) {
            tried = true;
            if let Some(login) = app.keys.seated(&secret) {
                return Ok(login);
            }
        }
    }
    if tried && app.keys.refuse() == Refusal::TooMany {
        return Err(Problem::too_many());
    }
    Err(Problem::unauthorised())
}

/// The values of our cookie; another service on this host may have set one of the same name.
pub fn cookies(headers: &HeaderMap, name: &str) -> Vec<String> {
    let lines = headers.get_all(header::COOKIE).iter().filter_map(|v| v.to_str().ok());
    let pairs = lines.flat_map(|l| l.split(';')).filter_map(|p| p.trim().split_once('='));
    pairs.filter(|(n, _)| *n == name).map(|(_, v)| v.to_owned()).take(4).collect()
}

/// What a browser adds by itself proves nothing about who wrote the request.
fn csrf(login: &Login, headers: &HeaderMap, field: Option<&str>) -> Result<(), Problem> {
    let Some(wanted) = &login.csrf else { return Ok(()) };
    let given = headers.get(CSRF_HEADER).and_then(|v| v.to_str().ok()).or(field);
    if given.is_some_and(|given| super::auth::same(given, wanted)) {
        return Ok(());
    }
    Err(Problem::forbidden(|t| t.wrong_csrf))
}

/// Reads and forgets what is refused already: a connection that is closed upon unread bytes takes the
/// answer with it, and a proxy then says 502 in place of why.
async fn drain(body: Incoming) {
    let read = axum::body::to_bytes(Body::new(body), BODY);
    let _ = tokio::time::timeout(REFUSED, read).await;
}

async fn collect(body: Incoming) -> Result<Bytes, Problem> {
    let read = axum::body::to_bytes(Body::new(body), BODY);
    match tokio::time::timeout(PATIENCE, read).await {
        Ok(Ok(bytes)) => Ok(bytes),
        Ok(Err(e)) => {
            let long =
                std::error::Error::source(&e).is_some_and(|e| e.to_string().contains("limit"));
            if long { Err(Problem::too_long()) } else { Err(Problem::bad("the body is damaged")) }
        }
        Err(_) => Err(Problem::timeout()),
    }
}

/// The form's own proof. A body that is neither a form nor JSON is refused: those are the types a
/// page elsewhere could send without asking (W2).
fn form_field(headers: &HeaderMap, body: &[u8]) -> Result<Option<String>, Problem> {
    let kind = headers.get(header::CONTENT_TYPE).and_then(|v| v.to_str().ok()).unwrap_or_default();
    match kind.split(';').next().unwrap_or_default().trim() {
        "application/json" => Ok(None),
        "application/x-www-form-urlencoded" => {
            let pairs: Vec<(String, String)> = super::form::parse(body);
            Ok(pairs.into_iter().find(|(name, _)| name == CSRF_FIELD).map(|(_, v)| v))
        }
        "" if body.is_empty() => Ok(None),
        _ => Err(Problem::media()),
    }
}

const CSP: &str = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; \
     connect-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'";

/// W7, W8, W10: on every answer.
fn seal(headers: &mut HeaderMap) {
    const FIXED: [(&str, &str); 8] = [
        ("content-security-policy", CSP),
        ("cache-control", "no-store"),
        ("x-content-type-options", "nosniff"),
        ("x-frame-options", "DENY"),
        // With `no-referrer`, browsers send `Origin: null` with our own forms (Fetch, 3.2.5): W3.
        ("referrer-policy", "same-origin"),
        ("cross-origin-opener-policy", "same-origin"),
        ("cross-origin-resource-policy", "same-origin"),
        ("permissions-policy", "camera=(), geolocation=(), microphone=()"),
    ];
    for (name, value) in FIXED {
        headers.insert(HeaderName::from_static(name), HeaderValue::from_static(value));
    }
}
