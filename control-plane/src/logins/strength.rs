//! How strongly the failed logins of a network or an account speak about one more login attempt.
//!
//! Both are about others than the visitor, so neither alone may refuse somebody who otherwise looks like a person: at
//! the default weight of 3, half the strength adds 1.5 to the log-odds, which turns a score of 10 into 33 and one of
//! 30 into 66, under the challenge at 70. Scores that are doubtful by themselves become challenges.

use super::Counts;

/// Failures of a network, faded with τ = 900 s, that say nothing: an office or a carrier's addresses with some typos.
const NETWORK_QUIET: f32 = 20.0;

/// Failures of a network that say the most.
const NETWORK_LOUD: f32 = 100.0;

/// The most that a network's failures say.
const NETWORK_MOST: f32 = 0.5;

/// Failures of an account that say nothing: somebody forgot the password.
const ACCOUNT_QUIET: f32 = 5.0;

/// Failures of an account that say the most.
const ACCOUNT_LOUD: f32 = 20.0;

/// The most that an account's failures say: it is the owner who must still get in, whoever else tries.
const ACCOUNT_MOST: f32 = 0.5;

/// The strength of `failed_logins` by a network: 0.5 · ramp(failed, 20 to 100) · failed / (failed + passed). Passed
/// logins that nobody told of count as none.
pub fn of_network(counts: Counts) -> f32 {
    NETWORK_MOST * ramp(counts.failed, NETWORK_QUIET, NETWORK_LOUD) * share(counts)
}

/// The strength of `failed_logins` by an account: 0.5 · ramp(failed, 5 to 20) · failed / (failed + passed).
pub fn of_account(counts: Counts) -> f32 {
    ACCOUNT_MOST * ramp(counts.failed, ACCOUNT_QUIET, ACCOUNT_LOUD) * share(counts)
}

/// 0 up to `from`, 1 from `to` on, a line between.
fn ramp(value: f32, from: f32, to: f32) -> f32 {
    ((value - from) / (to - from)).clamp(0.0, 1.0)
}

fn share(counts: Counts) -> f32 {
    counts.failed / (counts.failed + counts.passed).max(1.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn counts(failed: f32, passed: f32) -> Counts {
        Counts { failed, passed }
    }

    #[test]
    fn a_few_failures_say_nothing_and_many_at_most_half() {
        assert_eq!(of_network(counts(20.0, 0.0)), 0.0);
        assert_eq!(of_network(counts(60.0, 0.0)), 0.25);
        assert_eq!(of_network(counts(1e6, 0.0)), 0.5);
        assert_eq!(of_account(counts(5.0, 0.0)), 0.0);
        assert_eq!(of_account(counts(1e6, 0.0)), 0.5);
    }

    #[test]
    fn people_who_get_in_speak_against_it() {
        // A morning in a large office: 1,000 sign in, 60 mistype.
        assert!(of_network(counts(60.0, 1_000.0)) < 0.02);
        assert!(of_account(counts(20.0, 20.0)) <= 0.25);
    }
}
