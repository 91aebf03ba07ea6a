//! What an operator asks to be listed, by API or command line: read as a whole, with every fault named.

use ipnet::IpNet;
use sallyport_core::HashKey;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::caution::{caution, caution_together};
use super::value::shown;
use super::{expiry, value};
use crate::store::{ListAction, ListKind, NewListEntry};

/// Most entries of one request.
pub const MOST_AT_ONCE: usize = 50_000;

/// Longest reason, in characters.
const REASON: usize = 500;

/// Faults that are told one by one.
const MOST_FAULTS: usize = 100;

/// One entry, or several with `entries`; what is set beside `entries` holds for those that do not say it themselves.
#[derive(Clone, Debug, Default, Deserialize, Serialize, ToSchema)]
#[serde(deny_unknown_fields, default)]
pub struct AddRequest {
    /// `allow` or `deny`.
    #[schema(example = "deny")]
    pub action: Option<String>,
    /// address, range, session, fingerprint, user_agent or path; what the value looks like where it is left out.
    pub kind: Option<String>,
    /// An address; a range such as 203.0.113.0/24; a session's id; a fingerprint as `POST /check` takes it; a part of a
    /// user agent, or parts with `*` between them that make up all of it; a plain path, with `*` at its end for all that
    /// begin so. Of sessions and fingerprints the keyed hash is kept, and may be given, as `hash:` and 16 digits.
    #[schema(value_type = Option<String>, example = "203.0.113.0/24")]
    pub value: Option<serde_json::Value>,
    /// Why, at most 500 characters.
    pub reason: Option<String>,
    /// Seconds until it ends; it stays where no end is given.
    pub expires_in_s: Option<u64>,
    /// The same as `90s`, `15m`, `2h`, `7d` or `4w`.
    pub expires_in: Option<String>,
    /// When it ends, RFC 3339.
    pub expires_at: Option<String>,
    /// Also what would shut out everybody, a trusted proxy or private addresses.
    pub force: bool,
    /// At most 50,000 entries.
    pub entries: Option<Vec<EntryRequest>>,
}

/// One of several entries; see the fields of the same names beside `entries`.
#[derive(Clone, Debug, Default, Deserialize, Serialize, ToSchema)]
#[serde(deny_unknown_fields, default)]
#[expect(missing_docs, reason = "the fields are those of AddRequest")]
pub struct EntryRequest {
    pub action: Option<String>,
    pub kind: Option<String>,
    #[schema(value_type = Option<String>)]
    pub value: Option<serde_json::Value>,
    pub reason: Option<String>,
    pub expires_in_s: Option<u64>,
    pub expires_in: Option<String>,
    pub expires_at: Option<String>,
}

/// What is wrong with a field, and what to write instead.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, ToSchema)]
pub struct Fault {
    /// The field, such as `entries[3].value`.
    pub field: String,
    /// What is wrong.
    pub detail: String,
}

/// Everything that is wrong: the first hundred faults, and how many more there are.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Faults {
    /// In the order of the entries.
    pub told: Vec<Fault>,
    /// Faults besides.
    pub more: usize,
}

/// Who asks, and when.
#[derive(Clone, Copy, Debug)]
pub struct Asked<'a> {
    /// A token's name, or `command line`.
    pub author: &'a str,
    /// The deployment's key, for sessions and fingerprints.
    pub key: &'a HashKey,
    /// What a deny entry may not touch without `force`.
    pub trusted_proxies: &'a [IpNet],
    /// Unix ms.
    pub now_ms: u64,
}

impl AddRequest {
    /// The entries, or everything that is wrong with them.
    ///
    /// # Errors
    /// All faults; none of the entries is to be stored then.
    pub fn read(mut self, asked: Asked<'_>) -> Result<Vec<NewListEntry>, Faults> {
        let mut faults = Faults::default();
        let entries = self.entries.take();
        let defaults = EntryRequest {
            action: self.action,
            kind: self.kind,
            value: self.value,
            reason: self.reason,
            expires_in_s: self.expires_in_s,
            expires_in: self.expires_in,
            expires_at: self.expires_at,
        };
        let Some(entries) = entries else {
            let entry = defaults.read("", asked, self.force, &mut faults);
            return if faults.told.is_empty() { Ok(entry.into_iter().collect()) } else { Err(faults) };
        };
        if defaults.value.is_some() {
            faults.add("value".to_owned(), "write it into `entries`, or leave those out");
        }
        if entries.is_empty() || entries.len() > MOST_AT_ONCE {
            faults.add("entries".to_owned(), &format!("write 1 to {MOST_AT_ONCE} entries at once"));
            return Err(faults);
        }
        let mut read = Vec::with_capacity(entries.len());
        for (index, entry) in entries.into_iter().enumerate() {
            let entry = entry.or(&defaults);
            read.extend(entry.read(&format!("entries[{index}]."), asked, self.force, &mut faults));
        }
        if let Some(why) = caution_together(&read).filter(|_| !self.force) {
            faults.add("entries".to_owned(), &format!("{why}; where that is meant, use `force`"));
        }
        if faults.told.is_empty() { Ok(read) } else { Err(faults) }
    }
}

