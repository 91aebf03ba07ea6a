//! Judging a user agent by itself: declared tools and crawlers, empty, impossible and long outdated claims.

use aho_corasick::automaton::Automaton;
use aho_corasick::nfa::contiguous::NFA;
use aho_corasick::{Anchored, Input};

use crate::agents::{self, AgentCategory, Says};
use crate::client::ClientState;
use crate::text::find;

/// What kind of program a user agent says it is. The numbers are part of the client record.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum AgentKind {
    /// A mainstream browser.
    Browser = 0,
    /// Neither a known browser nor a known tool: apps, rare browsers.
    Other = 1,
    /// No user agent at all.
    Empty = 2,
    /// Declares itself a tool, library, crawler or scanner.
    Declared = 3,
    /// Claims a browser that cannot exist.
    Impossible = 4,
    /// A browser without pictures: a person, often one who cannot see.
    TextBrowser = 5,
}

/// The judgement of one user agent at one time.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Agent {
    /// What it says it is.
    pub kind: AgentKind,
    /// How much it looks like a bot by itself, in [0, 1].
    pub suspicion: f32,
}

/// A browser that a user agent claims, with its major version.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Claim {
    Chromium(u32),
    Firefox(u32),
    Safari(u32),
}

/// How much of a user agent is read: longer ones are not longer work, and no browser's is.
const READ_BYTES: usize = 512;
const DAY_MS: u64 = 86_400_000;
/// A browser that cannot be updated is at most so suspicious for its age.
const MOST_OF_DEVICES: f32 = 0.3;
/// A name that is no browser's and in no list: some program.
const UNKNOWN_PROGRAM: f32 = 0.8;
/// No browser sends so little: programs whose authors were told to send something.
const BARE: [&[u8]; 6] = [
    b"Mozilla",
    b"Mozilla/4.0",
    b"Mozilla/4.0 (compatible;)",
    b"Mozilla/5.0",
    b"Mozilla/5.0 (compatible)",
    b"Mozilla/5.0 (compatible;)",
];
/// Firefox ESR: systems that get no newer one, and offices, stay on these (Mozilla's release calendar).
const LONG_SUPPORTED: [u32; 9] = [52, 60, 68, 78, 91, 102, 115, 128, 140];

impl Agent {
    /// Judges a user agent as of `now_ms` (Unix milliseconds): a version that was new in 2015 was no lie then.
    pub fn judge(user_agent: &[u8], now_ms: u64) -> Self {
        Self::read(user_agent, now_ms).0
    }

    /// The same, and what it says it is for.
    pub(crate) fn read(user_agent: &[u8], now_ms: u64) -> (Self, Option<AgentCategory>) {
        let text = user_agent.get(..READ_BYTES).unwrap_or(user_agent).trim_ascii();
        if text.is_empty() || text == b"-" {
            return (Self { kind: AgentKind::Empty, suspicion: 1.0 }, None);
        }
        let says = agents::read(text);
        let agent = match says {
            Some(Says::Is(AgentCategory::TextBrowser, _)) => {
                Self { kind: AgentKind::TextBrowser, suspicion: 0.1 }
            }
            Some(Says::Is(_, true)) => Self { kind: AgentKind::Declared, suspicion: 1.0 },
            _ => Self::of_browser(text, now_ms),
        };
        let agent = match says {
            Some(Says::Device) if agent.kind == AgentKind::Browser => {
                Self { suspicion: agent.suspicion.min(MOST_OF_DEVICES), ..agent }
            }
            _ => agent,
        };
        let Some(Says::Is(category, _)) = says else { return (agent, None) };
        (agent, Some(category))
    }

