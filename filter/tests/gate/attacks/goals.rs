//! What attackers want, and how much of it they get.

use super::attacker::{Hand, Lever, browse_a_while, pull, victim};
use super::site::{Ask, Purpose, Site};

/// What an attacker wants.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Goal {
    SignIn,
    Pages,
    Probes,
    Api,
}

impl Goal {
    pub(crate) const ALL: [(Goal, &str); 4] = [
        (Goal::SignIn, "wrong passwords"),
        (Goal::Pages, "pages"),
        (Goal::Probes, "probes"),
        (Goal::Api, "API calls"),
    ];

    /// How often it tries.
    pub(crate) fn attempts(self) -> u32 {
        match self {
            Goal::SignIn => 1_000,
            Goal::Pages | Goal::Api => 2_000,
            Goal::Probes => 200,
        }
    }

    /// What newcomers of an address, or of a network, share of it in so many seconds.
    pub(crate) fn budget(self, of_network: bool, seconds: u64) -> u32 {
        let (burst, per_second) = match (self, of_network) {
            (Goal::SignIn, false) => (40.0, 0.1),
            (Goal::SignIn, true) => (160.0, 0.4),
            (_, false) => (60.0, 5.0),
            (_, true) => (240.0, 20.0),
        };
        // The first request after the last wait passes too, and clocks are whole milliseconds.
        (burst + per_second * seconds as f64) as u32 + 2
    }

    fn ask(self, at: u32) -> Ask {
        let address = "192.0.2.66:1";
        match self {
            Goal::SignIn => Ask::new(address, "/login", Purpose::SignIn(false)),
            Goal::Pages => Ask::new(address, format!("/item/{at}"), Purpose::Page),
            Goal::Api => Ask { within: true, ..Ask::new(address, format!("/api/item/{at}"), Purpose::Api) },
            Goal::Probes => {
                let paths =
                    ["/.env", "/wp-login.php", "/.git/config", "/phpmyadmin/index.php", "/actuator/env"];
                Ask::new(address, format!("/{at}{}", paths[at as usize % paths.len()]), Purpose::Page)
            }
        }
    }
}

/// How long an attack takes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Pace {
    /// 60 a second, as long as the attempts last.
    Rush,
    /// Evenly over ten minutes.
    TenMinutes,
    /// Evenly over a day.
    Day,
}

impl Pace {
    pub(crate) const ALL: [(Pace, &str); 3] =
        [(Pace::Rush, "at 60/s"), (Pace::TenMinutes, "in ten minutes"), (Pace::Day, "in a day")];

    pub(crate) fn seconds(self, goal: Goal) -> u64 {
        match self {
            Pace::Rush => u64::from(goal.attempts()) / 60 + 1,
            Pace::TenMinutes => 600,
            Pace::Day => 86_400,
        }
    }
}

/// How many of the attempts reached the site.
pub(crate) fn reached(goal: Goal, pace: Pace, hand: &Hand) -> u32 {
    let mut site = Site::new();
    let has = |lever| hand.contains(&lever);
    if has(Lever::StolenSession) || has(Lever::RespelledSession) {
        victim(&mut site);
    }
    if has(Lever::GraduateFirst) {
        for name in 0..40 {
            let mut who = Ask::new("192.0.2.66:1", "/", Purpose::Page);
            pull(Lever::UserAgent, &mut who, name);
            browse_a_while(&mut site, &who);
        }
    }
    let attempts = goal.attempts();
    let every_ms = 1_000 * pace.seconds(goal) / u64::from(attempts);
    let (mut passed, mut left_ms) = (0, 1_000 * pace.seconds(goal));
    for at in 0..attempts {
        let mut ask = goal.ask(at);
        for lever in hand {
            pull(*lever, &mut ask, at);
        }
        if has(Lever::GraduateFirst) {
            pull(Lever::UserAgent, &mut ask, at % 40);
        }
        if has(Lever::AcceptedBetween) && goal == Goal::SignIn {
            site.ask(&Ask { purpose: Purpose::SignIn(true), ..ask.clone() });
        }
        let got = site.ask(&ask);
        passed += u32::from(got.passed());
        let mut wait_ms = every_ms;
        if has(Lever::Silence) && at % 4 == 3 {
            wait_ms = 31 * 60_000;
        }
        if wait_ms > left_ms {
            break;
        }
        left_ms -= wait_ms;
        site.pass_ms(wait_ms);
    }
    passed
}

/// The hand with which most attempts reach the site, found by a seeded random search over all free levers.
pub(crate) fn worst_mix(goal: Goal, pace: Pace) -> (u32, Hand) {
    let free: Vec<_> = Lever::ALL.iter().map(|(lever, _)| *lever).filter(|lever| lever.is_free()).collect();
    let mut random = 0x9E37_79B9_7F4A_7C15_u64 ^ goal.attempts() as u64 ^ pace.seconds(goal);
    let mut worst = (0, Vec::new());
    for _ in 0..6 {
        random ^= random << 13;
        random ^= random >> 7;
        random ^= random << 17;
        let hand: Hand = free
            .iter()
            .enumerate()
            .filter(|(at, _)| random >> (3 * at) & 7 < 3)
            .map(|(_, lever)| *lever)
            .collect();
        let passed = reached(goal, pace, &hand);
        if passed > worst.0 {
            worst = (passed, hand);
        }
    }
    worst
}
