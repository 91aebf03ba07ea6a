//! Patterns of user agents, all looked for in one pass: of each pattern one literal part goes into an automaton, and only
//! the patterns whose literal stands in the text are compared as a whole.

use std::collections::HashMap;
use std::sync::Arc;

use aho_corasick::automaton::{Automaton, OverlappingState};
use aho_corasick::nfa::contiguous::NFA;
use aho_corasick::{Anchored, Input};

use super::pattern::fits;
use crate::agent::literal_set;
use crate::wire::{Reader, put_text};

/// Of a text so many bytes are searched.
const SEARCHED_BYTES: usize = 1024;
/// Longest pattern, in bytes.
pub(super) const PATTERN_BYTES: usize = 1024;
/// Most patterns of one kind and action.
pub(super) const MOST_PATTERNS: usize = 256;
/// So much of a literal goes into the automaton, in bytes: enough to tell browsers' whole user agents apart, and few
/// enough that the longest patterns take half a megabyte and not four.
const LITERAL_BYTES: usize = 128;

/// Patterns, each with a label. What is compiled follows from them.
#[derive(Clone, Debug, Default)]
pub(super) struct Patterns {
    /// In lower case.
    entries: Vec<(String, u16)>,
    /// `None` of few patterns, which are faster compared one by one.
    literals: Option<Arc<Literals>>,
}

/// One literal of each pattern that has any.
#[derive(Debug)]
struct Literals {
    set: NFA,
    /// Whose they are: places of patterns.
    places: Vec<u8>,
    /// The patterns of stars alone.
    others: Seen,
}

impl PartialEq for Patterns {
    fn eq(&self, other: &Self) -> bool {
        self.entries == other.entries
    }
}

impl Patterns {
    /// Compiles patterns. Those beyond 256, and those of more than 1024 bytes, are left out.
    pub(super) fn new<'a>(patterns: impl IntoIterator<Item = (&'a str, u16)>) -> Self {
        let fitting = patterns.into_iter().filter(|(pattern, _)| pattern.len() <= PATTERN_BYTES);
        let lower = fitting.take(MOST_PATTERNS).map(|(pattern, label)| (pattern.to_ascii_lowercase(), label));
        Self::compile(lower.collect())
    }

    fn compile(entries: Vec<(String, u16)>) -> Self {
        let literals = if entries.len() < 2 { None } else { Literals::new(&entries) };
        Self { entries, literals: literals.map(Arc::new) }
    }

    /// Whether a pattern whose label is on fits the text, whatever its case.
    pub(super) fn find(&self, text: &[u8], is_on: impl Fn(u16) -> bool) -> bool {
        let text = text.get(..SEARCHED_BYTES).unwrap_or(text);
        let Some(literals) = &self.literals else {
            let text = if self.entries.is_empty() { Vec::new() } else { text.to_ascii_lowercase() };
            return self
                .entries
                .iter()
                .any(|(pattern, label)| is_on(*label) && fits(pattern.as_bytes(), &text));
        };
        let mut lower = None;
        literals.any(text, |place| {
            let Some((pattern, label)) = self.entries.get(usize::from(place)) else { return false };
            is_on(*label) && fits(pattern.as_bytes(), lower.get_or_insert_with(|| text.to_ascii_lowercase()))
        })
    }

    /// The binary form: count u16; label u16, text each.
    pub(super) fn write(&self, out: &mut Vec<u8>) {
        write(&self.entries, out);
    }

    /// Reads what [`Patterns::write`] wrote.
    pub(super) fn read(reader: &mut Reader<'_>) -> Option<Self> {
        read(reader).map(Self::compile)
    }
}

/// The binary form of patterns: count u16; label u16, text each.
pub(super) fn write(patterns: &[(String, u16)], out: &mut Vec<u8>) {
    out.extend((patterns.len() as u16).to_le_bytes());
    for (pattern, label) in patterns {
        out.extend(label.to_le_bytes());
        put_text(out, pattern.as_bytes(), PATTERN_BYTES);
    }
}