    fn of_browser(text: &[u8], now_ms: u64) -> Self {
        if BARE.contains(&text) {
            return Self { kind: AgentKind::Other, suspicion: 0.9 };
        }
        match claim(text) {
            None if text.starts_with(b"Mozilla/") || text.starts_with(b"Opera/") => {
                let suspicion =
                    if is_internet_explorer(text) && now_ms < EXPLORER_RETIRED_MS { 0.0 } else { 0.3 };
                Self { kind: AgentKind::Browser, suspicion }
            }
            None => Self { kind: AgentKind::Other, suspicion: UNKNOWN_PROGRAM },
            Some(claim) => Self::of_claim(claim, now_ms),
        }
    }

    fn of_claim(claim: Claim, now_ms: u64) -> Self {
        let behind = versions_behind(claim, now_ms);
        if behind < -IMPOSSIBLY_AHEAD {
            return Self { kind: AgentKind::Impossible, suspicion: 0.9 };
        }
        let suspicion = 0.5 * ((behind - 25.0) / 50.0).clamp(0.0, 1.0);
        let is_kept = matches!(claim, Claim::Firefox(version) if LONG_SUPPORTED.contains(&version));
        let most = if is_kept { MOST_OF_DEVICES } else { 1.0 };
        Self { kind: AgentKind::Browser, suspicion: suspicion.min(most) }
    }
}

/// A claim this many versions ahead of what is released is a lie; betas are four ahead at most.
const IMPOSSIBLY_AHEAD: f32 = 15.0;

/// How many versions the claim lies behind what was current at `now_ms`, negative for ahead.
///
/// Chromium and Firefox number their releases alike: 32 and 27 early in 2014, one every six weeks until 94
/// and 92 in September 2021, every four weeks since (their published release calendars). Safari's are yearly
/// and bound to the system, so they tell little: never behind.
fn versions_behind(claim: Claim, now_ms: u64) -> f32 {
    const EARLY_2014: f32 = 16_085.0; // days since 1970
    const AUTUMN_2021: f32 = 18_891.0;
    let (version, in_2014, in_2021) = match claim {
        Claim::Chromium(version) => (version, 32.0, 94.0),
        Claim::Firefox(version) => (version, 27.0, 92.0),
        Claim::Safari(version) => return if version > 100 { -100.0 } else { 0.0 },
    };
    let today = (now_ms / DAY_MS) as f32;
    let current = if today < AUTUMN_2021 {
        in_2014 + (today - EARLY_2014) * (in_2021 - in_2014) / (AUTUMN_2021 - EARLY_2014)
    } else {
        in_2021 + (today - AUTUMN_2021) / 28.0
    };
    current.max(1.0) - version as f32
}

/// The browser that a user agent claims to be, if it claims one of the big engines.
pub(crate) fn claim(user_agent: &[u8]) -> Option<Claim> {
    let text = user_agent.get(..READ_BYTES).unwrap_or(user_agent);
    if !text.starts_with(b"Mozilla/5.0 (") {
        return None;
    }
    for token in [b"Chrome/".as_slice(), b"CriOS/"] {
        if let Some(version) = version_after(text, token) {
            // Chrome on iOS is Safari's engine under another name and number.
            return Some(if token == b"CriOS/" { Claim::Safari(17) } else { Claim::Chromium(version) });
        }
    }
    if let Some(version) = version_after(text, b" Firefox/") {
        return Some(Claim::Firefox(version));
    }
    version_after(text, b" Version/").filter(|_| find(text, b" Safari/").is_some()).map(Claim::Safari)
}

fn version_after(text: &[u8], token: &[u8]) -> Option<u32> {
    let digits = text.get(find(text, token)? + token.len()..)?;
    let mut version = None;
    for digit in digits.iter().take(9).take_while(|b| b.is_ascii_digit()) {
        version = Some(version.unwrap_or(0) * 10 + u32::from(digit - b'0'));
    }
    version
}

/// Internet Explorer was switched off on 14 February 2023 (Microsoft's lifecycle announcement).
const EXPLORER_RETIRED_MS: u64 = 1_676_332_800_000;

fn is_internet_explorer(text: &[u8]) -> bool {
    find(text, b"MSIE ").is_some() || find(text, b"Trident/").is_some()
}

