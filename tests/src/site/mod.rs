//! The sample site: pages, assets, logins and an API, as an origin that tells what reached it. Every answer
//! repeats the verdict Envoy sent along (`x-sallyport`) as `x-echo-sallyport`.

mod api;
mod login;
mod pages;

use axum::Router;
use axum::extract::Request;
use axum::middleware::{self, Next};
use axum::response::Response;
use axum::routing::{get, post};

/// The site, telling with each answer what verdict reached it.
pub fn router() -> Router {
    quiet_router().layer(middleware::from_fn(repeat_verdict))
}

/// The same without telling, for measurements: a longer answer would count against whoever sent the verdict.
pub fn quiet_router() -> Router {
    Router::new()
        .route("/", get(pages::home))
        .route("/about", get(pages::about))
        .route("/articles", get(pages::articles))
        .route("/articles/{number}", get(pages::article))
        .route("/search", get(pages::search))
        .route("/assets/site.css", get(pages::css))
        .route("/assets/site.js", get(pages::js))
        .route("/assets/logo.png", get(pages::png))
        .route("/favicon.ico", get(pages::png))
        .route("/robots.txt", get(pages::robots))
        .route("/login", get(login::form).post(login::sign_in))
        .route("/legacy-login", get(login::form).post(login::legacy_sign_in))
        .route("/account", get(login::account))
        .route("/welcome/{session}", get(login::welcome))
        .route("/api/items", get(api::items).post(api::create))
        .route("/api/items/{number}", get(api::item))
        .route("/api/echo", get(api::echo).post(api::echo))
        .route("/upload", post(api::upload))
        .fallback(pages::missing)
}

async fn repeat_verdict(request: Request, next: Next) -> Response {
    let verdict = request.headers().get("x-sallyport").cloned();
    let mut response = next.run(request).await;
    if let Some(verdict) = verdict {
        response.headers_mut().insert("x-echo-sallyport", verdict);
    }
    response
}
