//! Whose an address is: the ranges of clouds, hosters, proxies and crawlers that ship, those that were fetched since,
//! and those of the operator's own files, put together into what snapshots carry.

pub mod bundled;
mod catalogue;
pub mod command;
pub mod parse;
#[cfg(test)]
mod parse_tests;
pub mod schedule;
pub mod sources;
pub mod stored;
#[cfg(test)]
mod tests;
pub mod update;

use std::collections::{BTreeMap, HashSet};
use std::net::IpAddr;

use ipnet::IpNet;
use sallyport_core::{AddressSet, Provider, RangeKind, Ranges};
use serde::Serialize;
use utoipa::ToSchema;

use bundled::{Bundled, bundled};
pub use catalogue::{Catalogue, UpdateError, update_and_publish};
use sources::Source;
use stored::{Folder, Index, Stored};

/// What ranges are put together from.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Inputs {
    /// Whether those that ship are among them.
    pub bundled: bool,
    /// Where lists are fetched from.
    pub sources: Vec<Source>,
    /// Where they are kept.
    pub folder: Folder,
    /// The operator's own: whose they are, each file's ranges, and when it was changed last, Unix ms.
    pub files: Vec<(Provider, Vec<IpNet>, u64)>,
    /// How long after the last attempt lists are fetched again, in hours; 0 for never.
    pub update_every_h: u32,
}

/// Ranges put together.
#[derive(Clone, Debug, Default)]
pub struct Assembly {
    /// What they were put together from.
    pub inputs: Inputs,
    /// Every range with its provider's place; of equal ones the last counts.
    pub nets: Vec<(IpNet, u16)>,
    /// Whose they are.
    pub providers: Vec<Origin>,
    /// What is known of each source, in the order of the inputs.
    pub states: Vec<State>,
}

/// A provider, and where its ranges come from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Origin {
    /// Whose they are.
    pub provider: Provider,
    /// Where they come from.
    pub from: Provenance,
    /// How old the oldest list of it is, Unix ms.
    pub as_of_ms: u64,
    /// How many there are.
    pub ranges: usize,
}

/// Where a provider's ranges come from.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub enum Provenance {
    /// They ship.
    Bundled,
    /// They were fetched; with those that ship, where not every list of the provider has come.
    Fetched,
    /// A file of the operator.
    File,
}

/// Whether people seldom come from ranges of this kind, because servers stand there.
pub fn is_datacenter(kind: RangeKind) -> bool {
    matches!(kind, RangeKind::Cloud | RangeKind::Hosting)
}

/// What is known of a source.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct State {
    /// How many ranges its list has; `None` where none was fetched.
    pub ranges: Option<usize>,
    /// When it came, Unix ms.
    pub fetched_ms: Option<u64>,
    /// When it was asked last, Unix ms.
    pub asked_ms: Option<u64>,
    /// Why nothing came of that, or why what is kept cannot be used.
    pub error: Option<String>,
}

impl Assembly {
    /// Puts ranges together. A list of the folder that cannot be used is told in its state, and what ships takes its
    /// place.
    pub fn new(inputs: Inputs) -> Self {
        let index = inputs.folder.index();
        let (mut states, mut fetched) = (Vec::new(), Fetched::default());
        for source in &inputs.sources {
            let stored = inputs.folder.read(&source.name);
            states.push(State::new(&stored, &index, &source.name));
            if source.enabled {
                fetched.add(source, stored.ok().flatten());
            }
        }
        let mut assembly =
            Self { nets: Vec::new(), providers: Vec::new(), states, inputs: Inputs::default() };
        let shipped: &[Bundled] = if inputs.bundled { bundled() } else { &[] };
        let shipped = shipped.iter().filter(|bundled| !fetched.replaces(&bundled.provider.name));
        let lists = shipped.map(List::of).chain(fetched.lists());
        let (crawlers, others): (Vec<_>, Vec<_>) =
            lists.partition(|list| list.provider.kind == RangeKind::Crawler);
        let of_crawlers = Nets::new(crawlers.iter().flat_map(|list| list.nets.iter().copied()));
        for List { provider, from, as_of_ms, nets } in others {
            // A cloud's list may name, more precisely, what it lends to a crawler.
            let nets = nets.iter().filter(|net| !of_crawlers.hold(net));
            assembly.add(provider, from, as_of_ms, nets);
        }
        for List { provider, from, as_of_ms, nets } in crawlers {
            assembly.add(provider, from, as_of_ms, nets.iter());
        }
        for (provider, nets, changed_ms) in &inputs.files {
            assembly.add(provider.clone(), Provenance::File, *changed_ms, nets.iter());
        }
        Self { inputs, ..assembly }
    }

    /// The same, with what is in the folder now.
    pub fn renewed(&self) -> Self {
        Self::new(self.inputs.clone())
    }