/// An automaton that finds literals in any ASCII case. The contiguous NFA is asked for by name: the choice among
/// all of the library's automata would be a seventh of the filter's size.
pub(crate) fn literal_set<'a>(
    literals: impl Iterator<Item = &'a str>,
) -> Result<NFA, aho_corasick::BuildError> {
    // Of one type for all callers, so that the builder stands in the filter once.
    literal_set_of(literals.collect())
}

fn literal_set_of(literals: Vec<&str>) -> Result<NFA, aho_corasick::BuildError> {
    NFA::builder().ascii_case_insensitive(true).prefilter(false).build(literals)
}

/// Whether any of the set's literals stands in the text.
pub(crate) fn holds_any(set: &NFA, text: &[u8]) -> bool {
    first_of(set, text).is_some()
}

/// The place in the set of the literal that ends first in the text.
pub(crate) fn first_of(set: &NFA, text: &[u8]) -> Option<usize> {
    let anywhere = Input::new(text).anchored(Anchored::No).earliest(true);
    set.try_find(&anywhere).ok()?.map(|found| found.pattern().as_usize())
}

/// Bits of the number in a client record that are the kind's; above is the category, from 1.
const KIND_BITS: u32 = 3;

impl AgentKind {
    /// The kind of a number in a client record; an unknown number is [`AgentKind::Other`].
    pub(crate) fn from_u8(number: u8) -> Self {
        match number & ((1 << KIND_BITS) - 1) {
            0 => Self::Browser,
            2 => Self::Empty,
            3 => Self::Declared,
            4 => Self::Impossible,
            5 => Self::TextBrowser,
            _ => Self::Other,
        }
    }

    /// The number in a client record, with what it says it is for.
    pub(crate) fn to_u8(self, category: Option<AgentCategory>) -> u8 {
        self as u8 | category.map_or(0, |category| (category as u8 + 1) << KIND_BITS)
    }
}

