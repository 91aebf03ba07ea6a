//! Files of values as people have them: one a line, addresses in any of the forms that feeds and servers write. What
//! cannot be read is refused with its line; without a kind nothing is taken for a user agent.

use std::borrow::Cow;

use ipnet::{IpNet, Ipv4Subnets, Ipv6Subnets};
use sallyport_core::{RangeError, read_range};
use serde::Deserialize;

use super::MOST_AT_ONCE;
use super::value::{of_net, shown};
use crate::store::{ListAction, ListKind};

/// Faults that are told one by one.
const MOST_FAULTS: usize = 100;

/// What the first column of addresses is called where a table says so in its first line.
const HEADINGS: [&str; 14] = [
    "addr",
    "address",
    "cidr",
    "ip",
    "ip address",
    "ip_address",
    "ip_range",
    "ipaddress",
    "netblock",
    "network",
    "prefix",
    "range",
    "src_ip",
    "subnet",
];

/// A value, and the line that it stood in, from 1.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct FileValue {
    pub(super) line: usize,
    pub(super) value: String,
}

/// Reads the values of a file for a list. Blank lines and comments (`#`, `;`) are passed over, a byte order mark and the
/// ends of lines of any system as well. Of no kind, or of addresses and ranges, a line may be `203.0.113.0/24`,
/// `203.0.113.0 - 203.0.113.255`, either with a comment behind `#` or `;` or with more columns behind `,`, `;` or a tab,
/// or `deny 203.0.113.7;`, or `{"cidr":"203.0.113.0/24"}` with what else Spamhaus says; of no kind, also a path. Of any
/// other kind the whole line is the value, up to ` #`.
///
/// # Errors
/// What is wrong, each with its line: the first hundred, and how many more there are.
pub(super) fn read(
    bytes: &[u8],
    action: ListAction,
    kind: Option<ListKind>,
) -> Result<Vec<FileValue>, Vec<String>> {
    if bytes.starts_with(b"\xff\xfe") || bytes.starts_with(b"\xfe\xff") {
        return Err(vec!["1: is UTF-16; save it as UTF-8".to_owned()]);
    }
    let bytes = bytes.strip_prefix(b"\xef\xbb\xbf").unwrap_or(bytes);
    let (mut values, mut faults, mut more) = (Vec::new(), Vec::new(), 0_usize);
    let mut is_first = true;
    for (line, bytes) in (1..).zip(bytes.split(|byte| *byte == b'\n')) {
        let bytes = bytes.trim_ascii();
        if bytes.is_empty() || bytes.starts_with(b"#") || bytes.starts_with(b";") {
            continue;
        }
        let read = match str::from_utf8(bytes) {
            Err(_) => Err(format!("`{}` is not UTF-8", shown(&String::from_utf8_lossy(bytes)))),
            Ok(text) if is_first && kind.is_none_or(is_net) && is_heading(text) => Ok(Vec::new()),
            Ok(text) => values_of(text, action, kind),
        };
        is_first = false;
        match read {
            Ok(read) => values.extend(read.into_iter().map(|value| FileValue { line, value })),
            Err(fault) if faults.len() < MOST_FAULTS => faults.push(format!("{line}: {fault}")),
            Err(_) => more += 1,
        }
        if values.len() > MOST_AT_ONCE {
            let fault = format!("{line}: the file comes to more than {MOST_AT_ONCE} entries; split it up");
            return Err(vec![fault]);
        }
    }
    faults.extend((more > 0).then(|| format!("{more} more lines cannot be read")));
    if faults.is_empty() { Ok(values) } else { Err(faults) }
}

fn is_net(kind: ListKind) -> bool {
    matches!(kind, ListKind::Address | ListKind::Range)
}

/// The values of a line that is no comment.
fn values_of(text: &str, action: ListAction, kind: Option<ListKind>) -> Result<Vec<String>, String> {
    if !kind.is_none_or(is_net) || (kind.is_none() && text.starts_with('/')) {
        let comment = text.match_indices('#').map(|(at, _)| at);
        let mut comment = comment.filter(|at| text[..*at].ends_with(char::is_whitespace));
        return Ok(vec![comment.next().map_or(text, |at| &text[..at]).trim().to_owned()]);
    }
    let nets = nets(text, action).map_err(|fault| {
        let hint = "; of user agents, sessions and fingerprints say the --kind";
        let hint = if kind.is_none() && fault == RangeError::NoAddress.to_string() { hint } else { "" };
        format!("`{}` {fault}{hint}", shown(text))
    })?;
    Ok(nets.into_iter().map(|net| of_net(net).1).collect())
}

