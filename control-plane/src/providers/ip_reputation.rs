//! What a provider says of an address, whoever says it, and how strongly that speaks against a request.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// Strength of a VPN alone: people use them at work and for their privacy. At the default weight of `ip_reputation`
/// it moves an even score by 6 points.
const VPN: f32 = 0.15;

/// Strength of an open or residential proxy.
const PROXY: f32 = 0.4;

/// Strength of Tor. Like all of a connection's kinds it cannot lift a request that is not suspect by itself (below
/// 50) to a challenge (70) at the default weight: that takes 0.56.
const TOR: f32 = 0.5;

/// Strength of a fraud score of 100.
const SCORE: f32 = 0.8;

/// Strength of abuse in the last days.
const ABUSE: f32 = 0.2;

/// Who said it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub enum Source {
    /// IPQualityScore.
    IpQualityScore,
    /// AbuseIPDB.
    AbuseIpdb,
}

impl Source {
    /// Its name in configuration, answers and metrics.
    pub fn name(self) -> &'static str {
        match self {
            Self::IpQualityScore => "ipqualityscore",
            Self::AbuseIpdb => "abuseipdb",
        }
    }

    /// The score from which its own documentation calls an address suspicious.
    fn suspicious_from(self) -> f32 {
        match self {
            // "Fraud Scores >= 75 are suspicious" (a VPN that did no harm gets about that much).
            Self::IpQualityScore => 75.0,
            // 25 is the least `confidenceMinimum` that its blacklist endpoint takes.
            Self::AbuseIpdb => 25.0,
        }
    }
}

/// What a provider knows of an address. Where it does not tell a flag, the flag is `false`. Where somebody lives, and
/// whose line it is, is not kept.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct IpReputation {
    /// Belongs to a VPN service.
    pub is_vpn: bool,
    /// Is a proxy. IPQualityScore counts VPN and Tor as proxies too.
    pub is_proxy: bool,
    /// Is a Tor exit.
    pub is_tor: bool,
    /// Belongs to a datacenter. Shown only: the check `datacenter_ip` counts that already.
    pub is_datacenter: bool,
    /// Belongs to a search engine, as far as the provider knows; it then speaks against nobody.
    pub is_crawler: bool,
    /// Was used for abuse in the last days.
    pub recent_abuse: bool,
    /// 0 (clean) to 100 (certainly abusive).
    pub fraud_score: f32,
    /// Who says so.
    pub source: Source,
    /// When it was asked, Unix ms.
    pub fetched_at: u64,
}

impl IpReputation {
    /// How strongly this speaks against a request, in [0, 0.92]: 1 − (1 − kind)(1 − score)(1 − abuse). `kind` is 0.5
    /// for Tor, else 0.15 for a VPN, else 0.4 for a proxy; `score` rises from 0 where the provider's documentation
    /// begins to call addresses suspicious (75 at IPQualityScore, 25 at AbuseIPDB) to 0.8 at 100; `abuse` is 0.2. A
    /// clean address says nothing in favour: those that are for hire are clean too.
    pub fn strength(&self) -> f32 {
        if self.is_crawler {
            return 0.0;
        }
        let kind = match (self.is_tor, self.is_vpn, self.is_proxy) {
            (true, ..) => TOR,
            (_, true, _) => VPN,
            (.., true) => PROXY,
            _ => 0.0,
        };
        let from = self.source.suspicious_from();
        let score = SCORE * ((self.fraud_score - from) / (100.0 - from)).clamp(0.0, 1.0);
        let abuse = if self.recent_abuse { ABUSE } else { 0.0 };
        1.0 - (1.0 - kind) * (1.0 - score) * (1.0 - abuse)
    }

    /// As it is kept in shared state: JSON, which replicas of other versions can read.
    pub(super) fn to_bytes(self) -> Vec<u8> {
        serde_json::to_vec(&self).unwrap_or_default()
    }

    /// Reads [`Self::to_bytes`]; `None` for anything else.
    pub(super) fn from_bytes(bytes: &[u8]) -> Option<Self> {
        let read: Self = serde_json::from_slice(bytes).ok()?;
        (0.0..=100.0).contains(&read.fraud_score).then_some(read)
    }
}

