//! People, who must not suffer from what is done against attackers.

use std::fmt::Write as _;

use super::attacker::Lever;
use super::attacker::pull;
use super::site::{Ask, CHROME, Got, Purpose, Site};

/// A small random sequence (xorshift), the same for a seed.
struct Dice(u64);

impl Dice {
    fn roll(&mut self, below: u64) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0 % below.max(1)
    }
}

/// What happened to people.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Fate {
    people: u32,
    challenged: u32,
    /// Asked to wait at least once.
    delayed: u32,
    /// Waited longer than 30 s for a page.
    waited_long: u32,
}

/// Who comes, and where from.
struct Crowd {
    name: &'static str,
    people: u32,
    within_ms: u64,
    address: fn(u32, u32) -> String,
    /// Somebody at the same address who asks for 60 pages a second: under one name, or under another each time.
    attacker: Option<bool>,
    /// Tabs opened at once.
    tabs: u32,
    seeds: u64,
}

const ONE: fn(u32, u32) -> String = |_, _| "203.0.113.5:1".into();

const CROWDS: [Crowd; 8] = [
    Crowd { name: "one person", people: 1, within_ms: 1, address: ONE, attacker: None, tabs: 1, seeds: 10 },
    Crowd {
        name: "an office of 200, all within a minute",
        people: 200,
        within_ms: 60_000,
        address: ONE,
        attacker: None,
        tabs: 1,
        seeds: 10,
    },
    Crowd {
        name: "the same with an attacker at 60/s",
        people: 200,
        within_ms: 60_000,
        address: ONE,
        attacker: Some(false),
        tabs: 1,
        seeds: 2,
    },
    Crowd {
        name: "the same with one that changes its name each time",
        people: 200,
        within_ms: 60_000,
        address: ONE,
        attacker: Some(true),
        tabs: 1,
        seeds: 2,
    },
    Crowd {
        name: "a carrier's NAT of 5,000 within half an hour",
        people: 5_000,
        within_ms: 1_800_000,
        address: ONE,
        attacker: None,
        tabs: 1,
        seeds: 1,
    },
    Crowd {
        name: "a phone that travels through three networks",
        people: 1,
        within_ms: 1,
        address: |_, page| format!("203.0.{}.7:1", 113 + page),
        attacker: None,
        tabs: 1,
        seeds: 10,
    },
    Crowd {
        name: "a family on one IPv6 prefix",
        people: 5,
        within_ms: 30_000,
        address: |who, _| format!("[2001:db8:9:1::{who:x}]:1"),
        attacker: None,
        tabs: 1,
        seeds: 10,
    },
    Crowd {
        name: "somebody who restores 15 tabs",
        people: 1,
        within_ms: 1,
        address: ONE,
        attacker: None,
        tabs: 15,
        seeds: 10,
    },
];

/// One person's state.
struct Person {
    ask: Ask,
    next_ms: u64,
    page: u32,
    wants_since: u64,
    challenged: bool,
    delayed: bool,
    waited_long: bool,
}

fn play(crowd: &Crowd, seed: u64) -> Fate {
    let mut site = Site::new();
    let mut dice = Dice(seed.wrapping_mul(0x9E37_79B9_7F4A_7C15) | 1);
    let mut people: Vec<_> = (0..crowd.people)
        .map(|who| {
            let mut ask = Ask::new((crowd.address)(who, 0), "/", Purpose::Page);
            // Versions and platforms differ less than people do.
            ask.user_agent = CHROME.replace("143.0.0", &format!("14{}.0.{}", dice.roll(4), dice.roll(60)));
            ask.ja4 = format!("t13d1516h2_8daaf6152771_{:012x}", dice.roll(3));
            let next_ms = dice.roll(crowd.within_ms);
            Person {
                ask,
                next_ms,
                page: 0,
                wants_since: next_ms,
                challenged: false,
                delayed: false,
                waited_long: false,
            }
        })
        .collect();
    let end_ms = crowd.within_ms + 240_000;
    let (mut now_ms, mut shots) = (0, 0);
    while now_ms < end_ms {
        if let Some(changes) = crowd.attacker {
            for _ in 0..6 {
                let mut ask = Ask::new(ONE(0, 0), format!("/item/{shots}"), Purpose::Page);
                if changes {
                    pull(Lever::UserAgent, &mut ask, shots);
                }
                site.ask(&ask);
                shots += 1;
            }
        }
        for (who, person) in people.iter_mut().enumerate() {
            if person.next_ms <= now_ms && person.page < 4 {
                visit(&mut site, crowd, (who as u32, person), now_ms, &mut dice);
            }
        }
        site.pass_ms(100);
        now_ms += 100;
    }
    let count = |is: fn(&Person) -> bool| people.iter().filter(|person| is(person)).count() as u32;
    Fate {
        people: crowd.people,
        challenged: count(|person| person.challenged),
        delayed: count(|person| person.delayed),
        waited_long: count(|person| person.waited_long),
    }
}

/// A page, or the tabs of a restored window, with what it loads.
fn visit(site: &mut Site, crowd: &Crowd, (who, person): (u32, &mut Person), now_ms: u64, dice: &mut Dice) {
    person.ask.address = (crowd.address)(who, person.page);
    let tabs = if person.page == 0 { crowd.tabs } else { 1 };
    for tab in 0..tabs {
        let path = format!("/item/{}", dice.roll(500));
        let within = person.page > 0 && tab == 0;
        let got = site.ask(&Ask { path, within, ..person.ask.clone() });
        match got {
            Got::Answer(..) => {}
            Got::Refused(429, after) => {
                person.delayed = true;
                person.waited_long |= now_ms - person.wants_since > 30_000;
                person.next_ms = now_ms + 1_000 * after.unwrap_or(5);
                return;
            }
            Got::Refused(..) => {
                person.challenged = true;
                person.next_ms = now_ms + 10_000;
                return;
            }
        }
        for asset in 0..4 {
            let path = format!("/assets/{asset}.css");
            let got = site.ask(&Ask { path, purpose: Purpose::Asset, within: true, ..person.ask.clone() });
            person.challenged |= matches!(got, Got::Refused(status, _) if status != 429);
            person.delayed |= !got.passed();
        }
    }
    person.waited_long |= now_ms - person.wants_since > 30_000;
    person.page += 1;
    person.next_ms = now_ms + 15_000 + dice.roll(40_000);
    person.wants_since = person.next_ms;
}

/// The table of people; what breaks the promises made to them goes into `broken`.
pub(crate) fn table(broken: &mut Vec<String>) -> String {
    let mut text = String::from(
        "\n| who | people | challenged | asked to wait | waited over 30 s |\n|---|---|---|---|---|\n",
    );
    for crowd in &CROWDS {
        let mut all = Fate::default();
        for seed in 1..=crowd.seeds {
            let fate = play(crowd, seed);
            all.people += fate.people;
            all.challenged += fate.challenged;
            all.delayed += fate.delayed;
            all.waited_long += fate.waited_long;
        }
        let Fate { people, challenged, delayed, waited_long } = all;
        let _ = writeln!(text, "| {} | {people} | {challenged} | {delayed} | {waited_long} |", crowd.name);
        if crowd.attacker == Some(true) {
            continue;
        }
        if challenged > 0 || waited_long * 100 > people {
            broken.push(format!("{}: {all:?}", crowd.name));
        }
    }
    text
}
