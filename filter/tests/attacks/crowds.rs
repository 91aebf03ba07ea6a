//! The people there are, alone and together, most in ten seeds; and that none of them is worse off than before.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::sync::LazyLock;

use crate::attackers::in_parallel;
use crate::dice::Dice;
use crate::people::{Person, Step, Tally, visit};
use crate::visitor::Browser;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Crowd {
    Single,
    Office,
    OfficeWithAttacker,
    Mixed,
    MixedWithAttacker,
    Carrier,
    CarrierWithAttacker,
    Nat,
    NatWithAttacker,
    Phone,
    Family,
    Tabs,
}

impl Crowd {
    pub(crate) const ALL: [Self; 12] = [
        Self::Single,
        Self::Office,
        Self::OfficeWithAttacker,
        Self::Mixed,
        Self::MixedWithAttacker,
        Self::Carrier,
        Self::CarrierWithAttacker,
        Self::Nat,
        Self::NatWithAttacker,
        Self::Phone,
        Self::Family,
        Self::Tabs,
    ];

    /// As it stands in the table.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Single => "one person",
            Self::Office => "an office: 200 with one and the same browser, within a minute at a new address",
            Self::Mixed => "an office: 200 with browsers of their own, within a minute at a new address",
            Self::OfficeWithAttacker
            | Self::MixedWithAttacker
            | Self::CarrierWithAttacker
            | Self::NatWithAttacker => "the same, and an attacker at 60/s behind the address",
            Self::Carrier => "a carrier's NAT: 500 in ten minutes",
            Self::Nat => "a carrier's NAT: 5,000 in an hour, one seed",
            Self::Phone => "a phone that travels, signed in",
            Self::Family => "a family on one IPv6 prefix",
            Self::Tabs => "somebody who restores 25 tabs",
        }
    }

    /// Of all seeds at most so many requests were refused, and so many people challenged, before.
    fn today(self) -> (u64, u64) {
        match self {
            // Newcomers share a budget: of these nobody is challenged, but many are asked to wait some seconds.
            Self::Mixed => (9_388, 0),
            Self::MixedWithAttacker => (12_658, 0),
            // Still open: who looks alike at one address is one client.
            Self::Office => (96_318, 964),
            Self::OfficeWithAttacker => (98_845, 1_001),
            _ => (0, 0),
        }
    }

    fn seeds(self) -> u64 {
        if matches!(self, Self::Nat | Self::NatWithAttacker) { 1 } else { 10 }
    }

    fn visit(self, seed: u64) -> Tally {
        let dice = &mut Dice::new(seed * 16 + self as u64);
        let attacker = match self {
            Self::OfficeWithAttacker | Self::MixedWithAttacker => Some((SHARED, 120_000)),
            Self::CarrierWithAttacker => Some((SHARED, 100_000)),
            Self::NatWithAttacker => Some((SHARED, 600_000)),
            _ => None,
        };
        let people = match self {
            Self::Single => vec![person(dice, SHARED, 0, 20)],
            Self::Office | Self::OfficeWithAttacker => office(dice),
            Self::Mixed | Self::MixedWithAttacker => {
                let people = office(dice).into_iter();
                // As many builds as people: Chrome tells none today, but other things tell them apart.
                let own = |(build, person)| {
                    let browser = Browser::chrome("windows", dice.between(141, 144), &format!("0.{build}.0"));
                    Person { browser, ..person }
                };
                people.enumerate().map(own).collect()
            }
            Self::Carrier | Self::CarrierWithAttacker => carrier(dice, 500, 600_000),
            Self::Nat | Self::NatWithAttacker => carrier(dice, 5_000, 3_600_000),
            Self::Phone => vec![phone(dice)],
            Self::Family => family(dice),
            Self::Tabs => vec![tabs(dice)],
        };
        visit(people, attacker, dice)
    }
}

/// The address that people share.
const SHARED: IpAddr = IpAddr::V4(Ipv4Addr::new(192, 0, 2, 10));

/// All crowds, each with the tally of all its seeds.
pub(crate) static CROWDS: LazyLock<Vec<(Crowd, Tally)>> = LazyLock::new(|| {
    let jobs: Vec<_> =
        Crowd::ALL.into_iter().flat_map(|crowd| (0..crowd.seeds()).map(move |seed| (crowd, seed))).collect();
    let tallies = in_parallel(&jobs, |(crowd, seed)| crowd.visit(*seed));
    let of = |crowd: Crowd| {
        let mut all = Tally::default();
        let its = jobs.iter().zip(&tallies).filter(|((other, _), _)| *other == crowd);
        its.for_each(|(_, tally)| all.add(tally));
        (crowd, all)
    };
    Crowd::ALL.map(of).to_vec()
});

/// Somebody who comes at `from_ms`, reads so many pages there and signs in now and then.
fn person(dice: &mut Dice, address: IpAddr, from_ms: u64, pages: u64) -> Person {
    let files = dice.between(2, 7);
    let mut visit = vec![(from_ms, Step::Open(files))];
    let signs_in_at = if dice.chance(30) { Some(dice.between(1, pages.max(2))) } else { None };
    for page in 1..pages {
        if signs_in_at == Some(page) {
            visit.extend([
                (dice.between(2_000, 9_000), Step::Form),
                (dice.between(4_000, 20_000), Step::SignIn),
            ]);
        }
        // Many pages are left soon, some are read for long.
        let think_ms = dice.between(2_000, 12_000) * dice.between(1, 6);
        visit.push((think_ms, Step::Follow(files)));
    }
    Person { browser: desktop(dice), addresses: vec![(0, address)], visit, interest: dice.below(1_000) }
}

