//! How crawlers are verified, against a name server of the test's own.

use std::sync::Arc;

use hickory_resolver::proto::op::ResponseCode;
use hickory_resolver::proto::rr::RecordType;
use prometheus_client::encoding::text::encode;
use prometheus_client::registry::Registry;
use sallyport::config::CrawlersConfig;
use sallyport::crawlers::{CrawlerRanges, Finding, Verifier};
use sallyport_core::AgentVerdict;
use sallyport_core::policy::CrawlerCategory;

use crate::name_server::{NameServer, Zone};

pub(crate) const GOOGLEBOT: &[u8] =
    b"Mozilla/5.0 (compatible; Googlebot/2.1; +http://www.google.com/bot.html)";
pub(crate) const GPTBOT: &[u8] =
    b"Mozilla/5.0 AppleWebKit/537.36 (KHTML, like Gecko); compatible; GPTBot/1.3; +https://openai.com/gptbot";
pub(crate) const BINGBOT: &[u8] = b"Mozilla/5.0 (compatible; bingbot/2.0; +http://www.bing.com/bingbot.htm)";
const SEARCH: AgentVerdict = AgentVerdict::Verified(CrawlerCategory::Search);
const NOW: u64 = 1_800_000_000_000;

fn verifier(server: &NameServer) -> Arc<Verifier> {
    let nameservers = vec![server.address];
    Arc::new(Verifier::new(&CrawlersConfig { nameservers, ..CrawlersConfig::default() }))
}

async fn find_out(verifier: &Arc<Verifier>, user_agent: &[u8], ip: &str, now_ms: u64) -> Finding {
    let ip = ip.parse().expect("an address");
    verifier.find_out(user_agent, ip, now_ms).await.expect("a known crawler")
}

fn ranges(name: &str, net: &str, as_of_ms: u64) -> CrawlerRanges {
    CrawlerRanges::new([(name.to_owned(), vec![net.parse().expect("a range")], as_of_ms)])
}

#[tokio::test]
async fn a_name_that_leads_back_is_the_crawler() {
    let zone = Zone::default()
        .ptr("66.249.66.1", "Crawl-66-249-66-1.GoogleBot.com")
        .address("crawl-66-249-66-1.googlebot.com", "66.249.66.1")
        .ptr("2001:4860:4801:10::1", "crawl-six.googlebot.com")
        .address("crawl-six.googlebot.com", "2001:4860:4801:10::1")
        .address("crawl-six.googlebot.com", "192.0.2.1")
        .delegated_ptr("192.0.2.7", "7.0-127.2.0.192.in-addr.arpa", "alias.googlebot.com")
        .cname("alias.googlebot.com", "further.googlebot.com")
        .cname("further.googlebot.com", "there.example")
        .address("there.example", "192.0.2.7")
        .ptr("192.0.2.8", "home.example")
        .ptr("192.0.2.8", "two.googlebot.com")
        .address("two.googlebot.com", "192.0.2.9")
        .address("two.googlebot.com", "192.0.2.8");
    let server = NameServer::start(zone).await;
    let verifier = verifier(&server);
    for ip in ["66.249.66.1", "::ffff:66.249.66.1", "2001:4860:4801:10::1", "192.0.2.7", "192.0.2.8"] {
        let found = find_out(&verifier, GOOGLEBOT, ip, NOW).await;
        assert_eq!((found.verdict, found.ttl_s), (SEARCH, 3600), "{ip}: {}", found.why);
        assert!(found.why.contains("googlebot.com"), "{}", found.why);
    }
    assert!(
        server.asked(RecordType::AAAA).len() == 1,
        "IPv4 needs no AAAA: {:?}",
        server.asked(RecordType::AAAA)
    );
}

