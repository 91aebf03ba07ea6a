//! What is not put on a list by mistake: entries that would shut out everybody, or the proxies and operators who stand
//! between. They need `force`.

use std::sync::LazyLock;

use ipnet::IpNet;
use sallyport_core::policy::{ListEntry, ListTarget, Lists};
use sallyport_core::{HashKey, RequestFacts, read_range};

use crate::store::{ListAction, ListKind, NewListEntry};

/// Ranges with a shorter prefix are wider than any operator's network: (IPv4, IPv6).
const WIDEST: (u8, u8) = (8, 16);

/// The largest share of the addresses that entries of one request may hold together.
const MOST_TOGETHER: f64 = 0.25;

/// Of IPv6 only one address in so many is in use (2000::/3).
const IPV6_UNUSED: f64 = 8.0;

/// Where proxies, health checks and the control plane's own callers come from: loopback, private, shared, link-local and
/// unspecified addresses (RFC 6890, RFC 4193).
const OWN: [&str; 10] = [
    "127.0.0.0/8",
    "10.0.0.0/8",
    "172.16.0.0/12",
    "192.168.0.0/16",
    "100.64.0.0/10",
    "169.254.0.0/16",
    "0.0.0.0/8",
    "::/127",
    "fc00::/7",
    "fe80::/10",
];

static OWN_NETS: LazyLock<Vec<IpNet>> =
    LazyLock::new(|| OWN.iter().filter_map(|own| own.parse().ok()).collect());

/// User agents that most people send; version numbers do not matter here.
const PEOPLE: [&str; 6] = [
    "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/150.0.0.0 Safari/537.36",
    "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/150.0.0.0 Safari/537.36 Edg/150.0.0.0",
    "Mozilla/5.0 (Macintosh; Intel Mac OS X 10_15_7) AppleWebKit/605.1.15 (KHTML, like Gecko) Version/26.0 Safari/605.1.15",
    "Mozilla/5.0 (X11; Linux x86_64; rv:150.0) Gecko/20100101 Firefox/150.0",
    "Mozilla/5.0 (iPhone; CPU iPhone OS 18_7 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko) Version/26.0 Mobile/15E148 Safari/604.1",
    "Mozilla/5.0 (Linux; Android 10; K) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/150.0.0.0 Mobile Safari/537.36",
];

/// Why an entry should not be made by mistake; `None` where nothing speaks against it.
pub(super) fn caution(entry: &NewListEntry, trusted_proxies: &[IpNet]) -> Option<String> {
    let value = &entry.value;
    match entry.kind {
        ListKind::Address | ListKind::Range => of_net(entry.action, read_range(value).ok()?, trusted_proxies),
        ListKind::UserAgent => {
            let letters = value.chars().filter(|letter| *letter != '*').count();
            if letters < 4 {
                Some(format!("`{value}` is in many user agents"))
            } else {
                PEOPLE
                    .iter()
                    .find(|agent| fits(value, agent))
                    .map(|agent| format!("ordinary browsers have it too, such as `{agent}`"))
            }
        }
        ListKind::Path if matches!(value.as_str(), "/" | "/*") => {
            Some("every visitor asks for it".to_owned())
        }
        ListKind::Path | ListKind::Session | ListKind::Fingerprint => None,
    }
}

fn of_net(action: ListAction, net: IpNet, trusted_proxies: &[IpNet]) -> Option<String> {
    let widest = if net.addr().is_ipv4() { WIDEST.0 } else { WIDEST.1 };
    if net.prefix_len() == 0 {
        return Some("it is the whole Internet".to_owned());
    }
    if net.prefix_len() < widest {
        return Some(format!("it is wider than a /{widest}"));
    }
    if action == ListAction::Allow {
        return None;
    }
    if let Some(proxy) = trusted_proxies.iter().find(|proxy| overlap(&net, proxy)) {
        return Some(format!("it would refuse the trusted proxy {proxy}"));
    }
    let own = OWN_NETS.iter().find(|own| overlap(&net, own))?;
    Some(format!("it would refuse addresses of {own}, where proxies and the operator's own machines are"))
}

/// Why entries that are fine one by one should not be made together: all the /8 of IPv4 are the whole Internet too.
pub(super) fn caution_together(entries: &[NewListEntry]) -> Option<String> {
    ListAction::ALL.into_iter().find_map(|action| {
        let nets = entries.iter().filter(|entry| entry.action == action);
        let nets: Vec<IpNet> = nets.filter_map(|entry| read_range(&entry.value).ok()).collect();
        let shares = IpNet::aggregate(&nets).into_iter().map(|net| {
            let share = 0.5_f64.powi(net.prefix_len().into());
            if net.addr().is_ipv4() { (share, 0.0) } else { (0.0, share * IPV6_UNUSED) }
        });
        let (v4, v6) = shares.fold((0.0, 0.0), |(v4, v6), (more_v4, more_v6)| (v4 + more_v4, v6 + more_v6));
        let family = if v4 > MOST_TOGETHER { "IPv4" } else { "IPv6" };
        (v4.max(v6) > MOST_TOGETHER)
            .then(|| format!("together they hold more than a quarter of the {family} addresses in use"))
    })
}

