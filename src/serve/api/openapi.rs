//! The `OpenAPI` document, made from the tables that requests are checked by.

use super::super::pages::{Answer, Visit};
use super::body::{Field, Kind};
use super::read::answer;
use axum::http::StatusCode;
use serde_json::{Map, Value, json};

const SESSION: Field = Field::new("session", Kind::Text, "A session's name").required();
const ANY: &[Field] = &[];

pub const QUERY_SESSIONS: &[Field] = &[
    Field::new("q", Kind::Text, "Part of the name"),
    Field::new("owner", Kind::Text, "Only sessions of this owner"),
    Field::new("status", Kind::Text, "Only sessions of this status")
        .of(&["running", "exited", "unknown"]),
    Field::new("sort", Kind::Text, "What comes first: biggest, newest, most")
        .of(&["name", "size", "time", "count", "freed"]),
    Field::new("reverse", Kind::Text, "The other way round").of(&["1"]),
    Field::new("offset", Kind::Number, "How many to leave out"),
    Field::new("limit", Kind::Number, "How many at most; 1000 are the most there are"),
];
pub const QUERY_SESSION: &[Field] = &[SESSION];
pub const QUERY_WHY: &[Field] =
    &[SESSION, Field::new("checkpoint", Kind::Text, "A checkpoint's id").required()];
pub const QUERY_CURVE: &[Field] = &[
    SESSION,
    Field::new("metric", Kind::Text, "A metric; otherwise the first there is"),
    Field::new("lang", Kind::Text, "Of the reasons; otherwise English").of(&["en", "ko"]),
];
pub const QUERY_RUN: &[Field] = &[Field::new("run", Kind::Text, "A run's whole id").required()];

const CHECKPOINTS: Field =
    Field::new("checkpoint", Kind::List, "Names, globs and ranges, as `retain rm` takes them");
const ONE: Field = Field::new("session", Kind::Text, "The session of a choice in one");
const SESSIONS: Field =
    Field::new("sessions", Kind::List, "Names of several sessions, at most 1000");
const TAKE: Field = Field::new(
    "take",
    Kind::Text,
    "What of `sessions`: what the policy deletes, every checkpoint, or those of `checkpoint`",
)
.of(&["policy", "all", "names"]);
pub const BODY_CHOICE: &[Field] = &[ONE, SESSIONS, TAKE, CHECKPOINTS];
pub const BODY_APPLY: &[Field] = &[
    Field::new("digest", Kind::Text, "From the x-retain-digest header of the plan or choice")
        .required(),
    ONE,
    SESSIONS,
    TAKE,
    CHECKPOINTS,
];
pub const BODY_UNDO: &[Field] = &[
    Field::new("run", Kind::Text, "A run's whole id").required(),
    Field::new("session", Kind::Text, "Only this session"),
    Field::new("id", Kind::Text, "Only this checkpoint of it"),
];
pub const BODY_PURGE: &[Field] = &[
    Field::new("run", Kind::Text, "A run's whole id").required(),
    Field::new("confirm", Kind::Number, "The number of its checkpoints in the trash").required(),
];
pub const BODY_MARKS: &[Field] = &[
    SESSION,
    CHECKPOINTS.required(),
    Field::new("action", Kind::Text, "What to do").required().of(&["pin", "unpin", "tag", "untag"]),
    Field::new("tag", Kind::Text, "For tag and untag"),
    Field::new("until", Kind::Text, "For pin: 2027-01-31, or an RFC 3339 time"),
    Field::new("why", Kind::Text, "For pin"),
];

/// What a request answers when all is well.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Good {
    Json(u16, &'static str),
    Plan,
    Events,
    Document,
}

struct Route {
    path: &'static str,
    post: bool,
    id: &'static str,
    about: &'static str,
    query: &'static [Field],
    body: Option<&'static [Field]>,
    good: Good,
}

const fn read(
    path: &'static str,
    id: &'static str,
    about: &'static str,
    query: &'static [Field],
    good: Good,
) -> Route {
    Route { path, post: false, id, about, query, body: None, good }
}

const fn change(
    path: &'static str,
    id: &'static str,
    about: &'static str,
    body: Option<&'static [Field]>,
    good: Good,
) -> Route {
    Route { path, post: true, id, about, query: ANY, body, good }
}