#[tokio::test]
async fn what_does_not_lead_back_is_not_the_crawler() {
    let zone = Zone::default()
        .ptr("192.0.2.1", "cable-1.isp.example")
        .ptr("192.0.2.2", "evil-googlebot.com")
        .address("evil-googlebot.com", "192.0.2.2")
        .ptr("192.0.2.3", "crawl.googlebot.com.evil.example")
        .address("crawl.googlebot.com.evil.example", "192.0.2.3")
        .ptr("192.0.2.4", "crawl-66-249-66-1.googlebot.com")
        .address("crawl-66-249-66-1.googlebot.com", "66.249.66.1")
        .ptr("192.0.2.5", "nowhere.googlebot.com")
        .ptr("192.0.2.6", "googlebot.com")
        .address("googlebot.com", "192.0.2.6")
        .ptr("2001:db8::1", "four.googlebot.com")
        .address("four.googlebot.com", "192.0.2.1")
        .delegated_ptr("192.0.2.11", "a.evil.example", "b.googlebot.com")
        .cname("a.evil.example", "a.evil.example")
        .ptr("192.0.2.10", "1.0.168.192.bc.googleusercontent.com")
        .address("1.0.168.192.bc.googleusercontent.com", "192.0.2.10");
    let server = NameServer::start(zone).await;
    let verifier = verifier(&server);
    let addresses = [
        "192.0.2.1",
        "192.0.2.2",
        "192.0.2.3",
        "192.0.2.4",
        "192.0.2.5",
        "192.0.2.6",
        "2001:db8::1",
        "192.0.2.10",
    ];
    for ip in addresses {
        let found = find_out(&verifier, GOOGLEBOT, ip, NOW).await;
        assert_eq!((found.verdict, found.ttl_s), (AgentVerdict::Failed, 300), "{ip}: {}", found.why);
        assert!(found.why.contains(ip), "{}", found.why);
    }
    let endless = find_out(&verifier, GOOGLEBOT, "192.0.2.11", NOW).await;
    assert!(matches!(endless.verdict, AgentVerdict::Failed | AgentVerdict::Unverifiable), "{}", endless.why);
    let strangers = server.asked(RecordType::A).into_iter().filter(|name| !name.ends_with(".googlebot.com."));
    assert_eq!(strangers.count(), 0, "names of others are not followed");
}

#[tokio::test]
async fn trouble_with_dns_says_nothing_about_a_crawler() {
    let zone = Zone::default()
        .ptr_code("192.0.2.1", ResponseCode::ServFail)
        .ptr_code("192.0.2.2", ResponseCode::Refused)
        .silent("192.0.2.3")
        .ptr("192.0.2.5", "crawl.googlebot.com")
        .cut("192.0.2.5")
        .ptr("192.0.2.4", "crawl.googlebot.com")
        .code("crawl.googlebot.com", ResponseCode::ServFail);
    let server = NameServer::start(zone).await;
    let config =
        CrawlersConfig { nameservers: vec![server.address], timeout_ms: 30, ..CrawlersConfig::default() };
    let verifier = Arc::new(Verifier::new(&config));
    // Also outside of fresh, complete ranges.
    verifier.set_ranges(ranges("googlebot", "66.249.64.0/19", NOW));
    for ip in ["192.0.2.1", "192.0.2.2", "192.0.2.3", "192.0.2.4", "192.0.2.5"] {
        let found = find_out(&verifier, GOOGLEBOT, ip, NOW).await;
        assert_eq!((found.verdict, found.ttl_s), (AgentVerdict::Unverifiable, 30), "{ip}: {}", found.why);
    }
    let inside = find_out(&verifier, GOOGLEBOT, "66.249.66.1", NOW).await;
    assert_eq!(inside.verdict, SEARCH, "ranges need no DNS: {}", inside.why);
    // Nobody listens there any more.
    let gone =
        std::net::UdpSocket::bind("127.0.0.1:0").and_then(|socket| socket.local_addr()).expect("a free port");
    let config = CrawlersConfig { nameservers: vec![gone], ..config };
    let found = find_out(&Arc::new(Verifier::new(&config)), GOOGLEBOT, "192.0.2.1", NOW).await;
    assert_eq!(found.verdict, AgentVerdict::Unverifiable, "{}", found.why);
}

