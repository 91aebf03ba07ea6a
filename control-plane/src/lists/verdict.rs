//! Would this visitor pass, and by which entry: for operators who ask why.

use std::net::IpAddr;

use ipnet::IpNet;
use sallyport_core::policy::{ListEntry, ListTarget, Lists, ListsConfig};
use sallyport_core::{HashKey, RequestFacts, plain, read_range, strip_query};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::value::{fingerprint_hash, session_hash};
use super::{ListEntryView, entry, value};
use crate::store::{ListAction, ListFilter, ListKind, ListRow, Store, StoreError};

/// A visitor, by what the lists look at; what is left out is on no list.
#[derive(Clone, Debug, Default, Deserialize, ToSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Visitor {
    /// The address.
    #[schema(value_type = Option<String>, example = "203.0.113.7")]
    pub ip: Option<IpAddr>,
    /// `User-Agent` as sent.
    pub user_agent: Option<String>,
    /// The path asked for, however it is spelled; a query is cut off.
    pub path: Option<String>,
    /// The session's id.
    pub session: Option<String>,
    /// The fingerprint: an id or an object.
    #[schema(value_type = Option<Object>)]
    pub fingerprint: Option<serde_json::Value>,
}

/// What the lists say of a visitor.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub struct Listed {
    /// `allow`, `deny`, or null for a visitor on no list. What allows comes first.
    pub action: Option<&'static str>,
    /// All entries that name the visitor; those of the action decide.
    pub entries: Vec<ListEntryView>,
    /// The entries of the configuration that do.
    pub configured: Vec<ConfiguredEntry>,
}

/// An entry of the configuration.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, ToSchema)]
pub struct ConfiguredEntry {
    /// Where it stands, such as `policy.lists.deny[2]`.
    pub key: String,
    /// `allow` or `deny`.
    pub action: &'static str,
    /// Whom it names.
    pub value: String,
}

/// What the store's entries and the configuration's say of a visitor.
///
/// # Errors
/// When the store does not answer.
pub async fn verdict(
    store: &dyn Store,
    configured: &ListsConfig,
    key: &HashKey,
    visitor: &Visitor,
    now_ms: u64,
) -> Result<Listed, StoreError> {
    let mut rows = store.list_entries_of(values(visitor, key), now_ms).await?;
    for kind in [ListKind::UserAgent, ListKind::Path] {
        let filter = ListFilter { kind: Some(kind), ..ListFilter::default() };
        let patterns = store.list_entries(filter, None, u32::MAX, now_ms).await?;
        rows.extend(patterns.into_iter().filter(|row| fits(row, visitor, key, now_ms)));
    }
    let configured = of_config(configured, visitor, key);
    let names: Vec<&str> = rows
        .iter()
        .map(|row| row.entry.action.name())
        .chain(configured.iter().map(|entry| entry.action))
        .collect();
    let action = ListAction::ALL.into_iter().map(ListAction::name).find(|action| names.contains(action));
    Ok(Listed { action, entries: rows.into_iter().map(ListEntryView::from).collect(), configured })
}

/// The values of those entries that are found by what they say: the address, each range around it, the hashes.
fn values(visitor: &Visitor, key: &HashKey) -> Vec<(ListKind, String)> {
    let mut values = Vec::new();
    if let Some(ip) = visitor.ip.map(|ip| ip.to_canonical()) {
        let widest = if ip.is_ipv4() { 32 } else { 128 };
        let nets = (0..=widest).filter_map(|length| IpNet::new(ip, length).ok());
        values.extend(nets.map(|net| value::of_net(net.trunc())));
    }
    let session = visitor.session.as_deref().filter(|session| !session.is_empty());
    values.extend(session.map(|session| (ListKind::Session, session_hash(key, session))));
    let fingerprint = visitor.fingerprint.as_ref().filter(|value| !value.is_null());
    values.extend(fingerprint.map(|value| (ListKind::Fingerprint, fingerprint_hash(key, value))));
    values
}

/// Whether the entry of a pattern names the visitor, as the judge sees it.
fn fits(row: &ListRow, visitor: &Visitor, key: &HashKey, now_ms: u64) -> bool {
    let user_agent = visitor.user_agent.as_deref().unwrap_or_default().as_bytes();
    let path = strip_query(visitor.path.as_deref().unwrap_or_default().as_bytes());
    let entry = entry(row).filter(|entry| match entry.target {
        ListTarget::Path(_) => !path.is_empty(),
        _ => visitor.user_agent.is_some(),
    });
    let facts = RequestFacts { user_agent, ..RequestFacts::default() };
    Lists::compile(entry.as_ref()).find(&facts, &plain(path), key, now_ms).is_some()
}

/// The entries of the policy's own lists that name the visitor, as the judge matches them.
fn of_config(config: &ListsConfig, visitor: &Visitor, key: &HashKey) -> Vec<ConfiguredEntry> {
    let user_agent = visitor.user_agent.as_deref();
    let user_agent_bytes = user_agent.unwrap_or_default().as_bytes();
    let facts = RequestFacts { address: visitor.ip, user_agent: user_agent_bytes, ..RequestFacts::default() };
    let network = |text: &str| read_range(text).ok().map(ListTarget::Network);
    let part = |text: &str| user_agent.map(|_| ListTarget::UserAgent(text.to_owned()));
    let mut found = Vec::new();
    let mut look = |list: &str, action, texts: &[String], target: &dyn Fn(&str) -> Option<ListTarget>| {
        for (index, text) in texts.iter().enumerate() {
            let entry = target(text).map(|target| ListEntry { action, target, expires_ms: 0 });
            if Lists::compile(entry.as_ref()).find(&facts, b"", key, 0).is_some() {
                let key = format!("policy.lists.{list}[{index}]");
                found.push(ConfiguredEntry { key, action: action.name(), value: text.clone() });
            }
        }
    };
    look("allow", ListAction::Allow, &config.allow, &network);
    look("allow_user_agents", ListAction::Allow, &config.allow_user_agents, &part);
    look("deny", ListAction::Deny, &config.deny, &network);
    found
}
