//! Assets whose answer is none: charged as what they are, and evidence but where most clients of the path get the same.

use std::net::IpAddr;

use crate::records::Records;
use sallyport_core::policy::LimitRule;
use sallyport_core::{
    Answer, BrowserHeaders, Check, Decision, Engine, HashKey, Marks, Model, Policy, PolicyConfig, Ranges,
    RequestFacts, UsualAnswers,
};

const NOW: u64 = 1_795_000_000_000;
const CHROME: &[u8] = b"Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/156.0.0.0 Safari/537.36";
const HTML: &str = "text/html; charset=utf-8";

/// A site, what its door remembers of answers, and the time.
struct Site {
    engine: Engine,
    usual: UsualAnswers,
    now_ms: u64,
}

/// With room for five newcomers' pages of an address.
fn site() -> Site {
    site_with(r#""rate_limit": { "newcomers": { "per_second": 0.001, "burst": 5 } }"#)
}

/// With this in its policy; nobody is refused for the score.
fn site_with(policy: &str) -> Site {
    let lenient = r#""thresholds": { "monitor": 99, "challenge": 99.9, "block": 100 }"#;
    let policy = format!("{{ {lenient}, {policy} }}");
    let config = PolicyConfig::from_json(policy.as_bytes()).expect("a policy");
    let policy = Policy::compile(config).expect("a sound policy");
    let (model, key) = (Model::built_in().expect("weights"), HashKey::from_bytes([7; 16]));
    let engine = Engine::new(policy, model, Ranges::default(), key, 1);
    Site { engine, usual: UsualAnswers::default(), now_ms: NOW }
}

/// A newcomer of a network of its own.
fn facts<'a>(network: u8, path: &'a str) -> RequestFacts<'a> {
    let headers = BrowserHeaders {
        accept: b"text/html",
        accept_language: b"en",
        accept_encoding: b"gzip",
        ..Default::default()
    };
    RequestFacts {
        address: Some(IpAddr::from([10, 0, network, 1])),
        method: b"GET",
        authority: b"site.example",
        path: path.as_bytes(),
        user_agent: CHROME,
        headers: Some(headers),
        ..Default::default()
    }
}

impl Site {
    fn visitor(&self, network: u8) -> Records {
        Records::of(&self.engine, &facts(network, "/"))
    }

    /// Asks for a path, which is answered with 200 and this type.
    fn ask(&mut self, records: &mut Records, network: u8, (path, content_type): (&str, &str)) -> Decision {
        self.now_ms += 10;
        let facts = facts(network, path);
        let asked = self.usual.recall(self.engine.ask(&facts), self.now_ms);
        let marks = (Marks::default(), false);
        let decision = self.engine.decide(&asked, &mut records.lend(), marks, self.now_ms);
        if let Some(watch) = decision.watch {
            let answer = Answer { status: 200, content_type: content_type.as_bytes(), ..Answer::default() };
            let answer = self.usual.note(watch, answer, records.network.key(), self.now_ms);
            records.answer(&self.engine, watch, answer, self.now_ms);
        }
        decision
    }

    /// So many times the same; the last decision.
    fn repeat(&mut self, records: &mut Records, network: u8, what: (&str, &str), times: usize) -> Decision {
        let asked: Vec<_> = (0..times).map(|_| self.ask(records, network, what)).collect();
        asked.last().cloned().expect("asked")
    }

    /// A newcomer of this network asks for these so often; how strongly that speaks, and what refuses the next of them,
    /// another asset and a page.
    fn accused(&mut self, network: u8, what: (&str, &str), times: usize) -> (f32, [Option<LimitRule>; 3]) {
        let mut records = self.visitor(network);
        let asked = self.repeat(&mut records, network, what, times);
        let denied = asked.evidence.get(Check::HeadersMismatch);
        let mut over = |what| self.ask(&mut records, network, what).limit.map(|over| over.rule);
        (denied, [over(what), over(("/site.css", "text/css")), over(("/", HTML))])
    }
}

