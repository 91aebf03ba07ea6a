//! Two visitors who were there before an attacker came: one at its address, one in its network.

use std::net::IpAddr;

use crate::attacker::Attacker;
use crate::site::Password;
use crate::visitor::{Ask, Browser};
use crate::world::{PAGE_REQUESTS, World, read_page};

/// One page in so many is followed by signing in.
const SIGNS_IN: u64 = 12;

pub(crate) struct Neighbours {
    both: [Neighbour; 2],
    visits: u64,
}

struct Neighbour {
    address: IpAddr,
    browser: Browser,
    /// Whether the attacker makes itself look like this one. Nobody could tell the two apart if neither had a session: so
    /// this one has.
    keeps_session: bool,
    session: String,
}

/// The browser of the one at the attacker's address.
pub(crate) fn browser_next_to_it() -> Browser {
    Browser::firefox(143)
}

impl Neighbours {
    pub(crate) fn of(attacker: &Attacker) -> Self {
        let neighbour = |address, browser, keeps_session| {
            let session = String::new();
            Neighbour { address, browser, keeps_session, session }
        };
        let both = [
            neighbour(attacker.home(), browser_next_to_it(), attacker.looks_like_a_neighbour()),
            neighbour(attacker.next_door(), Browser::safari(18), false),
        ];
        Self { both, visits: 0 }
    }

    /// Each reads a page; gives how many requests they made, and how many were refused.
    pub(crate) fn read(&mut self, world: &mut World) -> (u64, u64) {
        let number = self.visits;
        self.visits += 1;
        let (mut asked, mut refused) = (0, 0);
        for Neighbour { address, browser, keeps_session, session } in &mut self.both {
            refused += read_page(world, *address, browser, number, session);
            asked += PAGE_REQUESTS;
            if number.is_multiple_of(SIGNS_IN) {
                let ask = Ask::sign_in(*address, browser, Password::Right).with_session(session);
                let outcome = world.send(&ask);
                refused += u64::from(!outcome.passed());
                asked += 1;
                if *keeps_session && let Some(new) = outcome.session() {
                    new.clone_into(session);
                }
            }
        }
        (asked, refused)
    }
}
