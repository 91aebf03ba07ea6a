//! People on sites that nobody has seen, and those who would pass for them: each was refused, or missed, once.

use sallyport_core::{
    Action, Answer, BrowserHeaders, Engine, HashKey, Marks, Model, Policy, PolicyConfig, Ranges,
    RequestFacts, Unknown,
};

use crate::records::Records;

const NOW: u64 = 1_795_000_000_000;
const MINUTE: u64 = 60_000;
const DAY: u64 = 86_400_000;
const CHROME: &str = "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/156.0.0.0 Safari/537.36";
const SITE: &str = "https://site.example";
const SESSION: &[u8] = b"a-session-of-the-site";

fn engine() -> Engine {
    let policy = Policy::compile(PolicyConfig::default()).expect("a valid policy");
    let key = HashKey::from_bytes([5; 16]);
    Engine::new(policy, Model::built_in().expect("weights"), Ranges::default(), key, 1)
}

/// A request of a browser; what is not said is as in a log without headers.
#[derive(Clone, Default)]
struct Ask {
    method: &'static str,
    path: String,
    referer: String,
    status: u16,
    headers: Option<BrowserHeaders<'static>>,
    unknown: Unknown,
}

fn get(path: &str, from: &str) -> Ask {
    let referer = if from.is_empty() { String::new() } else { format!("{SITE}{from}") };
    Ask { method: "GET", path: path.to_owned(), referer, status: 200, ..Ask::default() }
}

fn post(path: &str, from: &str) -> Ask {
    Ask { method: "POST", ..get(path, from) }
}

/// One client in front of the judge.
struct Visitor {
    engine: Engine,
    user_agent: &'static str,
    records: Records,
    now_ms: u64,
    /// Suspicious actions of its session.
    suspicious: u32,
}

impl Visitor {
    fn new(user_agent: &'static str) -> Self {
        let engine = engine();
        let facts = RequestFacts {
            address: Some([198, 51, 100, 7].into()),
            user_agent: user_agent.as_bytes(),
            session: SESSION,
            ..RequestFacts::default()
        };
        let records = Records::of(&engine, &facts).issued(NOW);
        Self { engine, user_agent, records, now_ms: NOW, suspicious: 0 }
    }

    fn asks(&mut self, after_ms: u64, ask: &Ask) -> (Action, [f32; 7]) {
        self.now_ms += after_ms;
        let facts = RequestFacts {
            address: Some([198, 51, 100, 7].into()),
            method: ask.method.as_bytes(),
            authority: b"site.example",
            path: ask.path.as_bytes(),
            user_agent: self.user_agent.as_bytes(),
            referer: ask.referer.as_bytes(),
            session: SESSION,
            headers: ask.headers,
            unknown: ask.unknown,
            ..RequestFacts::default()
        };
        let decision = self.records.judge(&self.engine, &facts, Marks::default(), self.now_ms);
        self.suspicious += u32::from(decision.is_suspicious);
        if let Some(watch) = decision.watch {
            let answer = Answer { path: facts.path, status: ask.status, ..Answer::default() };
            self.records.answer(&self.engine, watch, answer, self.now_ms);
        }
        (decision.action, *decision.features.values())
    }

    /// Whether it is let in.
    fn gets(&mut self, after_ms: u64, ask: &Ask) -> bool {
        !self.asks(after_ms, ask).0.refuses()
    }

    fn loads(&mut self, page: &str) -> bool {
        (0..6).all(|number| self.gets(40, &get(&format!("/static/{number}.css"), page)))
    }
}

#[test]
fn a_daily_reader_with_a_warm_cache_is_never_refused() {
    let mut reader = Visitor::new(CHROME);
    assert!(reader.gets(0, &get("/", "")) && reader.loads("/"));
    for day in 0..30 {
        assert!(reader.gets(DAY, &get("/", "")), "day {day}");
        assert!(
            reader.gets(40_000, &get("/news", "/")) && reader.gets(70_000, &get("/sport", "/news")),
            "day {day}"
        );
    }
}

#[test]
fn a_page_reloaded_thrice_is_no_bot_s_now_or_tomorrow() {
    let mut person = Visitor::new(CHROME);
    assert!(person.gets(0, &get("/score", "")) && person.loads("/score"));
    for day in 0..5 {
        assert!((0..3).all(|_| person.gets(6_000, &get("/score", ""))), "day {day}");
        person.now_ms += DAY;
    }
}

#[test]
fn a_new_visit_every_31_minutes_gains_a_bot_nothing() {
    let pattern = |pause_ms: u64| {
        let mut bot = Visitor::new(CHROME);
        let mut last = 0.0;
        for page in 0..80 {
            let pause_ms = if page % 4 == 0 { pause_ms } else { 5_000 };
            last = bot.asks(pause_ms, &get(&format!("/item/{page}"), "")).1[2];
        }
        last
    };
    let (often, once) = (pattern(31 * MINUTE), pattern(5_000));
    assert!(often > 0.8 * once, "{often} {once}");
}

