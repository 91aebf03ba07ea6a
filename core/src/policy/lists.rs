//! The allow and deny lists, compiled: networks, sessions, fingerprints, user agents and paths.

use std::collections::HashMap;

use ipnet::IpNet;

use super::config::ListsConfig;
use super::pattern::fits_path;
use super::patterns::{self, MOST_PATTERNS, PATTERN_BYTES, Patterns};
use crate::address_set::AddressSet;
use crate::address_text::read_range;
use crate::facts::RequestFacts;
use crate::keys::HashKey;
use crate::wire::Reader;

/// What a list does.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[repr(u8)]
pub enum ListAction {
    /// Always passes; comes before the deny list.
    Allow = 0,
    /// Is always refused.
    Deny = 1,
}

impl ListAction {
    /// Both.
    pub const ALL: [ListAction; 2] = [Self::Allow, Self::Deny];

    /// The name in database and API.
    pub fn name(self) -> &'static str {
        match self {
            Self::Allow => "allow",
            Self::Deny => "deny",
        }
    }

    /// The action of a name.
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|action| action.name() == name)
    }
}

/// Whom an entry is about.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum ListTarget {
    /// An address or a range.
    Network(IpNet),
    /// A session, as [`HashKey::session`].
    Session(u64),
    /// A device fingerprint, as [`HashKey::fingerprint`].
    Fingerprint(u64),
    /// A user agent, whatever its case: a part of it, or parts with `*` between them that make up the whole.
    UserAgent(String),
    /// A plain path in any ASCII case, with a slash at the end or without; or its beginning, with `*` at the end.
    Path(String),
}

/// One entry.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ListEntry {
    /// What is done.
    pub action: ListAction,
    /// With whom.
    pub target: ListTarget,
    /// Until when, Unix milliseconds; 0 for ever.
    pub expires_ms: u64,
}

/// Compiled lists.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Lists {
    allow: Entries,
    deny: Entries,
    /// When entries end, Unix milliseconds, 0 for never: their labels are places in it.
    ends: Vec<u64>,
}

/// The ends while they are collected, and their places.
struct Ends {
    all: Vec<u64>,
    places: HashMap<u64, u16>,
}

impl Ends {
    /// The place of an end; 0, never, where there are too many.
    fn label(&mut self, end: u64) -> u16 {
        *self.places.entry(end).or_insert_with(|| match u16::try_from(self.all.len()) {
            Ok(label) if label < 65_000 => {
                self.all.push(end);
                label
            }
            _ => 0,
        })
    }
}

/// The networks, each ending no earlier than those that hold it (0 for never): of nested ones only the innermost is found,
/// and when it ended the others would be lost.
fn outlasting(mut networks: Vec<(IpNet, u64)>) -> Vec<(IpNet, u64)> {
    networks.reverse();
    networks.sort_by_key(|(net, _)| (net.network(), net.prefix_len()));
    networks.dedup_by_key(|(net, _)| *net);
    let mut open: Vec<(IpNet, u64)> = Vec::new();
    for (net, end) in &mut networks {
        open.retain(|(around, _)| around.contains(&*net));
        if let Some((_, around)) = open.last() {
            *end = if *end == 0 || *around == 0 { 0 } else { (*end).max(*around) };
        }
        open.push((*net, *end));
    }
    networks
}

/// The entries of one action; each with a label.
#[derive(Clone, Debug, Default, PartialEq)]
struct Entries {
    networks: AddressSet,
    sessions: Hashes,
    fingerprints: Hashes,
    user_agents: Patterns,
    paths: Vec<(String, u16)>,
}