#[rustfmt::skip] // a table: one route a line
const ROUTES: &[Route] = &[
    read("/openapi.json", "openapi", "This document", ANY, Good::Document),
    read("/roots", "roots", "The roots, and how old what is known of them is", ANY, Good::Json(200, "retain-roots/1")),
    read("/roots/{root}/sessions", "sessions", "Sessions, a part of them at a time", QUERY_SESSIONS, Good::Json(200, "retain-ls/1")),
    read("/roots/{root}/session", "session", "One session with its checkpoints", QUERY_SESSION, Good::Json(200, "retain-ls/1")),
    read("/roots/{root}/why", "why", "Why one checkpoint stays or goes", QUERY_WHY, Good::Json(200, "retain-why/1")),
    read("/roots/{root}/curve", "curve", "A metric by checkpoint", QUERY_CURVE, Good::Json(200, "retain-curve/1")),
    read("/roots/{root}/usage", "usage", "Who uses what, over time, and when it will be full", ANY, Good::Json(200, "retain-usage/1")),
    read("/roots/{root}/plan", "plan", "What the policy would delete, and why", ANY, Good::Plan),
    read("/roots/{root}/policy", "policy", "The policy in force", ANY, Good::Json(200, "retain-policy/1")),
    read("/roots/{root}/runs", "runs", "What was done, and what is in the trash", ANY, Good::Json(200, "retain-log/1")),
    read("/roots/{root}/run", "run", "One run with every checkpoint of it", QUERY_RUN, Good::Json(200, "retain-log/1")),
    read("/roots/{root}/events", "scans", "How scans are getting on", ANY, Good::Events),
    change("/roots/{root}/scan", "scan", "Scan again soon", None, Good::Json(202, "retain-scan/1")),
    change("/roots/{root}/choice", "choice", "The plan of a choice; deletes nothing", Some(BODY_CHOICE), Good::Plan),
    change("/roots/{root}/apply", "apply", "Carry out a plan that was shown", Some(BODY_APPLY), Good::Json(202, "retain-job/1")),
    change("/roots/{root}/undo", "undo", "Restore from the trash", Some(BODY_UNDO), Good::Json(202, "retain-job/1")),
    change("/roots/{root}/purge", "purge", "Empty the trash of a run for good", Some(BODY_PURGE), Good::Json(202, "retain-job/1")),
    change("/roots/{root}/marks", "marks", "Pin, unpin or tag checkpoints", Some(BODY_MARKS), Good::Json(200, "retain-marks/1")),
    read("/jobs/{job}", "job", "How a job is getting on", ANY, Good::Json(200, "retain-job/1")),
    read("/jobs/{job}/events", "job_events", "The same, as it happens", ANY, Good::Events),
];

/// Answers that any request may have instead.
const PROBLEMS: &[(&str, &str)] = &[
    ("400", "The request is not one this server understands"),
    ("401", "No token, or a wrong one"),
    ("403", "Read-only, or the request comes from elsewhere"),
    ("404", "There is nothing by that name, or it is somebody else's"),
    ("408", "The request took too long"),
    ("409", "What was shown no longer holds; nothing was changed"),
    ("413", "The body is longer than 1 MiB"),
    ("415", "Neither JSON nor a form"),
    ("422", "A field is wrong"),
    ("429", "Too many wrong tokens"),
    ("500", "The disk or the audit refused; what was not done is said"),
    ("503", "The first scan is not done, or too many watch"),
];

pub async fn show(visit: Visit) -> Answer {
    super::body::query(&visit.query, &[])?;
    answer(StatusCode::OK, &document(&visit.app.prefix))
}