#[tokio::test]
async fn a_thousand_names_are_not_a_thousand_lookups() {
    let mut zone = Zone::default();
    for number in 0..1000 {
        zone = zone.ptr("192.0.2.1", &format!("crawl-{number}.googlebot.com"));
    }
    let server = NameServer::start(zone).await;
    let found = find_out(&verifier(&server), GOOGLEBOT, "192.0.2.1", NOW).await;
    assert_eq!(found.verdict, AgentVerdict::Unverifiable, "nobody looked at the others: {}", found.why);
    assert_eq!(server.asked(RecordType::A).len(), 3);
}

#[tokio::test]
async fn an_address_without_a_name_fails_only_by_ranges_that_are_complete_and_fresh() {
    const DAY_MS: u64 = 86_400_000;
    let server = NameServer::start(Zone::default().ptr("192.0.2.2", "cable-2.isp.example")).await;
    let verdict = async |user_agent: &[u8], ranges: CrawlerRanges, ip: &str| {
        let verifier = verifier(&server);
        verifier.set_ranges(ranges);
        let found = find_out(&verifier, user_agent, ip, NOW).await;
        assert!(found.why.contains(ip), "{}", found.why);
        (found.verdict, found.ttl_s)
    };
    let (unverifiable, failed) = ((AgentVerdict::Unverifiable, 300), (AgentVerdict::Failed, 300));
    let of = |name: &str, age_ms: u64| ranges(name, "198.51.100.0/24", NOW - age_ms);
    assert_eq!(verdict(BINGBOT, of("bingbot", 31 * DAY_MS), "192.0.2.1").await, unverifiable);
    assert_eq!(verdict(BINGBOT, CrawlerRanges::default(), "192.0.2.1").await, unverifiable);
    assert_eq!(verdict(BINGBOT, of("bingbot", 29 * DAY_MS), "192.0.2.1").await, failed);
    for named in [b"Baiduspider/2.0".as_slice(), b"YandexBot/3.0", b"SeznamBot/4.0", b"MojeekBot/0.11"] {
        assert_eq!(verdict(named, of("bingbot", 0), "192.0.2.1").await, unverifiable, "publishes no ranges");
    }
    let incomplete = verdict(b"CCBot/2.0", of("ccbot", 0), "192.0.2.1").await;
    assert_eq!(incomplete, unverifiable, "its ranges may have others beside them");
    assert_eq!(verdict(BINGBOT, of("bingbot", 31 * DAY_MS), "192.0.2.2").await, failed, "somebody else's");
    assert_eq!(verdict(b"Baiduspider/2.0", CrawlerRanges::default(), "192.0.2.2").await, failed);
}

/// One of each operator that documents names.
const OPERATORS: [&[u8]; 10] = [
    GOOGLEBOT,
    BINGBOT,
    b"Applebot/0.1",
    b"YandexBot/3.0",
    b"Baiduspider/2.0",
    b"SeznamBot/4.0",
    b"MojeekBot/0.11",
    b"CCBot/2.0",
    b"Amazonbot/0.1",
    b"AhrefsBot/7.0",
];

