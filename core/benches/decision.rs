//! What one decision costs natively: `cargo bench -p sallyport-core`.
#![expect(clippy::expect_used, reason = "a benchmark")]

use std::hint::black_box;
use std::net::{IpAddr, Ipv4Addr};

use criterion::{Criterion, criterion_group, criterion_main};
use sallyport_core::policy::{ListAction, ListEntry, ListTarget, Lists, ListsConfig};
use sallyport_core::{
    AddressState, BrowserHeaders, ClientState, Engine, Features, HashKey, Marks, Model, NetworkState, Policy,
    PolicyConfig, Provider, RangeKind, Ranges, RequestFacts, Subjects, TreeNode, Trees, Unknown, snapshot,
};

/// 28,000 /20 networks spread over the address space.
fn ranges() -> Vec<(ipnet::IpNet, u16)> {
    (0..28_000_u32)
        .map(|i| {
            let network = i.wrapping_mul(0x9E37_79B1) & 0xFFFF_F000;
            (ipnet::Ipv4Net::new(Ipv4Addr::from_bits(network), 20).expect("a range").into(), (i % 7) as u16)
        })
        .collect()
}

fn facts(i: u32) -> RequestFacts<'static> {
    RequestFacts {
        address: Some(IpAddr::V4(Ipv4Addr::from_bits(i.wrapping_mul(0x85EB_CA6B)))),
        method: b"GET",
        authority: b"site.example",
        path: b"/products/garden/chairs-and-tables",
        user_agent: b"Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/156.0.0.0 Safari/537.36",
        referer: b"https://site.example/products",
        ja4: b"t13d1516h2_8daaf6152771_b0da82dd1658",
        session: b"",
        other_session: b"",
        unanswered: false,
        unknown: Unknown::default(),
        fingerprint: b"",
        headers: Some(BrowserHeaders {
            accept: b"text/html,application/xhtml+xml,application/xml;q=0.9,image/avif,*/*;q=0.8",
            accept_language: b"en-US,en;q=0.9",
            accept_encoding: b"gzip, deflate, br, zstd",
            sec_fetch_site: b"same-origin",
            sec_fetch_mode: b"navigate",
            sec_fetch_dest: b"document",
            sec_ch_ua: br#""Chromium";v="156", "Not.A/Brand";v="8""#,
            sec_ch_ua_mobile: b"?0",
            sec_ch_ua_platform: b"\"Windows\"",
            secure: true,
            ..BrowserHeaders::default()
        }),
    }
}

fn decision(c: &mut Criterion) {
    let key = HashKey::from_bytes([1; 16]);
    let model = Model::built_in().expect("weights");
    let set = Ranges::new(
        ranges(),
        (0..7).map(|i| Provider { name: format!("p{i}"), kind: RangeKind::Cloud }).collect(),
    );
    let engine = Engine::new(Policy::default(), model.clone(), set.clone(), key.clone(), 1);

    let mut clients: Vec<_> =
        (0..10_000).map(|i| (ClientState::new(i), AddressState::new(i), NetworkState::new(i))).collect();
    let (mut i, mut now) = (0_u32, 1_795_000_000_000);
    c.bench_function("decide: keys, state, features, 28,000 ranges, model, score", |b| {
        b.iter(|| {
            i = i.wrapping_add(1);
            now += 3;
            let facts = facts(i);
            black_box((key.client(&facts), key.address(facts.address)));
            let slot = i as usize % clients.len();
            let (client, address, network) = clients.get_mut(slot).expect("in range");
            let asked = engine.ask(&facts);
            let network = engine.needs_network(&asked, client, now).then_some(network);
            let mut subjects = Subjects { client, address, network, sessions: &mut [], network_key: 1 };
            black_box(engine.decide(&asked, &mut subjects, (Marks::default(), false), now))
        });
    });
    c.bench_function("range lookup in 28,000", |b| {
        b.iter(|| {
            i = i.wrapping_add(0x9E37_79B1);
            black_box(set.lookup(IpAddr::V4(Ipv4Addr::from_bits(i))))
        });
    });
    c.bench_function("client record: read and write", |b| {
        let bytes = ClientState::new(5).to_bytes();
        b.iter(|| ClientState::from_bytes(black_box(&bytes)).map(|record| record.to_bytes()));
    });
    let parts = snapshot::Parts {
        version: 1,
        created_ms: 0,
        hash_key: key,
        policy: Default::default(),
        model: model.clone(),
        ranges: set.clone(),
        lists: Lists::default(),
    };
    let lists = Lists::compile(&entries());
    let listed = snapshot::Parts { lists: lists.clone(), ..parts.clone() };
    let denied =
        (0..10_000_u32).map(|i| Ipv4Addr::from_bits(i.wrapping_mul(0x9E37_79B1) | 1 << 24).to_string());
    let policy = PolicyConfig {
        lists: ListsConfig { deny: denied.collect(), ..Default::default() },
        ..Default::default()
    };
    let written = snapshot::Parts { policy, ..listed.clone() };
    for (name, parts) in [
        ("28,000 ranges", parts),
        ("28,000 ranges and 50,000 list entries", listed),
        ("28,000 ranges, 50,000 list entries and 10,000 in the policy", written),
    ] {
        let bytes = snapshot::encode(&parts).expect("encodes");
        c.bench_function(&format!("snapshot with {name}: decode and compile"), |b| {
            b.iter(|| {
                snapshot::decode(black_box(&bytes)).and_then(snapshot::Parts::into_engine).expect("decodes")
            });
        });
    }
}

