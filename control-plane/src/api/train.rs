//! `POST /train` and `/v1/models/jobs`: training in the background.

use std::convert::Infallible;
use std::sync::Arc;

use axum::extract::rejection::{PathRejection, QueryRejection};
use axum::extract::{Path, Query, State};
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::response::sse::{Event, KeepAlive, Sse};
use axum::response::{IntoResponse, Response};
use axum::{Extension, Json};
use futures_util::stream::{Stream, unfold};
use sallyport_core::ModelKind;
use serde::{Deserialize, Serialize};
use tokio::sync::watch;
use utoipa::{IntoParams, ToSchema};

use super::body;
use super::error::{ApiError, Problem};
use crate::app::App;
use crate::auth::Caller;
use crate::models::jobs::{Job, JobState, JobView, MOST_FOLLOWERS, Order};
use crate::models::training;
use crate::training::{DataError, Settings};

/// What differs from the section `model` of the configuration.
#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(deny_unknown_fields)]
pub(super) struct TrainQuery {
    /// Passes over the rows, 1 to 1000.
    epochs: Option<u32>,
    /// Rows per step, 2 to 65536.
    batch_size: Option<u32>,
    /// neural, random_forest or gradient_boosting.
    #[param(value_type = Option<String>)]
    kind: Option<ModelKind>,
    /// Whether a feature that looks more like a bot may never lower the score.
    monotone: Option<bool>,
    /// Starts every choice left to chance.
    seed: Option<u64>,
    /// Whether to answer when the job has ended, rather than at once.
    #[serde(default)]
    #[param(value_type = Option<bool>)]
    wait: bool,
}

/// The jobs of this process.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct JobsResponse {
    /// Newest first, at most 20.
    jobs: Vec<JobView>,
}

type Id = Result<Path<u64>, PathRejection>;

/// Train a model from all feedback and simulated traffic. The result is a checkpoint; it is not promoted.
#[utoipa::path(post, path = "/train", tag = "models", params(TrainQuery), responses(
    (status = 200, description = "With `wait=true`: it has ended", body = JobView),
    (status = 202, description = "It runs; `Location` says where", body = JobView),
    (status = 409, description = "Another job runs", body = Problem),
    (status = 422, description = "A parameter is not valid, or there is too little to learn from", body = Problem),
))]
pub(super) async fn train(
    State(app): State<Arc<App>>,
    Extension(caller): Extension<Caller>,
    query: Result<Query<TrainQuery>, QueryRejection>,
) -> Result<Response, ApiError> {
    let Query(query) = query.map_err(|error| misread(&error))?;
    let config = app.models.config();
    let configured = training::settings(&config);
    let is_alone = config.train.simulated == 0.0;
    let settings = query.settings(if is_alone { configured } else { configured.beside_simulation() })?;
    // Also before anything is read for it.
    if let Some(running) = app.jobs.running() {
        return Err(busy(running));
    }
    let labels = training::feedback(&*app.store).await?;
    if is_alone {
        labels.check().map_err(too_little)?;
    }
    let order =
        Order { labels, config: config.train, settings, by: caller.name.to_string(), note: String::new() };
    let job = app.jobs.start(order, Arc::clone(&app.models)).map_err(busy)?;
    let view = if query.wait { job.ended().await } else { job.view() };
    let status = if query.wait { StatusCode::OK } else { StatusCode::ACCEPTED };
    let place = [(header::LOCATION, format!("/v1/models/jobs/{}", view.id))];
    Ok((status, place, Json(view)).into_response())
}

/// The jobs of this process.
#[utoipa::path(get, path = "/v1/models/jobs", tag = "models", responses(
    (status = 200, description = "Newest first", body = JobsResponse),
))]
pub(super) async fn jobs(State(app): State<Arc<App>>) -> Json<JobsResponse> {
    Json(JobsResponse { jobs: app.jobs.list() })
}

