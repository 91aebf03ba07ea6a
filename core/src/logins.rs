//! Login attempts that are told of rather than watched: by who asks about one before it goes on, and by applications
//! that no filter stands before.

use crate::answers::LoginOutcome;
use crate::decision::Charges;
use crate::engine::Engine;
use crate::limiter;
use crate::subjects::Subjects;

/// A sign-in that has ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SignIn {
    /// How it ended.
    pub outcome: LoginOutcome,
    /// Whether another site brought it along, as it says: then it is not the client's.
    pub is_cross_site: bool,
    /// When it was judged, passed and reserved its places in the limits of sign-ins, Unix milliseconds.
    pub reserved_ms: Option<u64>,
    /// Whether it was a newcomer's: then its network is charged too.
    pub is_newcomer: bool,
    /// Which limits count for its host, where that is known; 0 for those of all hosts.
    pub(crate) limits: u16,
}

impl SignIn {
    /// One that nobody judged before it went on, at a host that is not known.
    pub fn told(outcome: LoginOutcome, is_newcomer: bool) -> Self {
        Self { outcome, is_cross_site: false, reserved_ms: None, is_newcomer, limits: 0 }
    }
}

impl Engine {
    /// Counts how a login attempt ended in the records, at Unix milliseconds `now_ms`; what it had reserved is given back
    /// where it succeeded.
    pub fn login_ended(&self, sign_in: SignIn, subjects: &mut Subjects<'_>, now_ms: u64) -> Charges {
        let SignIn { outcome, is_cross_site, .. } = sign_in;
        let failed = outcome == LoginOutcome::Failed;
        let Subjects { client, address, network, .. } = subjects;
        client.pass_time(now_ms);
        address.pass_time(now_ms);
        // Once, at its third: people mistype a password twice.
        if failed && (1.5..2.5).contains(&client.failures) && !client.is_proven(now_ms) {
            address.misdeeds += 1.0;
        }
        address.attempts += 1.0;
        address.failures += f32::from(u8::from(failed));
        if !is_cross_site {
            client.attempts += 1.0;
            client.failures += f32::from(u8::from(failed));
        }
        if let Some(network) = network {
            network.pass_time(now_ms);
            network.attempts += 1.0;
            network.failures += f32::from(u8::from(failed));
        }
        limiter::sign_in_ended(self.policy().limits_at(sign_in.limits), sign_in, subjects, now_ms)
    }
}
