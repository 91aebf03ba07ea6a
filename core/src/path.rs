//! What a path is: page, asset, API call, login or a scanner's probe.

use std::sync::LazyLock;

use aho_corasick::nfa::contiguous::NFA;
use serde::{Deserialize, Serialize};

use crate::agent::{holds_any, literal_set};
use crate::facts::{BrowserHeaders, RequestFacts};
use crate::login_path::{begins_as_sign_in, sends, signs_in};
use crate::plain;
use crate::text::{
    contains, contains_ignore_case, ends_with_ignore_case, last_segment, starts_with_ignore_case,
};

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
/// The class of a request by its plain path (see [`plain::plain`]) and by what browsers say (`Sec-Fetch-Dest`).
/// What they say is only a claim: it makes no sign-in, and nothing that is sent, an asset.
pub(crate) fn classify(facts: &RequestFacts<'_>, path: &[u8]) -> PathClass {
    let sends = sends(facts.method);
    let is_form = |path: &[u8]| signs_in(path) && !is_asset_name(last_segment(path));
    let is_login = if sends { begins_as_sign_in(path) } else { is_form(path) || is_form(script(path)) };
    if is_login {
        return PathClass::Login;
    }
    if !sends && (is_asset_name(last_segment(path)) || facts.headers.is_some_and(|h| asks_for_asset(&h))) {
        return PathClass::Asset;
    }
    let fetched_by_script = facts.headers.is_some_and(|h| h.sec_fetch_dest == b"empty");
    if fetched_by_script || is_api(path) { PathClass::Api } else { PathClass::Page }
}

/// What runs: a path up to the script that is given more of it, as `/wp-login.php` in `/wp-login.php/a.css`.
fn script(path: &[u8]) -> &[u8] {
    const END: &[u8] = b".php/";
    let Some(dot) = path.iter().position(|byte| *byte == b'.') else { return path };
    let behind = path.get(dot..).unwrap_or_default();
    match behind.windows(END.len()).position(|window| window.eq_ignore_ascii_case(END)) {
        Some(at) => path.get(..dot + at + END.len() - 1).unwrap_or(path),
        None => path,
    }
}

/// `Sec-Fetch-Dest` and `Accept` both say that a page loads a part of itself.
fn asks_for_asset(headers: &BrowserHeaders<'_>) -> bool {
    ASSET_DESTINATIONS.contains(&headers.sec_fetch_dest) && !contains(headers.accept, b"text/html")
}

/// Whether the path's extension is that of a static file.
pub(crate) fn is_named_asset(path: &[u8]) -> bool {
    is_asset_name(last_segment(path))
}

/// Whether static files of that name are JSON: source maps and manifests. What an API answers is not.
pub(crate) fn may_be_json(path: &[u8]) -> bool {
    const ENDS: [&[u8]; 5] = [b".js.map", b".mjs.map", b".css.map", b".webmanifest", b"/manifest.json"];
    !is_api(path) && ENDS.iter().any(|end| ends_with_ignore_case(path, end))
}

fn is_asset_name(name: &[u8]) -> bool {
    let Some(dot) = name.iter().rposition(|b| *b == b'.') else { return false };
    let extension = name.get(dot + 1..).unwrap_or_default();
    ASSET_EXTENSIONS.iter().any(|known| known.as_bytes().eq_ignore_ascii_case(extension))
}

fn is_api(path: &[u8]) -> bool {
    [b"/api/".as_slice(), b"/graphql", b"/rpc/", b"/v1/", b"/v2/", b"/rest/"]
        .iter()
        .any(|start| starts_with_ignore_case(path, start))
}

/// Icons that browsers and systems ask the root for by themselves: what is answered to one says nothing.
pub(crate) fn is_icon(path: &[u8]) -> bool {
    let Some(name) = path.strip_prefix(b"/") else { return false };
    let begins = |start| starts_with_ignore_case(name, start);
    let is_one = begins(b"favicon") || begins(b"apple-touch-icon");
    !name.contains(&b'/') && (is_one || name.eq_ignore_ascii_case(b"browserconfig.xml"))
}