/// A job; with `Accept: text/event-stream` as events named like its state, until it has ended.
#[utoipa::path(get, path = "/v1/models/jobs/{id}", tag = "models",
    params(("id" = u64, Path, description = "The job")), responses(
    (status = 200, description = "The job", body = JobView),
    (status = 404, description = "No such job, or it is long over", body = Problem),
    (status = 503, description = "64 follow it as events already", body = Problem),
))]
pub(super) async fn job(
    State(app): State<Arc<App>>,
    id: Id,
    headers: HeaderMap,
) -> Result<Response, ApiError> {
    let job = find(&app, id)?;
    let accept = headers.get(header::ACCEPT).map_or(&b""[..], HeaderValue::as_bytes);
    if accept.windows(b"text/event-stream".len()).any(|part| part == b"text/event-stream") {
        let receiver = job.follow().ok_or_else(|| {
            ApiError::unavailable(format!(
                "{MOST_FOLLOWERS} follow this job already; ask without event-stream"
            ))
        })?;
        return Ok(Sse::new(events(receiver)).keep_alive(KeepAlive::default()).into_response());
    }
    Ok(Json(job.view()).into_response())
}

/// End a job. It ends within a step of training; what judges stays.
#[utoipa::path(delete, path = "/v1/models/jobs/{id}", tag = "models",
    params(("id" = u64, Path, description = "The job")), responses(
    (status = 202, description = "It will end", body = JobView),
    (status = 404, description = "No such job, or it is long over", body = Problem),
    (status = 409, description = "It has ended", body = Problem),
))]
pub(super) async fn cancel(
    State(app): State<Arc<App>>,
    id: Id,
) -> Result<(StatusCode, Json<JobView>), ApiError> {
    let job = find(&app, id)?;
    if job.view().state != JobState::Running {
        return Err(ApiError::conflict("the job has ended"));
    }
    job.cancel();
    Ok((StatusCode::ACCEPTED, Json(job.view())))
}

impl TrainQuery {
    fn settings(&self, default: Settings) -> Result<Settings, ApiError> {
        let settings = Settings {
            epochs: self.epochs.unwrap_or(default.epochs),
            batch_size: self.batch_size.unwrap_or(default.batch_size),
            kind: self.kind.unwrap_or(default.kind),
            monotone: self.monotone.unwrap_or(default.monotone),
            seed: self.seed.unwrap_or(default.seed),
            ..default
        };
        match settings.problems().first() {
            Some((key, message)) => Err(ApiError::invalid(*key, format!("{key}: {message}"))),
            None => Ok(settings),
        }
    }
}

fn busy(running: u64) -> ApiError {
    ApiError::conflict(format!("job {running} still runs; DELETE /v1/models/jobs/{running} ends it"))
}

/// A parameter of the wrong form, with its name.
fn misread(error: &QueryRejection) -> ApiError {
    let text = error.body_text();
    let told = text.strip_prefix("Failed to deserialize query string: ").unwrap_or(&text);
    let field = told.split_once(": ").map_or_else(|| body::named_field(told), |(field, _)| field.to_owned());
    ApiError::invalid(field, told)
}

fn too_little(error: DataError) -> ApiError {
    let way = "POST /feedback labels decisions, and model.train.simulated adds simulated traffic";
    ApiError::invalid("", format!("there is too little to learn from: {error}; {way}"))
}

fn find(app: &App, id: Id) -> Result<Job, ApiError> {
    let missing =
        || ApiError::not_found("no such job; those of earlier processes and long ago are forgotten");
    id.ok().and_then(|Path(id)| app.jobs.get(id)).ok_or_else(missing)
}

/// The job now and after each change; the last event is its end.
fn events(receiver: watch::Receiver<JobView>) -> impl Stream<Item = Result<Event, Infallible>> {
    unfold(Some(receiver), |receiver| async {
        let mut receiver = receiver?;
        // The job's end drops no sender, so an error means that it is forgotten.
        receiver.changed().await.ok()?;
        let view = receiver.borrow_and_update().clone();
        let name = match view.state {
            JobState::Running => "running",
            JobState::Done => "done",
            JobState::Cancelled => "cancelled",
            JobState::Failed => "failed",
        };
        let data = serde_json::to_string(&view).unwrap_or_default();
        let next = (view.state == JobState::Running).then_some(receiver);
        Some((Ok(Event::default().event(name).data(data)), next))
    })
}
