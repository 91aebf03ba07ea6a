//! The site behind the filter. It reads paths as kindly as sites do: whatever spelling gets to a page, an API or the login
//! there is an attacker's choice.

use std::collections::HashSet;

/// What the site made of a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Served {
    Page,
    Asset,
    Api,
    /// What the browser has already: nothing new.
    Unchanged,
    /// A try to sign in with a password that was wrong.
    WrongPassword,
    /// A session began.
    SignedIn,
    NotFound,
}

#[derive(Clone, Debug)]
pub(crate) struct Answer {
    pub(crate) served: Served,
    pub(crate) status: u16,
    pub(crate) headers: Vec<(&'static str, String)>,
}

/// What is sent to the login.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Password {
    Right,
    Wrong,
}

#[derive(Debug, Default)]
pub(crate) struct Site {
    sessions: HashSet<String>,
}

/// What the site reads of a request besides its path.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Sent {
    pub(crate) method: &'static str,
    pub(crate) password: Password,
    /// `If-None-Match` with what the site sent before: then nothing has changed.
    pub(crate) is_conditional: bool,
}

impl Site {
    /// The answer to a request that has passed.
    pub(crate) fn answer(&mut self, sent: Sent, path: &str) -> Answer {
        let path = read(path);
        let is = |name: &str| path.strip_prefix(name).is_some_and(|rest| !rest.starts_with(is_word));
        if is("/login") {
            return if sent.method == "GET" { html(Served::Page, 200) } else { self.sign_in(sent.password) };
        }
        let answer = if is("/api") {
            Answer { served: Served::Api, status: 200, headers: vec![content("application/json")] }
        } else if is("/static") {
            file(&path)
        } else if path == "/" || is("/item") || is("/list") {
            html(Served::Page, 200)
        } else {
            html(Served::NotFound, 404)
        };
        if sent.is_conditional && answer.status == 200 {
            // As nginx and Apache answer: without a type.
            return Answer { served: Served::Unchanged, status: 304, headers: vec![] };
        }
        answer
    }

    fn sign_in(&mut self, password: Password) -> Answer {
        if password == Password::Wrong {
            return html(Served::WrongPassword, 401);
        }
        let token = format!("s{:05}abcdefABCDEF", self.sessions.len());
        let cookie = format!("sid={token}; Path=/; HttpOnly; Secure; SameSite=Lax");
        self.sessions.insert(token);
        let headers = vec![("location", "/".to_owned()), ("set-cookie", cookie)];
        Answer { served: Served::SignedIn, status: 302, headers }
    }
}

fn file(path: &str) -> Answer {
    let kind = match path.rsplit_once('.') {
        Some((_, "css")) => "text/css",
        Some((_, "js")) => "text/javascript",
        Some((_, "png")) => "image/png",
        _ => return html(Served::NotFound, 404),
    };
    Answer { served: Served::Asset, status: 200, headers: vec![content(kind)] }
}

fn html(served: Served, status: u16) -> Answer {
    Answer { served, status, headers: vec![content("text/html; charset=utf-8")] }
}

fn content(kind: &str) -> (&'static str, String) {
    ("content-type", kind.to_owned())
}

fn is_word(c: char) -> bool {
    c.is_ascii_alphanumeric() || c == '_' || c == '-'
}

/// Decoded, lower case, without query, parameters, empty segments, `.` and `..`.
fn read(path: &str) -> String {
    let path = decode(path.split(['?', '#']).next().unwrap_or_default());
    let mut segments: Vec<&str> = Vec::new();
    for segment in path.split('/') {
        match segment.split(';').next().unwrap_or_default() {
            "" | "." => {}
            ".." => drop(segments.pop()),
            name => segments.push(name),
        }
    }
    format!("/{}", segments.join("/")).to_ascii_lowercase()
}

fn decode(path: &str) -> String {
    let mut out = String::new();
    let mut rest = path;
    while let Some(c) = rest.chars().next() {
        let hex =
            (c == '%').then(|| rest.get(1..3)).flatten().and_then(|hex| u8::from_str_radix(hex, 16).ok());
        out.push(hex.map_or(c, char::from));
        rest = &rest[if hex.is_some() { 3 } else { c.len_utf8() }..];
    }
    out
}

#[test]
fn every_spelling_gets_to_the_same_page() {
    let mut site = Site::default();
    let sent = |method| Sent { method, password: Password::Wrong, is_conditional: false };
    for path in [
        "/login",
        "/LogIn",
        "//login",
        "/./login/",
        "/%6cogin",
        "/a/../login;x=1",
        "/login/a.css",
        "/login%20",
    ] {
        assert_eq!(site.answer(sent("POST"), path).served, Served::WrongPassword, "{path}");
    }
    for path in ["/item/12", "/item/12.css", "/item/12;.css", "/item/12/a.css?b", "/%69tem/12", "/"] {
        let answer = site.answer(sent("GET"), path);
        assert_eq!((answer.served, answer.status), (Served::Page, 200), "{path}");
        assert_eq!(answer.headers, [content("text/html; charset=utf-8")], "{path}");
    }
    for path in ["/.env", "/static/nothing", "/logins", "/items"] {
        assert_eq!(site.answer(sent("GET"), path).status, 404, "{path}");
    }
    assert_eq!(site.answer(sent("GET"), "/api/items/1").served, Served::Api);
    assert_eq!(site.answer(sent("GET"), "/static/a.css").served, Served::Asset);
    let again = site.answer(Sent { is_conditional: true, ..sent("GET") }, "/static/a.css");
    assert_eq!((again.status, again.headers.len()), (304, 0));
    let right = Sent { password: Password::Right, ..sent("POST") };
    let sessions: HashSet<_> = (0..3).map(|_| site.answer(right, "/login").headers[1].1.clone()).collect();
    assert_eq!(sessions.len(), 3, "each its own");
}
