//! What providers publish, in each of their formats, as a list of ranges. Any bytes give a list or an error: half a
//! list, a page that says «try again later», or one entry that cannot be read, and nothing of it is used.

use ipnet::IpNet;
use sallyport_core::{RangeError, read_range};
use serde::Deserialize;

/// The most entries that one list may have; the longest that is published, that of iCloud Private Relay, has 290,000.
pub const MOST: usize = 500_000;

/// How a list is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Format {
    /// AWS: `prefixes[].ip_prefix` and `ipv6_prefixes[].ipv6_prefix`.
    Aws,
    /// Azure's service tags: `addressPrefixes` of the value `AzureCloud`, of all values where there is none. Their name
    /// changes each week: where the URL gives the page that links to it, the link is followed.
    Azure,
    /// The first column of lines with commas, `#` begins a comment: geofeeds (RFC 8805).
    Csv,
    /// Fastly: `addresses[]` and `ipv6_addresses[]`.
    Fastly,
    /// Oracle: `regions[].cidrs[].cidr`.
    Oracle,
    /// Google, Bing, OpenAI and most operators of crawlers: `prefixes[].ipv4Prefix` and `prefixes[].ipv6Prefix`.
    Prefixes,
    /// A range or address per line, `#` begins a comment.
    Text,
}

/// A list that was read.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct List {
    /// The ranges, sorted, each once. They may overlap: the longest prefix counts.
    pub nets: Vec<IpNet>,
    /// How many had bits set beyond their prefix, which were cleared: 10.0.0.1/8 is 10.0.0.0/8.
    pub cleared: usize,
    /// How many stood there again.
    pub duplicates: usize,
}

/// Why a list is of no use.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ParseError {
    /// Something for people.
    #[error("is an HTML or XML page, not a list of ranges")]
    Page,
    /// No JSON, or not with the fields it should have.
    #[error("is not the JSON that was expected: {0}")]
    Json(String),
    /// Not even text.
    #[error("is not text")]
    Binary,
    /// An entry that is no range.
    #[error("entry {number}, `{text}`, {why}")]
    Entry {
        /// Which one, from 1; in text its line.
        number: usize,
        /// Its beginning.
        text: String,
        /// What is wrong with it.
        why: RangeError,
    },
    /// A range that no provider has.
    #[error("the range {0} is wider than any provider's: at most /8 of IPv4 and /16 of IPv6")]
    TooWide(IpNet),
    /// Nothing in it.
    #[error("holds no range")]
    Empty,
    /// More than can be used.
    #[error("holds more than {MOST} entries")]
    TooMany,
}

/// Reads a list.
///
/// # Errors
/// See [`ParseError`].
pub fn parse(format: Format, bytes: &[u8]) -> Result<List, ParseError> {
    let bytes = bytes.strip_prefix(b"\xef\xbb\xbf").unwrap_or(bytes);
    if is_page(bytes) {
        return Err(ParseError::Page);
    }
    match format {
        Format::Aws => {
            let Aws { prefixes, ipv6_prefixes } = json(bytes)?;
            let v6 = ipv6_prefixes.into_iter().map(|prefix| prefix.ipv6_prefix);
            collect(prefixes.into_iter().map(|prefix| prefix.ip_prefix).chain(v6))
        }
        Format::Azure => {
            let Azure { mut values } = json(bytes)?;
            if let Some(cloud) = values.iter().position(|value| value.name == "AzureCloud") {
                values = vec![values.swap_remove(cloud)];
            }
            collect(values.into_iter().flat_map(|value| value.properties.address_prefixes))
        }
        Format::Fastly => {
            let Fastly { addresses, ipv6_addresses } = json(bytes)?;
            collect(addresses.into_iter().chain(ipv6_addresses))
        }
        Format::Oracle => {
            let Oracle { regions } = json(bytes)?;
            collect(regions.into_iter().flat_map(|region| region.cidrs).map(|range| range.cidr))
        }
        Format::Prefixes => {
            let Prefixes { prefixes } = json(bytes)?;
            collect(prefixes.into_iter().flat_map(Prefix::entries))
        }
        Format::Csv => {
            lines(bytes, |line| line.split(',').next().unwrap_or_default().trim().trim_matches('"'))
        }
        Format::Text => lines(bytes, str::trim),
    }
}