#[test]
fn what_was_done_is_forgotten_in_time() {
    let mut scanner = Visitor::new(CHROME);
    assert!(!scanner.gets(0, &Ask { status: 404, ..get("/.env", "") }));
    assert!(!scanner.gets(MINUTE, &get("/", "")), "a minute later it is still known for it");
    assert!(scanner.gets(DAY, &get("/", "")), "a day later somebody else may have the address");
}

#[test]
fn a_site_without_referers_leads_by_fetch_metadata() {
    let headers = |site: &'static [u8]| BrowserHeaders {
        accept: b"text/html,*/*;q=0.8",
        accept_language: b"en",
        accept_encoding: b"gzip, br",
        sec_fetch_site: site,
        sec_fetch_mode: b"navigate",
        sec_fetch_dest: b"document",
        sec_ch_ua: br#""Chromium";v="156", "Not.A/Brand";v="8""#,
        sec_ch_ua_platform: b"\"Windows\"",
        secure: true,
        ..BrowserHeaders::default()
    };
    let mut person = Visitor::new(CHROME);
    assert!(person.gets(0, &Ask { headers: Some(headers(b"none")), ..get("/", "") }));
    for page in 0..40 {
        let ask = Ask { headers: Some(headers(b"same-origin")), ..get(&format!("/article/{page}"), "") };
        assert!(person.gets(25_000 + page * 700, &ask), "page {page}");
    }
}

#[test]
fn scripts_of_a_page_may_send_and_reconnect() {
    let mut person = Visitor::new(CHROME);
    assert!(person.gets(0, &get("/", "")) && person.loads("/"));
    // Telemetry, outside of any API.
    assert!((0..50).all(|_| person.gets(7_000, &post("/collect", "/"))));
    // As Chromium opens a WebSocket: neither Accept nor Sec-Fetch-*.
    let handshake = BrowserHeaders {
        accept_language: b"en",
        accept_encoding: b"gzip, br",
        upgrade: b"websocket",
        origin: b"https://site.example",
        secure: true,
        ..BrowserHeaders::default()
    };
    let socket = Ask { headers: Some(handshake), status: 101, ..get("/live", "") };
    assert!((0..30).all(|_| person.gets(20_000, &socket)));
    let report = BrowserHeaders { upgrade: b"", content_type: b"application/reports+json", ..handshake };
    assert!((0..10).all(|_| person.gets(15_000, &Ask { headers: Some(report), ..post("/reports", "") })));
}

#[test]
fn a_header_that_the_door_does_not_see_is_not_an_empty_one() {
    let unknown = Unknown { user_agent: true, referer: true };
    let mut person = Visitor::new("");
    for page in 0..10 {
        let path = format!("/page/{page}");
        let ask = |ask: Ask| Ask { unknown, ..ask };
        assert!(
            person.gets(20_000, &ask(get(&path, ""))) && person.gets(300, &ask(get("/site.css", ""))),
            "{page}"
        );
    }
    let mut nameless = Visitor::new("");
    assert!(!nameless.gets(0, &get("/", "")), "an empty user agent is a program's");
}

#[test]
fn the_owner_of_a_wordpress_site_signs_in_and_works() {
    let mut owner = Visitor::new(CHROME);
    assert!(owner.gets(0, &get("/wp-login.php", "")) && owner.loads("/wp-login.php"));
    assert!(owner.gets(9_000, &Ask { status: 302, ..post("/wp-login.php", "/wp-login.php") }));
    for (number, page) in ["/wp-admin/", "/wp-admin/edit.php", "/wp-admin/post.php"].into_iter().enumerate() {
        assert!(owner.gets(12_000, &get(page, "/wp-admin/")), "{number}");
        let style = get("/wp-admin/css/common.min.css", page);
        assert!(owner.gets(80, &style) && owner.loads(page), "{number}");
        assert!((0..4).all(|_| owner.gets(15_000, &post("/wp-admin/admin-ajax.php", page))), "{number}");
    }
    assert!(owner.suspicious <= 1, "nothing is suspicious at home: {}", owner.suspicious);
    let mut scanner = Visitor::new(CHROME);
    let tried = ["/wp-login.php", "/administrator/", "/phpmyadmin/", "/xmlrpc.php", "/adminer.php", "/owa/"];
    let passed =
        tried.into_iter().filter(|path| scanner.gets(1_000, &Ask { status: 404, ..get(path, "") })).count();
    assert!(passed <= 3, "{passed}");
}

#[test]
fn a_form_that_nobody_read_is_spam() {
    let mut spammer = Visitor::new(CHROME);
    assert!(spammer.gets(0, &get("/blog/entry", "/")));
    assert!(!spammer.gets(1_000, &post("/blog/entry/comment", "/blog/entry")), "a second later");
    let mut person = Visitor::new(CHROME);
    assert!(person.gets(0, &get("/blog/entry", "/")) && person.loads("/blog/entry"));
    assert!(person.gets(1_000, &post("/blog/entry/comment", "/blog/entry")), "it was shown the page");
    let mut text_browser = Visitor::new("Lynx/2.9.2 libwww-FM/2.14 SSL-MM/1.4.1");
    assert!(text_browser.gets(0, &get("/blog/entry", "/")));
    assert!(
        text_browser.gets(50_000, &post("/blog/entry/comment", "/blog/entry")),
        "who takes time may have none"
    );
}
