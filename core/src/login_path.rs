//! Which paths are sign-ins by their names, however frameworks let them go on, and which methods send something there.

use crate::text::{ends_with_ignore_case, last_segment};

const LOGIN_ENDINGS: [&str; 11] = [
    "/login",
    "/signin",
    "/sign-in",
    "/sign_in",
    "/log-in",
    "/logon",
    "/session",
    "/sessions",
    "/auth/token",
    "/oauth/token",
    "/wp-login.php",
];

/// Whether a request of this method is no mere look at what is there. Frameworks take methods in any case, and some take
/// any for a post. Where the method is not known nothing is sent.
pub(crate) fn sends(method: &[u8]) -> bool {
    const LOOKS: [&[u8]; 5] = [b"", b"GET", b"HEAD", b"OPTIONS", b"TRACE"];
    !LOOKS.iter().any(|look| look.eq_ignore_ascii_case(method))
}

/// Whether the path or a beginning of it is a sign-in's: a framework may well take the rest of a path for nothing. Sessions
/// are things that a path goes on about: `PUT /sessions/7`.
pub(crate) fn begins_as_sign_in(path: &[u8]) -> bool {
    let is_of_sessions = |start: &[u8]| {
        let name = last_segment(without_extension(start)).trim_ascii_end();
        [b"session".as_slice(), b"sessions"].iter().any(|known| known.eq_ignore_ascii_case(name))
    };
    let slashes = path.iter().enumerate().filter(|(_, byte)| **byte == b'/');
    let mut starts = slashes.filter_map(|(at, _)| path.get(..at));
    signs_in(path) || starts.any(|start| signs_in(start) && !is_of_sessions(start))
}

/// Whether a path is a sign-in's, as it is or with the format of the answer behind it: `/login.json`. Servers may cut
/// off spaces.
pub(crate) fn signs_in(path: &[u8]) -> bool {
    let path = path.trim_ascii_end();
    let path = path.strip_suffix(b"/").unwrap_or(path);
    let is_known = |path: &[u8]| {
        let path = path.trim_ascii_end();
        LOGIN_ENDINGS.iter().any(|ending| ends_with_ignore_case(path, ending.as_bytes()))
    };
    is_known(path) || is_known(without_extension(path))
}

/// The path without the last dot of its last segment and what is behind it.
fn without_extension(path: &[u8]) -> &[u8] {
    let dot = last_segment(path).iter().rev().position(|byte| *byte == b'.');
    dot.and_then(|at| path.get(..path.len() - at - 1)).unwrap_or(path)
}

#[cfg(test)]
mod tests {
    use crate::facts::{BrowserHeaders, RequestFacts};
    use crate::path::{PathClass, classify};
    use crate::plain;

    #[test]
    fn a_sign_in_is_one_however_its_path_goes_on() {
        let sent = |method: &'static [u8], path: &str| {
            classify(&RequestFacts { method, ..Default::default() }, &plain::plain(path.as_bytes()))
        };
        let posts: [&[u8]; 5] = [b"POST", b"post", b"PUT", b"DELETE", b"LOGIN"];
        for path in [
            "/login",
            "/login/",
            "/login.json",
            "/login.json/",
            "/login.php/x",
            "/login.php/a.css",
            "/login%20",
            "/login%20.json%09",
            "/login/%0a",
            "/LogIn/x",
            "/login/x/y",
            "/login/7.css",
            "/wp-login.php.x/y",
            "/index.php/login/x",
            "/sessions/7/sign_in",
            "/users/sign_in.json",
            "/session.json",
            "/session/%20",
            "/auth/token.json",
        ] {
            for method in posts {
                assert_eq!(sent(method, path), PathClass::Login, "{path}");
            }
        }
        for (path, class) in [
            ("/sessions/7", PathClass::Page),
            ("/session.json/7", PathClass::Page),
            ("/loginx/y", PathClass::Page),
            ("/x.login/y", PathClass::Page),
            ("/login.v1.Accounts/Get", PathClass::Page),
            ("/api/session/basket", PathClass::Api),
        ] {
            assert_eq!(sent(b"PUT", path), class, "{path}");
        }
    }

    #[test]
    fn what_only_looks_at_a_sign_in_is_a_form_or_its_parts() {
        let claim = BrowserHeaders { sec_fetch_dest: b"image", accept: b"image/*", ..Default::default() };
        for (path, class) in [
            ("/login", PathClass::Login),
            ("/login.json", PathClass::Login),
            ("/login.php/a.css", PathClass::Login),
            ("/login.css", PathClass::Asset),
            ("/login/a.css", PathClass::Asset),
            ("/login/help", PathClass::Asset),
        ] {
            for method in [b"GET".as_slice(), b"get", b"HEAD", b"OPTIONS", b""] {
                let facts = RequestFacts { method, headers: Some(claim), ..Default::default() };
                assert_eq!(classify(&facts, path.as_bytes()), class, "{path}");
            }
        }
        assert_eq!(classify(&RequestFacts::default(), b"/login/help"), PathClass::Page);
    }
}
