//! What a refused client gets: a page where a person looks, `application/problem+json` otherwise.
//!
//! A refusal is never cached and always has a real status. The page needs no script, loads nothing and says
//! what to do; its policy allows its own style by hash and nothing else.

use std::fmt::Write as _;

use sallyport_core::Action;

const PAGE: &str = include_str!("../assets/refusal.html");
/// The style of the page. Its hash is part of [`PAGE_POLICY`]; a test compares them.
pub const STYLE: &str = include_str!("../assets/refusal.css");
/// The page's Content-Security-Policy.
pub const PAGE_POLICY: &str = concat!(
    "default-src 'none'; style-src 'sha256-",
    "1x4ZEI9cgdsELPBSaEF9ZO6cG+zPG8YL+lJ5r6K+CS8=",
    "'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
);

/// A refusal, ready to send.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Reply {
    /// 403, 429 or 503.
    pub status: u16,
    /// Names and values.
    pub headers: Vec<(&'static str, String)>,
    /// UTF-8.
    pub body: String,
}

/// The refusal for an action; `None` for the actions that let a request pass.
///
/// `id` is shown as it is: pass it through [`printable_id`]. `retry_after_s` is in seconds.
pub fn refusal(action: Action, page: bool, id: &str, retry_after_s: Option<u32>) -> Option<Reply> {
    words(action).map(|words| reply(&words, Some(action), page, id, retry_after_s))
}

/// The refusal of a request that could not be cleared up, on a route that fails closed.
pub fn unavailable(page: bool, id: &str) -> Reply {
    let words = Words {
        status: 503,
        kind: "unavailable",
        title: "Please try again in a moment",
        detail: "The request could not be checked just now, and this part of the site lets nothing pass \
                 unchecked.",
        text: "<p>Your request could not be checked just now, and this part of the site lets nothing pass \
               unchecked.</p>\n<p>Load the page again in a few seconds.</p>",
    };
    reply(&words, None, page, id, Some(5))
}

fn reply(words: &Words, action: Option<Action>, page: bool, id: &str, retry_after_s: Option<u32>) -> Reply {
    let mut headers = vec![
        ("cache-control", "no-store".to_owned()),
        ("x-content-type-options", "nosniff".to_owned()),
        ("vary", "accept, sec-fetch-mode".to_owned()),
    ];
    if let Some(seconds) = retry_after_s {
        headers.push(("retry-after", seconds.to_string()));
    }
    let body = if page {
        headers.push(("content-type", "text/html; charset=utf-8".to_owned()));
        headers.push(("content-security-policy", PAGE_POLICY.to_owned()));
        headers.push(("referrer-policy", "no-referrer".to_owned()));
        html(words, id)
    } else {
        headers.push(("content-type", "application/problem+json".to_owned()));
        problem(action, words, id, retry_after_s)
    };
    Reply { status: words.status, headers, body }
}

/// At most 64 letters, digits and `-_.:` of a request id, else nothing: it goes into pages and headers.
pub fn printable_id(id: &[u8]) -> &str {
    let harmless = |byte: &u8| byte.is_ascii_alphanumeric() || b"-_.:".contains(byte);
    match std::str::from_utf8(id) {
        Ok(text) if id.len() <= 64 && id.iter().all(harmless) => text,
        _ => "",
    }
}

struct Words {
    status: u16,
    kind: &'static str,
    title: &'static str,
    detail: &'static str,
    text: &'static str,
}

fn words(action: Action) -> Option<Words> {
    Some(match action {
        Action::Allow | Action::Monitor => return None,
        Action::Challenge => Words {
            status: 403,
            kind: "challenge",
            title: "We could not tell whether you are a person",
            detail: "The request looks automated. Wait a minute and try again as a person would; if it goes on, \
                     give the site's owner the request id.",
            text: "<p>This site keeps automated visitors out, and your request looked like one. That can happen \
                   to people too.</p>\n<ul>\n<li>Wait a minute, then load the page again.</li>\n<li>Use an \
                   up-to-date browser, without tools that change how it presents itself.</li>\n<li>If it goes on, \
                   write to the site's owner and quote the number below.</li>\n</ul>",
        },
        Action::RateLimit => Words {
            status: 429,
            kind: "rate_limit",
            title: "Too many requests",
            detail: "Your network sends more requests than this site accepts. Wait as long as Retry-After says.",
            text: "<p>Your network sends more requests than this site accepts.</p>\n<p>Wait a moment, then load \
                   the page again.</p>",
        },
        Action::Block => Words {
            status: 403,
            kind: "block",
            title: "This request was refused",
            detail: "The request was judged to be automated abuse. If that is wrong, give the site's owner the \
                     request id.",
            text: "<p>It was judged to be automated abuse.</p>\n<p>If you are a person, write to the site's owner \
                   and quote the number below: it lets them see why, and put it right.</p>",
        },
    })
}

fn html(words: &Words, id: &str) -> String {
    let status = words.status.to_string();
    let filled = [
        ("{{title}}", words.title),
        ("{{style}}", STYLE),
        ("{{text}}", words.text),
        ("{{status}}", status.as_str()),
        ("{{id}}", if id.is_empty() { "without a number" } else { id }),
    ];
    filled.iter().fold(PAGE.to_owned(), |page, (mark, value)| page.replace(mark, value))
}

fn problem(action: Option<Action>, words: &Words, id: &str, retry_after_s: Option<u32>) -> String {
    let Words { status, kind, title, detail, .. } = words;
    let mut body =
        format!(r#"{{"type":"urn:sallyport:{kind}","title":"{title}","status":{status},"detail":"{detail}""#);
    // Writing to a String cannot fail.
    if let Some(action) = action {
        let _ = write!(body, r#","action":"{}""#, action.as_str());
    }
    if let Some(seconds) = retry_after_s {
        let _ = write!(body, r#","retry_after":{seconds}"#);
    }
    let _ = write!(body, r#","request_id":"{id}"}}"#);
    body
}