/// Where visitors write something for others to read, or register.
pub(crate) fn is_form(path: &[u8]) -> bool {
    const NAMES: [&[u8]; 12] = [
        b"comment",
        b"contact",
        b"register",
        b"signup",
        b"sign-up",
        b"sign_up",
        b"guestbook",
        b"reply",
        b"posting",
        b"feedback",
        b"inquiry",
        b"trackback",
    ];
    NAMES.iter().any(|name| contains_ignore_case(path, name))
}

/// `/robots.txt`, which people do not read.
pub(crate) fn is_robots(path: &[u8]) -> bool {
    path.eq_ignore_ascii_case(b"/robots.txt")
}

/// Whether the path, as sent and plain, is one of those that scanners try (`data/probes.txt`). Themes and plugins
/// keep their assets in such folders: an asset's name is a probe only behind a script or where it climbs out.
pub(crate) fn is_probe(class: PathClass, sent: &[u8], plain: &[u8]) -> bool {
    let sent = plain::read(sent);
    let respelled = sent != plain;
    if is_asset_name(last_segment(plain)) {
        let script = script(plain);
        return (script.len() < plain.len() && is_listed(script)) || (respelled && climbs(sent));
    }
    let made_by_script =
        || [b"/wp-content/".as_slice(), b"/wp-includes/"].iter().any(|d| contains_ignore_case(plain, d));
    if class == PathClass::Asset && made_by_script() {
        return false;
    }
    is_listed(plain) || (respelled && is_listed(sent))
}

/// Whether a sign-in's path, as sent and plain, is a probe at most for what it signs in at, as `/wp-login.php` is: not for
/// where that lies, as `/cgi-bin/login` is, or for how it is spelled. `is_named` says that the policy names it.
pub(crate) fn is_sign_in_itself(sent: &[u8], plain: &[u8], is_named: bool) -> bool {
    let path = plain.strip_suffix(b"/").unwrap_or(plain);
    let lies_in = path.get(..path.len() - last_segment(path).len()).unwrap_or_default();
    plain::read(sent) == plain && (is_named || (signs_in(plain) && !is_listed(lies_in)))
}

/// Whether a path leaves a folder for its parent or is cut by a zero byte.
fn climbs(path: &[u8]) -> bool {
    let decoded = plain::decode(path);
    contains(&decoded, b"/../") || decoded.contains(&0)
}

fn is_listed(path: &[u8]) -> bool {
    static PROBES: LazyLock<Option<NFA>> =
        LazyLock::new(|| literal_set(listed().map(|line| line.trim_start_matches(SERVED))).ok());
    PROBES.as_ref().is_some_and(|probes| holds_any(probes, path))
}

/// Of a probe: whether no site has such a page, or nobody should see it: secrets, backups, shells, ways out of a folder.
pub(crate) fn is_secret(sent: &[u8], plain: &[u8]) -> bool {
    static SECRETS: LazyLock<Option<NFA>> =
        LazyLock::new(|| literal_set(listed().filter(|line| !line.starts_with(SERVED))).ok());
    SECRETS.as_ref().is_some_and(|secrets| holds_any(secrets, plain) || holds_any(secrets, sent))
}

/// Marks what some sites have.
const SERVED: char = '~';

