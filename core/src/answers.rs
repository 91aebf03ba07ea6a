//! What the site answered: failed logins, redirects, what does not exist, and whether an asset was one.

use crate::client::one_if;
use crate::decision::Charges;
use crate::engine::Engine;
use crate::limiter;
use crate::logins::SignIn;
use crate::path::{PathClass, is_named_asset};
use crate::subjects::Subjects;

/// From so many of a visit on, pages that were asked for as assets are evidence.
const FIRST_EVIDENCE: u8 = 3;

/// What must be known of a request when its answer comes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Watch {
    pub(crate) class: PathClass,
    /// Keyed hash of an asset's plain path; 0 for most others.
    pub(crate) path_key: u64,
    pub(crate) is_attempt: bool,
    /// The login route's place in the policy, where one is configured.
    pub(crate) login: Option<u16>,
    pub(crate) is_newcomer: bool,
    /// When a sign-in reserved its places, Unix milliseconds; 0 where it did not.
    pub(crate) reserved_ms: u64,
    /// The client has not proven anything, though a session may vouch for it.
    pub(crate) unproven: bool,
    /// This answer may count as proof.
    pub(crate) awaits: bool,
    pub(crate) is_within: bool,
    pub(crate) is_signed_in: bool,
    pub(crate) is_cross_site: bool,
    /// A sign-in at a path that scanners try too: it succeeds by a redirect, as those sent along do, unless the policy says
    /// how its route fails.
    pub(crate) is_led_on: bool,
    /// Its path has a static file's extension.
    pub(crate) is_named: bool,
    pub(crate) may_be_json: bool,
    /// Which limits count for its host: [`crate::Policy::limits_at`].
    pub(crate) limits: u16,
    /// It was counted as no page: then [`Watch::path_key`] is the hash of its path, as client records know pages.
    pub(crate) is_light: bool,
    /// Something led there.
    pub(crate) is_led: bool,
    /// A page that some sites have and others are scanned for.
    pub(crate) is_served: bool,
}

impl Watch {
    /// Whether somebody tries to sign in.
    pub fn is_login_attempt(&self) -> bool {
        self.is_attempt
    }

    /// Whether somebody asks for an asset who has not proven anything.
    pub fn is_newcomers_asset(&self) -> bool {
        self.class == PathClass::Asset && self.unproven
    }

    /// Whether the answer's `content-type` is needed: an asset, or a part of a page, is what its answer says.
    pub fn reads_type(&self) -> bool {
        self.class == PathClass::Asset || self.is_light
    }

    /// Whether the answer's status is needed besides its type: not where an asset came, and nothing more is to be learned of
    /// it.
    pub fn reads_status(&self, content_type: &[u8]) -> bool {
        let came = self.class == PathClass::Asset && is_of_asset(content_type);
        !came || self.awaits || self.is_signed_in
    }

    /// Whether the `location` of an answer with this status is needed: where a sign-in led to, or where an asset is kept.
    pub fn reads_location(&self, status: u16) -> bool {
        self.is_attempt || (self.class == PathClass::Asset && is_redirect(status))
    }

    /// Whether something can come of an answer.
    pub fn matters(&self, answer: Answer<'_>) -> bool {
        let status = answer.status;
        let proves = self.awaits && (self.class == PathClass::Asset || self.is_within || status == 304);
        let is_honoured = self.is_signed_in && (200..300).contains(&status);
        let is_of_page =
            self.class != PathClass::Asset && ((400..500).contains(&status) || is_redirect(status));
        self.is_attempt
            || is_of_page
            || (self.is_served && status < 400)
            || (self.is_light && is_html(answer.content_type))
            || is_honoured
            || proves
            || self.got(answer).is_some_and(Got::is_none)
    }

    /// What somebody got who asked for an asset; `None` where it was something else that was asked for.
    pub(crate) fn got(&self, answer: Answer<'_>) -> Option<Got> {
        let Answer { status, content_type, location, .. } = answer;
        let plain = begins(content_type, b"text/plain") || content_type.is_empty();
        let is_asset = || {
            is_of_asset(content_type)
                || (plain && self.is_named)
                || (is_json(content_type) && self.may_be_json)
        };
        (self.class == PathClass::Asset).then(|| match status {
            200 | 206 if is_asset() => Got::Asset,
            200 | 206 if answer.type_unknown => Got::Unclear,
            200 | 206 => Got::Other,
            304 => Got::Asset,
            301 | 302 | 303 | 307 | 308 if leads_to_asset(location) => Got::Unclear,
            // The site is overloaded, or the visitor asks too often.
            408 | 425 | 429 | 502 | 503 | 504 => Got::Unclear,
            300.. => Got::Nothing,
            _ => Got::Unclear,
        })
    }
}

