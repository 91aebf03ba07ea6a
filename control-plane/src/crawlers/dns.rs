//! Forward-confirmed reverse DNS: the name of an address, below a domain that the operator owns, that leads back to
//! the address. Who owns an address chooses its name freely, so names are hostile input; only their way back counts.

use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use hickory_resolver::TokioResolver;
use hickory_resolver::config::{
    ConnectionConfig, NameServerConfig, ResolveHosts, ResolverConfig, ResolverOpts,
};
use hickory_resolver::lookup::Lookup;
use hickory_resolver::net::runtime::TokioRuntimeProvider;
use hickory_resolver::net::{DnsError, NetError};
use hickory_resolver::proto::op::ResponseCode;
use hickory_resolver::proto::rr::{Name, RData, RecordType};

use crate::config::CrawlersConfig;

/// Records of an answer that are looked at; a crawler's address has one name, and the name one address.
const RECORDS_READ: usize = 100;

/// Names below the operator's domains that are followed.
const NAMES_FOLLOWED: usize = 3;

/// A lookup in both directions takes at most this many times as long as one query may.
const QUERIES_LONG: u32 = 3;

/// What the names of an address say.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Confirmation {
    /// A name of the operator leads back to the address; which.
    Confirmed(String),
    /// The address has a name, and is not the operator's; why.
    Refuted(String),
    /// DNS has answered, but nothing that would tell whose the address is; why. It may lack a name, or have too many.
    Unsettled(String),
    /// DNS could not be asked; why. It says nothing about the address.
    Trouble(String),
}

/// Who is asked.
pub(super) struct Dns {
    resolver: TokioResolver,
    longest: Duration,
}

impl Dns {
    /// Asks the configured name servers, else the system's.
    ///
    /// # Errors
    /// When the system's configuration cannot be read.
    pub(super) fn new(config: &CrawlersConfig) -> Result<Self, NetError> {
        let provider = TokioRuntimeProvider::default();
        let mut builder = if config.nameservers.is_empty() {
            TokioResolver::builder(provider)?
        } else {
            let servers = config.nameservers.iter().copied().map(name_server).collect();
            let servers = ResolverConfig::from_parts(None, Vec::new(), servers);
            TokioResolver::builder_with_config(servers, provider)
        };
        let timeout = Duration::from_millis(config.timeout_ms.into());
        set(builder.options_mut(), timeout, config.lookups);
        Ok(Self { resolver: builder.build()?, longest: timeout * QUERIES_LONG })
    }

    /// Whether one of the address's names lies below one of `suffixes` (each from a dot on) and leads back to it.
    pub(super) async fn confirm(&self, ip: IpAddr, suffixes: &[&str]) -> Confirmation {
        match tokio::time::timeout(self.longest, self.look(ip, suffixes)).await {
            Ok(confirmation) => confirmation,
            Err(_) => Confirmation::Trouble("the name servers took too long".to_owned()),
        }
    }

    async fn look(&self, ip: IpAddr, suffixes: &[&str]) -> Confirmation {
        let pointers = match answered(self.resolver.reverse_lookup(ip).await) {
            Ok(pointers) => pointers,
            Err(trouble) => {
                return Confirmation::Trouble(format!("the name of {ip} cannot be asked for: {trouble}"));
            }
        };
        let names = names(pointers.as_ref());
        let Some(first) = names.first() else {
            return Confirmation::Unsettled(format!("{ip} has no name"));
        };
        let mut trouble = None;
        let mut followed = Vec::new();
        let mut below = names.iter().filter(|name| lies_below(name, suffixes));
        for name in below.by_ref().take(NAMES_FOLLOWED) {
            match answered(self.forward(name, ip).await) {
                Ok(Some(answer)) if leads_to(&answer, ip) => {
                    return Confirmation::Confirmed(format!(
                        "{ip} is {}, which leads back to it",
                        shown(name)
                    ));
                }
                Ok(Some(answer)) if is_long(&answer) => {
                    trouble = Some(format!("{} has too many addresses to read", shown(name)));
                }
                Ok(_) => followed.push(shown(name)),
                Err(error) => trouble = Some(format!("{} cannot be followed: {error}", shown(name))),
            }
        }
        if let Some(trouble) = trouble {
            return Confirmation::Trouble(trouble);
        }
        // Who has a name that was not looked at may be the crawler by that one.
        if below.next().is_some() || pointers.as_ref().is_some_and(is_long) {
            return Confirmation::Unsettled(format!("{ip} has too many names to follow"));
        }
        Confirmation::Refuted(match followed.first() {
            Some(name) => format!("{name} does not lead back to {ip}"),
            None => {
                format!("{ip} is {}, which is not below {}", shown(first), suffixes.join(" or "))
            }
        })
    }

    async fn forward(&self, name: &Name, ip: IpAddr) -> Result<Lookup, NetError> {
        let kind = if ip.is_ipv4() { RecordType::A } else { RecordType::AAAA };
        self.resolver.lookup(name.clone(), kind).await
    }
}

