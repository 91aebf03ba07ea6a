//! W3C extended logs, as IIS and CloudFront write them: `#Fields:` says what the columns are, anew wherever it stands.

use std::borrow::Cow;

use sallyport_core::Unknown;

use super::client::Way;
use super::{dash, status, time};
use crate::replay::line::{LineError, LogLine, Text};

/// A column that says something here.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Column {
    Date,
    Time,
    Ip,
    ForwardedFor,
    Method,
    Path,
    Query,
    Host,
    UserAgent,
    Referer,
    Status,
}

const NAMES: &[(&str, Column)] = &[
    ("date", Column::Date),
    ("time", Column::Time),
    ("c-ip", Column::Ip),
    ("x-forwarded-for", Column::ForwardedFor),
    ("cs(x-forwarded-for)", Column::ForwardedFor),
    ("cs-method", Column::Method),
    ("cs-uri-stem", Column::Path),
    ("cs-uri-query", Column::Query),
    ("x-host-header", Column::Host),
    ("cs-host", Column::Host),
    ("cs(host)", Column::Host),
    ("cs(user-agent)", Column::UserAgent),
    ("cs(referer)", Column::Referer),
    ("sc-status", Column::Status),
];

/// The columns of a log, in order.
#[derive(Default)]
pub(super) struct Columns(Vec<Option<Column>>);

impl Columns {
    /// Takes in a line of directives, whichever it is; whether it is one.
    pub(super) fn directive(&mut self, line: &[u8]) -> bool {
        if let Some(names) = line.strip_prefix(b"#Fields:") {
            let column = |name: &[u8]| {
                NAMES.iter().find(|(known, _)| name.eq_ignore_ascii_case(known.as_bytes())).map(|(_, c)| *c)
            };
            self.0 =
                names.split(u8::is_ascii_whitespace).filter(|name| !name.is_empty()).map(column).collect();
        }
        line.starts_with(b"#")
    }

    /// Reads a line of values.
    pub(super) fn parse<'a>(&self, line: &'a [u8], trusted_hops: usize) -> Result<LogLine<'a>, LineError> {
        if self.0.is_empty() {
            return Err(LineError::Columns);
        }
        let is_tabbed = line.contains(&b'\t');
        let values: Vec<&[u8]> = line.split(|&byte| byte == if is_tabbed { b'\t' } else { b' ' }).collect();
        match values.len() {
            many if many > self.0.len() => return Err(LineError::Forged),
            few if few < self.0.len() => return Err(LineError::Missing("a column")),
            _ => {}
        }
        let find = |wanted| {
            let at = self.0.iter().position(|column| *column == Some(wanted))?;
            values.get(at).map(|value| dash(value))
        };
        let needed = |wanted, what| find(wanted).filter(|v| !v.is_empty()).ok_or(LineError::Missing(what));
        let text = |wanted| find(wanted).map(|value| spaced(value, is_tabbed));
        let moment =
            [needed(Column::Date, "the date")?, b"T", needed(Column::Time, "the time")?, b"Z"].concat();
        let path = needed(Column::Path, "the path")?;
        let (user_agent, referer) = (text(Column::UserAgent), text(Column::Referer));
        let (forwarded, peer) = (text(Column::ForwardedFor).unwrap_or_default(), find(Column::Ip));
        let client = Way { forwarded: &forwarded, peer: peer.unwrap_or_default() }.client(trusted_hops)?;
        Ok(LogLine {
            address: client.address,
            by_name: client.by_name,
            time_ms: time::rfc3339(&moment).ok_or(LineError::Time)?,
            method: Cow::Borrowed(needed(Column::Method, "the method")?),
            target: match find(Column::Query).filter(|query| !query.is_empty()) {
                Some(query) => Cow::Owned([path, b"?", query].concat()),
                None => Cow::Borrowed(path),
            },
            authority: find(Column::Host).unwrap_or_default().into(),
            unknown: Unknown { user_agent: user_agent.is_none(), referer: referer.is_none() },
            user_agent: user_agent.unwrap_or_default(),
            referer: referer.unwrap_or_default(),
            status: find(Column::Status).map(status).transpose()?,
            ..LogLine::default()
        })
    }
}

/// A value with its spaces: IIS writes `+` for one, CloudFront `%20`, once `%2520`.
fn spaced(value: &[u8], is_tabbed: bool) -> Text<'_> {
    if !value.iter().any(|byte| b"+%".contains(byte)) {
        return Cow::Borrowed(value);
    }
    let mut text: Vec<u8> = match is_tabbed {
        true => unpercent(value),
        false => {
            unpercent(&value.iter().map(|byte| if *byte == b'+' { b' ' } else { *byte }).collect::<Vec<_>>())
        }
    };
    if text.windows(3).any(|bytes| bytes == b"%20") {
        text = unpercent(&text);
    }
    Cow::Owned(text)
}

fn unpercent(text: &[u8]) -> Vec<u8> {
    super::scan::decode(text, b'%')
}
