//! The pages people see. Each works as plain HTML; scripts only add what HTML cannot do.

pub mod choice;
pub mod job;
pub mod login;
mod map;
pub mod overview;
pub mod plan;
pub mod policy;
pub mod session;
pub mod sessions;
pub mod trash;

use super::answer::Problem;
use super::auth::{Login, Principal};
use super::form::Form;
use super::lang::{Lang, Text, fill};
use super::runs;
use super::said;
use super::site::Site;
use super::state::App;
use super::view::View;
use super::view::past::Past;
use crate::core::model::Time;
use crate::report::sanitize;
use askama::Template;
use axum::extract::{FromRef, FromRequestParts};
use axum::http::StatusCode;
use axum::http::request::Parts;
use axum::response::{Html, IntoResponse, Response};
use std::sync::Arc;

/// What a handler answers with; the guard turns a [`Problem`] into a page or JSON.
pub type Answer = Result<Response, Problem>;

impl IntoResponse for Problem {
    fn into_response(self) -> Response {
        let mut response = self.status.into_response();
        response.extensions_mut().insert(self);
        response
    }
}

/// Somebody's request: who, in which language, and what is asked.
pub struct Visit {
    pub app: Arc<App>,
    pub login: Login,
    pub lang: Lang,
    pub query: Form,
    /// Path and query below the prefix, to come back to.
    pub here: String,
}

impl<S: Sync> FromRequestParts<S> for Visit
where
    Arc<App>: FromRef<S>,
{
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Visit, Problem> {
        let login = parts.extensions.get::<Login>().cloned().ok_or_else(Problem::unauthorised)?;
        let here = parts.uri.path_and_query().map_or("/", |p| p.as_str()).to_owned();
        Ok(Visit {
            app: Arc::from_ref(state),
            login,
            lang: Lang::of(&parts.headers),
            query: Form::new(parts.uri.query().unwrap_or_default().as_bytes()),
            here,
        })
    }
}

impl Visit {
    pub fn who(&self) -> &Principal {
        &self.login.who
    }

    pub fn t(&self) -> &'static Text {
        self.lang.text()
    }

    /// # Errors
    /// There is no such root.
    pub fn site(&self, slug: &str) -> Result<Arc<Site>, Problem> {
        self.app.site(slug).map(Arc::clone).ok_or_else(Problem::not_found)
    }

    /// # Errors
    /// The first scan is not done.
    #[expect(clippy::unused_self, reason = "asked of a visit like all the others")]
    pub fn view(&self, site: &Site) -> Result<Arc<View>, Problem> {
        site.view().ok_or_else(|| match site.scanning.borrow().fault.clone() {
            Some(fault) => Problem::new(StatusCode::SERVICE_UNAVAILABLE, "unreadable", fault),
            None => Problem::not_yet(),
        })
    }

    /// The session that a request names, if it is theirs.
    ///
    /// # Errors
    /// There is none, or it is somebody else's: nobody learns which.
    pub fn session(&self, view: &View, name: Option<&str>) -> Result<usize, Problem> {
        view.find(self.who(), name.unwrap_or_default()).ok_or_else(|| self.no_session())
    }

    #[expect(clippy::unused_self, reason = "asked of a visit like all the others")]
    pub fn no_session(&self) -> Problem {
        Problem::of(StatusCode::NOT_FOUND, "no-session", |t| t.no_session)
    }

    /// # Errors
    /// The server was started read-only.
    pub fn may_change(&self) -> Result<(), Problem> {
        let may = self.app.may_change(self.who());
        may.then_some(()).ok_or_else(Problem::read_only)
    }

    /// Usage over time. Only the first who asks of a view is worth a thread of its own: handing one
    /// over for each of two hundred readers costs more than the page.
    ///
    /// # Errors
    /// The root cannot be opened.
    pub async fn past(&self, site: &Site, view: &View) -> Result<Arc<Past>, Problem> {
        let scope = &self.who().scope;
        if let Some(known) = view.known_past(scope) {
            return Ok(known);
        }
        let root = site.open().map_err(|e| Problem::internal(&e))?;
        // What cannot be read is not counted; the trash says why.
        let runs = runs::known(site).await.map(|k| k.runs.clone()).unwrap_or_default();
        Ok(heavy(|| view.past(&root, &runs, scope)))
    }

    pub fn frame(&self, title: &str, nav: &'static str, site: Option<&Site>) -> Frame {
        Frame {
            lang: self.lang,
            t: self.t(),
            prefix: self.app.prefix.clone(),
            title: title.to_owned(),
            nav,
            who: fill(self.t().signed_in_as, &[&sanitize::terminal(&self.who().name)]),
            csrf: self.login.csrf.clone().unwrap_or_default(),
            writable: self.app.may_change(self.who()),
            sites: self.app.sites.iter().map(|s| (s.slug.clone(), s.shown.clone())).collect(),
            place: site.map(|s| self.place(s)),
            here: self.here.clone(),
            flash: None,
        }
    }

    fn place(&self, site: &Site) -> Place {
        let scanning = site.scanning.borrow().clone();
        let view = site.view();
        let now = self.app.now();
        let age = view.as_ref().map(|v| self.lang.ago(now, v.now));
        // An owner need not know where the disk lies.
        let undeclared = view.as_ref().is_some_and(|v| {
            v.seen.root.as_ref().is_none_or(|r| r.id.is_none()) && self.who().is_administrator()
        });
        Place {
            url: format!("{}/r/{}", self.app.prefix, site.slug),
            slug: site.slug.clone(),
            at: view.as_ref().map(|v| v.now.to_string()).unwrap_or_default(),
            age: age.map(|a| fill(self.t().scanned, &[&a])).unwrap_or_default(),
            generation: scanning.generation,
            scanning: scanning
                .running
                .then(|| fill(self.t().scanning, &[&self.lang.sessions(scanning.sessions)])),
            fault: scanning.fault.map(|f| {
                let fault = said::fault(self.lang, &f);
                fill(self.t().scan_failed, &[&sanitize::terminal(&fault)])
            }),
            how_to_declare: fill(self.t().not_initialised, &[&sanitize::terminal(&site.shown)]),
            undeclared,
        }
    }
}