impl Lists {
    /// Compiles entries. Of two about the same whom, the last counts; within a range that goes on longer, its part does too. Beyond 256 patterns of one kind and action, the
    /// further ones are left out; beyond 65,000 different ends, later ends count as never.
    pub fn compile<'a>(entries: impl IntoIterator<Item = &'a ListEntry>) -> Self {
        let (mut allow, mut deny) = (Entries::default(), Entries::default());
        let (mut allowed, mut denied) = ((Vec::new(), Vec::new()), (Vec::new(), Vec::new()));
        let mut ends = Ends { all: vec![0], places: HashMap::from([(0, 0)]) };
        for ListEntry { action, target, expires_ms } in entries {
            let label = ends.label(*expires_ms);
            let (entries, (networks, user_agents)) = match action {
                ListAction::Allow => (&mut allow, &mut allowed),
                ListAction::Deny => (&mut deny, &mut denied),
            };
            match target {
                ListTarget::Network(net) => networks.push((net.trunc(), *expires_ms)),
                ListTarget::Session(hash) => entries.sessions.0.push((*hash, label)),
                ListTarget::Fingerprint(hash) => entries.fingerprints.0.push((*hash, label)),
                ListTarget::UserAgent(text) => user_agents.push((text.as_str(), label)),
                ListTarget::Path(path) => {
                    if entries.paths.len() < MOST_PATTERNS && path.len() <= PATTERN_BYTES {
                        entries.paths.push((path.clone(), label));
                    }
                }
            }
        }
        for (entries, (networks, user_agents)) in [(&mut allow, allowed), (&mut deny, denied)] {
            entries.user_agents = Patterns::new(user_agents);
            let labelled = outlasting(networks).into_iter().map(|(net, end)| (net, ends.label(end)));
            entries.networks = AddressSet::new(labelled.collect::<Vec<_>>());
            entries.sessions.sort();
            entries.fingerprints.sort();
        }
        Self { allow, deny, ends: ends.all }
    }

    /// The lists of the policy. Entries that do not parse are left out: [`super::PolicyConfig::problems`] names them.
    /// Not by way of [`Lists::compile`], which the filter has no other use for.
    pub(super) fn of_config(config: &ListsConfig) -> Self {
        let networks = |texts: &[String]| {
            AddressSet::new(
                texts.iter().filter_map(|text| read_range(text).ok()).map(|net| (net, 0)).collect::<Vec<_>>(),
            )
        };
        let user_agents = Patterns::new(config.allow_user_agents.iter().map(|part| (part.as_str(), 0)));
        Self {
            allow: Entries { networks: networks(&config.allow), user_agents, ..Entries::default() },
            deny: Entries { networks: networks(&config.deny), ..Entries::default() },
            ends: vec![0],
        }
    }

    /// What the lists say of a request whose plain path is `path`.
    pub fn find(
        &self,
        facts: &RequestFacts<'_>,
        path: &[u8],
        key: &HashKey,
        now_ms: u64,
    ) -> Option<ListAction> {
        let holds = |entries: &Entries| entries.hold(facts, path, key, |label| self.is_on(label, now_ms));
        if holds(&self.allow) {
            Some(ListAction::Allow)
        } else if holds(&self.deny) {
            Some(ListAction::Deny)
        } else {
            None
        }
    }

    fn is_on(&self, label: u16, now_ms: u64) -> bool {
        self.ends.get(usize::from(label)).is_some_and(|end| *end == 0 || *end > now_ms)
    }

    /// The binary form: ends (count u16, u64 each); then for allow and deny: networks, sessions and fingerprints (count
    /// u32; hash u64, label u16 each, ascending), user agents and paths (count u16; label u16, text each).
    pub(crate) fn write(&self, out: &mut Vec<u8>) {
        out.extend((self.ends.len() as u16).to_le_bytes());
        self.ends.iter().for_each(|end| out.extend(end.to_le_bytes()));
        for entries in [&self.allow, &self.deny] {
            entries.networks.write(out);
            entries.sessions.write(out);
            entries.fingerprints.write(out);
            entries.user_agents.write(out);
            patterns::write(&entries.paths, out);
        }
    }

    /// Reads what [`Lists::write`] wrote, and nothing after it.
    pub(crate) fn read(bytes: &[u8]) -> Option<Self> {
        let mut reader = Reader(bytes);
        let count = reader.u16()?;
        let ends = (0..count).map(|_| reader.u64()).collect::<Option<_>>()?;
        let allow = Entries::read(&mut reader)?;
        let deny = Entries::read(&mut reader)?;
        reader.0.is_empty().then_some(Self { allow, deny, ends })
    }
}

