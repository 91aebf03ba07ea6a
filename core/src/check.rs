//! The checks: each yields evidence under a name, weighted by the policy.

/// A named source of evidence, or of a decision made at once. The numbers are part of the wire formats.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[repr(u8)]
pub enum Check {
    /// The neural model's logit.
    Model = 0,
    /// The address lies in a range labelled as datacenter or hosting.
    DatacenterIp = 1,
    /// What is known of the address's past.
    IpReputation = 2,
    /// Declared tool or crawler, empty, impossible or long outdated browser.
    UserAgent = 3,
    /// Headers contradict the browser that the user agent claims.
    HeadersMismatch = 4,
    /// The TLS fingerprint contradicts the browser that the user agent claims.
    Ja4Mismatch = 5,
    /// The device fingerprint contradicts the request.
    Fingerprint = 6,
    /// The session collected suspicious actions.
    SuspiciousSession = 7,
    /// Failed logins of the client or its address.
    FailedLogins = 8,
    /// A path that no visitor is ever linked to.
    TrapPath = 9,
    /// Paths that scanners try: `/.env`, `/wp-login.php`, …
    ProbePath = 10,
    /// Many clients behind one address that look like one with rotating user agents.
    AddressClients = 11,
    /// The control plane's own view, cached from a consult; strength in [-1, 1].
    ControlPlane = 12,
    /// On the allow list.
    AllowList = 13,
    /// On the deny list.
    DenyList = 14,
    /// Over the rate limit.
    RateLimit = 15,
    /// Not the crawler that it says it is, or one that the policy refuses.
    Crawler = 16,
    /// Forms that were sent as soon as their page had come, by somebody who was not shown it.
    FormSpam = 17,
}

/// How many checks there are.
pub(crate) const CHECK_COUNT: usize = 18;

impl Check {
    /// All checks, in the order of their numbers.
    pub const ALL: [Check; CHECK_COUNT] = [
        Check::Model,
        Check::DatacenterIp,
        Check::IpReputation,
        Check::UserAgent,
        Check::HeadersMismatch,
        Check::Ja4Mismatch,
        Check::Fingerprint,
        Check::SuspiciousSession,
        Check::FailedLogins,
        Check::TrapPath,
        Check::ProbePath,
        Check::AddressClients,
        Check::ControlPlane,
        Check::AllowList,
        Check::DenyList,
        Check::RateLimit,
        Check::Crawler,
        Check::FormSpam,
    ];

    /// The name in policy, API, header and events.
    pub fn name(self) -> &'static str {
        match self {
            Check::Model => "model",
            Check::DatacenterIp => "datacenter_ip",
            Check::IpReputation => "ip_reputation",
            Check::UserAgent => "user_agent",
            Check::HeadersMismatch => "headers_mismatch",
            Check::Ja4Mismatch => "ja4_mismatch",
            Check::Fingerprint => "fingerprint",
            Check::SuspiciousSession => "suspicious_session",
            Check::FailedLogins => "failed_logins",
            Check::TrapPath => "trap_path",
            Check::ProbePath => "probe_path",
            Check::AddressClients => "address_clients",
            Check::ControlPlane => "control_plane",
            Check::AllowList => "allow_list",
            Check::DenyList => "deny_list",
            Check::RateLimit => "rate_limit",
            Check::Crawler => "crawler",
            Check::FormSpam => "form_spam",
        }
    }

    /// The check of a name.
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|check| check.name() == name)
    }

    /// The check of a number.
    pub fn from_u8(number: u8) -> Option<Self> {
        Self::ALL.get(usize::from(number)).copied()
    }

    /// The checks that carry a weight: all but the model and the decisions made at once.
    pub fn weighted() -> impl Iterator<Item = Check> {
        Self::ALL.into_iter().filter(|check| {
            !matches!(
                check,
                Check::Model | Check::AllowList | Check::DenyList | Check::RateLimit | Check::Crawler
            )
        })
    }
}

/// The strength of each check, in [0, 1] ([-1, 1] for [`Check::ControlPlane`] and [`Check::IpReputation`]);
/// times the check's weight it is evidence in log-odds.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Evidence([f32; CHECK_COUNT]);

impl Evidence {
    /// The strength of one check; 0 where nothing was found.
    pub fn get(&self, check: Check) -> f32 {
        self.0.get(check as usize).copied().unwrap_or(0.0)
    }

    /// Sets the strength of one check, clamped; not-a-number counts as 0.
    pub fn set(&mut self, check: Check, strength: f32) {
        let lowest = if matches!(check, Check::ControlPlane | Check::IpReputation) { -1.0 } else { 0.0 };
        if let Some(slot) = self.0.get_mut(check as usize) {
            *slot = if strength.is_nan() { 0.0 } else { strength.clamp(lowest, 1.0) };
        }
    }

    /// The checks that found something, with their strengths.
    pub fn found(&self) -> impl Iterator<Item = (Check, f32)> {
        Check::ALL.into_iter().zip(self.0).filter(|(_, strength)| *strength != 0.0)
    }
}
