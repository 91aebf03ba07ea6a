//! The sample site's JSON API; `/api/echo` gives back every header that reached the origin.

use std::collections::BTreeMap;

use axum::Json;
use axum::body::Bytes;
use axum::extract::Path;
use axum::http::{HeaderMap, StatusCode};
use serde_json::{Value, json};

pub(super) async fn items() -> Json<Value> {
    let items: Vec<_> =
        (1..=20).map(|number| json!({"id": number, "name": format!("Item {number}")})).collect();
    Json(json!({ "items": items }))
}

pub(super) async fn item(Path(number): Path<u32>) -> (StatusCode, Json<Value>) {
    if (1..=20).contains(&number) {
        (StatusCode::OK, Json(json!({"id": number, "name": format!("Item {number}")})))
    } else {
        (StatusCode::NOT_FOUND, Json(json!({"title": "no such item", "status": 404})))
    }
}

pub(super) async fn create() -> StatusCode {
    StatusCode::CREATED
}

/// Header values in order; bytes that are no UTF-8 are shown as U+FFFD.
pub(super) async fn echo(headers: HeaderMap) -> Json<BTreeMap<String, Vec<String>>> {
    let mut all: BTreeMap<String, Vec<String>> = BTreeMap::new();
    for (name, value) in &headers {
        let value = String::from_utf8_lossy(value.as_bytes()).into_owned();
        all.entry(name.to_string()).or_default().push(value);
    }
    Json(all)
}

pub(super) async fn upload(body: Bytes) -> Json<Value> {
    Json(json!({ "bytes": body.len() }))
}
