//! Login attempts that are told of rather than watched: by who asks about one before it goes on, and by applications
//! that no filter stands before.

use crate::answers::LoginOutcome;
use crate::decision::Charges;
use crate::engine::Engine;
use crate::limiter;
use crate::subjects::Subjects;

impl Engine {
    /// Counts how a login attempt ended in the records, at Unix milliseconds `now_ms`; what it had reserved is given back
    /// where it succeeded. One that another site brought along is not the client's.
    pub fn login_ended(
        &self,
        outcome: LoginOutcome,
        is_cross_site: bool,
        subjects: &mut Subjects<'_>,
        now_ms: u64,
    ) -> Charges {
        let failed = outcome == LoginOutcome::Failed;
        let Subjects { client, address, network, .. } = subjects;
        client.pass_time(now_ms);
        address.pass_time(now_ms);
        if failed && client.failures < 0.5 && !client.is_proven(now_ms) {
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
        limiter::sign_in_ended(self.policy(), failed, subjects, now_ms)
    }
}