/// What a client says it is for.
pub(crate) fn category_of(client: &ClientState) -> Option<AgentCategory> {
    let number = (client.agent_kind >> KIND_BITS).checked_sub(1)?;
    AgentCategory::ALL.get(usize::from(number)).copied()
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOVEMBER_2026: u64 = 1_795_000_000_000;
    const CHROME: &str = "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/V.0.0.0 Safari/537.36";

    fn judge(user_agent: &str) -> Agent {
        Agent::judge(user_agent.as_bytes(), NOVEMBER_2026)
    }

    #[test]
    fn tools_and_crawlers_declare_themselves() {
        for text in [
            "curl/8.5.0",
            "python-requests/2.28.0",
            "Mozilla/5.0 (compatible; Googlebot/2.1; +http://www.google.com/bot.html)",
            "Mozilla/5.0 AppleWebKit/537.36 (KHTML, like Gecko; compatible; GPTBot/1.2; +https://openai.com/gptbot)",
            "Go-http-client/2.0",
        ] {
            assert_eq!(judge(text), Agent { kind: AgentKind::Declared, suspicion: 1.0 }, "{text}");
        }
        assert_eq!(judge(" ").kind, AgentKind::Empty);
        assert_eq!(judge("-").kind, AgentKind::Empty);
    }

    #[test]
    fn browsers_are_judged_by_the_time() {
        assert_eq!(judge(&CHROME.replace('V', "156")).suspicion, 0.0);
        assert_eq!(judge(&CHROME.replace('V', "999")).kind, AgentKind::Impossible);
        assert_eq!(judge(&CHROME.replace('V', "60")).suspicion, 0.5);
        let in_2017 = Agent::judge(CHROME.replace('V', "60").as_bytes(), 1_502_000_000_000);
        assert_eq!(in_2017, Agent { kind: AgentKind::Browser, suspicion: 0.0 });
        let firefox = "Mozilla/5.0 (X11; Linux x86_64; rv:150.0) Gecko/20100101 Firefox/150.0";
        assert_eq!(judge(firefox), Agent { kind: AgentKind::Browser, suspicion: 0.0 });
        let safari = "Mozilla/5.0 (iPhone; CPU iPhone OS 18_1 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko) Version/18.1 Mobile/15E148 Safari/604.1";
        assert_eq!(judge(safari), Agent { kind: AgentKind::Browser, suspicion: 0.0 });
    }

    #[test]
    fn what_stays_behind_is_no_lie() {
        for text in [
            "Mozilla/5.0 (Web0S; Linux/SmartTV) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/38.0.2125.122 Safari/537.36 WebAppManager",
            "Mozilla/5.0 (Linux; Viera; VIERA; rv:34.0) Gecko/20100101 Firefox/34.0",
            "Mozilla/5.0 (SMART-TV; LINUX; Tizen 5.5) AppleWebKit/537.36 (KHTML, like Gecko) 69.0.3497.106.1/5.5 TV Safari/537.36",
            "Mozilla/5.0 (X11; GNU/Linux) AppleWebKit/537.36 (KHTML, like Gecko) Chromium/79.0.3945.130 Chrome/79.0.3945.130 Safari/537.36 Tesla/2021.12.25.7-1b9ae8b2f3e0",
            "Mozilla/5.0 (Windows NT 10.0; Win64; x64; Xbox; Xbox One) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/48.0.2564.82 Safari/537.36 Edge/20.02",
            "Mozilla/5.0 (Windows NT 10.0; Win64; x64; rv:56.0) Gecko/20100101 Firefox/56.0.4 Waterfox/56.0.4",
            "Mozilla/5.0 (Windows NT 10.0; rv:60.0) Gecko/20100101 Firefox/60.0 SeaMonkey/2.53.21",
            "Mozilla/5.0 (Windows NT 10.0; Win64; x64; rv:68.0) Gecko/20100101 Goanna/4.8 Firefox/68.0 PaleMoon/29.4.6",
            "Mozilla/5.0 (X11; Linux x86_64; rv:78.0) Gecko/20100101 Firefox/78.0",
        ] {
            let agent = judge(text);
            assert!(agent.kind == AgentKind::Browser && agent.suspicion <= 0.3, "{agent:?}: {text}");
        }
        for text in [
            "Lynx/2.9.2 libwww-FM/2.14 SSL-MM/1.4.1 OpenSSL/3.0.15",
            "w3m/0.5.3+git20230121",
            "Links (2.29; Linux 6.1; GNU C 12.2; text)",
            "ELinks/0.16.1.1 (textmode; Linux 6.1 x86_64; 120x38-2)",
        ] {
            let agent = judge(text);
            assert!(agent.kind == AgentKind::TextBrowser && agent.suspicion <= 0.3, "{agent:?}: {text}");
        }
    }

    #[test]
    fn what_no_browser_sends_is_suspicious() {
        for text in ["Mozilla/5.0", "Mozilla/4.0", "Mozilla"] {
            assert_eq!(judge(text), Agent { kind: AgentKind::Other, suspicion: 0.9 }, "{text}");
        }
    }

    #[test]
    fn a_record_keeps_kind_and_category() {
        let mut client = ClientState::new(1);
        for category in AgentCategory::ALL.map(Some).into_iter().chain([None]) {
            client.agent_kind = AgentKind::Declared.to_u8(category);
            let kind = AgentKind::from_u8(client.agent_kind);
            assert_eq!((kind, category_of(&client)), (AgentKind::Declared, category));
        }
        client.agent_kind = 255;
        assert_eq!(category_of(&client), None);
    }

    #[test]
    fn any_bytes_are_judged() {
        for bytes in [&[0xff; 3][..], b"Chrome/", b"Mozilla/5.0 (Chrome/99999999999999", &[b'A'; 100_000]] {
            let agent = Agent::judge(bytes, 0);
            assert!((0.0..=1.0).contains(&agent.suspicion));
        }
    }
}
