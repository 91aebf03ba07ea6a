//! Putting ranges together, and fetching them from local servers that behave well and badly.

use std::net::Ipv4Addr;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use axum::Router;
use axum::extract::State;
use axum::http::header::{ETAG, IF_NONE_MATCH};
use axum::http::{HeaderMap, StatusCode, Uri};
use axum::response::{IntoResponse, Response};
use tempfile::TempDir;
use tokio::net::TcpListener;

use super::parse::Format;
use super::sources::sources;
use super::stored::Head;
use super::update::{Report, Wanted, update};
use super::*;
use crate::config::FetchConfig;
use crate::fetch::Client;

fn ip(text: &str) -> IpAddr {
    text.parse().expect("an address")
}

fn nets(texts: &[&str]) -> Vec<IpNet> {
    texts.iter().map(|text| text.parse().expect("a range")).collect()
}

fn source(name: &str, kind: RangeKind) -> Source {
    let (provider, url) = (name.to_owned(), String::new());
    Source { name: name.to_owned(), provider, url, format: Format::Text, kind, enabled: true }
}

/// Inputs with a folder of their own.
fn inputs(bundled: bool, sources: Vec<Source>) -> (TempDir, Inputs) {
    let temporary = tempfile::tempdir().expect("a folder");
    let folder = Folder::beside(&temporary.path().join("test.db"));
    drop(folder.hold().expect("a folder"));
    (temporary, Inputs { bundled, sources, folder, ..Inputs::default() })
}

fn store(inputs: &Inputs, name: &str, texts: &[&str]) {
    let nets = nets(texts);
    let head = Head { url: String::new(), etag: None, fetched_ms: 7, ranges: nets.len() };
    inputs.folder.write(name, &Stored { head, nets }).expect("written");
}

#[track_caller]
fn whose(assembly: &Assembly, address: &str) -> String {
    let (ranges, found) = (assembly.compile(), assembly.find(ip(address)));
    // What is told and what judges agree.
    assert_eq!(ranges.lookup(ip(address)), found.map(|(_, origin)| &origin.provider), "{address}");
    found.map_or_else(String::new, |(net, origin)| {
        format!("{} {} {net}", origin.provider.name, origin.provider.kind.name())
    })
}

#[test]
fn what_ships_knows_the_large_ones() {
    let (_kept, inputs) = inputs(true, sources(&[]).expect("sources"));
    let assembly = Assembly::new(inputs);
    assert!(assembly.nets.len() > 20_000);
    for (address, expected) in [
        ("3.5.140.1", "aws cloud"),
        ("34.64.0.1", "google-cloud cloud"),
        ("20.36.1.1", "azure cloud"),
        ("129.146.1.1", "oracle cloud"),
        ("167.99.1.1", "digitalocean cloud"),
        ("45.33.1.1", "linode cloud"),
        ("51.38.1.1", "ovh cloud"),
        ("2a01:4f8::1", "hetzner hosting"),
        ("104.16.1.1", "cloudflare proxy"),
        ("66.249.66.1", "googlebot crawler"),
        ("::ffff:157.55.39.1", "bingbot crawler"),
    ] {
        let found = whose(&assembly, address);
        assert!(found.starts_with(&format!("{expected} ")), "{address}: {found}");
    }
    // People at home: Comcast, BT, Vodafone, Orange, Deutsche Telekom.
    for address in ["73.1.1.1", "86.128.1.1", "91.64.1.1", "90.1.1.1", "2003:c0::1", "192.168.1.1"] {
        assert_eq!(whose(&assembly, address), "", "{address}");
    }
    assert!(assembly.crawlers().iter().any(|(name, nets, _)| name == "googlebot" && nets.len() > 20));
}

#[test]
fn what_was_fetched_takes_the_place_of_what_ships_once_all_of_it_came() {
    let mut v6 = source("cloudflare-v6", RangeKind::Proxy);
    v6.provider = "cloudflare".to_owned();
    let v4 = Source { name: "cloudflare-v4".to_owned(), ..v6.clone() };
    let (_kept, inputs) = inputs(true, vec![v4, v6]);
    let whole = Assembly::new(inputs.clone());
    assert_eq!(whose(&whole, "1.1.1.1"), "cloudflare proxy 1.1.1.0/24");
    store(&inputs, "cloudflare-v4", &["104.16.0.0/13", "192.0.2.0/24"]);
    let half = Assembly::new(inputs.clone());
    assert_eq!(whose(&half, "1.1.1.1"), "cloudflare proxy 1.1.1.0/24");
    assert_eq!(whose(&half, "192.0.2.1"), "cloudflare proxy 192.0.2.0/24");
    store(&inputs, "cloudflare-v6", &["2400:cb00::/32"]);
    let mut all = half.renewed();
    assert_eq!(whose(&all, "1.1.1.1"), "");
    assert_eq!(whose(&all, "104.16.1.1"), "cloudflare proxy 104.16.0.0/13");
    let origin = all.find(ip("2400:cb00::1")).map(|(_, origin)| origin.clone()).expect("a range");
    assert_eq!((origin.from, origin.ranges, origin.as_of_ms), (Provenance::Fetched, 3, 7));
    // Switched off, or damaged: what ships again.
    all.inputs.sources[0].enabled = false;
    all.inputs.sources[1].enabled = false;
    assert_eq!(whose(&all.renewed(), "1.1.1.1"), "cloudflare proxy 1.1.1.0/24");
    let file = inputs.folder.index_path().with_file_name("cloudflare-v4.txt");
    std::fs::write(file, "<html>").expect("written");
    let damaged = Assembly::new(inputs);
    assert_eq!(whose(&damaged, "1.1.1.1"), "cloudflare proxy 1.1.1.0/24");
    assert!(
        damaged.states[0].error.as_deref().is_some_and(|error| error.contains("first line")),
        "{:?}",
        damaged.states
    );
}

