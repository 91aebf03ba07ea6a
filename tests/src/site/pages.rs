//! Pages and assets of the sample site; the pages link to one another, so that a visitor has somewhere to go.

use axum::extract::{Path, Query};
use axum::http::{StatusCode, header};
use axum::response::{Html, IntoResponse};
use serde::Deserialize;

/// Articles 1 to this one exist.
const ARTICLES: u32 = 40;

/// A page in the site's frame.
pub(super) fn page(title: &str, body: &str) -> Html<String> {
    Html(format!(
        "<!doctype html><html lang=\"en\"><head><meta charset=\"utf-8\"><title>{title} · Harbour Journal</title>\
         <link rel=\"stylesheet\" href=\"/assets/site.css\"><script src=\"/assets/site.js\" defer></script></head>\
         <body><header><img src=\"/assets/logo.png\" alt=\"\" width=\"32\" height=\"32\"> <a href=\"/\">Home</a> \
         <a href=\"/articles\">Articles</a> <a href=\"/about\">About</a> <a href=\"/login\">Sign in</a></header>\
         <main><h1>{title}</h1>{body}</main></body></html>"
    ))
}

pub(super) async fn home() -> Html<String> {
    page("Harbour Journal", "<p>News from the quay. Start with the <a href=\"/articles\">articles</a>.</p>")
}

pub(super) async fn about() -> Html<String> {
    page("About", "<p>A sample site: it stands behind Envoy and Sallyport and tells what reached it.</p>")
}

pub(super) async fn articles() -> Html<String> {
    let links: String = (1..=ARTICLES)
        .map(|number| format!("<li><a href=\"/articles/{number}\">Article {number}</a></li>"))
        .collect();
    page("Articles", &format!("<ul>{links}</ul>"))
}

pub(super) async fn article(Path(number): Path<u32>) -> impl IntoResponse {
    if (1..=ARTICLES).contains(&number) {
        let next = number % ARTICLES + 1;
        let body = format!("<p>{}</p><a href=\"/articles/{next}\">Next</a>", "The tide came in. ".repeat(40));
        (StatusCode::OK, page(&format!("Article {number}"), &body))
    } else {
        (StatusCode::NOT_FOUND, page("Not found", "<p>There is no such article.</p>"))
    }
}

#[derive(Deserialize)]
pub(super) struct Search {
    #[serde(default)]
    q: String,
}

pub(super) async fn search(Query(search): Query<Search>) -> Html<String> {
    page("Search", &format!("<p>{} letters searched for, nothing found.</p>", search.q.chars().count()))
}

pub(super) async fn css() -> impl IntoResponse {
    let css = "body{font:1rem/1.6 system-ui;max-width:44rem;margin:auto;padding:1rem}header a{margin:.5rem}";
    ([(header::CONTENT_TYPE, "text/css")], css)
}

pub(super) async fn js() -> impl IntoResponse {
    ([(header::CONTENT_TYPE, "text/javascript")], "document.documentElement.dataset.ready = 'yes';")
}

pub(super) async fn png() -> impl IntoResponse {
    ([(header::CONTENT_TYPE, "image/png")], include_bytes!("../../site/logo.png").as_slice())
}

pub(super) async fn robots() -> &'static str {
    "User-agent: *\nDisallow: /account\n"
}

pub(super) async fn missing() -> impl IntoResponse {
    (StatusCode::NOT_FOUND, page("Not found", "<p>There is no such page.</p>"))
}