/// Whether two ranges have an address in common; one holds the other then.
fn overlap(one: &IpNet, other: &IpNet) -> bool {
    one.contains(other) || other.contains(one)
}

/// Whether a pattern fits a user agent, as the judge sees it.
fn fits(pattern: &str, user_agent: &str) -> bool {
    let target = ListTarget::UserAgent(pattern.to_owned());
    let lists = Lists::compile([&ListEntry { action: ListAction::Deny, target, expires_ms: 0 }]);
    let facts = RequestFacts { user_agent: user_agent.as_bytes(), ..RequestFacts::default() };
    lists.find(&facts, b"", &HashKey::from_bytes([0; 16]), 0).is_some()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn told(action: ListAction, kind: ListKind, value: &str) -> String {
        let entry = NewListEntry {
            action,
            kind,
            value: value.to_owned(),
            reason: String::new(),
            author: String::new(),
            expires_ms: 0,
        };
        let proxies = ["203.0.113.16/28", "2001:db8:5::/48"].map(|proxy| proxy.parse().expect("a range"));
        caution(&entry, &proxies).unwrap_or_default()
    }

    #[test]
    fn what_would_shut_out_everybody_needs_force() {
        use ListKind::*;
        for (kind, value, expected) in [
            (Range, "0.0.0.0/0", "whole Internet"),
            (Range, "::/0", "whole Internet"),
            (Range, "8.0.0.0/7", "wider than a /8"),
            (Range, "2000::/15", "wider than a /16"),
            (Range, "8.0.0.0/8", ""),
            (Range, "2a00::/16", ""),
            (Range, "203.0.113.0/24", "trusted proxy 203.0.113.16/28"),
            (Address, "203.0.113.17", "trusted proxy 203.0.113.16/28"),
            (Address, "203.0.113.1", ""),
            (Address, "2001:db8:5::9", "trusted proxy 2001:db8:5::/48"),
            (Address, "127.0.0.1", "127.0.0.0/8"),
            (Address, "::1", "::/127"),
            (Address, "192.168.7.7", "192.168.0.0/16"),
            (Range, "fd00::/64", "fc00::/7"),
            (Range, "172.0.0.0/8", "172.16.0.0/12"),
            (UserAgent, "*", "many user agents"),
            (UserAgent, "*a*", "many user agents"),
            (UserAgent, "Mozilla", "ordinary browsers"),
            (UserAgent, "mozilla/*Safari/*", "ordinary browsers"),
            (UserAgent, "Safari/*", ""),
            (UserAgent, "Firefox/", "ordinary browsers"),
            (UserAgent, "Firefox/2.0", ""),
            (UserAgent, "macintosh", "ordinary browsers"),
            (UserAgent, "BadBot", ""),
            (Path, "/", "every visitor"),
            (Path, "/*", "every visitor"),
            (Path, "/a*", ""),
            (Session, "hash:0000000000000000", ""),
        ] {
            let told = told(ListAction::Deny, kind, value);
            assert!(told.contains(expected) && told.is_empty() == expected.is_empty(), "{value}: {told}");
        }
    }

    #[test]
    fn many_ranges_together_need_force_too() {
        let together = |nets: Vec<String>| {
            let entry = |value: String| NewListEntry {
                action: ListAction::Deny,
                kind: ListKind::Range,
                value,
                reason: String::new(),
                author: String::new(),
                expires_ms: 0,
            };
            caution_together(&nets.into_iter().map(entry).collect::<Vec<_>>()).unwrap_or_default()
        };
        let v4 = |count: u32| (0..count).map(|n| format!("{n}.0.0.0/8")).collect::<Vec<_>>();
        assert_eq!(together(v4(64)), "");
        assert!(together(v4(65)).contains("a quarter of the IPv4 addresses"));
        let v6 = |count: u32| (0..count).map(|n| format!("{:x}::/16", 0x2000 + n)).collect::<Vec<_>>();
        assert_eq!(together(v6(2048)), "");
        assert!(together(v6(2049)).contains("a quarter of the IPv6 addresses"));
        let nested = (0..100).map(|n| format!("8.{n}.0.0/16")).chain(["8.0.0.0/8".to_owned()]);
        assert_eq!(together(nested.collect()), "", "the same addresses count once");
    }

    #[test]
    fn proxies_may_be_allowed_but_not_everybody() {
        for (kind, value) in [(ListKind::Address, "203.0.113.17"), (ListKind::Range, "10.0.0.0/8")] {
            assert_eq!(told(ListAction::Allow, kind, value), "");
        }
        assert!(told(ListAction::Allow, ListKind::Range, "0.0.0.0/0").contains("whole Internet"));
        assert!(told(ListAction::Allow, ListKind::UserAgent, "Mozilla").contains("ordinary browsers"));
    }
}
