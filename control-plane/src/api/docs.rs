//! `GET /openapi.json`, made from the code, and `GET /docs`, a page made from that: no script, nothing fetched.

use std::sync::LazyLock;

use axum::http::header;
use axum::response::{Html, IntoResponse};
use minijinja::Environment;
use utoipa::openapi::security::{Http, HttpAuthScheme, SecurityScheme};
use utoipa::{Modify, OpenApi};

use super::error::ApiError;

/// The page; see the template for what it shows.
const TEMPLATE: &str = include_str!("docs.html");

#[derive(OpenApi)]
#[openapi(
    info(
        title = "Sallyport",
        description = "Control plane of Sallyport, bot management for Envoy. Errors are RFC 9457 problem+json."
    ),
    paths(
        super::check::check,
        super::feedback::feedback,
        super::stats::stats,
        super::conflicts::conflicts,
        super::events::events,
        super::answers::answers,
        super::logins::ended,
        super::logins::failed,
        super::train::train,
        super::lists::list,
        super::lists::add,
        super::lists::remove_all,
        super::lists::check,
        super::lists::show,
        super::lists::remove,
        super::models::list,
        super::models::show,
        super::models::promote,
        super::models::rollback,
        super::models::shadow,
        super::models::no_shadow,
        super::models::export,
        super::models::import,
        super::train::jobs,
        super::train::job,
        super::train::cancel,
        super::ranges::ranges,
        super::ranges::update,
        super::reputation::reputation,
        super::reputation::providers,
        super::crawlers::crawler,
        super::sessions::show,
        super::sessions::forgive,
        super::health::health,
        super::health::ready,
        super::metrics::metrics,
        super::snapshot::snapshot,
        super::observations::observations,
        super::exchange::exchange,
        openapi,
        page,
    ),
    modifiers(&Bearer),
    security(("token" = [])),
    tags(
        (name = "decisions", description = "Ask for verdicts, and say what was right."),
        (name = "lists", description = "Who always passes and who is always refused. Needs an admin token."),
        (name = "models", description = "Train, compare, promote and exchange models. Needs an admin token."),
        (name = "operation", description = "How it is doing. Needs an admin token."),
        (name = "filters", description = "Between filters and control plane."),
    )
)]
struct Document;

struct Bearer;

impl Modify for Bearer {
    fn modify(&self, document: &mut utoipa::openapi::OpenApi) {
        let mut scheme = Http::new(HttpAuthScheme::Bearer);
        scheme.description =
            Some("A token of role `filter` or `admin`, made by `sallyport token create`. Browsers send it as the password of `Basic`, with any user name.".to_owned());
        document
            .components
            .get_or_insert_default()
            .add_security_scheme("token", SecurityScheme::Http(scheme));
    }
}

/// The OpenAPI document.
pub fn document() -> utoipa::openapi::OpenApi {
    Document::openapi()
}

static JSON: LazyLock<String> = LazyLock::new(|| document().to_json().unwrap_or_default());

static PAGE: LazyLock<Result<String, minijinja::Error>> = LazyLock::new(|| {
    let document: serde_json::Value = serde_json::from_str(&JSON).unwrap_or_default();
    let mut environment = Environment::new();
    environment.add_template("docs.html", TEMPLATE)?;
    environment.get_template("docs.html")?.render(minijinja::context! { api => template_value(&document) })
});

/// JSON as the template engine holds it.
fn template_value(json: &serde_json::Value) -> minijinja::Value {
    use serde_json::Value as Json;
    match json {
        Json::Null => ().into(),
        Json::Bool(value) => (*value).into(),
        Json::Number(number) => number.as_i64().map_or_else(|| number.as_f64().into(), Into::into),
        Json::String(text) => text.as_str().into(),
        Json::Array(items) => items.iter().map(template_value).collect::<Vec<_>>().into(),
        Json::Object(fields) => minijinja::Value::from_pairs(
            fields.iter().map(|(name, value)| (name.as_str(), template_value(value))),
        ),
    }
}

/// The OpenAPI document.
#[utoipa::path(get, path = "/openapi.json", tag = "operation", responses(
    (status = 200, description = "OpenAPI 3.1", content_type = "application/json"),
))]
pub(super) async fn openapi() -> impl IntoResponse {
    ([(header::CONTENT_TYPE, "application/json")], JSON.as_str())
}

/// This page.
#[utoipa::path(get, path = "/docs", tag = "operation", responses(
    (status = 200, description = "A page for people", content_type = "text/html"),
))]
pub(super) async fn page() -> Result<impl IntoResponse, ApiError> {
    let page = PAGE.as_ref().map_err(ApiError::internal)?;
    let policy = "default-src 'none'; style-src 'unsafe-inline'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'";
    Ok(([(header::CONTENT_SECURITY_POLICY, policy)], Html(page.as_str())))
}
