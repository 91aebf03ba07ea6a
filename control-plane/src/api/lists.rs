//! `/v1/lists`: who always passes and who is always refused.

use std::sync::Arc;

use axum::extract::rejection::{PathRejection, QueryRejection};
use axum::extract::{Path, Query, State};
use axum::http::StatusCode;
use axum::response::IntoResponse;
use axum::{Extension, Json};
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};
use uuid::Uuid;

use super::body::{self, RawBody};
use super::error::{ApiError, Problem};
use crate::app::App;
use crate::auth::Caller;
use crate::clock::unix_ms;
use crate::lists::{AddRequest, Asked, Faults, ListEntryView, Listed, ListsError, Visitor, verdict};
use crate::store::{ListAction, ListFilter, ListKind};

/// Largest body, KiB: 50,000 entries with their reasons.
pub(super) const LIMIT_KIB: u32 = 16 * 1024;

/// Entries of a page, where nothing else is asked for; and at most.
const PAGE: u32 = 100;
const LARGEST_PAGE: u32 = 1000;

/// Which entries.
#[derive(Debug, Default, Deserialize, IntoParams)]
#[serde(deny_unknown_fields, default)]
pub(super) struct ListParameters {
    /// `allow` or `deny`.
    action: Option<String>,
    /// address, range, session, fingerprint, user_agent or path.
    kind: Option<String>,
    /// Who made them.
    author: Option<String>,
    /// A part of value or reason, whatever the case of its letters.
    contains: Option<String>,
    /// The `next` of the page before.
    after: Option<String>,
    /// 1 to 1000. Default 100.
    limit: Option<u32>,
}

/// Which entries are removed; at least one of these.
#[derive(Debug, Default, Deserialize, IntoParams)]
#[serde(deny_unknown_fields, default)]
pub(super) struct RemoveParameters {
    /// `allow` or `deny`.
    action: Option<String>,
    /// address, range, session, fingerprint, user_agent or path.
    kind: Option<String>,
    /// Who made them.
    author: Option<String>,
    /// A part of value or reason, whatever the case of its letters.
    contains: Option<String>,
}

/// A page of entries.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct ListsResponse {
    /// Newest first.
    entries: Vec<ListEntryView>,
    /// To ask for the next page as `after`; null on the last.
    next: Option<String>,
}

/// Entries that were stored.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct AddResponse {
    /// In the order of the request.
    entries: Vec<AddedEntry>,
    /// Whether they are in force here, and at filters with their next poll; else within a fraction of a second.
    in_force: bool,
}

/// An entry that was stored.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct AddedEntry {
    /// Its id.
    id: String,
    /// Whether it is new; else it was there and is renewed.
    created: bool,
}

/// Entries that were removed.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct RemoveResponse {
    /// How many.
    removed: usize,
    /// Whether that is in force here, and at filters with their next poll; else within a fraction of a second.
    in_force: bool,
}

type Id = Result<Path<String>, PathRejection>;

/// Entries of the lists, newest first.
#[utoipa::path(get, path = "/v1/lists", tag = "lists", params(ListParameters), responses(
    (status = 200, description = "A page of entries that count", body = ListsResponse),
    (status = 422, description = "A parameter is not valid", body = Problem),
))]
pub(super) async fn list(
    State(app): State<Arc<App>>,
    parameters: Result<Query<ListParameters>, QueryRejection>,
) -> Result<Json<ListsResponse>, ApiError> {
    let Query(ListParameters { action, kind, author, contains, after, limit }) =
        parameters.map_err(|error| wrong_query(&error))?;
    let filter = filter(action, kind, author, contains)?;
    let after = after.map(|text| text.parse::<Uuid>()).transpose();
    let after =
        after.map_err(|_| ApiError::invalid("after", "after: write the `next` of the page before"))?;
    let limit = limit.unwrap_or(PAGE);
    if !(1..=LARGEST_PAGE).contains(&limit) {
        return Err(ApiError::invalid("limit", format!("limit: write 1 to {LARGEST_PAGE}")));
    }
    // One more, to know whether there is a next page.
    let mut rows = app.store.list_entries(filter, after, limit + 1, unix_ms()).await?;
    let has_more = rows.len() > limit as usize;
    rows.truncate(limit as usize);
    let next = rows.last().filter(|_| has_more).map(|row| row.id.to_string());
    Ok(Json(ListsResponse { entries: rows.into_iter().map(ListEntryView::from).collect(), next }))
}

/// Put one entry on a list, or up to 50,000, all or none. What is there already is renewed.
#[utoipa::path(post, path = "/v1/lists", tag = "lists", request_body = AddRequest, responses(
    (status = 200, description = "All were there and are renewed, durably", body = AddResponse),
    (status = 201, description = "Stored, durably", body = AddResponse),
    (status = 413, description = "Too large", body = Problem),
    (status = 422, description = "Entries are not valid or need `force`, or there would be too many; nothing is stored", body = Problem),
    (status = 503, description = "Not stored: the database cannot be written", body = Problem),
))]
pub(super) async fn add(
    State(app): State<Arc<App>>,
    Extension(caller): Extension<Caller>,
    body: RawBody,
) -> Result<impl IntoResponse, ApiError> {
    let bytes = body::bytes(body, LIMIT_KIB)?;
    let request: AddRequest = body::json(&bytes)?;
    let (engine, proxies, now_ms) = (app.detector.engine(), app.lists.trusted_proxies(), unix_ms());
    let asked = Asked { author: &caller.name, key: engine.key(), trusted_proxies: &proxies, now_ms };
    let entries = request.read(asked).map_err(|Faults { told, more }| ApiError::faulty(told, more))?;
    let added = app.lists.add(entries, now_ms).await?;
    let status = match added.entries.iter().any(|(_, is_new)| *is_new) {
        true => StatusCode::CREATED,
        false => StatusCode::OK,
    };
    let entry = |(id, created): (Uuid, bool)| AddedEntry { id: id.to_string(), created };
    let entries = added.entries.into_iter().map(entry).collect();
    Ok((status, Json(AddResponse { entries, in_force: added.in_force })))
}

