//! People: what they do, and what they do when they are refused.

use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::net::IpAddr;

use crate::dice::Dice;
use crate::site::Password;
use crate::visitor::{Ask, Browser};
use crate::world::{Outcome, World};

/// Who is challenged tries again after this long, in milliseconds.
const CHALLENGED_MS: u64 = 10_000;
/// Who has waited this long for one page goes away, in milliseconds.
const GIVES_UP_MS: u64 = 300_000;
/// So long is a wait that somebody minds, in milliseconds.
const MINDED_MS: u64 = 30_000;
/// An attacker among people sends so many requests a second.
const ATTACKS_PER_SECOND: u64 = 60;

/// One step of a visit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Step {
    /// A page and so many files, by its address: the first of a visit, a tab that is restored.
    Open(u64),
    /// A page and so many files, by a link.
    Follow(u64),
    /// The login form.
    Form,
    /// The right password.
    SignIn,
}

/// Somebody on a visit.
#[derive(Clone, Debug)]
pub(crate) struct Person {
    pub(crate) browser: Browser,
    /// Its addresses, each from so many milliseconds after the beginning on.
    pub(crate) addresses: Vec<(u64, IpAddr)>,
    /// Steps, each so many milliseconds after the one before; the first after the beginning.
    pub(crate) visit: Vec<(u64, Step)>,
    /// What makes its pages differ from others'.
    pub(crate) interest: u64,
}

/// What became of people.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Tally {
    pub(crate) people: u64,
    /// Requests: all, and the refused.
    pub(crate) asked: u64,
    pub(crate) refused: u64,
    /// People who were challenged at least once.
    pub(crate) challenged: u64,
    /// People who have waited longer than 30 s for a page.
    pub(crate) minded: u64,
    /// Milliseconds.
    pub(crate) longest_wait_ms: u64,
}

impl Tally {
    pub(crate) fn add(&mut self, other: &Self) {
        self.people += other.people;
        self.asked += other.asked;
        self.refused += other.refused;
        self.challenged += other.challenged;
        self.minded += other.minded;
        self.longest_wait_ms = self.longest_wait_ms.max(other.longest_wait_ms);
    }
}

/// A person in the middle of its visit.
struct Walk {
    person: Person,
    session: String,
    step: usize,
    /// Since when it waits for the page of this step.
    waits_since: Option<u64>,
    is_challenged: bool,
    longest_wait_ms: u64,
}

/// Lets all people make their visits, beside an attacker at this address for as long as it has time, in milliseconds.
pub(crate) fn visit(people: Vec<Person>, attacker: Option<(IpAddr, u64)>, dice: &mut Dice) -> Tally {
    let mut world = World::new();
    let mut tally = Tally { people: people.len() as u64, ..Tally::default() };
    let mut walks: Vec<_> = people.into_iter().map(Walk::new).collect();
    let first =
        walks.iter().enumerate().filter_map(|(number, walk)| Some((walk.person.visit.first()?.0, number)));
    let mut due: BinaryHeap<_> = first.map(Reverse).collect();
    let mut attack = attacker.map(|(address, until_ms)| Attack { address, until_ms, made: 0 });
    while let Some(Reverse((now_ms, number))) = due.pop() {
        if let Some(attack) = &mut attack {
            attack.go_on(&mut world, now_ms);
        }
        world.pass_until(now_ms);
        if let Some(next_ms) = walks[number].go_on(&mut world, now_ms, &mut tally, dice) {
            due.push(Reverse((next_ms, number)));
        }
    }
    for walk in &walks {
        tally.challenged += u64::from(walk.is_challenged);
        tally.minded += u64::from(walk.longest_wait_ms > MINDED_MS);
        tally.longest_wait_ms = tally.longest_wait_ms.max(walk.longest_wait_ms);
    }
    tally
}

impl Walk {
    fn new(person: Person) -> Self {
        Self {
            person,
            session: String::new(),
            step: 0,
            waits_since: None,
            is_challenged: false,
            longest_wait_ms: 0,
        }
    }

    /// Makes its step; gives when the next one is, or the same again.
    fn go_on(&mut self, world: &mut World, now_ms: u64, tally: &mut Tally, dice: &mut Dice) -> Option<u64> {
        let (_, step) = *self.person.visit.get(self.step)?;
        let since = *self.waits_since.get_or_insert(now_ms);
        let ask = self.ask(step, now_ms);
        let outcome = self.send(world, &ask, tally);
        self.longest_wait_ms = self.longest_wait_ms.max(now_ms - since);
        if let Outcome::Refused { status, wait_s } = outcome {
            let wait_ms = if status == 403 { CHALLENGED_MS } else { wait_s.max(1) * 1_000 };
            return (now_ms - since < GIVES_UP_MS).then(|| now_ms + wait_ms + dice.below(1_000));
        }
        if let Some(session) = outcome.session() {
            session.clone_into(&mut self.session);
        }
        let files = if let Step::Open(files) | Step::Follow(files) = step { files } else { 0 };
        for number in 0..files {
            // Styles and scripts are the site's, images each page's own.
            let (file, is_cached) = match number % 3 {
                0 => (format!("/static/{number}.css"), self.step > 0),
                1 => (format!("/static/{number}.js"), self.step > 0),
                _ => (format!("/static/{}-{number}.png", self.step), false),
            };
            let file = Ask::asset(ask.address, &self.person.browser, file, &ask.path).cached(is_cached);
            self.send(world, &file.with_session(&self.session), tally);
        }
        self.waits_since = None;
        self.step += 1;
        self.person.visit.get(self.step).map(|(after_ms, _)| now_ms + after_ms)
    }

    fn send(&mut self, world: &mut World, ask: &Ask, tally: &mut Tally) -> Outcome {
        let outcome = world.send(ask);
        tally.asked += 1;
        tally.refused += u64::from(!outcome.passed());
        self.is_challenged |= matches!(outcome, Outcome::Refused { status: 403, .. });
        outcome
    }

    fn ask(&self, step: Step, now_ms: u64) -> Ask {
        let Person { browser, addresses, interest, .. } = &self.person;
        let address =
            addresses.iter().rev().find(|(from_ms, _)| *from_ms <= now_ms).expect("it is somewhere").1;
        let page = |step: usize| format!("/item/{}", (interest * 31 + step as u64 * 7) % 5_000);
        let from = page(self.step.saturating_sub(1));
        let ask = match step {
            Step::Open(_) => Ask::page(address, browser, page(self.step)),
            Step::Follow(_) => Ask::page(address, browser, page(self.step)).linked_on(&from),
            Step::Form => Ask::page(address, browser, "/login").linked_on(&from),
            Step::SignIn => Ask::sign_in(address, browser, Password::Right),
        };
        ask.with_session(&self.session)
    }
}

/// Somebody behind the people's own address who reads and tries passwords, with a browser that none of them has.
struct Attack {
    address: IpAddr,
    until_ms: u64,
    made: u64,
}

impl Attack {
    /// Sends what is due until then.
    fn go_on(&mut self, world: &mut World, now_ms: u64) {
        let browser = Browser::chrome("linux", 143, "0.0.0");
        loop {
            let due_ms = self.made * 1_000 / ATTACKS_PER_SECOND;
            if due_ms >= now_ms.min(self.until_ms) {
                return;
            }
            world.pass_until(due_ms);
            let ask = if self.made.is_multiple_of(10) {
                Ask::sign_in(self.address, &browser, Password::Wrong)
            } else {
                Ask::page(self.address, &browser, format!("/item/{}", self.made))
            };
            world.send(&ask);
            self.made += 1;
        }
    }
}
