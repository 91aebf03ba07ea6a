//! The whole route table.

use std::sync::Arc;

use axum::Router;
use axum::extract::{DefaultBodyLimit, Request, State};
use axum::middleware::{self, Next};
use axum::response::Response;
use axum::routing::{delete, get, post};

use super::error::ApiError;
use super::{
    answers, check, conflicts, crawlers, docs, events, exchange, feedback, gate, health, lists, logins,
    metrics, models, observations, ranges, reputation, sessions, snapshot, stats, train,
};
use crate::app::App;

/// All paths. Only those of `public` answer without a token; what no table knows is 401, then 404.
pub fn router(app: Arc<App>) -> Router {
    let kib = |limit: u32| DefaultBodyLimit::max(limit as usize * 1024);

    let public =
        Router::new().route("/health", get(health::health)).method_not_allowed_fallback(method_not_allowed);

    let filter = Router::new()
        .route("/check", post(check::check))
        .route("/v1/answers", post(answers::answers))
        .route("/v1/logins", post(logins::ended))
        .route("/v1/exchange", post(exchange::exchange).layer(kib(exchange::LIMIT_KIB)))
        .route("/v1/snapshot", get(snapshot::snapshot))
        .route(
            "/v1/observations",
            post(observations::observations).layer(kib(app.server.observations_limit_kib)),
        )
        .method_not_allowed_fallback(method_not_allowed)
        .layer(middleware::from_fn_with_state(Arc::clone(&app), gate::filter));

    let admin = Router::new()
        .route("/feedback", post(feedback::feedback))
        .route("/stats", get(stats::stats))
        .route("/reputation/{ip}", get(reputation::reputation))
        .route("/v1/reputation", get(reputation::providers))
        .route("/train", post(train::train))
        .route("/v1/crawlers", get(crawlers::crawler))
        .route(
            "/v1/lists",
            get(lists::list).post(lists::add).delete(lists::remove_all).layer(kib(lists::LIMIT_KIB)),
        )
        .route("/v1/lists/check", post(lists::check))
        .route("/v1/lists/{id}", get(lists::show).delete(lists::remove))
        .route("/v1/events", get(events::events))
        .route("/v1/logins/failed", get(logins::failed))
        .route("/v1/models", get(models::list))
        .route("/v1/models/conflicts", get(conflicts::conflicts))
        .route("/v1/models/rollback", post(models::rollback))
        .route("/v1/models/shadow", delete(models::no_shadow))
        .route("/v1/models/import", post(models::import).layer(kib(models::IMPORT_LIMIT_KIB)))
        .route("/v1/models/jobs", get(train::jobs))
        .route("/v1/models/jobs/{id}", get(train::job).delete(train::cancel))
        .route("/v1/models/{id}", get(models::show))
        .route("/v1/models/{id}/promote", post(models::promote))
        .route("/v1/models/{id}/shadow", post(models::shadow))
        .route("/v1/models/{id}/export", get(models::export))
        .route("/v1/ranges", get(ranges::ranges))
        .route("/v1/ranges/update", post(ranges::update))
        .route("/v1/sessions/{session_id}", get(sessions::show).delete(sessions::forgive))
        .route("/ready", get(health::ready))
        .route("/metrics", get(metrics::metrics))
        .route("/docs", get(docs::page))
        .route("/openapi.json", get(docs::openapi))
        .fallback(not_found)
        .method_not_allowed_fallback(method_not_allowed)
        .layer(middleware::from_fn_with_state(Arc::clone(&app), gate::admin));

    Router::new()
        .merge(public)
        .merge(filter)
        .merge(admin)
        .layer(kib(app.server.body_limit_kib))
        .layer(middleware::from_fn_with_state(Arc::clone(&app), count))
        .with_state(app)
}

async fn not_found(request: Request) -> ApiError {
    let path: String = request.uri().path().chars().take(100).collect();
    ApiError::not_found(format!("no path {path}; GET /docs shows those there are"))
}

async fn method_not_allowed() -> ApiError {
    ApiError::method_not_allowed()
}

async fn count(State(app): State<Arc<App>>, request: Request, next: Next) -> Response {
    let response = next.run(request).await;
    app.metrics.answered(response.status().as_u16());
    response
}
