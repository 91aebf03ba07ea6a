//! How far an attacker may get: not past what honest attackers get today, nor, by a free lever, past what newcomers of
//! the smallest subject may do that it cannot leave.
//!
//! The figures are written down here, not read from the policy: who changes a default meets them.

use crate::goals::Goal;
use crate::levers::Price;
use crate::runs::{Count, Span};

/// A budget: so many at once, then one each so many milliseconds.
#[derive(Clone, Copy)]
pub(crate) struct Budget {
    burst: u64,
    interval_ms: u64,
}

/// Pages, API calls and probes: of an address's newcomers together, and of one client that has graduated.
pub(crate) const PAGES: Budget = Budget { burst: 60, interval_ms: 200 };
/// Tries to sign in of one address.
pub(crate) const SIGN_INS: Budget = Budget { burst: 40, interval_ms: 10_000 };
/// Tries to sign in of one client.
const SIGN_INS_OF_CLIENT: Budget = Budget { burst: 40, interval_ms: 20_000 };
/// A network's newcomers have so many times an address's budget.
pub(crate) const ADDRESSES_OF_NETWORK: u64 = 4;
/// Of what neighbours ask for no more than this may be refused, in percent, where honest attackers get less refused.
const SPARED_PERCENT: u64 = 1;

impl Budget {
    /// That of so many, together.
    pub(crate) fn times(self, number: u64) -> Self {
        Self { burst: self.burst * number, interval_ms: self.interval_ms / number }
    }

    pub(crate) fn within(self, ms: u64) -> u64 {
        self.burst + ms / self.interval_ms
    }
}

/// What honest attackers got today: in haste and in all of ten minutes, in a day.
pub(crate) fn honest_today(goal: Goal, span: Span) -> Count {
    let (hasty, all) = match (goal, span) {
        (Goal::SignIn, Span::TenMinutes) => (6, 6),
        (Goal::SignIn, Span::Day) => (0, 225),
        // It takes some pages to tell who reads without showing them from somebody quiet.
        (Goal::Read, Span::TenMinutes) => (24, 24),
        (Goal::Read, Span::Day) => (0, 60),
        (Goal::Probe, _) => (0, 0),
        (Goal::Harvest, Span::TenMinutes) => (209, 2_409),
        (Goal::Harvest, Span::Day) => (0, 2_000),
        (Goal::Neighbours, Span::TenMinutes) => (6, 9),
        (Goal::Neighbours, Span::Day) => (0, 0),
    };
    Count { hasty, all, of: 0 }
}

/// How many a lever of this price may get through, in haste and in all; `None` where it is paid for. `honest` is what got
/// through without, `count` what did with the lever.
pub(crate) fn most(price: Price, goal: Goal, span: Span, honest: Count, count: Count) -> Option<Count> {
    let budget = |ms: u64| match (price, goal) {
        (Price::Paid, _) => None,
        (_, Goal::Neighbours) => Some(count.of * SPARED_PERCENT / 100),
        (Price::Address, Goal::SignIn) => Some(SIGN_INS.within(ms)),
        (Price::Network, Goal::SignIn) => Some(ADDRESSES_OF_NETWORK * SIGN_INS.within(ms)),
        (Price::Clients(number), Goal::SignIn) => Some(number * SIGN_INS_OF_CLIENT.within(ms)),
        (Price::Address, _) => Some(PAGES.within(ms)),
        (Price::Network, _) => Some(ADDRESSES_OF_NETWORK * PAGES.within(ms)),
        (Price::Clients(number), _) => Some(number * PAGES.within(ms)),
    };
    let half_more = |honest: u64| honest + honest / 2;
    Some(Count {
        hasty: budget(span.haste_ms(goal, span.attempts(goal)))?.max(half_more(honest.hasty)),
        all: budget(span.ms())?.max(half_more(honest.all)),
        of: count.of,
    })
}

/// The same beside what a session's owner may read, who is a client like any other.
pub(crate) fn with_owners(most: Count, goal: Goal, span: Span) -> Count {
    let reads = matches!(goal, Goal::Read | Goal::Probe | Goal::Harvest);
    let owners = |ms| if reads { PAGES.within(ms) } else { 0 };
    let haste_ms = span.haste_ms(goal, span.attempts(goal));
    Count { hasty: most.hasty + owners(haste_ms), all: most.all + owners(span.ms()), ..most }
}
