//! `/v1/models`: checkpoints, what was promoted, what looks on.

use std::sync::Arc;

use axum::extract::rejection::PathRejection;
use axum::extract::{Path, State};
use axum::http::{StatusCode, header};
use axum::response::IntoResponse;
use axum::{Extension, Json};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::body::{self, RawBody};
use super::error::{ApiError, Problem};
use crate::app::App;
use crate::auth::Caller;
use crate::learning::LearningStatus;
use crate::models::{
    self, Comparison, ModelDetails, ModelLine, ModelsError, PromotionView, checkpoint, file, lines,
};
use crate::snapshot::PublishError;
use crate::store::{Checkpoint, Promote};
use crate::training::FeatureHistograms;

/// Promotions that are shown.
const SHOWN: u32 = 20;

/// Longest reason and note, in characters.
const TEXT: usize = 500;

/// Largest file to import, KiB.
pub(super) const IMPORT_LIMIT_KIB: u32 = (file::MAX_BYTES >> 10) as u32;

/// All checkpoints and the history of what judged.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct ModelsResponse {
    /// What judges.
    active: ActiveModel,
    /// The checkpoint that looks on.
    shadow: Option<i64>,
    /// How learning from feedback goes.
    learning: LearningStatus,
    /// Newest first; the model that ships is the last.
    models: Vec<ModelLine>,
    /// Newest first, at most 20.
    promotions: Vec<PromotionView>,
}

/// What judges.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct ActiveModel {
    /// Its number; 0 is the model that ships.
    checkpoint: i64,
    /// Version of the snapshot that carries it to the filters.
    snapshot_version: u64,
    /// Why that is not what was promoted last.
    fault: Option<String>,
}

/// Why it is done; may be left out.
#[derive(Debug, Default, Deserialize, ToSchema)]
#[serde(deny_unknown_fields, default)]
pub(super) struct ReasonRequest {
    /// For the history, at most 500 characters.
    reason: String,
}

/// A checkpoint that was stored.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct ImportResponse {
    /// Its number; it is not promoted.
    checkpoint: i64,
}

type Id = Result<Path<i64>, PathRejection>;

/// All checkpoints.
#[utoipa::path(get, path = "/v1/models", tag = "models", responses(
    (status = 200, description = "Checkpoints, promotions, and what judges", body = ModelsResponse),
))]
pub(super) async fn list(State(app): State<Arc<App>>) -> Result<Json<ModelsResponse>, ApiError> {
    let judging = app.models.judging();
    let models = lines(&*app.store, &judging.wanted).await?;
    let promotions = app.store.promotions(SHOWN).await?.into_iter().map(PromotionView::from).collect();
    Ok(Json(ModelsResponse {
        active: ActiveModel {
            checkpoint: judging.active.id,
            snapshot_version: app.publisher.current().version,
            fault: judging.fault.clone(),
        },
        shadow: judging.shadow.as_ref().map(|shadow| shadow.candidate.id),
        learning: app.learning.status(),
        models,
        promotions,
    }))
}

/// All that is known of a checkpoint.
#[utoipa::path(get, path = "/v1/models/{id}", tag = "models",
    params(("id" = i64, Path, description = "The checkpoint; 0 is the model that ships")), responses(
    (status = 200, description = "The checkpoint", body = ModelDetails),
    (status = 404, description = "No such checkpoint", body = Problem),
))]
pub(super) async fn show(State(app): State<Arc<App>>, id: Id) -> Result<Json<ModelDetails>, ApiError> {
    let found = find(&app, id).await?;
    let judging = app.models.judging();
    let training: Option<FeatureHistograms> = serde_json::from_str(&found.content.histograms).ok();
    let id = found.id;
    let mut details = ModelDetails::of(found, &judging.wanted);
    details.drift = app.models.drift(training.as_ref());
    let shadow = judging.shadow.as_ref().filter(|shadow| shadow.candidate.id == id);
    details.comparison = shadow.map(|shadow| Comparison::into(shadow.comparison()));
    Ok(Json(details))
}

/// Let a checkpoint judge. It is in force here when this answers, at the filters with their next poll.
#[utoipa::path(post, path = "/v1/models/{id}/promote", tag = "models",
    params(("id" = i64, Path, description = "The checkpoint; 0 is the model that ships")),
    request_body(content = Option<ReasonRequest>, description = "May be left out"), responses(
    (status = 200, description = "It judges, durably", body = PromotionView),
    (status = 404, description = "No such checkpoint", body = Problem),
    (status = 409, description = "It judges already", body = Problem),
    (status = 422, description = "It cannot be used, or fits no snapshot", body = Problem),
    (status = 503, description = "The database cannot be written; tells whether the promotion is stored", body = Problem),
))]
pub(super) async fn promote(
    State(app): State<Arc<App>>,
    Extension(caller): Extension<Caller>,
    id: Id,
    body: RawBody,
) -> Result<Json<PromotionView>, ApiError> {
    let (checkpoint, reason) = (number(id)?, reason(&app, body)?);
    let by = caller.name.to_string();
    let promotion = app.models.promote(Promote { checkpoint, by, reason, only_after: None }).await?;
    Ok(Json(promotion.into()))
}