/// A user agent of 1 KiB against patterns that it does not fit, the longest it can take.
fn user_agents(c: &mut Criterion) {
    let key = HashKey::from_bytes([1; 16]);
    let browser = String::from_utf8_lossy(facts(0).user_agent).into_owned();
    let text = browser.repeat(1024 / browser.len() + 1);
    let facts =
        RequestFacts { user_agent: text.as_bytes().get(..1024).expect("long enough"), ..Default::default() };
    type Form = (&'static str, fn(u32) -> String);
    let forms: [Form; 3] = [
        ("names", |n| format!("EvilSpider{n}/")),
        ("parts", |n| format!("Mozilla/5.0*Chrome/{n}.*evil{n}*")),
        ("whole browsers", |n| {
            format!(
                "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/{}.0.0.0 Safari/537.36x",
                n + 300
            )
        }),
    ];
    for (form, pattern) in forms {
        for count in [1, 256] {
            let entries: Vec<_> = (0..count)
                .map(|n| ListEntry {
                    action: ListAction::Deny,
                    target: ListTarget::UserAgent(pattern(n)),
                    expires_ms: 0,
                })
                .collect();
            let lists = Lists::compile(&entries);
            c.bench_function(&format!("user agent of 1 KiB, {count} patterns: {form}"), |b| {
                b.iter(|| lists.find(black_box(&facts), b"/", &key, 0));
            });
        }
    }
}

/// 50,000 entries: half networks, a quarter sessions, a quarter fingerprints, each with an end of its own hour.
fn entries() -> Vec<ListEntry> {
    (0..50_000_u32)
        .map(|i| {
            let spread = i.wrapping_mul(0x85EB_CA6B);
            let target = match i % 4 {
                0 => ListTarget::Session(u64::from(spread) << 32 | u64::from(i)),
                1 => ListTarget::Fingerprint(u64::from(spread) << 32 | u64::from(i)),
                _ => ListTarget::Network(ipnet::IpNet::from(IpAddr::V4(Ipv4Addr::from_bits(spread)))),
            };
            let expires_ms = 1_795_000_000_000 + u64::from(i % 1_000) * 3_600_000;
            ListEntry { action: ListAction::Deny, target, expires_ms }
        })
        .collect()
}

/// Appends a tree of `depth` splits on every path, its thresholds in the middle of what is left of each feature.
fn grow(nodes: &mut Vec<TreeNode>, depth: u32, feature: u8, threshold: f32) {
    if depth == 0 {
        return nodes.push(TreeNode::leaf(threshold / 100.0));
    }
    let step = 0.25 / f32::from(1_u8 << (depth / 2));
    let root = nodes.len();
    nodes.push(TreeNode::leaf(0.0));
    grow(nodes, depth - 1, (feature + 3) % 7, threshold - step);
    let right = nodes.len() as u16;
    grow(nodes, depth - 1, (feature + 3) % 7, threshold + step);
    if let Some(node) = nodes.get_mut(root) {
        *node = TreeNode::split(feature, threshold, right);
    }
}

/// Of the size of a trained forest at its largest: 50 trees, 9 splits deep.
fn forest() -> Model {
    let tree = |i: u8| {
        let mut nodes = Vec::new();
        grow(&mut nodes, 9, i % 7, 0.3 + f32::from(i) / 125.0);
        nodes
    };
    let trees: Vec<_> = (0..50).map(tree).collect();
    Model::random_forest(Trees::new([1.0, 0.0, 0.0], &trees).expect("sound"), Features::default())
}

fn models(c: &mut Criterion) {
    let mut numbers = 1_u32;
    let mut number = || {
        numbers = numbers.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        (numbers >> 8) as f32 / (1 << 24) as f32
    };
    // Other clients each time, so that no processor learns a forest's paths by heart.
    let clients: Vec<_> =
        (0..4096).map(|_| Features::new(std::array::from_fn(|_| number())).expect("in range")).collect();
    let models = [("network", Model::built_in().expect("weights")), ("forest of 50 trees", forest())];
    for (name, model) in models {
        let mut clients = clients.iter().cycle();
        c.bench_function(&format!("{name}: log-odds"), |b| {
            b.iter(|| model.logit(black_box(clients.next().expect("endless"))));
        });
        c.bench_function(&format!("{name}: Shapley values"), |b| {
            b.iter(|| model.shapley(black_box(clients.next().expect("endless"))));
        });
    }
}

criterion_group!(benches, decision, user_agents, models);
criterion_main!(benches);
