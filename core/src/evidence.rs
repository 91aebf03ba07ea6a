//! What the checks find: in the request, in its client's past, and in what others at its address do.

use crate::asked::Asked;
use crate::check::{Check, Evidence};
use crate::client::one_if;
use crate::engine::Engine;
use crate::features::Features;
use crate::headers::Mismatch;
use crate::limiter::Standing;
use crate::subjects::Subjects;

impl Engine {
    /// What speaks for and against a request besides the model.
    pub(crate) fn evidence(
        &self,
        asked: &Asked<'_>,
        subjects: &Subjects<'_>,
        standing: Standing,
        mismatch: Mismatch,
    ) -> Evidence {
        let client = &*subjects.client;
        let mut evidence = Evidence::default();
        if let Some(provider) = asked.facts.address.and_then(|ip| self.ranges().lookup(ip)) {
            evidence.set(Check::DatacenterIp, provider.kind.strength());
        }
        // What somebody asks for as what it is not contradicts it like a header would, from the third time on.
        let claims = if client.claims_falsely() { client.false_claims } else { 0 };
        let denied = f32::from(claims.saturating_sub(2)) / 2.0;
        evidence.set(Check::UserAgent, client.agent_suspicion);
        evidence.set(Check::HeadersMismatch, mismatch.headers.max(denied));
        evidence.set(Check::Ja4Mismatch, mismatch.ja4);
        evidence.set(Check::FailedLogins, failed_logins(client.failures, client.attempts));
        // What another site brings along is refused by itself, and is nobody's past.
        let brought = asked.is_cross_site;
        evidence.set(Check::TrapPath, client.trap.max(one_if(brought && asked.is_trap)));
        evidence.set(Check::ProbePath, (client.probe_hits / 4.0).max(one_if(brought && asked.is_probe)));
        evidence.set(Check::FormSpam, client.quick_forms);
        if standing.is_newcomer && client.is_little_known() {
            evidence.set(Check::AddressClients, subjects.address.newcomers());
        }
        if client.verdict_until_ms > client.last_seen_ms {
            evidence.set(Check::ControlPlane, (f32::from(client.verdict) - 128.0) / 127.0);
        }
        evidence
    }
}

/// Ten failures that are nearly all attempts count fully; whoever also succeeds counts less.
pub(crate) fn failed_logins(failures: f32, attempts: f32) -> f32 {
    failures / 10.0 * (failures / attempts.max(1.0)).min(1.0)
}

/// Where nearly all sign-ins of an address or its network fail, its failures are a newcomer's own that has shown nothing:
/// what it calls itself must not make it look better. A network has to fail four times as often.
pub(crate) fn count_fully(
    subjects: &Subjects<'_>,
    mut features: Features,
    evidence: &mut Evidence,
) -> Features {
    let address = &*subjects.address;
    let network =
        subjects.network.as_deref().map_or((0.0, 0.0), |net| (net.failures / 4.0, net.attempts / 4.0));
    for (failures, attempts) in [(address.failures, address.attempts), network] {
        if failures > 0.0 && failures >= NEARLY_ALL * attempts {
            features = features.with_failed_logins(failures, attempts);
            let own = evidence.get(Check::FailedLogins);
            evidence.set(Check::FailedLogins, own.max(failed_logins(failures, attempts)));
        }
    }
    features
}

/// Of all clients of an address those count that fail; to somebody else there, at most so much, and only on signing in.
pub(crate) const MOST_OF_NEIGHBOURS: f32 = 0.6;
/// From this share on nearly all sign-ins fail.
const NEARLY_ALL: f32 = 0.9;
