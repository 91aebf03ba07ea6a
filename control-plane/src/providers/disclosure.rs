//! Which addresses may be told to a provider: personal data that leaves only where the operator lets it.

use std::net::IpAddr;

use ipnet::IpNet;

use crate::fetch::is_public;

/// What the configuration lets out.
#[derive(Clone, Debug, Default)]
pub(super) struct Disclosure {
    /// Only these, where there are any.
    pub(super) only: Vec<IpNet>,
    /// Never these.
    pub(super) never: Vec<IpNet>,
}

impl Disclosure {
    /// Whether a provider may be asked about an address. Those of private networks, of this machine, its link, carriers'
    /// shared space and documentation stay here in any case; `never` beats `only`.
    pub(super) fn allows(&self, ip: IpAddr) -> bool {
        let ip = ip.to_canonical();
        let within = |nets: &[IpNet]| nets.iter().any(|net| net.contains(&ip));
        is_public(ip) && !within(&self.never) && (self.only.is_empty() || within(&self.only))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn nets(texts: &[&str]) -> Vec<IpNet> {
        texts.iter().map(|text| text.parse().expect("a range")).collect()
    }

    fn allows(disclosure: &Disclosure, ip: &str) -> bool {
        disclosure.allows(ip.parse().expect("an address"))
    }

    #[test]
    fn what_is_not_public_stays_here_whatever_is_configured() {
        let everything = Disclosure { only: nets(&["0.0.0.0/0", "::/0"]), never: Vec::new() };
        for ip in [
            "10.1.2.3",
            "172.16.0.1",
            "192.168.1.1",
            "127.0.0.1",
            "169.254.1.1",
            "100.64.0.1",
            "0.0.0.0",
            "224.0.0.1",
            "255.255.255.255",
            "192.0.2.1",
            "198.51.100.1",
            "203.0.113.1",
            "198.18.0.1",
            "240.0.0.1",
            "::",
            "::1",
            "fe80::1",
            "fd00::1",
            "ff02::1",
            "2001:db8::1",
            "::ffff:10.0.0.1",
        ] {
            assert!(!allows(&everything, ip), "{ip}");
        }
        for ip in ["1.1.1.1", "::ffff:1.1.1.1", "2606:4700::1111"] {
            assert!(allows(&everything, ip), "{ip}");
            assert!(allows(&Disclosure::default(), ip), "{ip}");
        }
    }

    #[test]
    fn the_operator_narrows_it_down() {
        let some = Disclosure { only: nets(&["9.0.0.0/8", "2606::/16"]), never: nets(&["9.9.0.0/16"]) };
        assert!(allows(&some, "9.1.1.1") && allows(&some, "2606:4700::1"));
        assert!(!allows(&some, "9.9.9.9") && !allows(&some, "1.1.1.1") && !allows(&some, "2a00::1"));
        assert!(!allows(&some, "::ffff:9.9.9.9"));
    }
}
