//! What is counted per client, for at most a fixed number of clients.

use std::collections::HashMap;
use std::net::IpAddr;

use sallyport_core::{Action, Check};

use super::{PerAction, excerpt, refused};
use crate::replay::judge::Judged;
use crate::replay::line::LogLine;

/// The longest user agent that is kept, characters.
const MAX_AGENT: usize = 160;

/// What one client did and got.
#[derive(Debug, Clone)]
pub(crate) struct ClientTally {
    /// Its address, of the first request.
    pub(crate) address: Option<IpAddr>,
    /// Whether the address is made of a host name.
    by_name: bool,
    /// Whether it claims to be a crawler and nobody has looked into that.
    is_unverified: bool,
    /// Its user agent, fit to be shown.
    pub(crate) user_agent: String,
    /// Requests by action.
    pub(crate) actions: PerAction,
    /// The highest score of any request, 0..=100.
    pub(crate) max_score: f32,
    /// Requests that were refused or monitored.
    suspicious: u32,
    /// Points per check in sum over them.
    points: [f32; Check::ALL.len()],
}

impl ClientTally {
    fn new(line: &LogLine<'_>) -> Self {
        let user_agent = match line.unknown.user_agent {
            true => "(not logged)".to_owned(),
            false => excerpt(&line.user_agent, MAX_AGENT),
        };
        Self {
            address: line.address,
            by_name: line.by_name,
            is_unverified: false,
            user_agent,
            actions: PerAction::default(),
            max_score: 0.0,
            suspicious: 0,
            points: [0.0; Check::ALL.len()],
        }
    }

    /// All its requests.
    pub(crate) fn requests(&self) -> u64 {
        self.actions.iter().sum()
    }

    /// Its requests that were refused.
    pub(crate) fn refused(&self) -> u64 {
        refused(&self.actions)
    }

    /// The gravest action it got.
    pub(crate) fn worst(&self) -> Action {
        Action::ALL
            .into_iter()
            .rev()
            .find(|action| self.actions[*action as usize] > 0)
            .unwrap_or(Action::Allow)
    }

    /// The action it got most of those that refuse; the gravest of equals.
    pub(crate) fn main_refusal(&self) -> Option<Action> {
        Action::ALL
            .into_iter()
            .filter(|action| action.refuses() && self.actions[*action as usize] > 0)
            .max_by_key(|action| self.actions[*action as usize])
    }

    /// The checks that spoke against it, the strongest first, with their mean points over its suspicious requests.
    pub(crate) fn reasons(&self) -> Vec<(Check, f32)> {
        let mean = |points: f32| points / self.suspicious.max(1) as f32;
        let mut reasons: Vec<_> = Check::ALL
            .into_iter()
            .zip(self.points.map(mean))
            .filter(|(check, points)| *points >= 0.5 || (*points == 0.0 && self.only_decided_by(*check)))
            .collect();
        reasons.sort_by(|a, b| b.1.total_cmp(&a.1));
        reasons
    }

    /// Rate limit and lists decide without points; the rate limit is still the reason to show.
    fn only_decided_by(&self, check: Check) -> bool {
        check == Check::RateLimit && self.actions[Action::RateLimit as usize] > 0
    }
}

/// The share of requests that is nearly all.
const NEARLY_ALL: f64 = 0.95;

/// Where nearly all requests of a log come from.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Crowded {
    /// One address or two.
    Addresses(Vec<IpAddr>),
    /// Addresses that no visitor comes from over the Internet.
    Private,
}

/// RFC 1918, 4193 and 6598, link-local and loopback.
fn is_private(address: IpAddr) -> bool {
    match address {
        IpAddr::V4(v4) => {
            let [a, b, ..] = v4.octets();
            v4.is_private() || v4.is_loopback() || v4.is_link_local() || (a == 100 && b & 0xc0 == 64)
        }
        IpAddr::V6(v6) => v6.is_loopback() || v6.is_unique_local() || v6.is_unicast_link_local(),
    }
}

/// All clients, by key.
pub(crate) struct Clients {
    max: usize,
    tallies: HashMap<u64, ClientTally>,
    left_out: u64,
}

