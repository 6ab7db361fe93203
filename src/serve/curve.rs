//! A metric of one session as points: what the chart draws, and the table says in words.

use super::lang::Lang;
use super::view::View;
use crate::core::model::Checkpoint;
use crate::report::json::number;
use crate::steps::pick;
use serde_json::{Value, json};

/// The metrics of a session that have a number, those that look like a loss first.
pub fn metrics(view: &View, s: usize) -> Vec<String> {
    let names = &view.inventory().names;
    let mut list: Vec<String> = Vec::new();
    for checkpoint in &view.session(s).checkpoints {
        for (id, value) in checkpoint.metrics.iter() {
            let name = names.name(id);
            if value.is_finite() && !list.iter().any(|known| known == name) {
                list.push(name.to_owned());
            }
        }
    }
    list.sort_by_key(|name| (!name.ends_with("loss"), name.clone()));
    list
}

/// `retain-curve/1`: one point for each checkpoint that has a number, in the order of training.
pub fn json(view: &View, lang: Lang, s: usize, metric: Option<&str>) -> Value {
    let session = view.session(s);
    let names = metrics(view, s);
    let metric = metric.or(names.first().map(String::as_str)).unwrap_or_default().to_owned();
    let id = view.inventory().names.get(&metric);
    let steps = session.checkpoints.iter().any(|c| c.step.is_some());
    let epochs = session.checkpoints.iter().any(|c| c.epoch.is_some());
    let at = |place: usize, c: &Checkpoint| match (steps, epochs) {
        (true, _) => c.step.map(crate::core::model::Step::as_f64),
        (_, true) => c.epoch.map(crate::core::model::Step::as_f64),
        // Without either, the order of the names.
        #[expect(clippy::cast_precision_loss, reason = "a place in a list")]
        _ => Some(place as f64),
    };
    let mut points: Vec<(f64, Value)> = Vec::new();
    for (place, c) in pick::natural(session).into_iter().enumerate() {
        let checkpoint = &session.checkpoints[c];
        let value = id.and_then(|id| checkpoint.finite_metric(id));
        let (Some(x), Some(y)) = (at(place, checkpoint), value) else { continue };
        let reason = view.said(lang, s, c);
        points.push((
            x,
            json!({
                "id": checkpoint.id,
                "x": number(x),
                "y": number(y),
                "standing": view.standing(s, c).as_str(),
                "reason": reason,
            }),
        ));
    }
    points.sort_by(|a, b| a.0.total_cmp(&b.0));
    let axis = if steps {
        "step"
    } else if epochs {
        "epoch"
    } else {
        "checkpoint"
    };
    let points: Vec<Value> = points.into_iter().map(|(_, p)| p).collect();
    json!({
        "format": "retain-curve/1",
        "session": session.name,
        "metric": metric,
        "metrics": names,
        "axis": axis,
        "points": points,
    })
}