fn name_server(address: SocketAddr) -> NameServerConfig {
    let [mut udp, mut tcp] = [ConnectionConfig::udp(), ConnectionConfig::tcp()];
    (udp.port, tcp.port) = (address.port(), address.port());
    NameServerConfig::new(address.ip(), true, vec![udp, tcp])
}

fn set(options: &mut ResolverOpts, timeout: Duration, lookups: u32) {
    options.timeout = timeout;
    // A query is sent again within its time where no answer comes.
    options.attempts = 0;
    // What was found out is remembered by the verifier, for its own times.
    options.cache_size = 0;
    options.use_hosts_file = ResolveHosts::Never;
    options.max_active_requests = options.max_active_requests.max(lookups as usize);
}

/// Tells that there is nothing, which is an answer, from not having been answered.
fn answered(result: Result<Lookup, NetError>) -> Result<Option<Lookup>, String> {
    match result {
        Ok(lookup) => Ok(Some(lookup)),
        // A server that only names other servers does not look for us.
        Err(NetError::Dns(DnsError::NoRecordsFound(none)))
            if matches!(none.response_code, ResponseCode::NXDomain | ResponseCode::NoError)
                && (none.ns.is_none() || none.soa.is_some()) =>
        {
            Ok(None)
        }
        Err(NetError::Dns(DnsError::NoRecordsFound(none))) => Err(format!("answer {}", none.response_code)),
        Err(error) => Err(error.to_string()),
    }
}

/// The names that pointers lead to, whole and in lower case, each once.
fn names(pointers: Option<&Lookup>) -> Vec<Name> {
    let mut names: Vec<Name> = Vec::new();
    for record in pointers.iter().flat_map(|lookup| lookup.answers()).take(RECORDS_READ) {
        if let RData::PTR(pointer) = &record.data {
            let mut name = pointer.0.to_lowercase();
            name.set_fqdn(true);
            if !names.contains(&name) {
                names.push(name);
            }
        }
    }
    names
}

/// Whether a name lies below one of the domains, at the border of a label.
fn lies_below(name: &Name, suffixes: &[&str]) -> bool {
    suffixes.iter().any(|suffix| {
        let domain = Name::from_ascii(suffix.trim_start_matches('.'));
        domain.is_ok_and(|mut domain| {
            domain.set_fqdn(true);
            domain.zone_of(name) && name.num_labels() > domain.num_labels()
        })
    })
}

/// Whether an answer has more records than are read.
fn is_long(answer: &Lookup) -> bool {
    answer.answers().len() > RECORDS_READ
}

fn leads_to(answer: &Lookup, ip: IpAddr) -> bool {
    answer.answers().iter().take(RECORDS_READ).any(|record| match (&record.data, ip) {
        (RData::A(found), IpAddr::V4(ip)) => found.0 == ip,
        (RData::AAAA(found), IpAddr::V6(ip)) => found.0 == ip,
        _ => false,
    })
}

/// A name for people: what is not printable is escaped, and it is short.
fn shown(name: &Name) -> String {
    let text = name.to_ascii();
    let text = text.trim_end_matches('.');
    text.chars().take(100).collect()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn a_name_lies_below_a_domain_by_whole_labels(
            labels in prop::collection::vec(prop_oneof![Just("googlebot"), Just("com"), Just("GoogleBot"), Just("a.googlebot"), Just("x")], 0..5),
        ) {
            let mut name = Name::from_labels(labels.iter().map(|label| label.as_bytes())).expect("a name").to_lowercase();
            name.set_fqdn(true);
            let labels: Vec<_> = labels.iter().map(|label| label.to_ascii_lowercase()).collect();
            let expected = labels.len() > 2 && labels.ends_with(&["googlebot".to_owned(), "com".to_owned()]);
            prop_assert_eq!(lies_below(&name, &[".googlebot.com"]), expected);
        }
    }

    #[test]
    fn a_suffix_counts_at_the_border_of_a_label() {
        let below = |name: &str| {
            let mut name = Name::from_ascii(name).expect("a name").to_lowercase();
            name.set_fqdn(true);
            lies_below(&name, &[".googlebot.com", ".google.com"])
        };
        assert!(below("crawl-66-249-66-1.googlebot.com."));
        assert!(below("geo-crawl-1.geo.GoogleBot.Com"));
        for name in [
            "evil-googlebot.com",
            "googlebot.com",
            "crawl.googlebot.com.evil.example",
            "com",
            ".",
            "agooglebot.com",
        ] {
            assert!(!below(name), "{name}");
        }
    }

    #[test]
    fn a_dot_within_a_label_is_no_border() {
        let mut name = Name::from_labels([&b"crawl.googlebot.com"[..], b"evil", b"example"]).expect("a name");
        name.set_fqdn(true);
        assert!(!lies_below(&name, &[".googlebot.com"]));
        let mut name = Name::from_labels([&b"a"[..], b"x.googlebot", b"com"]).expect("a name");
        name.set_fqdn(true);
        assert!(!lies_below(&name, &[".googlebot.com"]), "{}", shown(&name));
    }
}