/// What somebody got who asked for an asset.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Got {
    Asset,
    /// A page, or an API's answer.
    Other,
    /// That it is missing, or forbidden, or elsewhere.
    Nothing,
    /// The answer does not tell.
    Unclear,
}

impl Got {
    pub(crate) fn is_none(self) -> bool {
        matches!(self, Self::Other | Self::Nothing)
    }
}

/// The origin's answer to a watched request. Absent text is empty.
#[derive(Clone, Copy, Debug, Default)]
pub struct Answer<'a> {
    /// The request's path without query.
    pub path: &'a [u8],
    /// `:status`.
    pub status: u16,
    /// `location`; only read for login attempts and assets that are elsewhere.
    pub location: &'a [u8],
    /// The request's `referer`; only read where [`Engine::reads_referer`] says so.
    pub referer: &'a [u8],
    /// `content-type`; only read for assets; empty where it is not known.
    pub content_type: &'a [u8],
    /// Whether the door cannot tell the type: a log, for one.
    pub type_unknown: bool,
    /// Whether most who ask for this asset get none: [`crate::UsualAnswers::note`] says so.
    pub is_usual: bool,
}

/// How a login attempt ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LoginOutcome {
    /// Refused by the application.
    Failed,
    /// Accepted, as far as the status tells.
    Passed,
}

/// What came of an answer.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Answered {
    /// Of a login attempt: how it ended.
    pub login: Option<LoginOutcome>,
    /// The rate cells that were charged by it and are so full that others should know.
    pub charges: Charges,
}

impl Engine {
    /// Feeds the answer back into the records.
    pub fn answered(
        &self,
        watch: Watch,
        answer: Answer<'_>,
        subjects: &mut Subjects<'_>,
        now_ms: u64,
    ) -> Answered {
        let status = answer.status;
        if watch.is_attempt {
            let has_failed =
                self.policy().login_failed(watch.login, answer) || (watch.is_led_on && !is_redirect(status));
            let outcome = if has_failed { LoginOutcome::Failed } else { LoginOutcome::Passed };
            if watch.is_served && !has_failed && is_redirect(status) {
                subjects.client.at_home = 1;
            }
            let charges = self.login_ended(
                SignIn {
                    outcome,
                    is_cross_site: watch.is_cross_site,
                    reserved_ms: Some(watch.reserved_ms),
                    is_newcomer: watch.is_newcomer,
                    limits: watch.limits,
                },
                subjects,
                now_ms,
            );
            return Answered { login: Some(outcome), charges };
        }
        let mut charges = Charges::default();
        match watch.got(answer) {
            // What most get is charged as what it is, and nobody's false claim; what most miss is the site's own affair.
            Some(Got::Other) if answer.is_usual => {
                let limits = self.policy().limits_at(watch.limits);
                charges = limiter::spend_late(limits, watch.is_newcomer, subjects, now_ms);
            }
            Some(Got::Other) => charges = self.correct(&watch, answer.content_type, subjects, now_ms),
            // Pages may link to what is missing: beyond a few it is charged like pages, and says nothing against the client.
            Some(Got::Nothing) if !answer.is_usual && !subjects.address.spares_missing() => {
                charges = self.deny(&watch, subjects, now_ms);
            }
            Some(Got::Asset) => subjects.client.shows(now_ms),
            Some(Got::Nothing | Got::Unclear) => {}
            None => {
                let client = &mut *subjects.client;
                let is_error = (400..500).contains(&status) && !matches!(status, 401 | 408 | 429);
                client.client_errors += one_if(is_error && !watch.is_cross_site);
                if watch.is_light && is_html(answer.content_type) {
                    client.was_page(watch.path_key, watch.is_led);
                } else if !watch.is_light && is_redirect(status) {
                    client.redirected();
                }
                if watch.is_served && status < 400 {
                    client.found_served(watch.is_within);
                }
                let found = status == 304 || (watch.is_within && (200..300).contains(&status));
                match watch.class {
                    PathClass::Page if found => client.shows(now_ms),
                    PathClass::Api if found && watch.is_within => client.calls_on(now_ms),
                    _ => {}
                }
            }
        }
        let is_honoured = watch.is_signed_in && (200..300).contains(&status);
        if is_honoured && subjects.client.is_proven(now_ms) {
            subjects.sessions.iter_mut().for_each(|session| session.issue(now_ms));
        }
        subjects.graduate(now_ms);
        Answered { login: None, charges }
    }