/// Whether it begins like something for people.
pub(super) fn is_page(bytes: &[u8]) -> bool {
    bytes.trim_ascii_start().starts_with(b"<")
}

fn json<'a, T: Deserialize<'a>>(bytes: &'a [u8]) -> Result<T, ParseError> {
    serde_json::from_slice(bytes)
        .map_err(|error| ParseError::Json(error.to_string().chars().take(200).collect()))
}

fn lines(bytes: &[u8], entry: impl Fn(&str) -> &str) -> Result<List, ParseError> {
    let text = str::from_utf8(bytes).map_err(|_| ParseError::Binary)?;
    let entries = text.lines().map(|line| entry(line.split('#').next().unwrap_or_default()));
    numbered(entries.enumerate().filter(|(_, entry)| !entry.is_empty()))
}

fn collect(entries: impl Iterator<Item = String>) -> Result<List, ParseError> {
    numbered(entries.enumerate())
}

fn numbered(entries: impl Iterator<Item = (usize, impl AsRef<str>)>) -> Result<List, ParseError> {
    let mut list = List::default();
    for (number, text) in entries {
        let text = text.as_ref();
        let (net, cleared) = match read_range(text) {
            Ok(net) => (net, false),
            // Whoever fetches a list cannot put it right, and the range is what is published.
            Err(RangeError::HostBits { range, .. }) => (range, true),
            Err(why) => {
                let text = text.chars().take(60).collect();
                return Err(ParseError::Entry { number: number + 1, text, why });
            }
        };
        let widest = if matches!(net, IpNet::V4(_)) { 8 } else { 16 };
        if net.prefix_len() < widest {
            return Err(ParseError::TooWide(net));
        }
        list.cleared += usize::from(cleared);
        list.nets.push(net);
        if list.nets.len() > MOST {
            return Err(ParseError::TooMany);
        }
    }
    if list.nets.is_empty() {
        return Err(ParseError::Empty);
    }
    list.nets.sort_unstable();
    list.duplicates = list.nets.len();
    list.nets.dedup();
    list.duplicates -= list.nets.len();
    Ok(list)
}

#[derive(Deserialize)]
struct Aws {
    prefixes: Vec<AwsV4>,
    ipv6_prefixes: Vec<AwsV6>,
}

#[derive(Deserialize)]
struct AwsV4 {
    ip_prefix: String,
}

#[derive(Deserialize)]
struct AwsV6 {
    ipv6_prefix: String,
}

#[derive(Deserialize)]
struct Azure {
    values: Vec<AzureValue>,
}

#[derive(Deserialize)]
struct AzureValue {
    name: String,
    properties: AzureProperties,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct AzureProperties {
    address_prefixes: Vec<String>,
}

#[derive(Deserialize)]
struct Fastly {
    addresses: Vec<String>,
    ipv6_addresses: Vec<String>,
}

#[derive(Deserialize)]
struct Oracle {
    regions: Vec<OracleRegion>,
}

#[derive(Deserialize)]
struct OracleRegion {
    cidrs: Vec<OracleRange>,
}

#[derive(Deserialize)]
struct OracleRange {
    cidr: String,
}

#[derive(Deserialize)]
struct Prefixes {
    prefixes: Vec<Prefix>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Prefix {
    ipv4_prefix: Option<String>,
    ipv6_prefix: Option<String>,
}

impl Prefix {
    /// What it names; an empty text, which is no range, where it names nothing.
    fn entries(self) -> impl Iterator<Item = String> {
        let Self { ipv4_prefix, ipv6_prefix } = self;
        let neither = (ipv4_prefix.is_none() && ipv6_prefix.is_none()).then(String::new);
        ipv4_prefix.into_iter().chain(ipv6_prefix).chain(neither)
    }
}
