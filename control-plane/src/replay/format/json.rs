//! JSON lines: one object a line, its keys mapped by [`KeyMap`], nested objects reached by a dotted path.

use std::borrow::Cow;
use std::collections::HashMap;

use serde_json::{Map, Value};

use super::envoy::nearest;
use super::keys::{Field, KeyMap, normal};
use super::{absolute, address, dash, request, status, time};
use crate::replay::line::{LineError, LogLine, LoggedHeaders, Text};

/// The request headers that must all be logged before the absence of one says anything.
const JUDGED_HEADERS: [Field; 7] = [
    Field::Accept,
    Field::AcceptLanguage,
    Field::AcceptEncoding,
    Field::SecFetchSite,
    Field::SecFetchMode,
    Field::SecFetchDest,
    Field::SecChUa,
];

/// One object; keys that mean nothing here are passed over.
pub(super) fn parse(line: &[u8], keys: &KeyMap) -> Result<LogLine<'static>, LineError> {
    let object: Map<String, Value> = match serde_json::from_slice(line) {
        // nginx's `escape=json` lets bytes through that are not UTF-8.
        Err(_) if std::str::from_utf8(line).is_err() => serde_json::from_str(&String::from_utf8_lossy(line)),
        parsed => parsed,
    }
    .map_err(|error| LineError::Json(without_place(&error)))?;
    let mut found = Found { keys, values: HashMap::new(), all_headers: false, tls: false };
    found.walk(&mut String::new(), object)?;
    found.into_line()
}

/// What is wrong with the text; the line it stands in is the log's, not the text's.
fn without_place(error: &serde_json::Error) -> String {
    let message = error.to_string();
    message.split(" at line 1 ").next().unwrap_or_default().to_owned()
}

/// The values found so far, each with the rank of its key.
struct Found<'k> {
    keys: &'k KeyMap,
    values: HashMap<Field, (u8, String)>,
    /// Whether the log carries all request headers, as Caddy's does.
    all_headers: bool,
    tls: bool,
}

impl Found<'_> {
    fn walk(&mut self, path: &mut String, object: Map<String, Value>) -> Result<(), LineError> {
        let stem = path.len();
        for (key, value) in object {
            path.push_str(&normal(&key));
            match value {
                Value::Object(inner) => {
                    self.all_headers |=
                        matches!(path.as_str(), "headers" | "request.headers" | "request_headers");
                    self.tls |= matches!(path.as_str(), "tls" | "request.tls");
                    path.push('.');
                    self.walk(path, inner)?;
                }
                value => self.take(path, value)?,
            }
            path.truncate(stem);
        }
        Ok(())
    }

    fn take(&mut self, path: &str, value: Value) -> Result<(), LineError> {
        let Some((field, rank)) = self.keys.get(path) else { return Ok(()) };
        if self.values.get(&field).is_some_and(|(best, _)| *best <= rank) {
            return Ok(());
        }
        let text = match value {
            Value::Array(items) => match items.into_iter().next() {
                Some(Value::String(text)) => text,
                _ => return Ok(()),
            },
            Value::String(text) => text,
            Value::Number(number) => number.to_string(),
            Value::Null => String::new(),
            _ => return Err(LineError::JsonType(path.to_owned())),
        };
        self.values.insert(field, (rank, text));
        Ok(())
    }

    fn into_line(mut self) -> Result<LogLine<'static>, LineError> {
        let address = match (self.text(Field::Ip), self.text(Field::ForwardedFor)) {
            (ip, forwarded) if ip.is_empty() => nearest(&forwarded)?,
            (ip, _) => Some(address(&ip).ok_or(LineError::Address)?),
        };
        let time_ms = match self.text(Field::Ts) {
            text if text.is_empty() => return Err(LineError::Missing("the time")),
            text => time::any(&text).ok_or(LineError::Time)?,
        };
        let status = match self.text(Field::Status) {
            text if text.is_empty() => None,
            text => Some(status(&text)?),
        };
        let (method, in_target, target) = self.request()?;
        let host = self.text(Field::Authority);
        Ok(LogLine {
            address,
            time_ms,
            method,
            target,
            authority: if host.is_empty() { in_target } else { host },
            user_agent: self.text(Field::UserAgent),
            referer: self.text(Field::Referer),
            ja4: self.text(Field::Ja4),
            location: self.text(Field::Location),
            status,
            headers: self.headers(),
        })
    }

    /// Method, authority of an absolute target, and path with query.
    fn request(&mut self) -> Result<(Text<'static>, Text<'static>, Text<'static>), LineError> {
        let method = self.text(Field::Method);
        let path = self.text(Field::Path);
        let whole = self.text(Field::Request);
        if method.is_empty() || path.is_empty() {
            if whole.is_empty() {
                return Err(LineError::Missing(if method.is_empty() { "the method" } else { "the path" }));
            }
            let request = request(whole)?;
            return Ok((request.method, request.authority, request.target));
        }
        let (authority, target) = absolute(path);
        Ok((method, authority, target))
    }

    fn headers(&mut self) -> Option<Box<LoggedHeaders<'static>>> {
        if !self.all_headers && !JUDGED_HEADERS.iter().all(|field| self.values.contains_key(field)) {
            return None;
        }
        Some(Box::new(LoggedHeaders {
            accept: self.text(Field::Accept),
            accept_language: self.text(Field::AcceptLanguage),
            accept_encoding: self.text(Field::AcceptEncoding),
            sec_fetch_site: self.text(Field::SecFetchSite),
            sec_fetch_mode: self.text(Field::SecFetchMode),
            sec_fetch_dest: self.text(Field::SecFetchDest),
            sec_ch_ua: self.text(Field::SecChUa),
            sec_ch_ua_mobile: self.text(Field::SecChUaMobile),
            sec_ch_ua_platform: self.text(Field::SecChUaPlatform),
            secure: self.tls || self.text(Field::Scheme).eq_ignore_ascii_case(b"https"),
        }))
    }

    /// A field's text without a lone `-`; empty where it is not there. The key stays known to be there.
    fn text(&mut self, field: Field) -> Text<'static> {
        let text = self.values.get_mut(&field).map(|(_, text)| std::mem::take(text)).unwrap_or_default();
        if dash(text.as_bytes()).is_empty() { Cow::Borrowed(b"") } else { Cow::Owned(text.into_bytes()) }
    }
}