/// The document of a server at a prefix.
pub fn document(prefix: &str) -> Value {
    let mut paths: Map<String, Value> = Map::new();
    for route in ROUTES {
        let method = if route.post { "post" } else { "get" };
        let entry = paths.entry(route.path).or_insert_with(|| json!({}));
        entry[method] = operation(route);
    }
    json!({
        "openapi": "3.1.0",
        "info": {
            "title": "retain",
            "version": env!("CARGO_PKG_VERSION"),
            "description": "The Storage Management page's API. JSON is that of the command line: fields may be added and never change their meaning.",
            "license": { "name": "MIT OR Apache-2.0" },
        },
        "servers": [{ "url": format!("{prefix}{}", super::BASE) }],
        "security": [{ "token": [] }],
        "paths": paths,
        "components": {
            "securitySchemes": { "token": { "type": "http", "scheme": "bearer" } },
            "schemas": {
                "Problem": {
                    "type": "object",
                    "required": ["format", "status", "code", "text"],
                    "properties": {
                        "format": { "const": "retain-problem/1" },
                        "status": { "type": "integer" },
                        "code": { "type": "string" },
                        "text": { "type": "string" },
                        "help": { "type": ["string", "null"] },
                    },
                },
            },
        },
    })
}

fn operation(route: &Route) -> Value {
    let mut parameters: Vec<Value> = Vec::new();
    for name in ["root", "job"] {
        if route.path.contains(&format!("{{{name}}}")) {
            let schema = json!({ "type": "string", "pattern": "^[A-Za-z0-9_-]+$" });
            parameters
                .push(json!({ "name": name, "in": "path", "required": true, "schema": schema }));
        }
    }
    for field in route.query {
        parameters.push(json!({
            "name": field.name,
            "in": "query",
            "required": field.required,
            "description": field.about,
            "schema": schema(field),
        }));
    }
    let mut responses: Map<String, Value> = Map::new();
    let (status, good) = good(route.good);
    responses.insert(status, good);
    for (status, about) in PROBLEMS {
        let content = json!({
            "application/problem+json": { "schema": { "$ref": "#/components/schemas/Problem" } },
        });
        responses.insert((*status).to_owned(), json!({ "description": about, "content": content }));
    }
    let mut operation = json!({
        "operationId": route.id,
        "summary": route.about,
        "parameters": parameters,
        "responses": responses,
    });
    if let Some(fields) = route.body {
        let required: Vec<&str> = fields.iter().filter(|f| f.required).map(|f| f.name).collect();
        let properties: Map<String, Value> = fields
            .iter()
            .map(|f| {
                let mut value = schema(f);
                value["description"] = json!(f.about);
                (f.name.to_owned(), value)
            })
            .collect();
        let schema = json!({
            "type": "object",
            "additionalProperties": false,
            "required": required,
            "properties": properties,
        });
        operation["requestBody"] =
            json!({ "required": true, "content": { "application/json": { "schema": schema } } });
    }
    operation
}

fn schema(field: &Field) -> Value {
    match field.kind {
        Kind::Text if field.values.is_empty() => json!({ "type": "string" }),
        Kind::Text => json!({ "type": "string", "enum": field.values }),
        Kind::Number => json!({ "type": "integer", "minimum": 0, "maximum": u32::MAX }),
        Kind::List => json!({ "type": "array", "minItems": 1, "items": { "type": "string" } }),
    }
}

fn good(good: Good) -> (String, Value) {
    let versioned = |format: &str| {
        let format = json!({ "const": format });
        json!({
            "type": "object",
            "required": ["format"],
            "properties": { "format": format },
        })
    };
    match good {
        Good::Json(status, format) => {
            let content = json!({ "application/json": { "schema": versioned(format) } });
            (status.to_string(), json!({ "description": format, "content": content }))
        }
        Good::Plan => {
            let content = json!({ "application/json": { "schema": versioned("retain-plan/1") } });
            let digest = json!({
                "description": "What `apply` asks for",
                "schema": { "type": "string", "pattern": "^[0-9a-f]{64}$" },
            });
            let headers = json!({ "x-retain-digest": digest });
            (
                "200".to_owned(),
                json!({ "description": "retain-plan/1", "headers": headers, "content": content }),
            )
        }
        Good::Events => {
            let content = json!({ "text/event-stream": { "schema": { "type": "string" } } });
            (
                "200".to_owned(),
                json!({ "description": "Each event's data is JSON", "content": content }),
            )
        }
        Good::Document => {
            let schema = json!({ "type": "object", "required": ["openapi"] });
            let content = json!({ "application/json": { "schema": schema } });
            ("200".to_owned(), json!({ "description": "This document", "content": content }))
        }
    }
}
