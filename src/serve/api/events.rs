//! Server-sent events: how a scan or a job is getting on, as it happens.

use super::super::answer::Problem;
use super::super::pages::{Answer, Visit};
use axum::body::{Body, Bytes};
use axum::extract::Path;
use axum::http::header;
use axum::response::IntoResponse as _;
use serde_json::{Value, json};
use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::{OwnedSemaphorePermit, watch};

/// Between two events: a screen shows no more than that.
const PAUSE: Duration = Duration::from_millis(200);
/// So long nothing happens before a line says that the server is still there.
const SILENCE: Duration = Duration::from_secs(15);

pub async fn scans(visit: Visit, Path(slug): Path<String>) -> Answer {
    super::body::query(&visit.query, &[])?;
    let site = visit.site(&slug)?;
    let tell = |s: &super::super::site::Scanning| {
        let told = json!({
            "format": "retain-scan/1",
            "running": s.running,
            "sessions": s.sessions,
            "checkpoints": s.checkpoints,
            "generation": s.generation,
            "fault": s.fault,
        });
        (told, false)
    };
    stream(&visit, site.scanning.subscribe(), tell)
}

pub async fn job(visit: Visit, Path(id): Path<String>) -> Answer {
    super::body::query(&visit.query, &[])?;
    let job = visit.app.jobs.get(visit.who(), &id).ok_or_else(Problem::not_found)?;
    let watched = Arc::clone(&job);
    let tell = move |p: &super::super::jobs::Progress| (watched.json_of(p), p.phase.is_over());
    stream(&visit, job.progress.subscribe(), tell)
}

struct Watching<T, F> {
    channel: watch::Receiver<T>,
    tell: F,
    /// The first event is what is so now.
    first: bool,
    over: bool,
    /// Given back when the watcher leaves.
    _place: OwnedSemaphorePermit,
}

fn stream<T, F>(visit: &Visit, channel: watch::Receiver<T>, tell: F) -> Answer
where
    T: Send + Sync + 'static,
    F: Fn(&T) -> (Value, bool) + Send + 'static,
{
    let place = Arc::clone(&visit.app.watchers).try_acquire_owned();
    let place = place.map_err(|_| Problem::too_many_watchers())?;
    let start = Watching { channel, tell, first: true, over: false, _place: place };
    let events = futures_util::stream::unfold(start, |mut w| async move {
        if w.over {
            return None;
        }
        if !w.first {
            tokio::time::sleep(PAUSE).await;
            match tokio::time::timeout(SILENCE, w.channel.changed()).await {
                Ok(Ok(())) => {}
                Ok(Err(_)) => return None,
                Err(_) => return Some((Ok::<_, Infallible>(Bytes::from_static(b":\n\n")), w)),
            }
        }
        w.first = false;
        let (told, over) = (w.tell)(&w.channel.borrow_and_update());
        w.over = over;
        Some((Ok(Bytes::from(format!("data: {told}\n\n"))), w))
    });
    let headers = [(header::CONTENT_TYPE, "text/event-stream")];
    Ok((headers, Body::from_stream(events)).into_response())
}