fn listed() -> impl Iterator<Item = &'static str> {
    include_str!("../data/probes.txt").lines().filter(|line| !line.starts_with('#') && !line.is_empty())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn class(path: &str) -> PathClass {
        classify(&RequestFacts::default(), &plain::plain(path.as_bytes()))
    }

    #[test]
    fn classes_follow_the_path() {
        assert_eq!(class("/"), PathClass::Page);
        assert_eq!(class("/blog/post.html"), PathClass::Page);
        assert_eq!(class("/a.b/site.CSS"), PathClass::Asset);
        assert_eq!(class("/favicon.ico"), PathClass::Asset);
        assert_eq!(class("/account/Login/"), PathClass::Login);
        assert_eq!(class("/api/items"), PathClass::Api);
        assert_eq!(class("/API/items"), PathClass::Api);
        assert_eq!(class("/GraphQL"), PathClass::Api);
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
        assert_eq!(classify(&page, page.path), PathClass::Page);
    }

    fn probes(class: PathClass, path: &str) -> bool {
        is_probe(class, path.as_bytes(), &plain::plain(path.as_bytes()))
    }

    #[test]
    fn nothing_hides_behind_an_asset() {
        for path in [
            "/wp-login.php/a.css",
            "/index.php/login",
            "/x/LOGIN;a.css",
            "/%6cogin",
            "/a/../login",
            "//login//",
        ] {
            assert_eq!(class(path), PathClass::Login, "{path}");
        }
        let claim = BrowserHeaders { sec_fetch_dest: b"image", accept: b"image/*", ..Default::default() };
        let sent = |method| RequestFacts { method, headers: Some(claim), ..Default::default() };
        assert_eq!(classify(&sent(b"GET"), b"/login"), PathClass::Login);
        assert_eq!(classify(&sent(b"GET"), b"/picture"), PathClass::Asset);
        assert_eq!(classify(&sent(b"POST"), b"/comment"), PathClass::Page);
        assert_eq!(classify(&sent(b"POST"), b"/comment/a.css"), PathClass::Page);
        assert_eq!(classify(&sent(b"POST"), b"/login/a.css"), PathClass::Login);
        assert_eq!(classify(&sent(b"GET"), b"/login/a.css"), PathClass::Asset);
        assert_eq!(class("/theme/styles.php/all.css"), PathClass::Asset);

        for path in [
            "/.env",
            "/xmlrpc.php/a.css",
            "/static/..%2f..%2fetc/passwd%00.png",
            "/static/%2e%2e/%2e%2e/a.js",
            "/actuator/env;.css",
        ] {
            assert!(probes(PathClass::Asset, path), "{path}");
        }
        for path in [
            "/wp-content/plugins/a/b.css",
            "/wp-content/plugins/a/style.php",
            "/WP-Content/Plugins/a/style.PHP",
            "/administrator/logo.png",
            "/theme/styles.php/all.css",
            "/caf%C3%A9.png",
        ] {
            assert!(!probes(PathClass::Asset, path), "{path}");
        }
    }

    #[test]
    fn probes_are_found_anywhere() {
        let far = format!("{}/.env", "/a".repeat(2000));
        for path in [
            "/.env",
            "/%2eenv",
            "/blog/WP-Login.php",
            "/.ENV",
            "/.Git/config",
            "/PhpMyAdmin/",
            "/x/..%2f..%2fetc/passwd",
            "/a%00b",
            &far,
        ] {
            assert!(probes(PathClass::Page, path), "{path}");
        }
        for path in ["/", "/environment", "/about/git", "/api/items"] {
            assert!(!probes(PathClass::Page, path), "{path}");
        }
    }

    #[test]
    fn names_that_are_known_are_known_in_any_case() {
        for (path, robots, icon) in [
            ("/robots.txt", true, false),
            ("/Robots.TXT", true, false),
            ("/a/robots.txt", false, false),
            ("/favicon.ico", false, true),
            ("/FavIcon-32.png", false, true),
            ("/Apple-Touch-Icon.png", false, true),
            ("/item/12/favicon.ico", false, false),
            ("/BrowserConfig.xml", false, true),
            ("/icon.png", false, false),
        ] {
            assert_eq!((is_robots(path.as_bytes()), is_icon(path.as_bytes())), (robots, icon), "{path}");
        }
    }

    proptest! {
        #[test]
        fn no_case_of_a_path_is_another_kind(
            path in prop::sample::select(vec![
                "/login", "/oauth/token", "/wp-login.php/a.css", "/api/x", "/v1/x", "/graphql", "/a.css", "/robots.txt",
                "/.env", "/wp-content/plugins/a/b.php", "/actuator/env", "/static/..%2f..%2fetc/passwd", "/about",
            ]),
            upper in any::<u32>(),
        ) {
            let respelt: String = path.char_indices().map(|(i, c)| {
                if upper >> (i % 32) & 1 == 1 { c.to_ascii_uppercase() } else { c }
            }).collect();
            prop_assert_eq!(class(&respelt), class(path), "{}", respelt);
            for class in [PathClass::Page, PathClass::Asset] {
                prop_assert_eq!(probes(class, &respelt), probes(class, path), "{}", respelt);
            }
        }
    }
}