/// What every page has around it.
pub struct Frame {
    pub lang: Lang,
    pub t: &'static Text,
    pub prefix: String,
    pub title: String,
    /// Which entry of the navigation is this page.
    pub nav: &'static str,
    pub who: String,
    pub csrf: String,
    pub writable: bool,
    /// Slugs and paths.
    pub sites: Vec<(String, String)>,
    pub place: Option<Place>,
    pub here: String,
    pub flash: Option<Flash>,
}

/// Something to say at the top.
pub struct Flash {
    /// `good` or `bad`.
    pub kind: &'static str,
    pub text: String,
}

/// The root a page is about.
pub struct Place {
    /// Where its pages are.
    pub url: String,
    pub slug: String,
    /// RFC 3339.
    pub at: String,
    pub age: String,
    pub generation: u64,
    pub scanning: Option<String>,
    pub fault: Option<String>,
    /// Deletion needs `retain init` first.
    pub undeclared: bool,
    pub how_to_declare: String,
}

impl Frame {
    #[must_use]
    pub fn good(mut self, text: impl Into<String>) -> Frame {
        self.flash = Some(Flash { kind: "good", text: text.into() });
        self
    }

    #[must_use]
    pub fn bad(mut self, text: impl Into<String>) -> Frame {
        self.flash = Some(Flash { kind: "bad", text: text.into() });
        self
    }

    /// This page in the other language.
    pub fn language_link(&self) -> String {
        login::language_link(&self.prefix, self.lang, &self.here)
    }

    /// Where the root's pages are; of a page without root, nowhere.
    pub fn site(&self) -> &str {
        self.place.as_ref().map_or("", |p| &p.url)
    }
}

/// # Errors
/// The template cannot be rendered.
pub fn html(page: &impl Template) -> Answer {
    status(StatusCode::OK, page)
}

/// # Errors
/// The template cannot be rendered.
pub fn status(status: StatusCode, page: &impl Template) -> Answer {
    let text = page.render().map_err(|e| Problem::internal(&e))?;
    Ok((status, Html(text)).into_response())
}

/// Runs what takes longer than a page, without holding up those who wait for one.
pub fn heavy<T>(f: impl FnOnce() -> T) -> T {
    tokio::task::block_in_place(f)
}

/// A time for people and for programs.
pub struct When {
    pub iso: String,
    pub ago: String,
    pub full: String,
}

impl When {
    pub fn new(lang: Lang, now: Time, t: Time) -> When {
        When { iso: t.to_string(), ago: lang.ago(now, t), full: crate::report::human::time(t) }
    }
}

/// Links to the neighbouring parts of a list.
pub struct Pager {
    pub text: String,
    pub previous: Option<String>,
    pub next: Option<String>,
}

impl Pager {
    /// `link` makes the address of the part that begins at an offset.
    pub fn new(
        visit: &Visit,
        offset: usize,
        shown: usize,
        limit: usize,
        total: usize,
        link: impl Fn(usize) -> String,
    ) -> Pager {
        let n = |n: usize| crate::report::human::grouped(n as u64);
        let from = if shown == 0 { 0 } else { offset + 1 };
        Pager {
            text: fill(visit.t().of_total, &[&n(from), &n(offset + shown), &n(total)]),
            previous: (offset > 0).then(|| link(offset.saturating_sub(limit))),
            next: (offset + shown < total).then(|| link(offset + shown)),
        }
    }
}
