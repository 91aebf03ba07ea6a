//! Kinds of paths: what everybody may ask for, and where a name has business.

use super::AgentCategory;
use crate::asked::Asked;
use crate::path::PathClass;
use crate::plain;
use crate::policy::pattern::fits_path;
use crate::text::ends_with_ignore_case;

/// Whether a request only looks at one of the files that standards name, as it is written there: whatever is spelled anew
/// may be another file to the site.
pub(crate) fn is_well_known(asked: &Asked<'_>) -> bool {
    let sent = asked.facts.path;
    looks(asked) && (WELL_KNOWN.iter().any(|path| path.as_bytes() == sent) || is_token(sent))
}

/// RFC 8615 and the files that were at the root before it. What is refused there is taken for an answer: a 403 for
/// robots.txt means that everything may be crawled (RFC 9309, 2.3.1.3).
const WELL_KNOWN: [&str; 21] = [
    "/robots.txt",
    "/ads.txt",
    "/app-ads.txt",
    "/humans.txt",
    "/llms.txt",
    "/security.txt",
    "/apple-app-site-association",
    "/.well-known/apple-app-site-association",
    "/.well-known/assetlinks.json",
    "/.well-known/security.txt",
    "/.well-known/webfinger",
    "/.well-known/host-meta",
    "/.well-known/host-meta.json",
    "/.well-known/nodeinfo",
    "/.well-known/change-password",
    "/.well-known/openid-configuration",
    "/.well-known/oauth-authorization-server",
    "/.well-known/jwks.json",
    "/.well-known/mta-sts.txt",
    "/.well-known/matrix/server",
    "/.well-known/matrix/client",
];

/// Whether it is the answer to an authority's challenge: a token of base64url (RFC 8555, 8.3), 128 letters at most.
fn is_token(sent: &[u8]) -> bool {
    let token = sent.strip_prefix(b"/.well-known/acme-challenge/");
    let is_letter = |byte: &u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_');
    token.is_some_and(|token| (1..=128).contains(&token.len()) && token.iter().all(is_letter))
}

fn looks(asked: &Asked<'_>) -> bool {
    matches!(asked.facts.method, b"GET" | b"HEAD")
}

/// Whether a request is what a category is for by itself, whatever the policy names.
pub(crate) fn is_for(category: AgentCategory, asked: &Asked<'_>) -> bool {
    let patterns: &[&str] = match category {
        AgentCategory::Preview => return looks(asked) && shows(asked),
        AgentCategory::Feed => &FEEDS,
        AgentCategory::Monitoring => &HEALTH,
        AgentCategory::Certificate => &CERTIFICATES,
        _ => &[],
    };
    looks(asked) && any_fits(patterns.iter().copied(), &asked.path)
}

/// Pages, and the pictures in them; nobody previews an API or a sign-in.
fn shows(asked: &Asked<'_>) -> bool {
    matches!(asked.class, PathClass::Page | PathClass::Asset)
}

const FEEDS: [&str; 14] = [
    "/feed",
    "*/feed",
    "/rss",
    "*/rss",
    "*/atom",
    "*.rss",
    "*.atom",
    "*/rss.xml",
    "*/feed.xml",
    "*/atom.xml",
    "*/index.xml",
    "*/feed.json",
    "*/index.rdf",
    "*/podcast.xml",
];

const HEALTH: [&str; 16] = [
    "/healthz",
    "/health",
    "/healthcheck",
    "/health-check",
    "/health/live",
    "/health/ready",
    "/livez",
    "/readyz",
    "/ready",
    "/live",
    "/alive",
    "/ping",
    "/status",
    "/up",
    "/-/health*",
    "/_health",
];

const CERTIFICATES: [&str; 5] = ["*.crl", "*.crt", "*.cer", "/ocsp*", "/.well-known/pki-validation/*"];

/// Whether a plain path fits any of the patterns: the path itself, a beginning before `*`, or an end behind it; in any ASCII
/// case, with a slash at the end or without.
pub(crate) fn any_fits<'a>(mut patterns: impl Iterator<Item = &'a str>, path: &[u8]) -> bool {
    patterns.any(|pattern| fits(pattern, path))
}

fn fits(pattern: &str, path: &[u8]) -> bool {
    let bare = path.strip_suffix(b"/").unwrap_or(path);
    if let Some(end) = pattern.strip_prefix('*') {
        return match end.strip_suffix('*') {
            Some(part) => crate::text::contains_ignore_case(path, part.as_bytes()),
            None => ends_with_ignore_case(bare, end.as_bytes()),
        };
    }
    fits_path(pattern, path)
}

/// Whether a path is sent as it is plain: a name buys nothing under another spelling.
pub(crate) fn is_as_sent(asked: &Asked<'_>) -> bool {
    *plain::read(asked.facts.path) == *asked.path
}

#[cfg(test)]
mod tests {
    use super::fits;

    #[test]
    fn a_pattern_is_a_path_a_beginning_an_end_or_a_part() {
        for (pattern, path, expected) in [
            ("/feed", "/Feed/", true),
            ("/feed", "/feeds", false),
            ("*/feed", "/blog/feed/", true),
            ("*.rss", "/a/b.RSS", true),
            ("*.rss", "/a.rss/b", false),
            ("/-/health*", "/-/healthy", true),
            ("/hooks/*", "/hooks/stripe", true),
            ("/hooks/*", "/hook", false),
            ("*.git/*", "/me/it.git/info/refs", true),
            ("*.git/*", "/me/it.github", false),
        ] {
            assert_eq!(fits(pattern, path.as_bytes()), expected, "{pattern} {path}");
        }
    }
}