/// Desks in one company: few browsers, all up to date.
fn desktop(dice: &mut Dice) -> Browser {
    match dice.below(100) {
        0..50 => Browser::chrome("windows", 143, "0.0.0"),
        50..60 => Browser::chrome("windows", 142, "0.0.0"),
        60..75 => Browser::chrome("mac", 143, "0.0.0"),
        75..87 => Browser::firefox(dice.between(142, 145)),
        _ => Browser::safari(dice.between(17, 19)),
    }
}

fn handheld(dice: &mut Dice) -> Browser {
    match dice.below(100) {
        0..60 => Browser::chrome("android", dice.between(141, 144), "0.0.0"),
        _ => Browser::iphone(dice.between(17, 19), dice.below(5)),
    }
}

fn office(dice: &mut Dice) -> Vec<Person> {
    let arrive = |dice: &mut Dice| {
        let (from_ms, pages) = (dice.below(60_000), dice.between(2, 7));
        person(dice, SHARED, from_ms, pages)
    };
    (0..200).map(|_| arrive(dice)).collect()
}

fn carrier(dice: &mut Dice, people: u64, within_ms: u64) -> Vec<Person> {
    let arrive = |dice: &mut Dice| {
        let (from_ms, pages) = (dice.below(within_ms), dice.between(1, 4));
        Person { browser: handheld(dice), ..person(dice, SHARED, from_ms, pages) }
    };
    (0..people).map(|_| arrive(dice)).collect()
}

/// A new address every three minutes, one session.
fn phone(dice: &mut Dice) -> Person {
    let mut moved = |number: u64| {
        let (one, other) = (dice.between(1, 255) as u8, dice.between(1, 255) as u8);
        (number * 180_000, Ipv4Addr::new(100, 64 + number as u8, one, other).into())
    };
    let addresses = (0..30).map(&mut moved).collect();
    let mut person = Person { browser: handheld(dice), addresses, ..person(dice, SHARED, 0, 30) };
    person.visit.retain(|(_, step)| matches!(step, Step::Open(_) | Step::Follow(_)));
    person.visit.splice(1..1, [(5_000, Step::Form), (8_000, Step::SignIn)]);
    person
}

/// Five devices in one /64, each with an address of its own that changes.
fn family(dice: &mut Dice) -> Vec<Person> {
    let member = |dice: &mut Dice| {
        let mut address = |number: u64| {
            let host = dice.next();
            let part = |at: u32| (host >> at) as u16;
            let address = Ipv6Addr::new(0x2001, 0xdb8, 1, 2, part(0), part(16), part(32), part(48));
            (number * 240_000, address.into())
        };
        let addresses = (0..20).map(&mut address).collect();
        let from_ms = dice.below(120_000);
        let browser = if dice.chance(60) { handheld(dice) } else { desktop(dice) };
        Person { browser, addresses, ..person(dice, SHARED, from_ms, 12) }
    };
    (0..5).map(|_| member(dice)).collect()
}

/// All tabs of yesterday within three seconds, then reading.
fn tabs(dice: &mut Dice) -> Person {
    let mut person = person(dice, SHARED, 0, 10);
    let files = dice.between(3, 9);
    let restored = (0..25).map(|_| (dice.between(10, 120), Step::Open(files)));
    let restored: Vec<_> = restored.collect();
    person.visit.splice(0..1, restored);
    person
}

#[test]
fn nobody_is_refused_more_often_than_before() {
    let worse = |(crowd, tally): &(Crowd, Tally)| {
        let (refused, challenged) = crowd.today();
        let is_worse = tally.refused > refused || tally.challenged > challenged;
        is_worse.then(|| {
            format!(
                "{crowd:?}: {} requests refused, before {refused}; {} of {} challenged, before {challenged}",
                tally.refused, tally.challenged, tally.people
            )
        })
    };
    let worse: Vec<_> = CROWDS.iter().filter_map(worse).collect();
    assert!(worse.is_empty(), "worse off than before:\n{}", worse.join("\n"));
}

/// Nobody is challenged; at most one in a hundred waits longer than 30 s.
fn assert_spared(crowds: [Crowd; 2]) {
    let meant: Vec<_> = CROWDS.iter().filter(|(crowd, _)| crowds.contains(crowd)).collect();
    assert_eq!(meant.len(), 2);
    let spared = |tally: &Tally| tally.challenged == 0 && tally.minded * 100 <= tally.people;
    assert!(meant.iter().all(|(_, tally)| spared(tally)), "{meant:#?}");
}

#[test]
fn an_office_at_a_new_address_is_let_in() {
    assert_spared([Crowd::Mixed, Crowd::MixedWithAttacker]);
}

#[test]
fn a_carriers_nat_of_5000_is_let_in() {
    assert_spared([Crowd::Nat, Crowd::NatWithAttacker]);
}