#[tokio::test]
async fn an_address_has_one_budget_of_pending_claims_for_all_names() {
    let ip = "66.249.66.1";
    let zone = Zone::default().ptr(ip, "crawl.googlebot.com").address("crawl.googlebot.com", ip);
    let server = NameServer::held(zone).await;
    let nameservers = vec![server.address];
    let config = CrawlersConfig { nameservers, wait_ms: 0, timeout_ms: 10_000, ..CrawlersConfig::default() };
    let verifier = Arc::new(Verifier::new(&config));
    let verdict = async |user_agent: &[u8], ip: &str| {
        let found = verifier.verify(user_agent, ip.parse().expect("an address"), NOW).await;
        let found = found.expect("a known crawler");
        assert_eq!(found.ttl_s, 2, "{}", found.why);
        found.verdict
    };
    for _ in 0..3 {
        for (place, operator) in OPERATORS.into_iter().enumerate() {
            let right = if place < 3 { AgentVerdict::Pending } else { AgentVerdict::Unverifiable };
            assert_eq!(verdict(operator, ip).await, right, "{}", String::from_utf8_lossy(operator));
        }
    }
    for other in
        [b"Google-InspectionTool/1.0".as_slice(), b"GoogleOther", b"AdsBot-Google", b"Storebot-Google/1.0"]
    {
        assert_eq!(verdict(other, ip).await, AgentVerdict::Pending, "one lookup tells of all of Google's");
    }
    assert_eq!(verdict(b"Baiduspider/2.0", "66.249.66.2").await, AgentVerdict::Pending, "a neighbour");
    server.release();
    for genuine in [GOOGLEBOT, b"Google-InspectionTool/1.0", b"Storebot-Google/1.0"] {
        assert_eq!(find_out(&verifier, genuine, ip, NOW).await.verdict, SEARCH);
    }
    for other in [BINGBOT, b"Applebot/0.1"] {
        assert_eq!(find_out(&verifier, other, ip, NOW).await.verdict, AgentVerdict::Failed);
    }
    let counted = |line: &str| {
        let (mut registry, mut text) = (Registry::default(), String::new());
        verifier.register(&mut registry);
        encode(&mut text, &registry).expect("text");
        assert!(text.contains(line), "{line} is missing in\n{text}");
    };
    counted("crawler_lookups_total{outcome=\"crowded\"} 21");
    counted("crawler_lookups_total{outcome=\"refuted\"} 2");
    let late = find_out(&verifier, b"Baiduspider/2.0", ip, NOW).await;
    assert_eq!(late.verdict, AgentVerdict::Failed, "one at a time goes on: {}", late.why);
    counted("crawler_lookups_total{outcome=\"refuted\"} 3");
}

#[tokio::test]
async fn one_lookup_serves_all_who_ask_and_is_remembered() {
    let ip = "66.249.66.1";
    let zone = Zone::default()
        .ptr(ip, "crawl.googlebot.com")
        .address("crawl.googlebot.com", ip)
        .ptr("192.0.2.9", "home-9.isp.example");
    let server = NameServer::held(zone).await;
    let nameservers = vec![server.address];
    let config = CrawlersConfig {
        nameservers,
        wait_ms: 0,
        lookups: 1,
        timeout_ms: 10_000,
        ..CrawlersConfig::default()
    };
    let verifier = Arc::new(Verifier::new(&config));
    for _ in 0..20 {
        let early =
            verifier.verify(GOOGLEBOT, ip.parse().expect("an address"), NOW).await.expect("a known crawler");
        assert_eq!((early.verdict, early.ttl_s), (AgentVerdict::Pending, 2), "{}", early.why);
    }
    let busy = find_out(&verifier, GOOGLEBOT, "192.0.2.9", NOW).await;
    assert_eq!((busy.verdict, busy.ttl_s), (AgentVerdict::Unverifiable, 2), "{}", busy.why);
    let waiting: Vec<_> = (0..20)
        .map(|_| {
            let verifier = Arc::clone(&verifier);
            tokio::spawn(async move { find_out(&verifier, GOOGLEBOT, ip, NOW).await })
        })
        .collect();
    server.release();
    for asked in waiting {
        assert_eq!(asked.await.expect("answers").verdict, SEARCH);
    }
    assert_eq!(server.asked(RecordType::PTR).len(), 1);
    let later = find_out(&verifier, GOOGLEBOT, ip, NOW + 3_599_500).await;
    assert_eq!((later.verdict, later.ttl_s), (SEARCH, 2), "{}", later.why);
    assert_eq!(server.asked(RecordType::PTR).len(), 1);
    // Expired: what was known stands in, and it is looked up anew.
    let expired = find_out(&verifier, GOOGLEBOT, ip, NOW + 3_600_000).await;
    assert_eq!((expired.verdict, expired.ttl_s), (SEARCH, 2), "{}", expired.why);
    // The only slot is free again once that lookup has ended.
    let other = loop {
        let other = find_out(&verifier, GOOGLEBOT, "192.0.2.9", NOW + 3_600_000).await;
        if other.verdict != AgentVerdict::Unverifiable {
            break other;
        }
        tokio::task::yield_now().await;
    };
    assert_eq!(other.verdict, AgentVerdict::Failed, "{}", other.why);
    assert_eq!(server.asked(RecordType::PTR).len(), 3);
    let anew = find_out(&verifier, GOOGLEBOT, ip, NOW + 3_600_001).await;
    assert_eq!((anew.verdict, anew.ttl_s), (SEARCH, 3600), "{}", anew.why);
}