    /// Whether [`Subjects::network`] is needed for an answer: to sign in, to prove oneself, or where a claim was false.
    pub fn answer_needs_network(&self, watch: Watch, answer: Answer<'_>, is_ripe: bool) -> bool {
        let is_none = watch.got(answer).is_some_and(Got::is_none);
        watch.unproven && (watch.is_attempt || is_ripe || is_none)
    }

    /// Whether the request's `referer` is needed besides the answer: where a failure may lead back to it.
    pub fn reads_referer(&self, watch: Watch) -> bool {
        watch.is_attempt && self.policy().login_at(watch.login).is_some_and(|route| route.same_page)
    }

    /// A page or an API call that was asked for as an asset: counted and charged as what it is.
    fn correct(
        &self,
        watch: &Watch,
        content_type: &[u8],
        subjects: &mut Subjects<'_>,
        now_ms: u64,
    ) -> Charges {
        let client = &mut *subjects.client;
        client.assets = (client.assets - 1.0).max(0.0);
        // What was counted as an asset out of nowhere is none.
        client.without_referer = client.without_referer.min(client.pages + client.assets);
        client.false_claims = client.false_claims.saturating_add(1);
        client.false_assets += 1.0;
        if client.false_claims >= FIRST_EVIDENCE && client.claims_falsely() {
            if is_html(content_type) {
                client.pages += 1.0;
                client.pages_60s += 1.0;
            } else {
                client.api_calls += 1.0;
            }
        }
        self.deny(watch, subjects, now_ms)
    }

    /// What was asked for as an asset, and is none, is charged as a page.
    fn deny(&self, watch: &Watch, subjects: &mut Subjects<'_>, now_ms: u64) -> Charges {
        subjects.address.assets = (subjects.address.assets - 1.0).max(0.0);
        subjects.address.false_claims += 1.0;
        if let Some(network) = subjects.network.as_deref_mut() {
            network.false_claims += 1.0;
        }
        limiter::spend_late(self.policy().limits_at(watch.limits), watch.is_newcomer, subjects, now_ms)
    }
}

fn is_redirect(status: u16) -> bool {
    matches!(status, 301 | 302 | 303 | 307 | 308)
}

fn is_html(content_type: &[u8]) -> bool {
    begins(content_type, b"text/html") || begins(content_type, b"application/xhtml")
}

/// What pages need, for certain: a site that has not got it does not say so in such a type.
fn is_of_asset(content_type: &[u8]) -> bool {
    const BEGINNINGS: [&[u8]; 19] = [
        b"image/",
        b"font/",
        b"audio/",
        b"video/",
        b"text/css",
        b"text/javascript",
        b"text/vtt",
        b"application/javascript",
        b"application/x-javascript",
        b"application/octet-stream",
        b"application/wasm",
        b"application/manifest",
        b"application/font",
        b"application/x-font",
        b"application/vnd.ms-fontobject",
        b"application/vnd.apple.mpegurl",
        b"application/x-mpegurl",
        b"application/dash+xml",
        b"application/x-shockwave-flash",
    ];
    BEGINNINGS.iter().any(|beginning| begins(content_type, beginning))
}

/// Whether a redirect leads to a static file, or to another host, where pictures may be kept; or does not tell.
fn leads_to_asset(location: &[u8]) -> bool {
    let path = location.split(|byte| matches!(byte, b'?' | b'#')).next().unwrap_or_default();
    location.is_empty()
        || is_named_asset(path)
        || begins(location, b"https://")
        || begins(location, b"http://")
}

fn is_json(content_type: &[u8]) -> bool {
    begins(content_type, b"application/json")
}

fn begins(text: &[u8], with: &[u8]) -> bool {
    text.get(..with.len()).is_some_and(|start| start.eq_ignore_ascii_case(with))
}
