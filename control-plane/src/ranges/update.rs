//! Fetching the lists that are published: several at a time, each by itself, so that one that fails costs no other.

use std::sync::Arc;
use std::time::{Duration, Instant};

use reqwest::Url;
use serde::Serialize;
use tokio::sync::Semaphore;
use tokio::task::JoinSet;
use utoipa::ToSchema;

use super::parse::{Format, List, is_page, parse};
use super::sources::Source;
use super::stored::{Attempt, Folder, Head, Index, Stored};
use super::{Inputs, UpdateError};
use crate::clock::unix_ms;
use crate::fetch::{Client, FetchRequest, Fetched};

/// Sources that are asked at the same time.
const AT_ONCE: usize = 8;

/// The largest list that is read, bytes: Azure's has 4 MiB, iCloud Private Relay's 14.
const LIST_BYTES: usize = 32 * 1024 * 1024;

/// How long one source may take.
const LIMIT: Duration = Duration::from_secs(120);

/// What to fetch.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Wanted {
    /// Only these sources, enabled or not; none for all that are enabled.
    pub only: Vec<String>,
    /// Takes lists that have shrunk by more than half.
    pub force: bool,
}

/// What is told while it runs.
#[derive(Clone, Debug)]
pub enum Event {
    /// So many bytes of the list have come.
    Bytes(u64),
    /// It has come and is kept.
    Fetched {
        /// How many ranges it has.
        ranges: usize,
    },
    /// It is as it was.
    Unchanged,
    /// Nothing came of it.
    Failed(String),
}

/// Who is told: the source's name and what happened.
pub type Watch = Arc<dyn Fn(&str, Event) + Send + Sync>;

/// What came of one source.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, ToSchema)]
pub struct Report {
    /// The source.
    pub source: String,
    /// `fetched`, `unchanged`, or `failed`: then what was there before stays in force.
    #[schema(example = "fetched")]
    pub outcome: &'static str,
    /// How many ranges its list has now.
    pub ranges: Option<usize>,
    /// How many it had before.
    pub before: Option<usize>,
    /// How many had bits set beyond their prefix, which were cleared.
    pub cleared: usize,
    /// How many stood in it again.
    pub duplicates: usize,
    /// Why it failed.
    pub error: Option<String>,
    /// How long it took, in milliseconds.
    pub took_ms: u64,
}

/// Fetches lists and keeps them in the folder: what came of each, by name.
///
/// # Errors
/// When another process updates, a wanted source is unknown, or the folder cannot be written.
pub async fn update(
    client: &Client,
    inputs: &Inputs,
    wanted: &Wanted,
    watch: Watch,
) -> Result<Vec<Report>, UpdateError> {
    let known = |name: &&String| inputs.sources.iter().any(|source| source.name == **name);
    if let Some(unknown) = wanted.only.iter().find(|name| !known(name)) {
        return Err(UpdateError::Unknown(unknown.clone()));
    }
    let _held = inputs.folder.hold()?.ok_or(UpdateError::Busy)?;
    let asked = |source: &&Source| match wanted.only.is_empty() {
        true => source.enabled,
        false => wanted.only.contains(&source.name),
    };
    let (mut running, places) = (JoinSet::new(), Arc::new(Semaphore::new(AT_ONCE)));
    for source in inputs.sources.iter().filter(asked) {
        let source = source.clone();
        let places = Arc::clone(&places);
        let one = One {
            client: client.clone(),
            folder: inputs.folder.clone(),
            force: wanted.force,
            watch: Arc::clone(&watch),
        };
        running.spawn(async move {
            // An error would mean that the semaphore was closed, which nobody does.
            let _place = places.acquire().await;
            one.run(&source).await
        });
    }
    let mut reports = running.join_all().await;
    reports.sort_by(|a, b| a.source.cmp(&b.source));
    let now_ms = unix_ms();
    let attempts =
        reports.iter().map(|r| (r.source.clone(), Attempt { at_ms: now_ms, error: r.error.clone() }));
    inputs.folder.note(attempts.collect::<Index>())?;
    Ok(reports)
}

/// What one source's fetch needs.
struct One {
    client: Client,
    folder: Folder,
    force: bool,
    watch: Watch,
}

/// A list that came; `None` where the one at hand still holds.
type Came = Option<(Stored, List)>;

impl One {
    async fn run(&self, source: &Source) -> Report {
        let began = Instant::now();
        // A file that cannot be read counts as none: it is fetched anew.
        let old = self.folder.read(&source.name).ok().flatten();
        let before = old.as_ref().map(|old| old.nets.len());
        let came = self.fetch(source, old.as_ref()).await;
        let came = came.and_then(|came| self.keep(source, before, came));
        let report = Report {
            source: source.name.clone(),
            outcome: "unchanged",
            ranges: before,
            before,
            cleared: 0,
            duplicates: 0,
            error: None,
            took_ms: u64::try_from(began.elapsed().as_millis()).unwrap_or(u64::MAX),
        };
        let (event, report) = match came {
            Ok(None) => (Event::Unchanged, report),
            Ok(Some((Stored { nets, .. }, List { cleared, duplicates, .. }))) => {
                let ranges = nets.len();
                let report =
                    Report { outcome: "fetched", ranges: Some(ranges), cleared, duplicates, ..report };
                (Event::Fetched { ranges }, report)
            }
            Err(error) => {
                let report = Report { outcome: "failed", error: Some(error.clone()), ..report };
                (Event::Failed(error), report)
            }
        };
        (self.watch)(&source.name, event);
        report
    }