#[test]
fn crawlers_go_over_clouds_and_files_over_all() {
    let own = Provider { name: "ours".to_owned(), kind: RangeKind::Other };
    let cloud = source("a-cloud", RangeKind::Cloud);
    let (_kept, mut inputs) = inputs(false, vec![source("a-bot", RangeKind::Crawler), cloud]);
    store(&inputs, "a-bot", &["192.0.2.0/25", "198.51.100.0/24"]);
    store(&inputs, "a-cloud", &["192.0.2.0/24", "192.0.2.64/26", "198.51.100.0/24", "203.0.113.0/24"]);
    inputs.files = vec![(own, nets(&["192.0.2.1/32", "203.0.113.0/24"]), 0)];
    let assembly = Assembly::new(inputs);
    assert_eq!(whose(&assembly, "192.0.2.65"), "a-bot crawler 192.0.2.0/25");
    assert_eq!(whose(&assembly, "192.0.2.200"), "a-cloud cloud 192.0.2.0/24");
    assert_eq!(whose(&assembly, "198.51.100.7"), "a-bot crawler 198.51.100.0/24");
    assert_eq!(whose(&assembly, "192.0.2.1"), "ours other 192.0.2.1/32");
    assert_eq!(whose(&assembly, "203.0.113.1"), "ours other 203.0.113.0/24");
    let crawlers = [("a-bot".to_owned(), nets(&["192.0.2.0/25", "198.51.100.0/24"]), 7)];
    assert_eq!(assembly.crawlers(), crawlers);
}

/// What a server answers, by path; counted.
#[derive(Clone, Default)]
struct Server {
    answers: Arc<Mutex<BTreeMap<String, (u16, String)>>>,
    asked: Arc<AtomicUsize>,
    unmodified: Arc<AtomicUsize>,
}

impl Server {
    /// Serves on loopback; answers its URL too.
    async fn start() -> (Self, String) {
        let server = Self::default();
        let router = Router::new().fallback(Self::answer).with_state(server.clone());
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.expect("a free port");
        let url = format!("http://{}", listener.local_addr().expect("an address"));
        tokio::spawn(async move { axum::serve(listener, router).await });
        (server, url)
    }

    fn set(&self, path: &str, status: u16, body: &str) {
        let answer = (status, body.to_owned());
        self.answers.lock().expect("not poisoned").insert(path.to_owned(), answer);
    }

    async fn answer(State(server): State<Self>, uri: Uri, headers: HeaderMap) -> Response {
        server.asked.fetch_add(1, Ordering::Relaxed);
        let answer = server.answers.lock().expect("not poisoned").get(uri.path()).cloned();
        let (status, body) = answer.unwrap_or((404, String::new()));
        let etag = format!("\"{}\"", body.len());
        if headers.get(IF_NONE_MATCH).is_some_and(|known| known == etag.as_str()) {
            server.unmodified.fetch_add(1, Ordering::Relaxed);
            return StatusCode::NOT_MODIFIED.into_response();
        }
        (StatusCode::from_u16(status).expect("a status"), [(ETAG, etag)], body).into_response()
    }
}

async fn run(inputs: &Inputs, wanted: Wanted) -> Vec<Report> {
    let config = FetchConfig { allow_private: vec!["*".to_owned()], ..FetchConfig::default() };
    let client = Client::new(&config).expect("a client");
    update(&client, inputs, &wanted, Arc::new(|_, _| {})).await.expect("an update")
}

fn outcomes(reports: &[Report]) -> Vec<(&str, &str, Option<usize>)> {
    reports.iter().map(|report| (report.source.as_str(), report.outcome, report.ranges)).collect()
}