#[test]
fn what_most_clients_of_a_path_get_is_charged_as_a_page_and_accuses_nobody() {
    let full = Some(LimitRule::Newcomers);
    for (missing, accused) in [
        (("/img/gone.png", HTML), 0.5),
        (("/avatar/7.png", "application/json"), 0.5),
        (("/site.webmanifest", "application/json"), 0.0),
    ] {
        let mut site = site();
        let full = full.filter(|_| accused > 0.0);
        for network in 1..=2 {
            let (denied, over) = site.accused(network, missing, 4);
            assert_eq!(denied, accused, "{missing:?}: the fourth is judged with three");
            assert_eq!(
                over,
                [None, full, full],
                "{missing:?}: with the fifth there is no room, for assets neither"
            );
        }
        for network in 3..=9 {
            let (denied, over) = site.accused(network, missing, 5);
            assert_eq!(denied, 0.0, "{missing:?}: most get it");
            assert_eq!(over, [full, None, full], "{missing:?}: it is a page, and other assets go on");
        }
        let full = Some(LimitRule::Newcomers);
        let (_, over) = site.accused(9, ("/alone.png", HTML), 5);
        assert_eq!(over, [full; 3], "what one alone was told makes its assets wait");
    }
}

#[test]
fn made_up_paths_and_names_are_alone() {
    let mut site = site();
    for name in 0..20 {
        let path = format!("/item/{name}.css");
        for _ in 0..2 {
            site.accused(1, (&path, HTML), 4);
        }
        assert_eq!(site.accused(1, (&path, HTML), 4).0, 0.5, "the same network");
        assert_eq!(site.accused(2, (&path, HTML), 4).0, 0.5, "two are not most");
    }
}

#[test]
fn where_more_got_an_asset_a_page_is_a_false_claim_still() {
    let mut site = site();
    let page = ("/photo.jpg", HTML);
    (1..=3).for_each(|network| {
        site.accused(network, page, 1);
    });
    assert_eq!(site.accused(4, page, 4).0, 0.0);
    (10..=20).for_each(|network| {
        site.accused(network, ("/photo.jpg", "image/jpeg"), 1);
    });
    assert_eq!(site.accused(5, page, 4).0, 0.5);
}

#[test]
fn what_is_usual_proves_nothing_and_takes_no_proof() {
    let mut site = site();
    (1..=3).for_each(|network| {
        site.accused(network, ("/gone.png", HTML), 1);
    });
    let mut records = site.visitor(4);
    for _ in 0..2 {
        site.ask(&mut records, 4, ("/", HTML));
        site.ask(&mut records, 4, ("/gone.png", HTML));
    }
    site.now_ms += 70_000;
    site.ask(&mut records, 4, ("/gone.png", HTML));
    assert!(!records.client.is_proven(site.now_ms), "a page is no asset");
    let mut records = site.visitor(4);
    for _ in 0..2 {
        site.ask(&mut records, 4, ("/", HTML));
        site.repeat(&mut records, 4, ("/gone.png", HTML), 2);
        site.ask(&mut records, 4, ("/site.css", "text/css"));
        site.now_ms += 70_000;
    }
    site.ask(&mut records, 4, ("/site.css", "text/css"));
    assert!(records.client.is_proven(site.now_ms), "and three of them are no misdeed");
}

#[test]
fn where_only_sign_ins_are_read_requests_alone_prove() {
    for (referer, proves) in [("https://site.example/", true), ("https://other.example/", false)] {
        let mut site = site_with(r#""responses": "logins""#);
        let mut records = site.visitor(1);
        for path in ["/", "/site.css", "/about", "/site.css"] {
            let facts = RequestFacts { referer: referer.as_bytes(), ..facts(1, path) };
            let decision = records.judge(&site.engine, &facts, Marks::default(), site.now_ms);
            assert_eq!(decision.watch, None, "{path}");
            site.now_ms += 40_000;
        }
        assert_eq!(records.client.is_proven(site.now_ms), proves, "{referer}");
    }
}