/// Go back to what judged before the promotion in force; once more goes back further.
#[utoipa::path(post, path = "/v1/models/rollback", tag = "models",
    request_body(content = Option<ReasonRequest>, description = "May be left out"), responses(
    (status = 200, description = "The earlier one judges, durably", body = PromotionView),
    (status = 409, description = "There is nothing to go back to", body = Problem),
    (status = 503, description = "The database cannot be written; tells whether the rollback is stored", body = Problem),
))]
pub(super) async fn rollback(
    State(app): State<Arc<App>>,
    Extension(caller): Extension<Caller>,
    body: RawBody,
) -> Result<Json<PromotionView>, ApiError> {
    let reason = reason(&app, body)?;
    Ok(Json(app.models.rollback(caller.name.to_string(), reason).await?.into()))
}

/// Let a checkpoint look on beside the one that judges: what it would have said is recorded and counted.
#[utoipa::path(post, path = "/v1/models/{id}/shadow", tag = "models",
    params(("id" = i64, Path, description = "The checkpoint")), responses(
    (status = 204, description = "It looks on"),
    (status = 404, description = "No such checkpoint", body = Problem),
    (status = 409, description = "It judges already", body = Problem),
))]
pub(super) async fn shadow(State(app): State<Arc<App>>, id: Id) -> Result<StatusCode, ApiError> {
    app.models.set_shadow(Some(number(id)?)).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// Let no checkpoint look on.
#[utoipa::path(delete, path = "/v1/models/shadow", tag = "models", responses(
    (status = 204, description = "None looks on"),
))]
pub(super) async fn no_shadow(State(app): State<Arc<App>>) -> Result<StatusCode, ApiError> {
    app.models.set_shadow(None).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// A checkpoint as a file.
#[utoipa::path(get, path = "/v1/models/{id}/export", tag = "models",
    params(("id" = i64, Path, description = "The checkpoint; 0 is the model that ships")), responses(
    (status = 200, description = "The file", body = Vec<u8>, content_type = "application/octet-stream"),
    (status = 404, description = "No such checkpoint", body = Problem),
))]
pub(super) async fn export(State(app): State<Arc<App>>, id: Id) -> Result<impl IntoResponse, ApiError> {
    let found = find(&app, id).await?;
    let name = format!("attachment; filename=\"checkpoint-{}.sallyport\"", found.id);
    let headers = [
        (header::CONTENT_TYPE, "application/octet-stream".to_owned()),
        (header::CONTENT_DISPOSITION, name),
        (header::CACHE_CONTROL, "no-store".to_owned()),
    ];
    Ok((headers, file::write(&found)))
}

/// Store the checkpoint of a file, or a bare model. It is not promoted.
#[utoipa::path(post, path = "/v1/models/import", tag = "models",
    request_body(content = Vec<u8>, content_type = "application/octet-stream", description = "The file"), responses(
    (status = 201, description = "Stored, durably", body = ImportResponse),
    (status = 413, description = "Too large", body = Problem),
    (status = 422, description = "Damaged, or of another feature version", body = Problem),
    (status = 503, description = "Not stored: the database cannot be written", body = Problem),
))]
pub(super) async fn import(
    State(app): State<Arc<App>>,
    Extension(caller): Extension<Caller>,
    body: RawBody,
) -> Result<impl IntoResponse, ApiError> {
    let bytes = body::bytes(body, IMPORT_LIMIT_KIB)?;
    let content = file::read(&bytes, &caller.name).map_err(ModelsError::from)?;
    let checkpoint = app.models.save(content).await?;
    let place = [(header::LOCATION, format!("/v1/models/{checkpoint}"))];
    Ok((StatusCode::CREATED, place, Json(ImportResponse { checkpoint })))
}

async fn find(app: &App, id: Id) -> Result<Checkpoint, ApiError> {
    Ok(checkpoint(&*app.store, number(id)?).await?)
}

fn number(id: Id) -> Result<i64, ApiError> {
    id.map(|Path(id)| id).map_err(|_| ApiError::not_found("a checkpoint is named by its number"))
}

/// The reason of a body that may be empty.
fn reason(app: &App, body: RawBody) -> Result<String, ApiError> {
    let bytes = body::bytes(body, app.server.body_limit_kib)?;
    let request = match bytes.trim_ascii() {
        b"" => ReasonRequest::default(),
        json => body::json(json)?,
    };
    if request.reason.chars().count() > TEXT {
        return Err(ApiError::invalid("reason", format!("reason: write at most {TEXT} characters")));
    }
    Ok(request.reason)
}

impl From<models::ModelsError> for ApiError {
    fn from(error: models::ModelsError) -> Self {
        let told = error.to_string();
        match error {
            ModelsError::Store(error) | ModelsError::Publish(PublishError::Store(error)) => error.into(),
            ModelsError::Unknown(_) => Self::not_found(told),
            ModelsError::NotYet(..) => Self::unavailable(told),
            ModelsError::AlreadyActive(_) | ModelsError::Overtaken | ModelsError::NothingBefore => {
                Self::conflict(told)
            }
            ModelsError::Damaged(..) | ModelsError::File(_) | ModelsError::Publish(_) => {
                Self::invalid("", told)
            }
        }
    }
}
