//! Crawlers that can be verified: who claims to be one, what came of looking, and what the policy makes of that.
//!
//! A user agent is only a claim. The control plane verifies it, by published ranges or by reverse DNS; its verdict is kept
//! in the client's record.

use std::sync::LazyLock;

use aho_corasick::nfa::contiguous::NFA;

use crate::agent::{first_of, literal_set};
use crate::check::{Check, Evidence};
use crate::client::ClientState;
use crate::decision::{Action, Basis, Decision};
use crate::engine::Engine;
use crate::features::Features;
use crate::limiter;
use crate::policy::{CrawlerCategory, CrawlerPolicy};
use crate::subjects::Subjects;

/// How much of a user agent is read, in bytes.
const READ_BYTES: usize = 512;

/// A crawler whose operator says how to verify it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct KnownCrawler {
    /// The name in ranges, metrics and API.
    pub name: &'static str,
    /// What it crawls for.
    pub category: CrawlerCategory,
    /// The part of the user agent by which it is known, whatever its case.
    pub token: &'static str,
}

/// All of them, in the order of the file.
pub fn known_crawlers() -> &'static [KnownCrawler] {
    &known().crawlers
}

/// The crawler that a user agent claims to be.
pub fn claimed_crawler(user_agent: &[u8]) -> Option<&'static KnownCrawler> {
    let text = user_agent.get(..READ_BYTES).unwrap_or(user_agent);
    let known = known();
    known.crawlers.get(first_of(known.tokens.as_ref()?, text)?)
}

struct Known {
    crawlers: Vec<KnownCrawler>,
    tokens: Option<NFA>,
}

fn known() -> &'static Known {
    static KNOWN: LazyLock<Known> = LazyLock::new(|| {
        let crawlers: Vec<_> = include_str!("../data/known_crawlers.txt").lines().filter_map(parse).collect();
        let tokens = literal_set(crawlers.iter().map(|crawler| crawler.token)).ok();
        Known { crawlers, tokens }
    });
    &KNOWN
}

/// `name category token`; the token may hold spaces.
fn parse(line: &'static str) -> Option<KnownCrawler> {
    let line = line.split('#').next()?.trim();
    let (name, rest) = line.split_once(' ')?;
    let (category, token) = rest.trim_start().split_once(' ')?;
    Some(KnownCrawler { name, category: CrawlerCategory::from_name(category)?, token: token.trim() })
}

/// What came of verifying a claim.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AgentVerdict {
    /// Nobody can tell: judged like everybody.
    Unverifiable,
    /// Still being looked into: judged by what it did, not by its name.
    Pending,
    /// Not the crawler that it says it is.
    Failed,
    /// The crawler that it says it is.
    Verified(CrawlerCategory),
}

/// Where the categories begin among the numbers.
const VERIFIED: u8 = 4;

impl AgentVerdict {
    /// The number in the client record and in `POST /check`; 0 is none.
    pub fn to_u8(self) -> u8 {
        match self {
            Self::Unverifiable => 1,
            Self::Pending => 2,
            Self::Failed => 3,
            Self::Verified(category) => VERIFIED + category as u8,
        }
    }

    /// The verdict of a number.
    pub fn from_u8(number: u8) -> Option<Self> {
        match number {
            0 => None,
            1 => Some(Self::Unverifiable),
            2 => Some(Self::Pending),
            3 => Some(Self::Failed),
            _ => CrawlerCategory::ALL
                .get(usize::from(number - VERIFIED))
                .map(|category| Self::Verified(*category)),
        }
    }
}

impl Engine {
    /// Keeps what came of verifying the crawler that the client claims to be, for `ttl_s` seconds.
    pub fn remember_agent(&self, verdict: AgentVerdict, ttl_s: u32, client: &mut ClientState, now_ms: u64) {
        client.agent_verdict = verdict.to_u8();
        client.agent_until_ms = now_ms.saturating_add(u64::from(ttl_s) * 1000);
    }

    /// [`Engine::score`] of a client that claims to be a crawler, with what came of verifying it. Nothing is counted for the
    /// limit of crawlers.
    pub fn score_crawler(&self, features: &Features, evidence: &Evidence, verdict: AgentVerdict) -> Decision {
        self.judge_verdict(verdict, None, *features)
            .unwrap_or_else(|| self.spare_name(self.score(features, evidence), Some(verdict)))
    }

    /// While somebody looks into a crawler's name, neither the check of its user agent nor the model's feature of it
    /// counts: a decision by score is made anew without them, and all else that the client did stays. So a genuine
    /// crawler is not refused for its name, and whoever borrows one gets no more by it than by a browser's.
    #[must_use]
    pub fn spare_name(&self, decision: Decision, verdict: Option<AgentVerdict>) -> Decision {
        if verdict != Some(AgentVerdict::Pending) || decision.basis != Basis::Score {
            return decision;
        }
        let mut evidence = decision.evidence;
        evidence.set(Check::UserAgent, 0.0);
        let anew = self.score(&decision.features.without_user_agent(), &evidence);
        let Decision { action, score, ml_probability, features, evidence, reasons, .. } = anew;
        Decision { action, score, ml_probability, features, evidence, reasons, ..decision }
    }

    /// What the policy says of a crawler that was verified, or of one that was not what it says.
    pub(crate) fn verified(
        &self,
        subjects: &mut Subjects<'_>,
        features: Features,
        (limits, now_ms): (u16, u64),
    ) -> Option<Decision> {
        let verdict = subjects.client.agent_verdict(now_ms)?;
        self.judge_verdict(verdict, Some((subjects, limits, now_ms)), features)
    }

    /// `whose` is who is charged where crawlers are limited, by which limits, and when.
    fn judge_verdict(
        &self,
        verdict: AgentVerdict,
        whose: Option<(&mut Subjects<'_>, u16, u64)>,
        features: Features,
    ) -> Option<Decision> {
        let category = match verdict {
            AgentVerdict::Unverifiable | AgentVerdict::Pending => return None,
            AgentVerdict::Failed => return Some(self.blocked(features, Basis::Crawler, Check::Crawler)),
            AgentVerdict::Verified(category) => category,
        };
        let mut spent = limiter::Spent::default();
        let mut decision = match self.policy().config().crawlers.of(category) {
            CrawlerPolicy::Block => self.blocked(features, Basis::Crawler, Check::Crawler),
            CrawlerPolicy::Challenge => {
                let score = self.policy().thresholds().challenge;
                let check = Check::Crawler;
                self.at_once(features, Action::Challenge, Basis::Crawler, check, score, score - 50.0)
            }
            CrawlerPolicy::Limit => {
                if let Some((subjects, limits, now_ms)) = whose {
                    spent = limiter::spend_crawler(self.policy().limits_at(limits), subjects, now_ms);
                }
                match spent.wait_us {
                    Some(wait_us) => self.over_limit(features, wait_us),
                    None => self.passed(features, Basis::Crawler, Check::Crawler),
                }
            }
            CrawlerPolicy::Allow => self.passed(features, Basis::Crawler, Check::Crawler),
        };
        (decision.limit, decision.charges) = (spent.over, spent.charges);
        Some(decision)
    }
}

#[cfg(test)]
mod tests;
