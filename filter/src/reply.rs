//! What a refused client gets: a page where a person looks, `application/problem+json` otherwise.
//!
//! A refusal is never cached and always has a real status. A 429 names its limit and when to come back, in the fields of
//! draft-ietf-httpapi-ratelimit-headers-11. The page needs no script, loads nothing and says
//! what to do; its policy allows its own style by hash and nothing else.

use std::fmt::Write as _;

use sallyport_core::policy::LimitRule;
use sallyport_core::{Action, Decision, Policy};

const PAGE: &str = include_str!("../assets/refusal.html");
/// The style of the page. Its hash is part of [`PAGE_POLICY`]; a test compares them.
pub const STYLE: &str = include_str!("../assets/refusal.css");
/// The page's Content-Security-Policy.
pub const PAGE_POLICY: &str = concat!(
    "default-src 'none'; style-src 'sha256-",
    "1x4ZEI9cgdsELPBSaEF9ZO6cG+zPG8YL+lJ5r6K+CS8=",
    "'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
);

/// When to come back after a 503, in seconds.
const UNAVAILABLE_S: u32 = 5;

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

/// What is refused, and to whom.
#[derive(Clone, Copy, Debug)]
pub struct Refusal<'a> {
    /// What was decided.
    pub action: Action,
    /// Whether a person looks at it.
    pub page: bool,
    /// Shown as it is: pass it through [`printable_id`].
    pub id: &'a str,
    /// When to come back, in seconds.
    pub retry_after_s: Option<u32>,
    /// The limit that the request was over.
    pub quota: Option<Quota>,
}

/// A limit as its client is told of it.
#[derive(Clone, Copy, Debug)]
pub struct Quota {
    /// Which.
    pub rule: LimitRule,
    /// Requests at once.
    pub burst: u32,
    /// In so many seconds that many come back.
    pub window_s: u64,
}

impl Quota {
    /// The enforced limit that a decision on a request to this `:authority` rests on.
    pub fn of(policy: &Policy, authority: &[u8], decision: &Decision) -> Option<Self> {
        let over = decision.limit.filter(|over| !over.is_shadow)?;
        let limit = policy.limit_for(over.rule, authority)?;
        Some(Self { rule: over.rule, burst: limit.burst, window_s: limit.window_s() })
    }
}

/// The refusal for an action; `None` for the actions that let a request pass.
pub fn refusal(refusal: &Refusal<'_>) -> Option<Reply> {
    words(refusal.action).map(|words| reply(&words, Some(refusal), refusal.page, refusal.id))
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
    reply(&words, None, page, id)
}

fn reply(words: &Words, refusal: Option<&Refusal<'_>>, page: bool, id: &str) -> Reply {
    let retry_after_s = refusal.map_or(Some(UNAVAILABLE_S), |refusal| refusal.retry_after_s);
    let quota = refusal.and_then(|refusal| refusal.quota);
    let mut headers = vec![
        ("cache-control", "no-store".to_owned()),
        ("x-content-type-options", "nosniff".to_owned()),
        ("vary", "accept, sec-fetch-mode".to_owned()),
    ];
    if let Some(seconds) = retry_after_s {
        headers.push(("retry-after", seconds.to_string()));
        if let Some(Quota { rule, burst, window_s }) = quota {
            let name = rule.name();
            headers.push(("ratelimit-policy", format!("\"{name}\";q={burst};w={window_s}")));
            headers.push(("ratelimit", format!("\"{name}\";r=0;t={seconds}")));
        }
    }
    let body = if page {
        headers.push(("content-type", "text/html; charset=utf-8".to_owned()));
        headers.push(("content-security-policy", PAGE_POLICY.to_owned()));
        headers.push(("referrer-policy", "no-referrer".to_owned()));
        html(words, quota, id)
    } else {
        headers.push(("content-type", "application/problem+json".to_owned()));
        problem(words, refusal.map(|refusal| refusal.action), quota, id, retry_after_s)
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
            detail: "Wait as long as Retry-After says.",
            text: "<p>Wait a moment, then load the page again.</p>",
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

/// Whose limit it was.
fn too_many(rule: LimitRule) -> &'static str {
    match rule {
        LimitRule::Address => "Your network sends more requests than this site accepts.",
        LimitRule::Login => "There were too many attempts to sign in.",
        LimitRule::Crawler => "This crawler sends more requests than this site accepts.",
        _ => "You send more requests than this site accepts.",
    }
}

fn html(words: &Words, quota: Option<Quota>, id: &str) -> String {
    let status = words.status.to_string();
    let text = match quota {
        Some(quota) => format!("<p>{}</p>\n{}", too_many(quota.rule), words.text),
        None => words.text.to_owned(),
    };
    let filled = [
        ("{{title}}", words.title),
        ("{{style}}", STYLE),
        ("{{text}}", text.as_str()),
        ("{{status}}", status.as_str()),
        ("{{id}}", if id.is_empty() { "without a number" } else { id }),
    ];
    filled.iter().fold(PAGE.to_owned(), |page, (mark, value)| page.replace(mark, value))
}

/// With the member `violated-policies` of the draft's problem types.
fn problem(
    words: &Words,
    action: Option<Action>,
    quota: Option<Quota>,
    id: &str,
    retry_after_s: Option<u32>,
) -> String {
    let Words { status, kind, title, detail, .. } = words;
    let mut body =
        format!(r#"{{"type":"urn:sallyport:{kind}","title":"{title}","status":{status},"detail":""#);
    // Writing to a String cannot fail.
    if let Some(Quota { rule, .. }) = quota {
        let _ = write!(body, r#"{} {detail}","violated-policies":["{}"]"#, too_many(rule), rule.name());
    } else {
        let _ = write!(body, r#"{detail}""#);
    }
    if let Some(action) = action {
        let _ = write!(body, r#","action":"{}""#, action.as_str());
    }
    if let Some(seconds) = retry_after_s {
        let _ = write!(body, r#","retry_after":{seconds}"#);
    }
    let _ = write!(body, r#","request_id":"{id}"}}"#);
    body
}
