//! What the site answered: failed logins, redirects, what does not exist, and whether an asset was one.

use crate::client::one_if;
use crate::decision::Charges;
use crate::engine::Engine;
use crate::limiter;
use crate::logins::SignIn;
use crate::path::PathClass;
use crate::subjects::Subjects;

/// What must be known of a request when its answer comes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Watch {
    pub(crate) class: PathClass,
    /// Keyed hash of an asset's plain path; 0 for others.
    pub(crate) asset_key: u64,
    pub(crate) is_attempt: bool,
    /// The login route's place in the policy, where one is configured.
    pub(crate) login: Option<u16>,
    pub(crate) is_newcomer: bool,
    /// The client has not proven anything, though a session may vouch for it.
    pub(crate) unproven: bool,
    /// This answer may count as proof.
    pub(crate) awaits: bool,
    pub(crate) is_within: bool,
    pub(crate) is_signed_in: bool,
    pub(crate) is_cross_site: bool,
    pub(crate) is_icon: bool,
    pub(crate) may_be_json: bool,
    /// Which limits count for its host: [`crate::Policy::limits_at`].
    pub(crate) limits: u16,
}

impl Watch {
    /// Whether the answer's `location` is needed besides its status.
    pub fn is_login_attempt(&self) -> bool {
        self.is_attempt
    }

    /// Whether the answer's `content-type` is needed: an asset is what its answer says.
    pub fn reads_type(&self) -> bool {
        self.class == PathClass::Asset
    }

    /// Whether the answer's status is needed besides its type: not where an asset came, and nothing more is to be learned of
    /// it.
    pub fn reads_status(&self, content_type: &[u8]) -> bool {
        let came = self.class == PathClass::Asset && is_of_asset(content_type);
        !came || self.awaits || self.is_signed_in
    }

    /// Whether something can come of an answer.
    pub fn matters(&self, answer: Answer<'_>) -> bool {
        let status = answer.status;
        let errs = (400..500).contains(&status);
        let proves = self.awaits && (self.class == PathClass::Asset || self.is_within || status == 304);
        let is_honoured = self.is_signed_in && (200..300).contains(&status);
        self.is_attempt || errs || is_redirect(status) || is_honoured || proves || self.is_false(answer)
    }

    /// Whether somebody who asked for an asset got one; `None` where that is not asked, or the answer does not tell.
    pub(crate) fn got_asset(&self, answer: Answer<'_>) -> Option<bool> {
        let tells = self.was_given(answer.status) && !answer.content_type.is_empty();
        tells.then(|| !self.is_false(answer))
    }

    /// Whether it was asked for as an asset, and is none.
    fn is_false(&self, answer: Answer<'_>) -> bool {
        let json = is_json(answer.content_type) && !self.may_be_json;
        self.was_given(answer.status) && (json || is_html(answer.content_type))
    }

    fn was_given(&self, status: u16) -> bool {
        self.class == PathClass::Asset && matches!(status, 200 | 206)
    }
}

/// The origin's answer to a watched request. Absent text is empty.
#[derive(Clone, Copy, Debug, Default)]
pub struct Answer<'a> {
    /// The request's path without query.
    pub path: &'a [u8],
    /// `:status`.
    pub status: u16,
    /// `location`; only read for login attempts.
    pub location: &'a [u8],
    /// `content-type`; only read for assets; empty where it is not known.
    pub content_type: &'a [u8],
    /// Whether most who ask for this asset get such an answer: [`crate::UsualAnswers::note`] says so.
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
            let has_failed = self.policy().login_failed(watch.login, answer.path, status, answer.location);
            let outcome = if has_failed { LoginOutcome::Failed } else { LoginOutcome::Passed };
            let charges = self.login_ended(
                SignIn {
                    outcome,
                    is_cross_site: watch.is_cross_site,
                    is_reserved: true,
                    is_newcomer: watch.is_newcomer,
                    limits: watch.limits,
                },
                subjects,
                now_ms,
            );
            return Answered { login: Some(outcome), charges };
        }
        let client = &mut *subjects.client;
        let mut charges = Charges::default();
        match watch.class {
            // What most get is charged as what it is, and nobody's false claim.
            PathClass::Asset if answer.is_usual => {
                charges = limiter::spend_late(self.policy().limits_at(watch.limits), subjects, now_ms);
            }
            PathClass::Asset if watch.is_false(answer) => {
                charges = self.correct(&watch, answer.content_type, subjects, now_ms);
            }
            // Pages may link to what is missing: it is charged like a page, and says nothing against the client.
            PathClass::Asset if status == 404 && !watch.is_icon => {
                charges = self.deny(&watch, subjects, now_ms);
            }
            PathClass::Asset if matches!(status, 200 | 206 | 304) && !watch.is_icon => client.shows(now_ms),
            PathClass::Asset => {}
            _ => {
                let is_error = (400..500).contains(&status) && !matches!(status, 401 | 408 | 429);
                client.client_errors += one_if(is_error && !watch.is_cross_site);
                if is_redirect(status) {
                    client.redirected();
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
        let is_missing = watch.class == PathClass::Asset && answer.status == 404;
        watch.unproven && (watch.is_attempt || is_ripe || is_missing || watch.is_false(answer))
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
        if is_html(content_type) {
            client.pages += 1.0;
            client.pages_60s += 1.0;
            client.pages_2s += 1.0;
        } else {
            client.api_calls += 1.0;
        }
        // What was counted as an asset out of nowhere is none.
        client.without_referer = client.without_referer.min(client.pages + client.assets);
        client.false_claims = client.false_claims.saturating_add(1);
        self.deny(watch, subjects, now_ms)
    }

    /// What was asked for as an asset, and is none, is charged as a page.
    fn deny(&self, watch: &Watch, subjects: &mut Subjects<'_>, now_ms: u64) -> Charges {
        subjects.address.assets = (subjects.address.assets - 1.0).max(0.0);
        subjects.address.false_claims += 1.0;
        if let Some(network) = subjects.network.as_deref_mut() {
            network.false_claims += 1.0;
        }
        limiter::spend_late(self.policy().limits_at(watch.limits), subjects, now_ms)
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
    const BEGINNINGS: [&[u8]; 7] = [
        b"image/",
        b"font/",
        b"audio/",
        b"video/",
        b"text/css",
        b"text/javascript",
        b"application/javascript",
    ];
    BEGINNINGS.iter().any(|beginning| begins(content_type, beginning))
}

fn is_json(content_type: &[u8]) -> bool {
    begins(content_type, b"application/json")
}

fn begins(text: &[u8], with: &[u8]) -> bool {
    text.get(..with.len()).is_some_and(|start| start.eq_ignore_ascii_case(with))
}