/// An entry.
#[utoipa::path(get, path = "/v1/lists/{id}", tag = "lists", params(("id" = String, Path, description = "Its id")), responses(
    (status = 200, description = "The entry", body = ListEntryView),
    (status = 404, description = "No such entry", body = Problem),
))]
pub(super) async fn show(State(app): State<Arc<App>>, id: Id) -> Result<Json<ListEntryView>, ApiError> {
    let mut rows = app.store.list_entries(of_id(id)?, None, 1, unix_ms()).await?;
    Ok(Json(rows.pop().ok_or_else(unknown)?.into()))
}

/// Remove an entry.
#[utoipa::path(delete, path = "/v1/lists/{id}", tag = "lists", params(("id" = String, Path, description = "Its id")), responses(
    (status = 200, description = "Removed, durably", body = RemoveResponse),
    (status = 404, description = "No such entry", body = Problem),
    (status = 503, description = "Not removed: the database cannot be written", body = Problem),
))]
pub(super) async fn remove(State(app): State<Arc<App>>, id: Id) -> Result<Json<RemoveResponse>, ApiError> {
    let (ids, in_force) = app.lists.remove(of_id(id)?, unix_ms()).await?;
    if ids.is_empty() {
        return Err(unknown());
    }
    Ok(Json(RemoveResponse { removed: ids.len(), in_force }))
}

/// Remove all entries that fit.
#[utoipa::path(delete, path = "/v1/lists", tag = "lists", params(RemoveParameters), responses(
    (status = 200, description = "Removed, durably", body = RemoveResponse),
    (status = 422, description = "A parameter is not valid, or none is given", body = Problem),
    (status = 503, description = "Not removed: the database cannot be written", body = Problem),
))]
pub(super) async fn remove_all(
    State(app): State<Arc<App>>,
    parameters: Result<Query<RemoveParameters>, QueryRejection>,
) -> Result<Json<RemoveResponse>, ApiError> {
    let Query(RemoveParameters { action, kind, author, contains }) =
        parameters.map_err(|error| wrong_query(&error))?;
    let filter = filter(action, kind, author, contains)?;
    if filter == ListFilter::default() {
        return Err(ApiError::invalid("", "say which entries: `action`, `kind`, `author` or `contains`"));
    }
    let (ids, in_force) = app.lists.remove(filter, unix_ms()).await?;
    Ok(Json(RemoveResponse { removed: ids.len(), in_force }))
}

/// Would this visitor pass, and by which entry.
#[utoipa::path(post, path = "/v1/lists/check", tag = "lists", request_body = Visitor, responses(
    (status = 200, description = "What the lists say, and every entry that names the visitor", body = Listed),
    (status = 422, description = "A field is not valid", body = Problem),
))]
pub(super) async fn check(State(app): State<Arc<App>>, body: RawBody) -> Result<Json<Listed>, ApiError> {
    let bytes = body::bytes(body, LIMIT_KIB)?;
    let visitor: Visitor = body::json(&bytes)?;
    let engine = app.detector.engine();
    let configured = &engine.policy().config().lists;
    Ok(Json(verdict(&*app.store, configured, engine.key(), &visitor, unix_ms()).await?))
}

fn filter(
    action: Option<String>,
    kind: Option<String>,
    author: Option<String>,
    contains: Option<String>,
) -> Result<ListFilter, ApiError> {
    let action = action.map(|name| {
        ListAction::from_name(&name)
            .ok_or_else(|| ApiError::invalid("action", "action: write `allow` or `deny`"))
    });
    let kind = kind.map(|name| {
        let names = || ListKind::ALL.map(ListKind::name).join(", ");
        ListKind::from_name(&name)
            .ok_or_else(|| ApiError::invalid("kind", format!("kind: write one of {}", names())))
    });
    let contains = contains.filter(|part| !part.is_empty());
    let (action, kind) = (action.transpose()?, kind.transpose()?);
    Ok(ListFilter { action, kind, author, contains, ..ListFilter::default() })
}

fn wrong_query(error: &QueryRejection) -> ApiError {
    ApiError::invalid("", format!("a parameter is not valid: {}", error.body_text()))
}

fn of_id(id: Id) -> Result<ListFilter, ApiError> {
    let id = id.ok().and_then(|Path(id)| id.parse::<Uuid>().ok()).ok_or_else(unknown)?;
    Ok(ListFilter { id: Some(id), ..ListFilter::default() })
}

fn unknown() -> ApiError {
    ApiError::not_found("there is no entry of this id; GET /v1/lists shows those there are")
}

impl From<ListsError> for ApiError {
    fn from(error: ListsError) -> Self {
        let told = error.to_string();
        match error {
            ListsError::Store(error) => error.into(),
            ListsError::TooMany { .. } | ListsError::TooLarge(_) => Self::invalid("", told),
            ListsError::Publish(_) => Self::internal(told),
        }
    }
}
