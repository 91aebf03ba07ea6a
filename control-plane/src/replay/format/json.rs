//! JSON lines: one object a line, its keys mapped by [`KeyMap`], nested objects reached by a dotted path.

use std::borrow::Cow;
use std::collections::HashMap;

use sallyport_core::{Action, Unknown};
use serde::de::{self, Deserialize, Deserializer, MapAccess, Visitor};
use serde_json::{Map, Value};

use super::client::Way;
use super::keys::{Field, KeyMap, normal};
use super::scan::unescape;
use super::{absolute, dash, is_of_gate, request, status, time};
use crate::replay::line::{LineError, LogLine, LoggedHeaders, Text};
use crate::replay::tally::excerpt;

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
pub(super) fn parse(line: &[u8], keys: &KeyMap, trusted_hops: usize) -> Result<LogLine<'static>, LineError> {
    let Object(object) = match serde_json::from_slice(line) {
        // nginx's `escape=json` lets bytes through that are not UTF-8, and without it nginx writes `\xHH`, which is no JSON.
        Err(_) if line.windows(2).any(|pair| pair == b"\\x") => serde_json::from_str(&of_nginx(line)),
        Err(_) if std::str::from_utf8(line).is_err() => serde_json::from_str(&String::from_utf8_lossy(line)),
        parsed => parsed,
    }
    .map_err(|error| LineError::Json(without_place(&error)))?;
    let mut found = Found { keys, values: HashMap::new(), all_headers: false, tls: false };
    found.walk(&mut String::new(), object)?;
    found.into_line(trusted_hops)
}

/// An object in which no key stands twice: who writes values without escapes lets clients write keys.
struct Object(Map<String, Value>);

impl<'de> Deserialize<'de> for Object {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Keys;
        impl<'de> Visitor<'de> for Keys {
            type Value = Object;

            fn expecting(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                formatter.write_str("an object")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Object, A::Error> {
                let mut object = Map::new();
                while let Some((key, value)) = map.next_entry::<String, Value>()? {
                    if object.contains_key(&key) {
                        return Err(de::Error::custom(format!(
                            "the key `{}` stands twice",
                            excerpt(key.as_bytes(), 40)
                        )));
                    }
                    object.insert(key, value);
                }
                Ok(Object(object))
            }
        }
        deserializer.deserialize_map(Keys)
    }
}

/// Text with nginx's `\xHH` as JSON has it. nginx writes every backslash so: another one is the format's own.
fn of_nginx(line: &[u8]) -> String {
    let mut out = Vec::with_capacity(line.len());
    let mut rest = line;
    while let Some((&byte, after)) = rest.split_first() {
        let used = match rest {
            [b'\\', b'x', _, _, ..] => {
                match unescape(rest.get(..4).unwrap_or_default()).as_ref() {
                    [plain] if !plain.is_ascii() => out.push(*plain),
                    [plain] => out.extend(format!("\\u{plain:04x}").bytes()),
                    _ => out.push(byte),
                }
                4
            }
            _ => {
                out.push(byte);
                1
            }
        };
        rest = rest.get(used..).unwrap_or(after);
    }
    String::from_utf8_lossy(&out).into_owned()
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

    fn into_line(mut self, trusted_hops: usize) -> Result<LogLine<'static>, LineError> {
        let (forwarded, mut peer) = (self.text(Field::ForwardedFor), self.text(Field::Ip));
        let way = match peer.contains(&b',') {
            true => Way { forwarded: &std::mem::take(&mut peer), peer: b"" }.client(trusted_hops),
            false => Way { forwarded: &forwarded, peer: &peer }.client(trusted_hops),
        };
        let client = way?;
        let unknown =
            Unknown { user_agent: !self.tells(Field::UserAgent), referer: !self.tells(Field::Referer) };
        let time_ms = match self.text(Field::Ts) {
            text if text.is_empty() => return Err(LineError::Missing("the time")),
            text => time::any(&text).ok_or(LineError::Time)?,
        };
        let status = match self.text(Field::Status) {
            text if text.is_empty() => None,
            text => Some(status(&text)?),
        };
        let by_gate = self.is_of_gate(status.unwrap_or_default());
        let (method, in_target, target) = self.request()?;
        let host = self.text(Field::Authority);
        Ok(LogLine {
            address: client.address,
            by_name: client.by_name,
            time_ms,
            method,
            target,
            authority: if host.is_empty() { in_target } else { host },
            user_agent: self.text(Field::UserAgent),
            referer: self.text(Field::Referer),
            unknown,
            ja4: self.text(Field::Ja4),
            location: self.text(Field::Location),
            status,
            by_gate,
            headers: self.headers(),
        })
    }

    /// Whether the log has a place for a header.
    fn tells(&self, header: Field) -> bool {
        self.all_headers || self.values.contains_key(&header)
    }

    /// Whether Sallyport says that it refused, or Envoy that nobody behind it was asked.
    fn is_of_gate(&mut self, status: u16) -> bool {
        let said = self.text(Field::Sallyport);
        let said = String::from_utf8_lossy(&said);
        let refuses =
            |action: Action| action.refuses() && said.starts_with(&format!("action={},", action.as_str()));
        if matches!(status, 403 | 429)
            && Action::ALL.into_iter().any(refuses)
            && !said.contains("enforced=?0")
        {
            return true;
        }
        let tells =
            [Field::UpstreamHost, Field::ResponseFlags].iter().all(|key| self.values.contains_key(key));
        let (flags, details) = (self.text(Field::ResponseFlags), self.text(Field::ResponseDetails));
        tells && is_of_gate(status, &flags, &details, &self.text(Field::UpstreamHost))
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
            origin: self.text(Field::Origin),
            upgrade: self.text(Field::Upgrade),
            content_type: self.text(Field::ContentType),
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
