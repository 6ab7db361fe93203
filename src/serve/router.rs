//! Which path is which page. Every one is behind the guard.

use super::answer::Problem;
use super::api;
use super::assets;
use super::pages::{choice, job, login, overview, plan, policy, session, sessions, trash};
use super::state::App;
use axum::Router;
use axum::routing::{get, post};
use std::sync::Arc;

pub fn router(app: &Arc<App>) -> Router {
    Router::new()
        .route("/", get(overview::home))
        .route("/login", get(login::show).post(login::sign_in))
        .route("/logout", post(login::sign_out))
        .route("/lang", get(login::choose_language))
        .route("/assets/{name}", get(assets::get))
        .route("/jobs/{id}", get(job::show))
        .route("/r/{site}", get(overview::show))
        .route("/r/{site}/trash", get(trash::show))
        .route("/r/{site}/run", get(trash::run))
        .route("/r/{site}/policy", get(policy::show).post(policy::act))
        .route("/r/{site}/sessions", get(sessions::show).post(sessions::review))
        .route("/r/{site}/session", get(session::show).post(session::act))
        .route("/r/{site}/plan", get(plan::show))
        .route("/r/{site}/plan.json", get(plan::download))
        .route("/r/{site}/apply", post(choice::apply))
        .route("/r/{site}/undo", post(job::undo))
        .route("/r/{site}/purge", post(job::purge))
        .route("/r/{site}/scan", post(job::scan))
        .merge(api::router())
        .fallback(|| async { Problem::not_found() })
        .method_not_allowed_fallback(|| async { Problem::method() })
        .with_state(Arc::clone(app))
}
