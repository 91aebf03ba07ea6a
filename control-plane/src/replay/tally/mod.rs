//! What is counted over all judged lines: actions, clients, reasons, paths, and how it went over time.

mod clients;
mod crawlers;
mod paths;
mod timeline;

use sallyport_core::{Action, Check, Decision};

pub(crate) use clients::{ClientTally, Clients, Crowded};
pub(crate) use crawlers::Crawlers;
pub(crate) use paths::Paths;
pub(crate) use timeline::Timeline;

use super::judge::Judged;
use super::line::{LineError, LogLine};

/// How many broken lines are shown.
const SHOWN_BROKEN: usize = 5;
/// How many different paths of refused requests are counted apart.
const MAX_PATHS: usize = 10_000;
/// Counts per action, indexed by the action's number.
pub(crate) type PerAction = [u64; Action::ALL.len()];

/// How many of these requests would not have reached their origin.
pub(crate) fn refused(actions: &PerAction) -> u64 {
    Action::ALL.iter().filter(|action| action.refuses()).map(|action| actions[*action as usize]).sum()
}

/// A line that could not be judged.
#[derive(Debug, Clone)]
pub(crate) struct Broken {
    /// The file it stands in, where there are several.
    pub(crate) file: Option<String>,
    /// Its number, from 1.
    pub(crate) line: u64,
    /// What is wrong.
    pub(crate) why: String,
    /// Its first bytes.
    pub(crate) excerpt: String,
}

impl Broken {
    /// `line 7`, or with its file where there are several.
    pub(crate) fn place(&self) -> String {
        match &self.file {
            Some(file) => format!("{file}:{}", self.line),
            None => format!("line {}", self.line),
        }
    }
}

/// How many times a check gave evidence against a request that was refused, and its points in sum.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct ReasonTally {
    /// Refused requests it spoke against.
    pub(crate) requests: u64,
    /// Sum of its points.
    pub(crate) points: f64,
}

/// Everything counted in one run.
pub(crate) struct Tally {
    /// Requests judged.
    pub(crate) requests: u64,
    /// Requests by the action they would get under `enforce`, but for claimed crawlers that nobody has verified.
    pub(crate) actions: PerAction,
    /// Lines that could not be judged.
    pub(crate) broken: u64,
    /// The first of them.
    pub(crate) shown_broken: Vec<Broken>,
    /// Requests whose line names no client address.
    pub(crate) without_address: u64,
    /// Requests whose client is named by its host name.
    pub(crate) by_name: u64,
    /// Requests of a format without user agents.
    pub(crate) without_agent: u64,
    /// Requests that a gate refused before the site.
    pub(crate) by_gate: u64,
    /// Lines in which a client wrote what ends a field.
    pub(crate) forged: u64,
    /// What claims to be a crawler.
    pub(crate) crawlers: Crawlers,
    /// Per client.
    pub(crate) clients: Clients,
    /// Paths of refused requests.
    pub(crate) refused_paths: Paths,
    /// Reasons of refused requests, indexed by the check's number.
    pub(crate) reasons: [ReasonTally; Check::ALL.len()],
    /// Actions over time.
    pub(crate) timeline: Timeline,
}

impl Tally {
    /// Nothing counted yet; at most `max_clients` clients are told apart.
    pub(crate) fn new(max_clients: usize) -> Self {
        Self {
            requests: 0,
            actions: PerAction::default(),
            broken: 0,
            shown_broken: Vec::new(),
            without_address: 0,
            by_name: 0,
            without_agent: 0,
            by_gate: 0,
            forged: 0,
            crawlers: Crawlers::default(),
            clients: Clients::new(max_clients),
            refused_paths: Paths::new(MAX_PATHS),
            reasons: [ReasonTally::default(); Check::ALL.len()],
            timeline: Timeline::default(),
        }
    }

    /// Counts a judged line.
    pub(crate) fn judged(&mut self, line: &LogLine<'_>, judged: &Judged) {
        let action = judged.decision.action;
        self.requests += 1;
        self.without_address += u64::from(line.address.is_none());
        self.by_name += u64::from(line.by_name);
        self.without_agent += u64::from(line.unknown.user_agent);
        self.by_gate += u64::from(line.by_gate);
        self.clients.add(line, judged);
        if let Some((crawler, verdict)) = judged.claim {
            self.crawlers.add(crawler, verdict);
            if verdict.is_none() {
                return;
            }
        }
        self.actions[action as usize] += 1;
        self.timeline.add(judged.time_ms, action);
        if action.refuses() {
            self.refused_paths.add(line.path());
            self.reasons_of(&judged.decision);
        }
    }

    fn reasons_of(&mut self, decision: &Decision) {
        for (check, points) in decision.reasons.iter() {
            let reason = &mut self.reasons[check as usize];
            reason.requests += 1;
            reason.points += f64::from(points);
        }
    }

    /// Counts a line that cannot be judged.
    pub(crate) fn broken_line(&mut self, file: Option<&str>, line: u64, why: &LineError, bytes: &[u8]) {
        self.broken += 1;
        self.forged += u64::from(*why == LineError::Forged);
        if self.shown_broken.len() < SHOWN_BROKEN {
            self.shown_broken.push(Broken {
                file: file.map(str::to_owned),
                line,
                why: why.to_string(),
                excerpt: excerpt(bytes, 80),
            });
        }
    }

    /// Counts a file that cannot be read on, for instance because it was cut off while packed.
    pub(crate) fn unreadable(&mut self, file: Option<&str>, line: u64, error: &std::io::Error) {
        self.broken += 1;
        self.shown_broken.push(Broken {
            file: file.map(str::to_owned),
            line,
            why: format!("cannot be read from here on: {error}"),
            excerpt: String::new(),
        });
    }

    /// Requests that would not have reached their origin.
    pub(crate) fn refused(&self) -> u64 {
        refused(&self.actions)
    }
}

/// Text of a log made fit to be shown: valid UTF-8, nothing that moves a terminal's cursor, at most `max` characters.
pub(crate) fn excerpt(bytes: &[u8], max: usize) -> String {
    let text = String::from_utf8_lossy(bytes.get(..max * 4).unwrap_or(bytes));
    let mut shown: String =
        text.chars().take(max).map(|c| if harmless(c) { c } else { '\u{fffd}' }).collect();
    if text.chars().nth(max).is_some() {
        shown.push('…');
    }
    shown
}

/// Neither a control character nor one that hides or reorders its neighbours.
fn harmless(c: char) -> bool {
    !c.is_control()
        && !matches!(c, '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{206f}' | '\u{feff}')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_excerpt_cannot_drive_the_terminal() {
        assert_eq!(excerpt(b"a\x1b[2Jb", 10), "a\u{fffd}[2Jb");
        assert_eq!(excerpt("a\u{202e}b".as_bytes(), 10), "a\u{fffd}b");
        assert_eq!(excerpt(b"abcdef", 3), "abc…");
        assert_eq!(excerpt(b"\xff\xfe", 3), "\u{fffd}\u{fffd}");
    }
}