impl Clients {
    /// Room for at most `max` clients (at least 1).
    pub(crate) fn new(max: usize) -> Self {
        Self { max: max.max(1), tallies: HashMap::new(), left_out: 0 }
    }

    /// Counts a judged line.
    pub(crate) fn add(&mut self, line: &LogLine<'_>, judged: &Judged) {
        if self.tallies.len() >= self.max && !self.tallies.contains_key(&judged.client) {
            self.make_room();
        }
        let client = self.tallies.entry(judged.client).or_insert_with(|| ClientTally::new(line));
        client.is_unverified = matches!(judged.claim, Some((_, None)));
        let decision = &judged.decision;
        client.actions[decision.action as usize] += 1;
        client.max_score = client.max_score.max(decision.score);
        if decision.action != Action::Allow {
            client.suspicious += 1;
            for (check, points) in decision.reasons.iter() {
                client.points[check as usize] += points;
            }
        }
    }

    /// Drops the half that is least worth showing: few refusals, then few requests.
    fn make_room(&mut self) {
        let worth = |client: &ClientTally| (client.refused(), client.requests());
        let mut keys: Vec<_> = self.tallies.iter().map(|(key, client)| (worth(client), *key)).collect();
        keys.sort_unstable();
        for (_, key) in keys.iter().take(self.max.div_ceil(2)) {
            self.tallies.remove(key);
            self.left_out += 1;
        }
    }

    /// How many clients there were; one that came back after it was left out counts twice.
    pub(crate) fn count(&self) -> u64 {
        self.tallies.len() as u64 + self.left_out
    }

    /// How many clients had to be left out.
    pub(crate) fn left_out(&self) -> u64 {
        self.left_out
    }

    /// Clients by the gravest action they got.
    pub(crate) fn by_worst_action(&self) -> PerAction {
        let mut counts = PerAction::default();
        for client in self.tallies.values().filter(|client| !client.is_unverified) {
            counts[client.worst() as usize] += 1;
        }
        counts
    }

    /// Where nearly all requests come from, and their share, if that is one or two addresses, or private ones.
    pub(crate) fn crowded(&self) -> Option<(f64, Crowded)> {
        let mut by_address: HashMap<IpAddr, u64> = HashMap::new();
        for client in self.tallies.values().filter(|client| !client.by_name) {
            if let Some(address) = client.address {
                *by_address.entry(address).or_default() += client.requests();
            }
        }
        let all: u64 = self.tallies.values().map(ClientTally::requests).sum();
        let share = |requests: u64| requests as f64 / all.max(1) as f64;
        let mut addresses: Vec<_> =
            by_address.iter().map(|(address, requests)| (*requests, *address)).collect();
        addresses.sort_unstable_by(|a, b| b.cmp(a));
        for few in 1..=addresses.len().min(2) {
            let of_few = share(addresses.iter().take(few).map(|(requests, _)| requests).sum());
            if of_few >= NEARLY_ALL {
                let few = addresses.iter().take(few).map(|(_, address)| *address).collect();
                return Some((of_few, Crowded::Addresses(few)));
            }
        }
        let private =
            share(addresses.iter().filter(|(_, address)| is_private(*address)).map(|(n, _)| n).sum());
        (private >= NEARLY_ALL).then_some((private, Crowded::Private))
    }

    /// The clients with most refused requests, at most `count`; none without any.
    pub(crate) fn most_refused(&self, count: usize) -> Vec<&ClientTally> {
        self.top(count, |client| client.refused())
    }

    /// The clients with most requests that got this action, at most `count`.
    pub(crate) fn most(&self, action: Action, count: usize) -> Vec<&ClientTally> {
        self.top(count, |client| client.actions[action as usize])
    }

    fn top(&self, count: usize, by: impl Fn(&ClientTally) -> u64) -> Vec<&ClientTally> {
        let mut clients: Vec<_> =
            self.tallies.values().filter(|client| !client.is_unverified && by(client) > 0).collect();
        clients.sort_by(|a, b| {
            let order = by(b).cmp(&by(a)).then(b.requests().cmp(&a.requests()));
            order
                .then(b.max_score.total_cmp(&a.max_score))
                .then_with(|| (a.address, &a.user_agent).cmp(&(b.address, &b.user_agent)))
        });
        clients.truncate(count);
        clients
    }
}