impl EntryRequest {
    /// Takes what this entry does not say.
    fn or(self, defaults: &EntryRequest) -> Self {
        let says_end = self.expires_in_s.is_some() || self.expires_in.is_some() || self.expires_at.is_some();
        let end = if says_end { &Self::default() } else { defaults };
        Self {
            action: self.action.or_else(|| defaults.action.clone()),
            kind: self.kind.or_else(|| defaults.kind.clone()),
            value: self.value,
            reason: self.reason.or_else(|| defaults.reason.clone()),
            expires_in_s: self.expires_in_s.or(end.expires_in_s),
            expires_in: self.expires_in.or_else(|| end.expires_in.clone()),
            expires_at: self.expires_at.or_else(|| end.expires_at.clone()),
        }
    }

    /// `path` stands before the names of its fields.
    fn read(self, path: &str, asked: Asked<'_>, force: bool, faults: &mut Faults) -> Option<NewListEntry> {
        let mut fault = |field: &str, detail: &str| faults.add(format!("{path}{field}"), detail);
        let action = self.action.as_deref().and_then(ListAction::from_name);
        if action.is_none() {
            fault("action", "write allow or deny");
        }
        let kind = match self.kind.as_deref().map(ListKind::from_name) {
            Some(None) => {
                let names = ListKind::ALL.map(ListKind::name).join(", ");
                fault("kind", &format!("write one of {names}, or leave it out"));
                return None;
            }
            kind => kind.flatten(),
        };
        let reason = self.reason.unwrap_or_default();
        if reason.chars().count() > REASON || reason.contains(char::is_control) {
            fault("reason", &format!("write at most {REASON} characters in one line"));
        }
        let end = match (self.expires_in_s, self.expires_in, self.expires_at) {
            (None, None, None) => Ok(0),
            (Some(seconds), None, None) => {
                expiry::after_s(seconds, asked.now_ms).map_err(|detail| ("expires_in_s", detail))
            }
            (None, Some(text), None) => expiry::duration_s(&text)
                .and_then(|seconds| expiry::after_s(seconds, asked.now_ms))
                .map_err(|detail| ("expires_in", detail)),
            (None, None, Some(text)) => {
                expiry::at_ms(&text, asked.now_ms).map_err(|detail| ("expires_at", detail))
            }
            _ => Err(("expires_at", "say only once when it ends".to_owned())),
        };
        let expires_ms = end.unwrap_or_else(|(field, detail)| {
            fault(field, &detail);
            0
        });
        let text = match self.value {
            Some(serde_json::Value::String(text)) => text,
            Some(value @ serde_json::Value::Object(_)) if kind == Some(ListKind::Fingerprint) => {
                value.to_string()
            }
            _ => {
                fault("value", "write text that says what is to be listed, such as \"203.0.113.7\"");
                return None;
            }
        };
        let (kind, value) = match value::read(kind, &text, asked.key) {
            Ok(read) => read,
            Err(detail) => {
                fault("value", &format!("`{}` {detail}", shown(&text)));
                return None;
            }
        };
        let author = asked.author.to_owned();
        let entry = NewListEntry { action: action?, kind, value, reason, author, expires_ms };
        match caution(&entry, asked.trusted_proxies).filter(|_| !force) {
            None => Some(entry),
            Some(why) => {
                let detail = format!("`{}`: {why}; where that is meant, use `force`", shown(&text));
                fault("value", &detail);
                None
            }
        }
    }
}

impl Faults {
    fn add(&mut self, field: String, detail: &str) {
        if self.told.len() < MOST_FAULTS {
            let detail = format!("{field}: {detail}");
            self.told.push(Fault { field, detail });
        } else {
            self.more += 1;
        }
    }
}