    /// In the form that the judge runs.
    pub fn compile(&self) -> Ranges {
        let providers = self.providers.iter().map(|origin| origin.provider.clone()).collect();
        Ranges::new(self.nets.iter().copied(), providers)
    }

    /// The most specific range that holds an address, and whose it is.
    pub fn find(&self, address: IpAddr) -> Option<(IpNet, &Origin)> {
        let address = address.to_canonical();
        let holding = self.nets.iter().filter(|(net, _)| net.contains(&address));
        let (net, label) = holding.max_by_key(|(net, _)| net.prefix_len())?;
        self.providers.get(usize::from(*label)).map(|origin| (*net, origin))
    }

    /// The ranges of crawlers: each one's name, its ranges, and how old they are, Unix ms.
    pub fn crawlers(&self) -> Vec<(String, Vec<IpNet>, u64)> {
        let crawlers = self.providers.iter().enumerate();
        let crawlers = crawlers.filter(|(_, origin)| origin.provider.kind == RangeKind::Crawler);
        let nets =
            |label| self.nets.iter().filter(move |(_, of)| usize::from(*of) == label).map(|(net, _)| *net);
        crawlers.map(|(label, o)| (o.provider.name.clone(), nets(label).collect(), o.as_of_ms)).collect()
    }

    fn add<'a>(
        &mut self,
        provider: Provider,
        from: Provenance,
        as_of_ms: u64,
        nets: impl Iterator<Item = &'a IpNet>,
    ) {
        let known = self.providers.iter().position(|origin| origin.provider == provider);
        let place = known.unwrap_or_else(|| {
            self.providers.push(Origin { provider, from, as_of_ms, ranges: 0 });
            self.providers.len() - 1
        });
        // More than 65,535 providers would take that many entries in the configuration.
        let label = u16::try_from(place).unwrap_or(u16::MAX);
        let before = self.nets.len();
        self.nets.extend(nets.map(|net| (*net, label)));
        let origin = &mut self.providers[place];
        origin.ranges += self.nets.len() - before;
        origin.as_of_ms = origin.as_of_ms.min(as_of_ms);
        origin.from = from;
    }
}

impl State {
    fn new(stored: &Result<Option<Stored>, String>, index: &Index, name: &str) -> Self {
        let attempt = index.get(name);
        let (list, damage) = match stored {
            Ok(list) => (list.as_ref(), None),
            Err(error) => (None, Some(error.clone())),
        };
        Self {
            ranges: list.map(|list| list.nets.len()),
            fetched_ms: list.map(|list| list.head.fetched_ms),
            asked_ms: attempt.map(|attempt| attempt.at_ms),
            error: damage.or_else(|| attempt.and_then(|attempt| attempt.error.clone())),
        }
    }
}

/// A provider's ranges from one place.
struct List<'a> {
    provider: Provider,
    from: Provenance,
    as_of_ms: u64,
    nets: &'a [IpNet],
}

impl<'a> List<'a> {
    fn of(bundled: &'a Bundled) -> Self {
        let Bundled { provider, nets, as_of_ms } = bundled;
        Self { provider: provider.clone(), from: Provenance::Bundled, as_of_ms: *as_of_ms, nets }
    }
}

/// What was fetched, by provider.
#[derive(Default)]
struct Fetched(BTreeMap<String, OfProvider>);

#[derive(Default)]
struct OfProvider {
    lists: Vec<(Provider, Stored)>,
    /// Whether a list of it is not there.
    lacks: bool,
}

impl Fetched {
    fn add(&mut self, source: &Source, stored: Option<Stored>) {
        let provider = Provider { name: source.provider.clone(), kind: source.kind };
        let entry = self.0.entry(source.provider.clone()).or_default();
        match stored {
            Some(stored) => entry.lists.push((provider, stored)),
            None => entry.lacks = true,
        }
    }

    /// Whether all of a provider was fetched.
    fn replaces(&self, name: &str) -> bool {
        self.0.get(name).is_some_and(|entry| !entry.lacks)
    }

    fn lists(&self) -> impl Iterator<Item = List<'_>> {
        self.0.values().flat_map(|entry| &entry.lists).map(|(provider, stored)| List {
            provider: provider.clone(),
            from: Provenance::Fetched,
            as_of_ms: stored.head.fetched_ms,
            nets: &stored.nets,
        })
    }
}

/// Ranges to find others in.
struct Nets {
    set: AddressSet,
    nets: HashSet<IpNet>,
}

impl Nets {
    fn new(nets: impl Iterator<Item = IpNet>) -> Self {
        let nets: HashSet<_> = nets.collect();
        Self { set: AddressSet::new(nets.iter().map(|net| (*net, 0))), nets }
    }

    /// Whether one of them holds all of a range.
    fn hold(&self, net: &IpNet) -> bool {
        // Few do, so that the longer way is seldom gone.
        self.set.lookup(net.network()).is_some()
            && std::iter::successors(Some(*net), IpNet::supernet).any(|wider| self.nets.contains(&wider))
    }
}