impl Entries {
    fn hold(
        &self,
        facts: &RequestFacts<'_>,
        path: &[u8],
        key: &HashKey,
        is_on: impl Fn(u16) -> bool,
    ) -> bool {
        let on = |label: Option<u16>| label.is_some_and(&is_on);
        on(facts.address.and_then(|address| self.networks.lookup(address)))
            || on(self.sessions.find(facts.session, |text| key.session(text)))
            || on(self.fingerprints.find(facts.fingerprint, |text| key.fingerprint(text)))
            || self.paths.iter().any(|(pattern, label)| fits_path(pattern, path) && is_on(*label))
            || self.user_agents.find(facts.user_agent, is_on)
    }

    fn read(reader: &mut Reader<'_>) -> Option<Self> {
        let networks = AddressSet::read(reader)?;
        let (sessions, fingerprints) = (Hashes::read(reader)?, Hashes::read(reader)?);
        let (user_agents, paths) = (Patterns::read(reader)?, patterns::read(reader)?);
        Some(Self { networks, sessions, fingerprints, user_agents, paths })
    }
}

/// Keyed hashes with labels, ascending.
#[derive(Clone, Debug, Default, PartialEq)]
struct Hashes(Vec<(u64, u16)>);

impl Hashes {
    /// Of equal hashes the last stays.
    fn sort(&mut self) {
        self.0.reverse();
        self.0.sort_by_key(|(hash, _)| *hash);
        self.0.dedup_by_key(|(hash, _)| *hash);
    }

    fn find(&self, text: &[u8], hash: impl Fn(&[u8]) -> u64) -> Option<u16> {
        if self.0.is_empty() || text.is_empty() {
            return None;
        }
        let at = self.0.binary_search_by_key(&hash(text), |(hash, _)| *hash).ok()?;
        self.0.get(at).map(|(_, label)| *label)
    }

    fn write(&self, out: &mut Vec<u8>) {
        out.extend((self.0.len() as u32).to_le_bytes());
        for (hash, label) in &self.0 {
            out.extend(hash.to_le_bytes());
            out.extend(label.to_le_bytes());
        }
    }

