//! `fetch:` — how the control plane fetches what the Internet publishes: lists of ranges, answers of providers.

use ipnet::IpNet;
use sallyport_core::{RangeError, read_range};
use serde::Deserialize;

/// Limits of outgoing HTTP.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct FetchConfig {
    /// Hosts that may stand for addresses of this machine or of private networks, as they stand in URLs, with or
    /// without a port: names, addresses, and ranges of them; `*` for all. A name that leads to an address needs to be
    /// named itself. Default: none.
    pub allow_private: Vec<String>,
    /// How long a connection may take to be made, TLS included, in milliseconds. Default: 5000.
    pub connect_timeout_ms: u32,
    /// How long an answer may take from asking to its last byte, in seconds, unless something shorter is said where
    /// it is asked for. Default: 60.
    pub timeout_s: u32,
    /// An HTTP proxy such as `http://proxy.example:3128`; it resolves names then, and has to refuse private addresses
    /// itself. Default: none; the variables of the environment that name one are passed over.
    pub proxy: String,
}

impl Default for FetchConfig {
    fn default() -> Self {
        Self { allow_private: Vec::new(), connect_timeout_ms: 5000, timeout_s: 60, proxy: String::new() }
    }
}

impl FetchConfig {
    pub(super) fn problems(&self) -> Vec<(&'static str, String)> {
        let mut problems = Vec::new();
        if !(10..=60_000).contains(&self.connect_timeout_ms) {
            problems.push((
                "fetch.connect_timeout_ms",
                format!("{}: write 10 to 60000", self.connect_timeout_ms),
            ));
        }
        if !(1..=3600).contains(&self.timeout_s) {
            problems.push(("fetch.timeout_s", format!("{}: write 1 to 3600", self.timeout_s)));
        }
        let faults = self.allow_private.iter().filter_map(|text| PrivateHost::read(text).err());
        problems.extend(faults.map(|fault| ("fetch.allow_private", fault)));
        let plain = |proxy: &str| {
            reqwest::Url::parse(proxy).is_ok_and(|url| {
                matches!(url.scheme(), "http" | "https") && url.has_host() && url.username().is_empty()
            })
        };
        if !self.proxy.is_empty() && !plain(&self.proxy) {
            let message = "write a URL without a name and password, such as http://proxy.example:3128";
            problems.push(("fetch.proxy", message.to_owned()));
        }
        problems
    }
}

/// Who may have a private address: an entry of `fetch.allow_private`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum PrivateHost {
    /// Everybody.
    All,
    /// Addresses as they stand in URLs, at one port or at any.
    Net(IpNet, Option<u16>),
    /// A name in lower case, at one port or at any.
    Name(String, Option<u16>),
}

impl PrivateHost {
    /// Reads an entry.
    ///
    /// # Errors
    /// What is wrong and what to write instead.
    pub fn read(text: &str) -> Result<Self, String> {
        if text == "*" {
            return Ok(Self::All);
        }
        let fault = |why: &dyn std::fmt::Display| format!("`{text}` {why}");
        let hosts = || {
            fault(
                &"is no host; write one such as lists.internal, 10.0.0.5, 10.0.0.0/8, [fd00::5]:8443, or * for all",
            )
        };
        let port = |port: &str| match port.parse::<u16>() {
            Ok(number) if number > 0 && port.bytes().all(|digit| digit.is_ascii_digit()) => Ok(Some(number)),
            _ => Err(fault(&"has no port from 1 to 65535 after its last `:`")),
        };
        let net =
            |text: &str, port| read_range(text).map(|net| Self::Net(net, port)).map_err(|why| fault(&why));
        if let Some(rest) = text.strip_prefix('[') {
            let (address, behind) =
                rest.split_once(']').filter(|(inside, _)| inside.contains(':')).ok_or_else(hosts)?;
            return match behind.strip_prefix(':') {
                Some(number) => net(address, port(number)?),
                None if behind.is_empty() => net(address, None),
                None => Err(hosts()),
            };
        }
        if read_range(text) != Err(RangeError::NoAddress) {
            return net(text, None);
        }
        if text.contains(['/', '@', '[', ']', '%']) || text.contains(char::is_whitespace) {
            return Err(hosts());
        }
        let (host, port) = match text.rsplit_once(':') {
            Some((host, number)) => (host, port(number)?),
            None => (text, None),
        };
        if read_range(host) != Err(RangeError::NoAddress) {
            return net(host, port);
        }
        if host.is_empty() || host.contains(':') {
            return Err(hosts());
        }
        Ok(Self::Name(host.to_ascii_lowercase(), port))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hosts_are_names_addresses_and_ranges_with_or_without_a_port() {
        let net = |text: &str, port| Ok(PrivateHost::Net(text.parse().expect("a range"), port));
        let name = |text: &str, port| Ok(PrivateHost::Name(text.to_owned(), port));
        for (text, expected) in [
            ("*", Ok(PrivateHost::All)),
            ("Lists.internal", name("lists.internal", None)),
            ("lists.internal:8443", name("lists.internal", Some(8443))),
            ("10.0.0.5", net("10.0.0.5/32", None)),
            ("10.0.0.5:80", net("10.0.0.5/32", Some(80))),
            ("10.0.0.0/8", net("10.0.0.0/8", None)),
            ("::ffff:10.0.0.0/104", net("10.0.0.0/8", None)),
            ("[::ffff:10.0.0.5]:80", net("10.0.0.5/32", Some(80))),
            ("fd00::5", net("fd00::5/128", None)),
            ("[FD00:0::5]", net("fd00::5/128", None)),
            ("[fd00::5]:8443", net("fd00::5/128", Some(8443))),
        ] {
            assert_eq!(PrivateHost::read(text), expected, "{text}");
        }
        for (text, told) in [
            ("", "is no host"),
            ("https://lists.internal", "is no host"),
            ("https://lists.internal:80", "is no host"),
            ("me@lists.internal", "is no host"),
            ("lists internal", "is no host"),
            ("[fd00::5", "is no host"),
            ("[10.0.0.5]:80", "is no host"),
            ("[fd00::5]80", "is no host"),
            ("lists.internal:0", "no port from 1 to 65535"),
            ("lists.internal:+80", "no port from 1 to 65535"),
            ("10.0.0.5/8", "write 10.0.0.0/8 for the range"),
            ("010.0.0.5:80", "write 10.0.0.5"),
            ("[fe80::1%eth0]:80", "write fe80::1"),
        ] {
            let fault = PrivateHost::read(text).expect_err(text);
            assert!(fault.contains(told), "{text}: {fault}");
        }
    }
}