/// Reads what [`write`] wrote.
pub(super) fn read(reader: &mut Reader<'_>) -> Option<Vec<(String, u16)>> {
    let count = usize::from(reader.u16()?);
    if count > MOST_PATTERNS {
        return None;
    }
    let mut patterns = Vec::new();
    for _ in 0..count {
        let label = reader.u16()?;
        patterns.push((reader.text(PATTERN_BYTES)?, label));
    }
    Some(patterns)
}

/// Places of patterns, a bit each.
#[derive(Clone, Copy, Debug, Default)]
struct Seen([u64; MOST_PATTERNS / 64]);

impl Seen {
    /// Adds a place; false where it was there.
    fn add(&mut self, place: u8) -> bool {
        let bit = 1 << (place % 64);
        let Some(bits) = self.0.get_mut(usize::from(place / 64)) else { return false };
        let is_new = *bits & bit == 0;
        *bits |= bit;
        is_new
    }

    fn places(self) -> impl Iterator<Item = u8> {
        let bits = self.0.into_iter().zip(0_u8..);
        bits.flat_map(|(bits, word)| {
            (0..64).filter(move |bit| bits >> bit & 1 == 1).map(move |bit| word * 64 + bit)
        })
    }
}

impl Literals {
    /// `None` where the automaton cannot be built.
    fn new(entries: &[(String, u16)]) -> Option<Self> {
        let parts = |pattern| str::split(pattern, '*').filter(|part| !part.is_empty()).map(beginning);
        let mut holders: HashMap<&str, usize> = HashMap::new();
        for part in entries.iter().flat_map(|(pattern, _)| parts(pattern)) {
            *holders.entry(part).or_default() += 1;
        }
        let (mut literals, mut places, mut others) = (Vec::new(), Vec::new(), Seen::default());
        for ((pattern, _), place) in entries.iter().zip(0..=u8::MAX) {
            // What many patterns hold, such as `mozilla/5.0`, stands in many texts; what is long stands in few.
            let rarest = parts(pattern).min_by_key(|part| (holders.get(part), usize::MAX - part.len()));
            match rarest {
                Some(literal) => {
                    literals.push(literal);
                    places.push(place);
                }
                None => {
                    others.add(place);
                }
            }
        }
        let set = literal_set(literals.into_iter()).ok()?;
        Some(Self { set, places, others })
    }

    /// Whether any of the patterns that may fit a text does, each asked once.
    fn any(&self, text: &[u8], mut fits: impl FnMut(u8) -> bool) -> bool {
        if self.others.places().any(&mut fits) {
            return true;
        }
        let (input, mut state) = (Input::new(text).anchored(Anchored::No), OverlappingState::start());
        let mut seen = Seen::default();
        // Only an anchored search can fail.
        while self.set.try_find_overlapping(&input, &mut state).is_ok() {
            let Some(found) = state.get_match() else { return false };
            let place = self.places.get(found.pattern().as_usize());
            if place.is_some_and(|place| seen.add(*place) && fits(*place)) {
                return true;
            }
        }
        false
    }
}

