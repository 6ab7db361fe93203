//! What pages load besides themselves, compiled in: no build step, no other host.
//!
//! uPlot (MIT, its licence lies beside it) draws the curve; the rest is ours.

use super::answer::Problem;
use super::pages::Answer;
use axum::extract::Path;
use axum::http::header;
use axum::response::IntoResponse as _;

const CSS: &str = "text/css; charset=utf-8";
const JS: &str = "text/javascript; charset=utf-8";

/// Name, type and content of each.
const ALL: &[(&str, &str, &str)] = &[
    ("app.css", CSS, include_str!("assets/app.css")),
    ("app.js", JS, include_str!("assets/app.js")),
    ("curve.js", JS, include_str!("assets/curve.js")),
    ("history.js", JS, include_str!("assets/history.js")),
    ("uPlot.min.js", JS, include_str!("assets/uPlot.min.js")),
    ("uPlot.min.css", CSS, include_str!("assets/uPlot.min.css")),
    ("icon.svg", "image/svg+xml", include_str!("assets/icon.svg")),
];

pub async fn get(Path(name): Path<String>) -> Answer {
    let found = ALL.iter().find(|(known, ..)| *known == name);
    let (_, kind, content) = found.ok_or_else(Problem::not_found)?;
    Ok(([(header::CONTENT_TYPE, *kind)], *content).into_response())
}
