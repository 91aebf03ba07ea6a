//! What the policy says of a path: its route, traps, and the configured logins.
//!
//! Hosts and paths are compared as sites' own routers do, whatever their ASCII case: else `/Trap` or `/in/` would be a
//! visitor's way around `/trap` and `/in`. Where a site does tell cases apart, a few more paths fit that it does not have.

use super::config::{Enforcement, LoginRoute, Route, failing_statuses};
use super::pattern::{fits_path, same_path, without_slash};
use super::{Policy, host};
use crate::answers::Answer;
use crate::facts::strip_query;
use crate::login_path::sends;
use crate::plain::plain;
use crate::text::{find, starts_with_ignore_case};

impl Policy {
    /// The route of a request's `:authority` and path, however they are spelled: of those that fit, the one that names the
    /// host most closely, then the one with the longest prefix; or one without any difference.
    pub fn route(&self, authority: &[u8], path: &[u8]) -> &Route {
        self.route_of(authority, &plain(path))
    }

    /// The route of an `:authority` and a plain path.
    pub(crate) fn route_of(&self, authority: &[u8], path: &[u8]) -> &Route {
        let name = host::name(authority);
        let fits = |route: &&Route| starts_with_ignore_case(path, route.prefix.as_bytes());
        let closeness = |route: &Route| host::closeness(route.host.as_deref(), name);
        self.config
            .routes
            .iter()
            .filter(fits)
            .filter_map(|route| Some((closeness(route)?, route)))
            .max_by_key(|(closeness, route)| (*closeness, route.prefix.len()))
            .map_or(&self.everywhere, |(_, route)| route)
    }

    /// Whether refusals on this route are carried out.
    pub fn enforces(&self, route: &Route) -> bool {
        route.enforcement.unwrap_or(self.config.enforcement) == Enforcement::Enforce
    }

    pub(crate) fn is_trap(&self, path: &[u8]) -> bool {
        self.config.trap_paths.iter().any(|trap| fits_path(trap, path))
    }

    /// The place of the configured login route that a request of this `:authority` and plain path is an attempt at, by its
    /// method or, without one, by any: of several, the one that names the host most closely, then the longest, then the
    /// first.
    pub(crate) fn login_route(&self, method: Option<&[u8]>, authority: &[u8], path: &[u8]) -> Option<u16> {
        let name = host::name(authority);
        let fits = |login: &LoginRoute| {
            method.is_none_or(|method| login.method.as_bytes().eq_ignore_ascii_case(method))
                && is_attempt_at(login, path)
        };
        let routes = self.config.login.routes.iter().enumerate().filter(|(_, login)| fits(login));
        let close = routes.filter_map(|(at, login)| {
            let closeness = host::closeness(login.host.as_deref(), name)?;
            Some((closeness, without_slash(login.path.as_bytes()).len(), at))
        });
        // Of equal ones the last would be taken.
        let (.., at) = close.rev().max_by_key(|(closeness, length, _)| (*closeness, *length))?;
        u16::try_from(at).ok()
    }

    /// The configured route of that place.
    pub(crate) fn login_at(&self, place: Option<u16>) -> Option<&LoginRoute> {
        self.config.login.routes.get(usize::from(place?))
    }

    /// Whether the answer to an attempt means that it failed, by the configured route or by what is usual.
    pub(crate) fn login_failed(&self, login: Option<u16>, answer: Answer<'_>) -> bool {
        let Answer { path, status, location, referer, .. } = answer;
        // Where there is nothing to sign in at nobody has signed in.
        if matches!(status, 404 | 405 | 410 | 501) {
            return true;
        }
        let Some(route) = self.login_at(login) else {
            return failing_statuses().contains(&status);
        };
        // A 307 or 308 to the same path, as routers send for a slash, repeats the attempt there and does not show a form.
        let leads_back = matches!(status, 300..=306 | 309..400) && {
            let target = plain(path_of(location));
            let leads_to = |path: &[u8]| same_path(&target, &plain(path));
            leads_to(path)
                || leads_to(route.path.as_bytes())
                || (!referer.is_empty() && leads_to(path_of(referer)))
        };
        route.failing_statuses.contains(&status) || (route.same_page && (status == 200 || leads_back))
    }
}

/// Whether a path is a login route's, or what is sent to it goes on from that, as a framework may read over: `/in.json`,
/// `/in/x`.
fn is_attempt_at(login: &LoginRoute, path: &[u8]) -> bool {
    let route = login.path.as_bytes();
    let goes_on = || {
        let route = without_slash(route);
        let rest = path.get(route.len()..).unwrap_or_default().trim_ascii_start();
        !route.is_empty() && starts_with_ignore_case(path, route) && matches!(rest, [] | [b'/' | b'.', ..])
    };
    same_path(route, path) || (sends(login.method.as_bytes()) && goes_on())
}

