//! What must be known of a log before its figures are believed.

use super::{count, percent};
use crate::replay::run::Outcome;
use crate::replay::tally::{Crowded, Tally};

/// From how many requests on the order of a log and the addresses in it are judged.
const LEAST_REQUESTS: u64 = 20;

/// What is wrong with the log as a whole: then its figures say little.
pub(in crate::replay) fn warnings(outcome: &Outcome) -> Vec<String> {
    let mut warnings = Vec::new();
    if outcome.tally.requests < LEAST_REQUESTS {
        return warnings;
    }
    if outcome.late * 2 > outcome.tally.requests {
        warnings.push(
            "this log is newest first, or its parts are: nothing below means much. Give the oldest line first (`tac FILE | \
             sallyport replay -`)"
                .to_owned(),
        );
    }
    if let Some((share, who)) = outcome.tally.clients.crowded() {
        let (place, who) = match who {
            Crowded::Addresses(addresses) => {
                let addresses: Vec<_> = addresses.iter().map(ToString::to_string).collect();
                ("behind a balancer", addresses.join(" and "))
            }
            Crowded::Private => ("behind a balancer or in a private network", "private addresses".to_owned()),
        };
        warnings.push(format!(
            "this log stands {place}: {} of its lines come from {who}. Where these are no visitors, log the visitor's address, or \
             X-Forwarded-For and tell with --trusted-hops how many proxies are yours",
            percent(Some(share))
        ));
    }
    warnings
}

/// What was passed over, or judged with less.
pub(in crate::replay) fn notes(outcome: &Outcome) -> Vec<String> {
    let tally: &Tally = &outcome.tally;
    let notes = [
        (outcome.late, "line", "older than one before and judged at its time: give the oldest log first"),
        (
            outcome.astray,
            "line",
            "more than a month ahead of those around them and judged at the time of the one before",
        ),
        (
            tally.by_gate,
            "request",
            "refused by a gate before the site: judged, but what the site answers is not known",
        ),
        (
            tally.forged,
            "line",
            "in which a client wrote what ends a field: passed over, since it could name another",
        ),
        (tally.without_agent, "line", "of a format without user agents: nothing is concluded from that"),
        (tally.by_name, "line", "with a host name for the client: each name counts as an address of its own"),
        (tally.without_address, "line", "without a client address: told apart by user agent alone"),
        (outcome.unasked, "request", "of claimed crawlers not looked up: --verify=SECONDS ended before"),
        (outcome.forgotten, "client record", "dropped for lack of room: raise --max-clients"),
        (tally.clients.left_out(), "client", "not listed for lack of room: raise --max-clients"),
    ];
    let noted = notes.into_iter().filter(|(number, ..)| *number > 0);
    noted.map(|(number, what, note)| format!("{} {note}.", count(number, what))).collect()
}