#[tokio::test]
async fn each_source_is_fetched_by_itself_and_what_fails_keeps_its_list() {
    let (server, url) = Server::start().await;
    let of = |name: &str, format: Format, kind| Source {
        url: format!("{url}/{name}"),
        format,
        ..source(name, kind)
    };
    let azure = of("azure", Format::Azure, RangeKind::Cloud);
    let bot = of("bot", Format::Prefixes, RangeKind::Crawler);
    let off = Source { enabled: false, ..of("off", Format::Text, RangeKind::Proxy) };
    let text = of("text", Format::Text, RangeKind::Hosting);
    let (_kept, inputs) = inputs(false, vec![azure, bot, off, text]);
    server.set("/azure", 200, "<html><a href='/d/ServiceTags_Public_1.json'>");
    server.set(
        "/d/ServiceTags_Public_1.json",
        200,
        r#"{"values": [{"name": "AzureCloud", "properties": {"addressPrefixes": ["192.0.2.0/24"]}}]}"#,
    );
    server.set("/bot", 200, r#"{"prefixes": [{"ipv4Prefix": "198.51.100.0/25"}]}"#);
    server.set("/off", 200, "203.0.113.0/28");
    server.set(
        "/text",
        200,
        "203.0.113.0/30\n203.0.113.5/30\n203.0.113.4/30\n203.0.113.8/30\n203.0.113.12/30\n",
    );
    let reports = run(&inputs, Wanted::default()).await;
    assert_eq!(
        outcomes(&reports),
        [("azure", "fetched", Some(1)), ("bot", "fetched", Some(1)), ("text", "fetched", Some(4))]
    );
    assert_eq!((reports[2].cleared, reports[2].duplicates), (1, 1));
    let assembly = Assembly::new(inputs.clone());
    assert_eq!(whose(&assembly, "192.0.2.9"), "azure cloud 192.0.2.0/24");
    assert_eq!(whose(&assembly, "203.0.113.9"), "text hosting 203.0.113.8/30");

    let again = run(&inputs, Wanted::default()).await;
    assert_eq!(
        outcomes(&again),
        [("azure", "unchanged", Some(1)), ("bot", "unchanged", Some(1)), ("text", "unchanged", Some(4))]
    );
    assert_eq!(server.unmodified.load(Ordering::Relaxed), 3);

    server.set("/azure", 200, "<html>moved</html>");
    server.set("/bot", 503, "busy");
    server.set("/text", 200, "203.0.113.0/30\n");
    let bad = run(&inputs, Wanted::default()).await;
    assert_eq!(
        outcomes(&bad),
        [("azure", "failed", Some(1)), ("bot", "failed", Some(1)), ("text", "failed", Some(4))]
    );
    let errors: Vec<_> = bad.iter().map(|report| report.error.clone().unwrap_or_default()).collect();
    assert_eq!(errors[0], "the page has no link to ServiceTags_Public_….json");
    assert!(errors[1].ends_with("answers 503"), "{errors:?}");
    assert!(errors[2].starts_with("the list has 1 ranges and had 4; if that is right"), "{errors:?}");
    let kept = Assembly::new(inputs.clone());
    assert_eq!((&kept.nets, &kept.states[3].error), (&assembly.nets, &Some(errors[2].clone())));

    let forced = run(&inputs, Wanted { only: vec!["text".to_owned(), "off".to_owned()], force: true }).await;
    assert_eq!(outcomes(&forced), [("off", "fetched", Some(1)), ("text", "fetched", Some(1))]);
    server.set("/text", 200, "<html>Try again later</html>");
    let page = run(&inputs, Wanted { only: vec!["text".to_owned()], force: true }).await;
    assert_eq!(page[0].error.as_deref(), Some("the list is an HTML or XML page, not a list of ranges"));
    assert_eq!(Assembly::new(inputs).states[3].ranges, Some(1));
}

#[tokio::test]
async fn two_updates_at_a_time_and_unknown_sources_are_refused() {
    let (_kept, inputs) = inputs(false, vec![source("a", RangeKind::Cloud)]);
    let client = Client::new(&FetchConfig::default()).expect("a client");
    let ask = |only: &[&str]| {
        let only = only.iter().map(|name| (*name).to_owned()).collect();
        let (client, inputs) = (client.clone(), inputs.clone());
        async move { update(&client, &inputs, &Wanted { only, force: false }, Arc::new(|_, _| {})).await }
    };
    assert!(matches!(ask(&["b"]).await, Err(UpdateError::Unknown(name)) if name == "b"));
    let held = inputs.folder.hold().expect("a folder");
    assert!(matches!(ask(&["a"]).await, Err(UpdateError::Busy)));
    drop(held);
    let reports = ask(&["a"]).await.expect("an update");
    assert_eq!(
        reports[0].error.as_deref(),
        Some("the URL is no URL; write one such as https://example.com/list.json")
    );
}