#[cfg(test)]
impl IpReputation {
    /// Of an address that nothing is said against.
    pub(super) fn clean(source: Source, fetched_at: u64) -> Self {
        Self {
            is_vpn: false,
            is_proxy: false,
            is_tor: false,
            is_datacenter: false,
            is_crawler: false,
            recent_abuse: false,
            fraud_score: 0.0,
            source,
            fetched_at,
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use sallyport_core::{Action, Check, Engine, Evidence, Features, HashKey, Model, Policy};

    use super::*;

    const CLEAN: Source = Source::IpQualityScore;

    #[test]
    fn a_connection_of_any_kind_alone_gets_nobody_challenged() {
        let model = Model::built_in().expect("built-in model");
        let ranges = sallyport_core::Ranges::default();
        let engine = Engine::new(Policy::default(), model, ranges, HashKey::from_bytes([1; 16]), 1);
        // A person's first page, and one who is looked at a little already: rate and referer.
        let first = Features::new([0.09, 0.0, 0.18, 0.0, 0.3, 0.0, 0.0]).expect("in range");
        let with = |reputation: IpReputation| {
            let mut evidence = Evidence::default();
            evidence.set(Check::IpReputation, reputation.strength());
            engine.score(&first, &evidence)
        };
        let clean = IpReputation::clean(CLEAN, 0);
        let vpn = IpReputation { is_vpn: true, is_proxy: true, fraud_score: 75.0, ..clean };
        let suspected = IpReputation { fraud_score: 85.0, is_datacenter: true, ..vpn };
        let tor = IpReputation { is_tor: true, is_proxy: true, fraud_score: 75.0, ..clean };
        assert!(with(clean).score < 50.0, "{}", with(clean).score);
        for reputation in [vpn, suspected, tor] {
            let decision = with(reputation);
            assert!(matches!(decision.action, Action::Allow | Action::Monitor), "{decision:?}");
            assert!(decision.score > with(clean).score);
        }
        assert_eq!(with(vpn).action, Action::Allow);
        // Whatever the model says below an even score: no kind lifts it to a challenge.
        assert!(TOR.max(PROXY).max(VPN) * 1.5 < (70.0_f32 / 30.0).ln());
    }

    #[test]
    fn what_is_said_weighs_as_documented() {
        let clean = IpReputation::clean(Source::AbuseIpdb, 0);
        let of = |fraud_score, source| IpReputation { fraud_score, source, ..clean }.strength();
        assert_eq!((of(25.0, Source::AbuseIpdb), of(75.0, Source::IpQualityScore)), (0.0, 0.0));
        assert!((of(100.0, Source::AbuseIpdb) - 0.8).abs() < 1e-6);
        assert!((of(62.5, Source::AbuseIpdb) - 0.4).abs() < 1e-6);
        let worst = IpReputation { is_tor: true, recent_abuse: true, fraud_score: 100.0, ..clean };
        assert!((worst.strength() - 0.92).abs() < 1e-6);
        assert_eq!(IpReputation { is_crawler: true, ..worst }.strength(), 0.0);
    }

    #[test]
    fn it_is_kept_as_it_was_and_damage_is_noticed() {
        let reputation = IpReputation { is_vpn: true, fraud_score: 87.5, ..IpReputation::clean(CLEAN, 7) };
        let bytes = reputation.to_bytes();
        assert_eq!(IpReputation::from_bytes(&bytes), Some(reputation));
        let text = String::from_utf8(bytes).expect("JSON");
        assert!(text.contains("ipqualityscore"), "{text}");
        assert_eq!(IpReputation::from_bytes(text.replace("87.5", "870.5").as_bytes()), None);
        assert_eq!(IpReputation::from_bytes(text.replace("ipq", "xpq").as_bytes()), None);
    }

    proptest! {
        #[test]
        fn any_bytes_are_a_reputation_or_none(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
            prop_assert!(IpReputation::from_bytes(&bytes).is_none());
        }
    }
}
