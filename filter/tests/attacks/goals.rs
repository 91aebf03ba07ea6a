//! What attackers are after, and what of it counts.

use crate::attacker::Attacker;
use crate::site::{Password, Served};
use crate::visitor::Ask;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Goal {
    /// 1,000 passwords of other people's accounts tried.
    SignIn,
    /// 2,000 pages read.
    Read,
    /// 200 paths probed that no site should serve.
    Probe,
    /// An API called through.
    Harvest,
    /// Others of the same address and network refused.
    Neighbours,
}

impl Goal {
    pub(crate) const ALL: [Self; 5] =
        [Self::SignIn, Self::Read, Self::Probe, Self::Harvest, Self::Neighbours];

    /// As it stands in the table.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::SignIn => "sign in (1,000)",
            Self::Read => "read pages (2,000)",
            Self::Probe => "probe paths (200)",
            Self::Harvest => "harvest an API",
            Self::Neighbours => "neighbours refused",
        }
    }

    /// The attempt with this number, as an honest browser would send it.
    pub(crate) fn ask(self, number: u64, attacker: &Attacker) -> Ask {
        let (address, browser) = (attacker.home(), attacker.browser());
        match self {
            Self::SignIn => Ask::sign_in(address, &browser, Password::Wrong),
            Self::Read => Ask::page(address, &browser, format!("/item/{number}")),
            Self::Probe => Ask::page(address, &browser, probe(number)),
            Self::Harvest => Ask::call(address, &browser, format!("/api/items/{number}"), "/"),
            // What could fill a limit, and what could give an address a bad name.
            Self::Neighbours if number.is_multiple_of(2) => Ask::sign_in(address, &browser, Password::Wrong),
            Self::Neighbours => Ask::page(address, &browser, format!("/item/{number}")),
        }
    }

    /// Whether the site did for the attacker what it wanted.
    pub(crate) fn is_served(self, served: Served) -> bool {
        match self {
            Self::SignIn => served == Served::WrongPassword,
            Self::Read => served == Served::Page,
            // That there is nothing is what a scanner wants to know.
            Self::Probe => served == Served::NotFound,
            Self::Harvest => served == Served::Api,
            Self::Neighbours => false,
        }
    }
}

fn probe(number: u64) -> String {
    const KNOWN: [&str; 12] = [
        ".env",
        ".git/config",
        "wp-login.php",
        "wp-admin/setup-config.php",
        "phpmyadmin/index.php",
        "actuator/env",
        "vendor/phpunit/phpunit/src/util/php/eval-stdin.php",
        ".aws/credentials",
        "backup",
        "old",
        "db",
        "config",
    ];
    let name = KNOWN[(number % KNOWN.len() as u64) as usize];
    match number / KNOWN.len() as u64 {
        0 => format!("/{name}"),
        folder => format!("/app{folder}/{name}"),
    }
}