/// The path that a `location` or `referer`, relative or absolute, leads to.
fn path_of(link: &[u8]) -> &[u8] {
    let link = strip_query(link);
    let Some(rest) = find(link, b"://").and_then(|at| link.get(at + 3..)) else { return link };
    rest.iter().position(|byte| *byte == b'/').and_then(|at| rest.get(at..)).unwrap_or(b"/")
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::policy::{ListAction, ListEntry, ListTarget, Lists};
    use crate::{HashKey, PathClass, PolicyConfig, RequestFacts};

    fn policy(json: &str) -> Policy {
        let config = PolicyConfig::from_json(json.as_bytes()).expect("a policy");
        Policy::compile(config).expect("valid")
    }

    #[test]
    fn the_longest_prefix_counts() {
        let policy = policy(
            r#"{ "routes": [{ "prefix": "/api/" }, { "prefix": "/API/health", "class": "ignore" }, { "prefix": "/Shop" }] }"#,
        );
        for (path, prefix) in [
            ("/api/health", "/API/health"),
            ("/Api/Health/db", "/API/health"),
            ("/api/x", "/api/"),
            ("/API/", "/api/"),
            ("/api", ""),
            ("/shopping", "/Shop"),
            ("/", ""),
        ] {
            assert_eq!(policy.route(b"", path.as_bytes()).prefix, prefix, "{path}");
        }
        assert_eq!(policy.route(b"", b"/api/HEALTH").class, Some(PathClass::Ignore));
    }

    #[test]
    fn no_spelling_of_a_path_takes_another_route() {
        let policy = policy(r#"{ "routes": [{ "prefix": "/health", "class": "ignore" }] }"#);
        assert_eq!(policy.route(b"", b"//health/db").prefix, "/health");
        for path in ["/health/../login", "/health/..%2flogin", "/health/%2e%2e/login", "/health/..;/login"] {
            assert_eq!(policy.route(b"", path.as_bytes()).prefix, "", "{path}");
        }
    }

    #[test]
    fn a_route_of_the_host_comes_before_longer_ones_of_any() {
        let policy = policy(
            r#"{ "routes": [
                { "prefix": "/api/v1", "class": "api" },
                { "prefix": "/", "host": "*.shop.example", "class": "page" },
                { "prefix": "/api", "host": "*.shop.example", "class": "asset" },
                { "prefix": "/a", "host": "Eu.Shop.example", "class": "login" }
            ] }"#,
        );
        use PathClass::{Api, Asset, Login, Page};
        for (host, path, class) in [
            ("other.example", "/api/v1/x", Some(Api)),
            ("other.example", "/x", None),
            ("", "/API/V1", Some(Api)),
            ("shop.example", "/api/v1", Some(Api)),
            ("us.shop.example", "/api/v1", Some(Asset)),
            ("US.SHOP.example.:8443", "/api", Some(Asset)),
            ("us.shop.example", "/x", Some(Page)),
            ("eu.shop.example", "/api/v1", Some(Login)),
            ("eu.shop.example:443", "/x", Some(Page)),
        ] {
            assert_eq!(policy.route(host.as_bytes(), path.as_bytes()).class, class, "{host} {path}");
        }
    }

    #[test]
    fn a_login_route_of_the_host_comes_before_one_of_any() {
        let policy = policy(
            r#"{ "login": { "routes": [
                { "path": "/in" }, { "path": "/IN/" },
                { "path": "/in/", "host": "shop.example" },
                { "path": "/enter", "method": "PUT", "host": "*.example" },
                { "path": "/in/staff" }, { "path": "/" }, { "path": "/look", "method": "GET" }, { "path": "/login.php" }
            ] } }"#,
        );
        for (method, host, path, expected) in [
            ("POST", "a.example", "/in", Some(0)),
            ("POST", "a.example", "/In/", Some(0)),
            ("POST", "Shop.example:80", "/in", Some(2)),
            ("PUT", "a.example", "/in", None),
            ("PUT", "a.example", "/Enter/", Some(3)),
            ("PUT", "a.test", "/enter", None),
            ("put", "a.example", "/enter", Some(3)),
            ("POST", "a.example", "/in/x", Some(0)),
            ("POST", "a.example", "/In.json", Some(0)),
            ("post", "a.example", "/in.json/x", Some(0)),
            ("POST", "a.example", "/in ", Some(0)),
            ("POST", "a.example", "/in x", None),
            ("POST", "a.example", "/index", None),
            ("POST", "a.example", "/in/staff/x", Some(4)),
            ("POST", "shop.example", "/in/staff", Some(2)),
            ("POST", "a.example", "/", Some(5)),
            ("POST", "a.example", "/x", None),
            ("GET", "a.example", "/look", Some(6)),
            ("GET", "a.example", "/look/a.css", None),
            ("POST", "a.example", "/login.php/x", Some(7)),
        ] {
            let found = policy.login_route(Some(method.as_bytes()), host.as_bytes(), path.as_bytes());
            assert_eq!(found, expected, "{method} {host} {path}");
        }
    }

    #[test]
    fn a_login_form_shown_again_is_a_failure_where_configured() {
        let policy = policy(
            r#"{ "login": { "routes": [{ "path": "/in", "failing_statuses": [401], "same_page": true }] } }"#,
        );
        let login = policy.login_route(Some(b"POST"), b"", b"/in");
        assert_eq!(login, Some(0));
        let failed = |login, path: &str, status, location: &str, referer: &str| {
            let (path, location, referer) = (path.as_bytes(), location.as_bytes(), referer.as_bytes());
            policy.login_failed(login, Answer { path, status, location, referer, ..Answer::default() })
        };
        for (status, location, expected) in [
            (200, "", true),
            (401, "", true),
            (303, "/in?error=1", true),
            (303, "https://site.example/in", true),
            (302, "https://site.example/In/?error=1", true),
            (301, "/in/", true),
            (303, "/account", false),
            (303, "/in/account", false),
            (307, "/in/", false),
            (308, "/in/", false),
            (500, "", false),
        ] {
            assert_eq!(failed(login, "/in", status, location, ""), expected, "{status} {location}");
        }
        for (path, location, referer, expected) in [
            ("/in.json", "/in", "", true),
            ("/in/x", "/in/x", "", true),
            ("/in", "/", "https://site.example", true),
            ("/in", "https://site.example/Shop/?error", "https://elsewhere.example/shop?a", true),
            ("/in", "/a%62", "/ab/c/..", true),
            ("/in", "/account", "https://site.example/in", false),
            ("/in", "", "", false),
        ] {
            assert_eq!(failed(login, path, 302, location, referer), expected, "{path} {location} {referer}");
        }
        assert!(!failed(None, "/login", 200, "", ""));
        assert!(failed(None, "/login", 401, "", ""));
    }

    /// What the policy and a deny list of the same path say of it.
    fn outcome(policy: &Policy, lists: &Lists, path: &[u8]) -> (Option<u16>, bool, bool) {
        let listed = lists.find(&RequestFacts::default(), path, &HashKey::from_bytes([1; 16]), 0);
        (policy.login_route(Some(b"POST"), b"", path), policy.is_trap(path), listed.is_some())
    }

    proptest! {
        #[test]
        fn no_case_and_no_slash_of_a_configured_path_changes_the_outcome(
            path in "(/[a-zA-Z0-9_-]{1,5}){1,3}",
            star in prop::sample::select(vec!["", "*", "/*", "/"]),
            upper in any::<u32>(),
            below in prop::sample::select(vec!["", "/", "/x", "/x/"]),
            in_path in prop::sample::select(vec!["", "/"]),
        ) {
            let target = format!("{path}{star}");
            let policy = Policy::compile(PolicyConfig {
                trap_paths: vec![target.clone()],
                ..PolicyConfig::from_json(format!(r#"{{ "login": {{ "routes": [{{ "path": "{path}{in_path}" }}] }} }}"#).as_bytes()).expect("a policy")
            }).expect("valid");
            let lists = Lists::compile(&[ListEntry { action: ListAction::Deny, target: ListTarget::Path(target), expires_ms: 0 }]);
            let asked = format!("{path}{below}");
            let respelt: String = asked.char_indices().map(|(i, c)| {
                if upper >> (i % 32) & 1 == 1 { c.to_ascii_uppercase() } else { c.to_ascii_lowercase() }
            }).collect();
            let slashless = respelt.strip_suffix('/').unwrap_or(&respelt);
            let expected = outcome(&policy, &lists, asked.as_bytes());
            for spelling in [respelt.as_str(), slashless, &format!("{slashless}/")] {
                prop_assert_eq!(outcome(&policy, &lists, &plain(spelling.as_bytes())), expected, "{}", spelling);
            }
            prop_assert_eq!(expected.0, Some(0));
            if !below.contains('x') {
                prop_assert_eq!(expected, (Some(0), true, true));
            }
        }
    }
}
