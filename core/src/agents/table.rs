//! The table of those who say their name: `data/agents.txt`, by hand, and `data/crawlers.txt`, derived. One pass over a user
//! agent finds all of them.

use std::sync::LazyLock;

use aho_corasick::automaton::{Automaton, OverlappingState};
use aho_corasick::nfa::contiguous::NFA;
use aho_corasick::{Anchored, Input};

use super::AgentCategory;
use crate::agent::literal_set;

/// How much of a user agent is read: longer ones are not longer work, and no browser's is.
const READ_BYTES: usize = 512;

/// An agent of the table.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct NamedAgent {
    /// The part of the user agent by which it is known, in lower case.
    pub name: &'static str,
    /// What it is for.
    pub category: AgentCategory,
    /// Who runs it, where that is one operator.
    pub operator: Option<&'static str>,
    /// How a visit of it can be told from one in its name: `ranges`, `dns`; `None` where it cannot.
    pub verified_by: Option<&'static str>,
}

/// What a literal of the table says of whoever's user agent holds it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Says {
    /// A program; whether it is one that gives itself away as such anywhere.
    Is(AgentCategory, IsDeclared),
    /// A browser that stays behind, and is no lie for it.
    Device,
    /// A person whose browser's name holds a program's.
    Person,
}

/// Whether a name makes its bearer suspicious where it has no business; an app's own calls do not.
pub(crate) type IsDeclared = bool;

impl Says {
    /// What somebody is for tells more than what it is built with, and who looks for weaknesses does so under any name.
    fn closeness(self) -> u8 {
        use AgentCategory::{App, Library, Other, Scanner, Tool};
        match self {
            Self::Device => 0,
            Self::Person | Self::Is(App | Library | Tool | Other, _) => 1,
            Self::Is(Scanner, _) => 3,
            Self::Is(..) => 2,
        }
    }
}

/// A line of the table. Small, since there are many.
#[derive(Clone, Copy)]
struct Literal {
    line: &'static str,
    says: Says,
    /// Whether somebody wrote it down for what it is for, and it was not derived.
    is_by_hand: bool,
}

struct Table {
    literals: Vec<Literal>,
    found: Option<NFA>,
}

/// All agents of the table, in its order.
pub fn named_agents() -> impl Iterator<Item = NamedAgent> {
    table().literals.iter().filter_map(|literal| {
        let Says::Is(category, _) = literal.says else { return None };
        let mut columns = literal.line.split('\t').skip(1);
        let mut column = || columns.next().filter(|text| !text.is_empty());
        Some(NamedAgent { name: literal.text(), category, operator: column(), verified_by: column() })
    })
}

/// What the closest literal in a user agent says, of equally close ones what was written by hand, then the longest.
pub(crate) fn read(user_agent: &[u8]) -> Option<Says> {
    let text = user_agent.get(..READ_BYTES).unwrap_or(user_agent);
    let Table { literals, found } = table();
    let (found, input) = (found.as_ref()?, Input::new(text).anchored(Anchored::No));
    let (mut state, mut longest) = (OverlappingState::start(), None::<((u8, bool, usize), Says)>);
    loop {
        found.try_find_overlapping(&input, &mut state).ok()?;
        let Some(hit) = state.get_match() else { break };
        let Some(literal) = literals.get(hit.pattern().as_usize()) else { continue };
        let closeness = literal.says.closeness();
        let rank = (closeness, closeness > 1 && literal.is_by_hand, hit.len());
        let is_more = longest.is_none_or(|(held, _)| held < rank);
        if is_more && literal.fits(text, hit.start(), hit.end()) {
            longest = Some((rank, literal.says));
        }
    }
    longest.map(|(_, says)| says)
}

fn table() -> &'static Table {
    static TABLE: LazyLock<Table> = LazyLock::new(|| {
        let files = [include_str!("../../data/agents.txt"), include_str!("../../data/crawlers.txt")];
        let mut says = Says::Person;
        let mut literals = Vec::new();
        for (is_by_hand, file) in [true, false].into_iter().zip(files) {
            for line in file.lines().filter(|line| !line.is_empty() && !line.starts_with('#')) {
                match line.strip_prefix('[') {
                    Some(section) => says = section_of(section.trim_end_matches(']')),
                    None => literals.push(Literal { line, says, is_by_hand }),
                }
            }
        }
        let found = literal_set(literals.iter().map(Literal::text)).ok();
        Table { literals, found }
    });
    &TABLE
}

fn section_of(section: &str) -> Says {
    match section {
        "device" => Says::Device,
        "app" => Says::Is(AgentCategory::App, false),
        "app declared" => Says::Is(AgentCategory::App, true),
        name => AgentCategory::from_name(name).map_or(Says::Person, |category| Says::Is(category, true)),
    }
}

impl Literal {
    fn text(&self) -> &'static str {
        let written = self.written();
        let text = written.strip_prefix(['^', '*']).unwrap_or(written);
        text.strip_suffix('*').unwrap_or(text)
    }

    fn written(&self) -> &'static str {
        self.line.split('\t').next().unwrap_or(self.line)
    }

    /// Whether it stands there as it is written: at the start where it has to, and as a word where it does not go on.
    fn fits(&self, text: &[u8], start: usize, end: usize) -> bool {
        let written = self.written();
        if written.starts_with('^') && start > 0 {
            return false;
        }
        let is_word =
            |at: Option<usize>| at.and_then(|at| text.get(at)).is_some_and(u8::is_ascii_alphanumeric);
        let (first, last) = (Some(start), end.checked_sub(1));
        let goes_on_left = is_word(first) && is_word(start.checked_sub(1));
        let goes_on_right = is_word(last) && is_word(Some(end));
        (written.starts_with('*') || !goes_on_left) && (written.ends_with('*') || !goes_on_right)
    }
}