/// The ranges of a line of a feed, a table or a server's configuration.
fn nets(text: &str, action: ListAction) -> Result<Vec<IpNet>, String> {
    if text.starts_with('{') {
        return of_json(text);
    }
    let text = text.split('#').next().unwrap_or_default().trim();
    if let Some((says, rest)) = directive(text) {
        if says != action {
            let (says, action) = (says.name(), action.name());
            return Err(format!("is of an {says} list and would come on the {action} list; take it out"));
        }
        let (net, behind) = rest.split_once(';').unwrap_or((rest, ""));
        if !behind.trim().is_empty() {
            return Err("goes on behind its `;`; write one entry a line".to_owned());
        }
        return span(net);
    }
    let mut columns = text.split([',', ';', '\t']).map(bare);
    let first = columns.next().unwrap_or_default();
    if columns.next().is_some_and(|second| !matches!(read_range(second), Err(RangeError::NoAddress))) {
        return Err("has two addresses; write first-last for what lies between them, or two lines".to_owned());
    }
    span(first)
}

/// What is read of a line of JSON.
#[derive(Deserialize)]
struct JsonLine<'a> {
    #[serde(borrow)]
    cidr: Option<Cow<'a, str>>,
    #[serde(borrow, rename = "type")]
    kind: Option<Cow<'a, str>>,
}

/// The range of a line of JSON; one of metadata, the last of a feed, has none.
fn of_json(text: &str) -> Result<Vec<IpNet>, String> {
    match serde_json::from_str(text) {
        Ok(JsonLine { cidr: Some(net), .. }) => span(&net),
        Ok(JsonLine { kind: Some(kind), .. }) if kind == "metadata" => Ok(Vec::new()),
        Ok(_) => Err("has no `cidr`; write {\"cidr\":\"203.0.113.0/24\"}".to_owned()),
        Err(_) => Err("is no object of JSON; write one a line".to_owned()),
    }
}

/// What `deny x;` of nginx and `Deny from x` of Apache say, and of whom.
fn directive(text: &str) -> Option<(ListAction, &str)> {
    let (word, rest) = text.split_once(char::is_whitespace)?;
    let action = ListAction::from_name(&word.to_ascii_lowercase())?;
    let rest = rest.trim_start();
    let from = rest.split_once(char::is_whitespace).filter(|(word, _)| word.eq_ignore_ascii_case("from"));
    Some((action, from.map_or(rest, |(_, rest)| rest)))
}

/// A range, or the ranges that an `a-b` is made up of.
fn span(text: &str) -> Result<Vec<IpNet>, String> {
    let Some((first, last)) = text.split_once('-') else {
        return read_range(text).map(|net| vec![net]).map_err(|error| error.to_string());
    };
    let end = |text: &str| match read_range(text) {
        Ok(net) if net.prefix_len() == net.max_prefix_len() => Ok(net),
        Ok(_) => Err("has a range on a side of its `-`; write an address on each".to_owned()),
        Err(RangeError::NoAddress) => Err(RangeError::NoAddress.to_string()),
        Err(error) => Err(format!("has a side of its `-` that {error}")),
    };
    let (first, last) = (end(first)?, end(last)?);
    match (first, last) {
        (IpNet::V4(first), IpNet::V4(last)) if first.addr() <= last.addr() => {
            Ok(Ipv4Subnets::new(first.addr(), last.addr(), 0).map(IpNet::V4).collect())
        }
        (IpNet::V6(first), IpNet::V6(last)) if first.addr() <= last.addr() => {
            Ok(Ipv6Subnets::new(first.addr(), last.addr(), 0).map(IpNet::V6).collect())
        }
        (IpNet::V4(_), IpNet::V4(_)) | (IpNet::V6(_), IpNet::V6(_)) => {
            Err(format!("ends before it begins; write {}-{}", last.addr(), first.addr()))
        }
        _ => Err("goes from IPv4 to IPv6; write the ranges of each in lines of their own".to_owned()),
    }
}

/// A column without its quotes.
fn bare(column: &str) -> &str {
    column.trim().trim_matches('"').trim()
}

fn is_heading(text: &str) -> bool {
    let column = text.split([',', ';', '\t']).map(bare).next().unwrap_or_default().to_ascii_lowercase();
    HEADINGS.contains(&column.as_str())
}

#[cfg(test)]
#[path = "file_tests.rs"]
mod tests;
