//! `/api/v1`: what programs ask. The JSON is that of the command line, field by field.

pub mod body;
mod change;
mod events;
pub mod openapi;
mod read;

use super::state::App;
use axum::Router;
use axum::routing::{get, post};
use std::sync::Arc;

/// Where the API is, below the prefix.
pub const BASE: &str = "/api/v1";

pub fn router() -> Router<Arc<App>> {
    Router::new()
        .route("/api/v1/openapi.json", get(openapi::show))
        .route("/api/v1/roots", get(read::roots))
        .route("/api/v1/roots/{site}/sessions", get(read::sessions))
        .route("/api/v1/roots/{site}/session", get(read::session))
        .route("/api/v1/roots/{site}/why", get(read::why))
        .route("/api/v1/roots/{site}/curve", get(read::curve))
        .route("/api/v1/roots/{site}/usage", get(read::usage))
        .route("/api/v1/roots/{site}/plan", get(read::plan))
        .route("/api/v1/roots/{site}/policy", get(read::policy))
        .route("/api/v1/roots/{site}/runs", get(read::runs))
        .route("/api/v1/roots/{site}/run", get(read::run))
        .route("/api/v1/roots/{site}/scan", post(change::scan))
        .route("/api/v1/roots/{site}/choice", post(change::choice))
        .route("/api/v1/roots/{site}/apply", post(change::apply))
        .route("/api/v1/roots/{site}/undo", post(change::undo))
        .route("/api/v1/roots/{site}/purge", post(change::purge))
        .route("/api/v1/roots/{site}/marks", post(change::marks))
        .route("/api/v1/roots/{site}/events", get(events::scans))
        .route("/api/v1/jobs/{id}", get(read::job))
        .route("/api/v1/jobs/{id}/events", get(events::job))
}
