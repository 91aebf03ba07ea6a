//! Two logins, since sites answer a failed one in two ways: `/login` with 401, `/legacy-login` with 200
//! and the same page again. `/login` tells in `x-account` who tried. One account exists: `ada` with the password `right`.

use axum::Form;
use axum::extract::Path;
use axum::http::StatusCode;
use axum::response::{Html, IntoResponse, Redirect, Response};
use serde::Deserialize;

use super::pages::page;

#[derive(Deserialize)]
pub(super) struct Credentials {
    #[serde(default)]
    user: String,
    #[serde(default)]
    password: String,
}

impl Credentials {
    fn right(&self) -> bool {
        self.user == "ada" && self.password == "right"
    }
}

pub(super) async fn form() -> Html<String> {
    page(
        "Sign in",
        "<form method=\"post\"><label>Name <input name=\"user\"></label> \
         <label>Password <input name=\"password\" type=\"password\"></label> <button>Sign in</button></form>",
    )
}

pub(super) async fn sign_in(Form(credentials): Form<Credentials>) -> Response {
    let answer = if credentials.right() {
        Redirect::to("/account").into_response()
    } else {
        (StatusCode::UNAUTHORIZED, form().await).into_response()
    };
    ([("x-account", credentials.user)], answer).into_response()
}

pub(super) async fn legacy_sign_in(Form(credentials): Form<Credentials>) -> Response {
    if credentials.right() { Redirect::to("/account").into_response() } else { form().await.into_response() }
}

/// Issues a session of this name, as a site does that knows its visitors by a cookie.
pub(super) async fn welcome(Path(session): Path<String>) -> Response {
    let cookie = format!("sid={session}; Path=/; HttpOnly; SameSite=Lax");
    ([("set-cookie", cookie)], page("Welcome", "<p>You have a session now.</p>")).into_response()
}

pub(super) async fn account() -> Html<String> {
    page("Your account", "<p>Signed in.</p>")
}