/// At most so much of a literal as goes into the automaton.
fn beginning(literal: &str) -> &str {
    literal.get(..literal.floor_char_boundary(LITERAL_BYTES)).unwrap_or(literal)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// What the patterns mean, one by one.
    fn naive(patterns: &[(String, u16)], text: &[u8], is_on: impl Fn(u16) -> bool) -> bool {
        let text = text.get(..SEARCHED_BYTES).unwrap_or(text).to_ascii_lowercase();
        let fits = |pattern: &str| fits(pattern.to_ascii_lowercase().as_bytes(), &text);
        patterns.iter().any(|(pattern, label)| fits(pattern) && is_on(*label))
    }

    fn compiled(patterns: &[(String, u16)]) -> Patterns {
        Patterns::new(patterns.iter().map(|(pattern, label)| (pattern.as_str(), *label)))
    }

    #[test]
    fn patterns_are_found_among_256_and_beyond_the_literals_length() {
        let start = "x".repeat(LITERAL_BYTES - 1);
        // The letter of two bytes lies across the cut.
        let mut patterns: Vec<_> = (0..255).map(|n| (format!("{start}\u{e9}bot{n};"), n)).collect();
        patterns.push(("mozilla/*evil*/2.*".to_owned(), 255));
        let patterns = compiled(&patterns);
        let all = |_| true;
        assert!(patterns.find(format!("a {start}\u{e9}BOT77; b").as_bytes(), all));
        assert!(!patterns.find(format!("a {start}\u{e9}BOT256; b").as_bytes(), all));
        assert!(!patterns.find(format!("a {start}\u{e9}BOT77; b").as_bytes(), |label| label != 77));
        assert!(patterns.find(b"Mozilla/5.0 (an EVIL spider)/2.7", all));
        assert!(!patterns.find(b"a Mozilla/5.0 (an EVIL spider)/2.7", all));
        let late = format!("{}mozilla", "y".repeat(SEARCHED_BYTES - 3));
        assert!(!compiled(&[("mozilla".into(), 0), ("zzz".into(), 1)]).find(late.as_bytes(), all));
    }

    #[test]
    fn stars_alone_fit_every_text() {
        for stars in ["*", "**"] {
            let patterns = compiled(&[("never there".into(), 0), (stars.into(), 1)]);
            assert!(patterns.find(b"anything", |_| true), "{stars}");
            assert!(patterns.find(b"", |_| true), "{stars}");
            assert!(!patterns.find(b"anything", |label| label == 0), "{stars}");
        }
    }

    #[test]
    fn the_longest_patterns_take_no_more_than_half_a_megabyte() {
        let text =
            |n: usize| (0..PATTERN_BYTES).map(move |at| char::from(b'a' + ((n * 31 + at * n) % 26) as u8));
        let patterns: Vec<_> = (0..MOST_PATTERNS).map(|n| (text(n + 1).collect::<String>(), 0)).collect();
        let literals = compiled(&patterns).literals.expect("compiled");
        assert!(literals.set.memory_usage() <= 512 * 1024, "{}", literals.set.memory_usage());
    }

    proptest! {
        #[test]
        fn one_pass_finds_what_looking_for_each_does(
            patterns in prop::collection::vec(("[a-cA-C*]{0,5}|[ab]{1,3}\\*[bc]{1,3}", 0_u16..4), 0..40),
            text in "[a-dA-D]{0,30}|\\PC{0,10}",
            off in 0_u16..4,
        ) {
            let is_on = |label| label != off;
            let found = compiled(&patterns).find(text.as_bytes(), is_on);
            prop_assert_eq!(found, naive(&patterns, text.as_bytes(), is_on));
        }

        #[test]
        fn long_user_agents_are_found_as_well(
            patterns in prop::collection::vec("(Mozilla/5.0 \\(|Windows NT|Bot[0-9]|\\*|; |x{120,140}){1,6}", 0..60),
            text in "(Mozilla/5.0 \\(|Windows NT|bot[0-9]|; |x{120,140}){0,12}",
        ) {
            let patterns: Vec<_> = patterns.into_iter().map(|pattern| (pattern, 0)).collect();
            let found = compiled(&patterns).find(text.as_bytes(), |_| true);
            prop_assert_eq!(found, naive(&patterns, text.as_bytes(), |_| true));
        }

        #[test]
        fn what_was_written_is_read_and_compiled_again(
            patterns in prop::collection::vec(("[a-c*]{0,6}", any::<u16>()), 0..20),
            text in "[a-c]{0,12}",
        ) {
            let (patterns, mut bytes) = (compiled(&patterns), Vec::new());
            patterns.write(&mut bytes);
            let read = Patterns::read(&mut Reader(&bytes)).expect("reads");
            prop_assert_eq!(&read, &patterns);
            prop_assert_eq!(read.find(text.as_bytes(), |_| true), patterns.find(text.as_bytes(), |_| true));
        }
    }
}