#[tokio::test]
async fn ranges_alone_refuse_only_where_they_are_complete_and_fresh() {
    let verdict = async |user_agent: &[u8], ranges: CrawlerRanges, ip: &str| {
        let config = CrawlersConfig { dns: false, ..CrawlersConfig::default() };
        let verifier = Arc::new(Verifier::new(&config));
        verifier.set_ranges(ranges);
        find_out(&verifier, user_agent, ip, NOW).await.verdict
    };
    let fresh = |name: &str| ranges(name, "192.0.2.0/24", NOW - 86_400_000);
    let training = AgentVerdict::Verified(CrawlerCategory::AiTraining);
    assert_eq!(verdict(GPTBOT, fresh("gptbot"), "192.0.2.7").await, training);
    assert_eq!(verdict(GPTBOT, fresh("gptbot"), "198.51.100.1").await, AgentVerdict::Failed);
    let stale = ranges("gptbot", "192.0.2.0/24", NOW - 40 * 86_400_000);
    assert_eq!(verdict(GPTBOT, stale, "198.51.100.1").await, AgentVerdict::Unverifiable);
    assert_eq!(verdict(GPTBOT, CrawlerRanges::default(), "192.0.2.7").await, AgentVerdict::Unverifiable);
    assert_eq!(verdict(GPTBOT, fresh("googlebot"), "192.0.2.7").await, AgentVerdict::Unverifiable);
    assert_eq!(
        verdict(b"ClaudeBot/1.0", fresh("claudebot"), "198.51.100.1").await,
        AgentVerdict::Unverifiable
    );
    assert_eq!(verdict(GOOGLEBOT, fresh("googlebot"), "198.51.100.1").await, AgentVerdict::Failed);
    assert_eq!(verdict(b"YandexBot/3.0", fresh("googlebot"), "192.0.2.7").await, AgentVerdict::Unverifiable);
}

#[tokio::test]
async fn who_claims_nothing_is_not_asked_about() {
    let verifier = Arc::new(Verifier::new(&CrawlersConfig { dns: false, ..CrawlersConfig::default() }));
    let ip = "192.0.2.1".parse().expect("an address");
    for user_agent in [
        &b"Mozilla/5.0 (X11; Linux x86_64; rv:145.0) Gecko/20100101 Firefox/145.0"[..],
        // What iMessage sends from the sender's phone.
        b"Mozilla/5.0 (Macintosh; Intel Mac OS X 10_11_1) AppleWebKit/601.2.4 (KHTML, like Gecko) Version/9.0.1 Safari/601.2.4 facebookexternalhit/1.1 Facebot Twitterbot/1.0",
        b"WhatsApp/2.23.20.0 A",
        b"",
        &[0xFF; 10_000],
    ] {
        assert!(verifier.find_out(user_agent, ip, NOW).await.is_none());
    }
}
