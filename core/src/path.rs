//! What a path is: page, asset, API call, login or a scanner's probe.

use std::sync::LazyLock;

use aho_corasick::nfa::contiguous::NFA;
use serde::{Deserialize, Serialize};

use crate::agent::{holds_any, literal_set};
use crate::facts::{BrowserHeaders, RequestFacts};

/// What kind of thing a request asks for. A *page* is whatever is none of the others.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum PathClass {
    /// A document that a visitor reads.
    Page,
    /// A static file that pages load: script, style, image, font, media.
    Asset,
    /// A call by a program or a page's script.
    Api,
    /// A sign-in form or endpoint.
    Login,
    /// Never judged, not counted: health checks and the like.
    Ignore,
}

const ASSET_EXTENSIONS: [&str; 33] = [
    "css",
    "js",
    "mjs",
    "map",
    "png",
    "jpg",
    "jpeg",
    "gif",
    "svg",
    "ico",
    "bmp",
    "webp",
    "avif",
    "woff",
    "woff2",
    "ttf",
    "otf",
    "eot",
    "mp3",
    "mp4",
    "m4a",
    "webm",
    "ogg",
    "ogv",
    "wav",
    "flac",
    "wasm",
    "webmanifest",
    "cur",
    "swf",
    "jxl",
    "m3u8",
    "ts",
];
const ASSET_DESTINATIONS: [&[u8]; 12] = [
    b"script",
    b"style",
    b"image",
    b"font",
    b"audio",
    b"video",
    b"track",
    b"manifest",
    b"worker",
    b"sharedworker",
    b"serviceworker",
    b"object",
];
const LOGIN_ENDINGS: [&str; 10] = [
    "/login",
    "/signin",
    "/sign-in",
    "/log-in",
    "/logon",
    "/session",
    "/sessions",
    "/auth/token",
    "/oauth/token",
    "/wp-login.php",
];

/// The class of a request by what browsers say (`Sec-Fetch-Dest`) and by its path.
pub(crate) fn classify(facts: &RequestFacts<'_>) -> PathClass {
    let last = last_segment(facts.path);
    if is_asset_name(last) || facts.headers.is_some_and(|h| asks_for_asset(&h)) {
        return PathClass::Asset;
    }
    if LOGIN_ENDINGS.iter().any(|ending| ends_with_ignore_case(facts.path, ending.as_bytes())) {
        return PathClass::Login;
    }
    let fetched_by_script = facts.headers.is_some_and(|h| h.sec_fetch_dest == b"empty");
    if fetched_by_script || is_api(facts.path) { PathClass::Api } else { PathClass::Page }
}

/// `Sec-Fetch-Dest` and `Accept` both say that a page loads a part of itself.
fn asks_for_asset(headers: &BrowserHeaders<'_>) -> bool {
    ASSET_DESTINATIONS.contains(&headers.sec_fetch_dest) && !contains(headers.accept, b"text/html")
}

fn is_asset_name(name: &[u8]) -> bool {
    let Some(dot) = name.iter().rposition(|b| *b == b'.') else { return false };
    let extension = name.get(dot + 1..).unwrap_or_default();
    ASSET_EXTENSIONS.iter().any(|known| known.as_bytes().eq_ignore_ascii_case(extension))
}

fn is_api(path: &[u8]) -> bool {
    [b"/api/".as_slice(), b"/graphql", b"/rpc/", b"/v1/", b"/v2/", b"/rest/"]
        .iter()
        .any(|p| path.starts_with(p))
}

/// Icons that browsers and systems ask for by themselves: a 404 for one says nothing.
pub(crate) fn is_icon(path: &[u8]) -> bool {
    let name = last_segment(path);
    name.starts_with(b"favicon") || name.starts_with(b"apple-touch-icon") || name == b"browserconfig.xml"
}

/// `/robots.txt`, which people do not read.
pub(crate) fn is_robots(path: &[u8]) -> bool {
    path == b"/robots.txt"
}

/// Whether the path is one of those that scanners try (`data/probes.txt`).
pub(crate) fn is_probe(path: &[u8]) -> bool {
    static PROBES: LazyLock<Option<NFA>> = LazyLock::new(|| {
        let literals =
            include_str!("../data/probes.txt").lines().filter(|l| !l.starts_with('#') && !l.is_empty());
        literal_set(literals).ok()
    });
    let seen = path.get(..MATCHED_PATH_BYTES).unwrap_or(path);
    PROBES.as_ref().is_some_and(|probes| holds_any(probes, seen))
}

/// How much of a path is searched for probes: longer ones are not longer work.
const MATCHED_PATH_BYTES: usize = 1024;

fn last_segment(path: &[u8]) -> &[u8] {
    let start = path.iter().rposition(|b| *b == b'/').map_or(0, |slash| slash + 1);
    path.get(start..).unwrap_or_default()
}

fn ends_with_ignore_case(path: &[u8], ending: &[u8]) -> bool {
    let path = path.strip_suffix(b"/").unwrap_or(path);
    path.len()
        .checked_sub(ending.len())
        .and_then(|at| path.get(at..))
        .is_some_and(|end| end.eq_ignore_ascii_case(ending))
}

pub(crate) fn contains(haystack: &[u8], needle: &[u8]) -> bool {
    haystack.windows(needle.len()).any(|window| window == needle)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn class(path: &str) -> PathClass {
        classify(&RequestFacts { path: path.as_bytes(), ..Default::default() })
    }

    #[test]
    fn classes_follow_the_path() {
        assert_eq!(class("/"), PathClass::Page);
        assert_eq!(class("/blog/post.html"), PathClass::Page);
        assert_eq!(class("/a.b/site.CSS"), PathClass::Asset);
        assert_eq!(class("/favicon.ico"), PathClass::Asset);
        assert_eq!(class("/account/Login/"), PathClass::Login);
        assert_eq!(class("/api/items"), PathClass::Api);
        assert_eq!(class(""), PathClass::Page);
    }

    #[test]
    fn a_destination_alone_does_not_make_an_asset() {
        let page = RequestFacts {
            path: b"/x",
            headers: Some(BrowserHeaders {
                sec_fetch_dest: b"image",
                accept: b"text/html",
                ..Default::default()
            }),
            ..Default::default()
        };
        assert_eq!(classify(&page), PathClass::Page);
    }

    #[test]
    fn probes_are_found_anywhere() {
        for path in ["/.env", "/blog/WP-Login.php", "/x/..%2f..%2fetc/passwd", "/a%00b"] {
            assert!(is_probe(path.as_bytes()), "{path}");
        }
        for path in ["/", "/environment", "/about/git", "/api/items"] {
            assert!(!is_probe(path.as_bytes()), "{path}");
        }
    }
}