    /// Fetches and reads a list; where a page links to it, by way of the page.
    async fn fetch(&self, source: &Source, old: Option<&Stored>) -> Result<Came, String> {
        let mut url = source.url.clone();
        let mut fetched = self.get(source, &url, old).await?;
        if let (Format::Azure, Fetched::Body { bytes, .. }) = (source.format, &fetched)
            && is_page(bytes)
        {
            url = linked(&url, bytes).ok_or("the page has no link to ServiceTags_Public_….json")?;
            fetched = self.get(source, &url, old).await?;
        }
        let Fetched::Body { bytes, etag, .. } = fetched else { return Ok(None) };
        let format = source.format;
        let read = tokio::task::spawn_blocking(move || parse(format, &bytes)).await;
        let mut list =
            read.map_err(|error| error.to_string())?.map_err(|error| format!("the list {error}"))?;
        let nets = std::mem::take(&mut list.nets);
        let head = Head { url, etag, fetched_ms: unix_ms(), ranges: nets.len() };
        Ok(Some((Stored { head, nets }, list)))
    }

    async fn get(&self, source: &Source, url: &str, old: Option<&Stored>) -> Result<Fetched, String> {
        let (watch, name) = (Arc::clone(&self.watch), source.name.clone());
        let progress = move |bytes: u64, _: Option<u64>| watch(&name, Event::Bytes(bytes));
        let etag = old.filter(|old| old.head.url == url).and_then(|old| old.head.etag.as_deref());
        let request = FetchRequest {
            etag,
            timeout: Some(LIMIT),
            progress: Some(&progress),
            ..FetchRequest::new(url, LIST_BYTES)
        };
        self.client.get(request).await.map_err(|error| error.to_string())
    }

    /// Puts a list into the folder, unless it has lost too much.
    fn keep(&self, source: &Source, before: Option<usize>, came: Came) -> Result<Came, String> {
        let Some((stored, list)) = came else { return Ok(None) };
        let now = stored.nets.len();
        if let Some(before) = before.filter(|before| now < before.div_ceil(2) && !self.force) {
            return Err(format!(
                "the list has {now} ranges and had {before}; if that is right, take it with --force (API: \"force\": true)"
            ));
        }
        self.folder.write(&source.name, &stored).map_err(|error| format!("cannot be kept: {error}"))?;
        Ok(Some((stored, list)))
    }
}

/// The link to the service tags that a page holds.
fn linked(page: &str, bytes: &[u8]) -> Option<String> {
    let text = String::from_utf8_lossy(bytes);
    let ends = |c: char| c.is_whitespace() || matches!(c, '"' | '\'' | '<' | '>' | '(' | ')' | '\\');
    let links = text.match_indices("ServiceTags_Public_").filter_map(|(at, _)| {
        let start = text[..at].rfind(ends).map_or(0, |end| end + 1);
        let end = at + text[at..].find(ends)?;
        text.get(start..end).filter(|link| link.ends_with(".json"))
    });
    let page = Url::parse(page).ok()?;
    let mut links = links.filter_map(|link| page.join(link).ok());
    links.find(|link| link.scheme() == "https" || link.scheme() == page.scheme()).map(String::from)
}

#[cfg(test)]
mod tests {
    use super::linked;

    #[test]
    fn the_link_on_a_page_is_found() {
        let page = "https://www.microsoft.com/en-us/download/details.aspx?id=56519";
        let link = "https://download.microsoft.com/download/7/1/d/71d8/ServiceTags_Public_20261116.json";
        for html in [
            format!("<html><a href=\"{link}\" class=x>Download</a>"),
            format!("<html><script>{{\"url\":\"{link}\",\"size\":1}}</script>"),
            format!("<p>ServiceTags_Public_ file</p><a href='{link}'>"),
        ] {
            assert_eq!(linked(page, html.as_bytes()).as_deref(), Some(link), "{html}");
        }
        let relative = linked("http://localhost:1/page", b"<a href=\"/x/ServiceTags_Public_1.json\">");
        assert_eq!(relative.as_deref(), Some("http://localhost:1/x/ServiceTags_Public_1.json"));
        let plain = link.replace("https", "http");
        for html in ["<html>", "<a href=\"ServiceTags_Public_1.pdf\">", "ServiceTags_Public_", plain.as_str()]
        {
            assert_eq!(linked(page, html.as_bytes()), None, "{html}");
        }
    }
}