    fn read(reader: &mut Reader<'_>) -> Option<Self> {
        let count = reader.u32()? as usize;
        let hash = |[a, b, c, d, e, f, g, h, i, j]: &[u8; 10]| {
            (u64::from_le_bytes([*a, *b, *c, *d, *e, *f, *g, *h]), u16::from_le_bytes([*i, *j]))
        };
        let hashes: Vec<_> = reader.bytes(count.checked_mul(10)?)?.as_chunks().0.iter().map(hash).collect();
        hashes.is_sorted_by(|(a, _), (b, _)| a < b).then_some(Self(hashes))
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn entry(action: ListAction, target: ListTarget, expires_ms: u64) -> ListEntry {
        ListEntry { action, target, expires_ms }
    }

    #[test]
    fn each_kind_of_entry_is_found_until_it_ends() {
        let key = HashKey::from_bytes([1; 16]);
        let deny = |target| entry(ListAction::Deny, target, 1_000);
        let lists = Lists::compile(&[
            deny(ListTarget::Network("198.51.100.0/24".parse().expect("a range"))),
            deny(ListTarget::Session(key.session(b"s-1"))),
            deny(ListTarget::Fingerprint(key.fingerprint(b"f-1"))),
            deny(ListTarget::UserAgent("BadBot".into())),
            deny(ListTarget::UserAgent("Evil*/2.*".into())),
            deny(ListTarget::Path("/private/*".into())),
            entry(ListAction::Allow, ListTarget::Path("/private/open".into()), 0),
        ]);
        let mut bytes = Vec::new();
        lists.write(&mut bytes);
        let lists = Lists::read(&bytes).expect("reads");
        let facts = RequestFacts::default();
        let address = Some("198.51.100.7".parse().expect("an address"));
        let found = |facts: RequestFacts<'_>, path: &[u8], now_ms| lists.find(&facts, path, &key, now_ms);
        for denied in [
            RequestFacts { address, ..facts },
            RequestFacts { session: b"s-1", ..facts },
            RequestFacts { fingerprint: b"f-1", ..facts },
            RequestFacts { user_agent: b"a badbot of mine", ..facts },
            RequestFacts { user_agent: b"EVIL spider/2.7", ..facts },
        ] {
            assert_eq!(found(denied, b"/", 999), Some(ListAction::Deny), "{denied:?}");
            assert_eq!(found(denied, b"/", 1_000), None, "{denied:?}");
            assert_eq!(found(denied, b"/private/open", 999), Some(ListAction::Allow), "{denied:?}");
        }
        assert_eq!(found(facts, b"/private/x", 999), Some(ListAction::Deny));
        let not = RequestFacts { user_agent: b"an evil spider/2.7", session: b"s-2", ..facts };
        assert_eq!(found(not, b"/privat", 999), None);
    }

    #[test]
    fn the_policys_lists_take_ipv4_within_ipv6_for_ipv4() {
        let lists = Lists::of_config(&ListsConfig {
            allow: vec!["::ffff:8.8.8.0/120".into(), "9.9.9.9/8".into()],
            deny: vec![" 203.0.113.7 ".into()],
            allow_user_agents: vec!["Friend".into(), "Probe".into()],
        });
        let find = |address: &str, user_agent: &[u8]| {
            let address = Some(address.parse().expect("an address"));
            let facts = RequestFacts { address, user_agent, ..Default::default() };
            lists.find(&facts, b"/", &HashKey::from_bytes([1; 16]), 0)
        };
        for address in ["8.8.8.8", "::ffff:8.8.8.8"] {
            assert_eq!(find(address, b""), Some(ListAction::Allow), "{address}");
        }
        assert_eq!(find("8.8.9.8", b""), None);
        assert_eq!(find("9.9.9.9", b""), None, "what is refused is left out");
        assert_eq!(find("203.0.113.7", b""), Some(ListAction::Deny));
        assert_eq!(find("203.0.113.7", b"a probe"), Some(ListAction::Allow));
    }

    proptest! {
        #[test]
        fn any_bytes_are_read_or_refused(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
            let _ = Lists::read(&bytes);
        }

        #[test]
        fn an_address_is_on_a_list_as_long_as_any_range_that_holds_it(
            nets in prop::collection::vec((any::<u8>(), 24_u8..=32, 1_u64..50), 0..12),
            address in any::<u8>(),
            now_ms in 0_u64..50,
        ) {
            let net = |last: u8, length| ipnet::Ipv4Net::new([192, 0, 2, last].into(), length).expect("a range").trunc();
            let mut last_of_each = HashMap::new();
            let entries: Vec<_> = nets.iter().map(|(last, length, end)| {
                let net = IpNet::from(net(*last, *length));
                let end = if *end == 49 { 0 } else { *end };
                last_of_each.insert(net, end);
                entry(ListAction::Deny, ListTarget::Network(net), end)
            }).collect();
            let address: std::net::IpAddr = [192, 0, 2, address].into();
            let is_on = |(net, end): (&IpNet, &u64)| net.contains(&address) && (*end == 0 || *end > now_ms);
            let expected = last_of_each.iter().any(is_on).then_some(ListAction::Deny);
            let facts = RequestFacts { address: Some(address), ..Default::default() };
            let found = Lists::compile(&entries).find(&facts, b"/", &HashKey::from_bytes([1; 16]), now_ms);
            prop_assert_eq!(found, expected);
        }
    }
}
