//! `/v1/lists`.

use std::time::Instant;

use reqwest::Method;
use sallyport::clock::unix_ms;
use sallyport::lists::InForce;
use sallyport::store::{ListAction, ListFilter, ListKind, NewListEntry, SqliteStore, Store};
use serde_json::{Value, json};

use crate::harness::{ControlPlane, FIREFOX, Reply, send};

impl ControlPlane {
    pub(crate) async fn enlist(&self, body: Value) -> Reply {
        self.post("/v1/lists", body.to_string()).await
    }

    async fn delete(&self, path: &str) -> Reply {
        send(self.request(Method::DELETE, path, &self.admin_token)).await
    }

    /// The values of all entries, newest first.
    pub(crate) async fn listed(&self) -> Vec<String> {
        let reply = self.get("/v1/lists?limit=1000").await;
        let entries = reply.ok(200)["entries"].as_array().expect("a list").iter();
        entries.map(|entry| entry["value"].as_str().expect("text").to_owned()).collect()
    }

    /// What is judged of an ordinary visitor who differs by this.
    pub(crate) async fn judged(&self, difference: Value) -> String {
        let mut visitor = json!({ "ip": "203.0.113.77", "user_agent": FIREFOX, "endpoint": "/" });
        let fields = difference.as_object().expect("an object").clone();
        visitor.as_object_mut().expect("an object").extend(fields);
        let reply = self.check(visitor).await;
        let reason = reply.ok(200)["reasons"][0]["check"].as_str().unwrap_or_default();
        if matches!(reason, "allow_list" | "deny_list") { reason.to_owned() } else { String::new() }
    }

    /// Publishes what waits for the next publication.
    pub(crate) async fn settle(&self) {
        self.app.lists.refresh(unix_ms()).await.expect("published");
    }
}

#[tokio::test]
async fn each_kind_of_entry_is_effective_and_explained() {
    let plane = ControlPlane::start().await;
    for (value, kind, visitor, asked) in [
        (
            json!("203.0.113.9"),
            "address",
            json!({ "ip": "::ffff:203.0.113.9" }),
            json!({ "ip": "203.0.113.9" }),
        ),
        (json!("2001:db8::/32"), "range", json!({ "ip": "2001:db8::7" }), json!({ "ip": "2001:db8::7" })),
        (
            json!("Bad*Bot*"),
            "user_agent",
            json!({ "user_agent": "badder bot/2" }),
            json!({ "user_agent": "badder bot/2" }),
        ),
        (
            json!("/private/*"),
            "path",
            json!({ "endpoint": "/private//a?b=c" }),
            json!({ "path": "/private/%61?b" }),
        ),
        (json!("s-17"), "session", json!({ "session_id": "s-17" }), json!({ "session": "s-17" })),
        (
            json!({ "a": 1, "b": "x" }),
            "fingerprint",
            json!({ "fingerprint": { "b": "x", "a": 1 } }),
            json!({ "fingerprint": { "b": "x", "a": 1 } }),
        ),
        (json!("f-1"), "fingerprint", json!({ "fingerprint": "f-1" }), json!({ "fingerprint": "f-1" })),
    ] {
        let check = || plane.post("/v1/lists/check", asked.to_string());
        assert_eq!(plane.judged(visitor.clone()).await, "", "{value}");
        assert_eq!(check().await.ok(200), &json!({ "action": null, "entries": [], "configured": [] }));
        let added =
            plane.enlist(json!({ "action": "deny", "kind": kind, "value": value, "reason": "why" })).await;
        let id = added.ok(201)["entries"][0]["id"].as_str().expect("an id").to_owned();
        plane.settle().await;
        assert_eq!(plane.judged(visitor.clone()).await, "deny_list", "{value}");
        let told = check().await;
        assert_eq!((&told.ok(200)["action"], &told.json["entries"][0]["id"]), (&json!("deny"), &json!(id)));
        let entry = plane.get(&format!("/v1/lists/{id}")).await;
        assert_eq!((&entry.ok(200)["kind"], &entry.json["author"]), (&json!(kind), &json!("test")));
        assert!(!String::from_utf8_lossy(&entry.bytes).contains("s-17"), "only its hash");

        let allow = json!({ "action": "allow", "kind": kind, "value": value });
        assert_eq!(plane.enlist(allow).await.ok(201)["entries"][0]["created"], true);
        plane.settle().await;
        assert_eq!(plane.judged(visitor.clone()).await, "allow_list", "{value}");
        assert_eq!(check().await.ok(200)["action"], "allow");
        assert_eq!(plane.delete(&format!("/v1/lists/{id}")).await.ok(200)["removed"], 1);
        assert_eq!(plane.delete(&format!("/v1/lists/{id}")).await.problem(404).0, "not-found");
        assert_eq!(plane.delete("/v1/lists?action=allow").await.ok(200)["removed"], 1);
        plane.settle().await;
        assert_eq!(plane.judged(visitor).await, "", "{value}");
    }
}

#[tokio::test]
async fn the_first_change_is_in_force_when_it_is_answered_and_filters_get_it() {
    let plane = ControlPlane::start().await;
    let reply = plane.enlist(json!({ "action": "deny", "value": "198.51.100.0/24" })).await;
    assert_eq!(reply.ok(201)["in_force"], true);
    assert_eq!(plane.judged(json!({ "ip": "198.51.100.1" })).await, "deny_list");
    let snapshot = plane.get("/v1/snapshot").await;
    assert_eq!(snapshot.headers["etag"], "\"2\"");
    let parts = sallyport_core::snapshot::decode(&snapshot.bytes).expect("a snapshot");
    let stored = InForce::read(&*plane.app.store, unix_ms()).await.expect("readable");
    assert_eq!(parts.lists, stored.lists);
    let metrics = plane.get("/metrics").await;
    let text = String::from_utf8_lossy(&metrics.bytes).into_owned();
    assert!(text.contains("sallyport_list_entries{action=\"deny\",kind=\"range\"} 1\n"), "{text}");
    assert!(text.contains("sallyport_list_entries{action=\"allow\",kind=\"path\"} 0\n"), "{text}");

    let again = sallyport::app::App::start(plane.app.store.clone(), &plane.loaded).await.expect("starts");
    assert_eq!(again.publisher.current().version, 2, "a restart finds the same lists");
}

#[tokio::test]
async fn what_is_wrong_is_told_and_not_stored() {
    let plane = ControlPlane::with_config("lists: { trusted_proxies: [203.0.113.16/28] }").await;
    for (body, field, told) in [
        (json!({ "value": "192.0.2.1" }), "action", "write allow or deny"),
        (json!({ "action": "maybe", "value": "192.0.2.1" }), "action", "write allow or deny"),
        (json!({ "action": "deny" }), "value", "write text"),
        (json!({ "action": "deny", "value": 7 }), "value", "write text"),
        (json!({ "action": "deny", "value": {} }), "value", "write text"),
        (json!({ "action": "deny", "value": "" }), "value", "is empty"),
        (json!({ "action": "deny", "value": "x\ny" }), "value", "line breaks"),
        (json!({ "action": "deny", "value": "x", "kind": "host" }), "kind", "address, range"),
        (
            json!({ "action": "deny", "value": "x", "kind": "address" }),
            "value",
            "neither an address nor a range",
        ),
        (json!({ "action": "deny", "value": "192.0.2.7/24" }), "value", "write 192.0.2.0/24"),
        (json!({ "action": "deny", "value": "fe80::1%eth0" }), "value", "write fe80::1"),
        (json!({ "action": "deny", "value": "010.0.0.1" }), "value", "write 10.0.0.1"),
        (
            json!({ "action": "deny", "value": "8.8.8.0-8.8.8.255" }),
            "value",
            "neither an address nor a range",
        ),
        (json!({ "action": "deny", "value": "deny 8.8.8.8;" }), "value", "neither an address nor a range"),
        (
            json!({ "action": "deny", "value": "0.0.0.0/0" }),
            "value",
            "whole Internet; where that is meant, use `force`",
        ),
        (json!({ "action": "allow", "value": "::/0" }), "value", "whole Internet"),
        (json!({ "action": "deny", "value": "8.0.0.0/6" }), "value", "wider than a /8"),
        (json!({ "action": "deny", "value": "203.0.113.17" }), "value", "trusted proxy 203.0.113.16/28"),
        (json!({ "action": "deny", "value": "203.0.0.0/16" }), "value", "trusted proxy 203.0.113.16/28"),
        (json!({ "action": "deny", "value": "127.0.0.1" }), "value", "127.0.0.0/8"),
        (json!({ "action": "deny", "value": "/" }), "value", "every visitor"),
        (json!({ "action": "deny", "value": "/%61" }), "value", "never fits"),
        (json!({ "action": "deny", "value": "Mozilla" }), "value", "ordinary browsers"),
        (
            json!({ "action": "deny", "value": "BadBot", "reason": "x".repeat(501) }),
            "reason",
            "500 characters",
        ),
        (json!({ "action": "deny", "value": "BadBot", "expires_in": "2y" }), "expires_in", "such as 90s"),
        (json!({ "action": "deny", "value": "BadBot", "expires_in_s": 0 }), "expires_in_s", "write 1 to"),
        (
            json!({ "action": "deny", "value": "BadBot", "expires_at": "2020-01-01T00:00:00Z" }),
            "expires_at",
            "is past",
        ),
        (json!({ "action": "deny", "value": "BadBot", "expires_at": "soon" }), "expires_at", "RFC 3339"),
        (
            json!({ "action": "deny", "value": "BadBot", "expires_in": "1h", "expires_in_s": 5 }),
            "expires_at",
            "only once",
        ),
        (
            json!({ "action": "deny", "value": "BadBot", "entries": [{ "value": "x" }] }),
            "value",
            "into `entries`",
        ),
        (json!({ "action": "deny", "entries": [] }), "entries", "1 to 50000"),
        (json!({ "action": "deny", "value": "BadBot", "forse": true }), "forse", "unknown field"),
        (
            json!({ "action": "deny", "entries": [{ "value": "BadBot" }, { "value": "::1/64" }] }),
            "entries[1].value",
            "write ::/64",
        ),
    ] {
        let reply = plane.enlist(body.clone()).await;
        let (_, found, detail) = reply.problem(422);
        assert!(found == field && detail.contains(told), "{body}: {found}: {detail}");
    }
    for body in ["", "{", "[1]", "{} {}"] {
        assert!(plane.post("/v1/lists", body).await.status.is_client_error(), "{body}");
    }
    assert_eq!(plane.listed().await, [""; 0]);
    for value in ["0.0.0.0/0", "203.0.113.17", "127.0.0.1", "/", "Mozilla"] {
        plane.enlist(json!({ "action": "deny", "value": value, "force": true })).await.ok(201);
    }
    for (path, field) in [
        ("/v1/lists?action=x", "action"),
        ("/v1/lists?kind=x", "kind"),
        ("/v1/lists?limit=0", "limit"),
        ("/v1/lists?limit=1001", "limit"),
        ("/v1/lists?limit=x", ""),
        ("/v1/lists?after=x", "after"),
        ("/v1/lists?sort=x", ""),
    ] {
        assert_eq!(plane.get(path).await.problem(422).1, field, "{path}");
    }
    assert_eq!(plane.delete("/v1/lists").await.problem(422).0, "invalid-field", "not all by mistake");
    assert_eq!(plane.delete("/v1/lists?contains=").await.problem(422).0, "invalid-field");
    assert_eq!(plane.get("/v1/lists/x").await.problem(404).0, "not-found");
    let filter = plane.request(Method::POST, "/v1/lists", &plane.filter_token).body("{}");
    assert_eq!(send(filter).await.problem(403).0, "forbidden");
}

#[tokio::test]
async fn every_faulty_entry_is_named_up_to_a_hundred() {
    let plane = ControlPlane::start().await;
    let good = json!({ "value": "192.0.2.1" });
    let mut entries = vec![good; 50];
    entries.extend(vec![json!({ "value": "192.0.2.1/24" }); 150]);
    let reply = plane.enlist(json!({ "action": "deny", "entries": entries })).await;
    let (_, field, detail) = reply.problem(422);
    assert!(field == "entries[50].value" && detail.ends_with("149 more faults"), "{field}: {detail}");
    let faults = reply.json["faults"].as_array().expect("a list");
    assert_eq!((faults.len(), &faults[99]["field"]), (100, &json!("entries[149].value")));
    assert_eq!(plane.listed().await, [""; 0]);
}

#[tokio::test]
async fn repeating_changes_nothing_and_renewing_keeps_the_id() {
    let plane = ControlPlane::start().await;
    let entry = json!({ "action": "deny", "value": "192.0.2.1", "reason": "scans" });
    let first = plane.enlist(entry.clone()).await.ok(201)["entries"][0]["id"].clone();
    let version = plane.app.publisher.current().version;
    let twice = plane.enlist(json!({ "action": "deny", "entries": [entry.clone(), entry] })).await;
    assert_eq!(
        twice.ok(200)["entries"],
        json!([{ "id": first, "created": false }, { "id": first, "created": false }])
    );
    plane.settle().await;
    assert_eq!(plane.app.publisher.current().version, version);
    let renewed = plane
        .enlist(json!({ "action": "deny", "value": "192.0.2.1/32", "expires_at": "2999-01-01T00:00:00Z" }))
        .await;
    assert_eq!(renewed.ok(200)["entries"][0]["id"], first);
    let shown = plane.get(&format!("/v1/lists/{}", first.as_str().expect("text"))).await;
    assert_eq!(
        (&shown.ok(200)["expires"], &shown.json["reason"]),
        (&json!("2999-01-01T00:00:00Z"), &json!(""))
    );
}

#[tokio::test]
async fn an_expired_entry_leaves_by_itself() {
    let plane = ControlPlane::start().await;
    let body = json!({ "action": "deny", "expires_in": "1h", "entries": [
        { "value": "192.0.2.1", "expires_in_s": 60 }, { "value": "192.0.2.2" }, { "value": "192.0.2.3", "expires_in": "2h" }
    ] });
    plane.enlist(body).await.ok(201);
    let now_ms = unix_ms();
    let entries = || plane.app.lists.counts().iter().map(|count| count.entries).sum::<u64>();
    assert_eq!(entries(), 3);
    assert!(!plane.app.lists.refresh(now_ms + 59_000).await.expect("nothing to do"));
    for (later_ms, left) in [(61_000, 2), (3_601_000, 1), (7_201_000, 0)] {
        assert!(plane.app.lists.refresh(now_ms + later_ms).await.expect("published"));
        assert_eq!(entries(), left);
    }
    assert_eq!(plane.judged(json!({ "ip": "192.0.2.1" })).await, "", "the snapshot has it no longer");
    assert!(plane.app.lists.refresh(now_ms).await.expect("published"), "the clock was set back");
    assert_eq!(entries(), 3);
}

#[tokio::test]
async fn pages_cover_everything() {
    let plane = ControlPlane::start().await;
    let entries: Vec<_> = (0..25)
        .map(|n| json!({ "value": format!("192.0.2.{n}"), "reason": format!("r{}", n % 2) }))
        .collect();
    plane.enlist(json!({ "action": "deny", "entries": entries })).await.ok(201);
    let (mut seen, mut next) = (Vec::new(), Some(String::new()));
    while let Some(after) = next {
        let after = if after.is_empty() { after } else { format!("&after={after}") };
        let page = plane.get(&format!("/v1/lists?limit=4&contains=R1{after}")).await;
        let entries = page.ok(200)["entries"].as_array().expect("a list");
        assert!(entries.len() <= 4);
        seen.extend(entries.iter().map(|entry| entry["value"].clone()));
        next = page.json["next"].as_str().map(str::to_owned);
    }
    let expected: Vec<_> =
        (0..25).rev().filter(|n| n % 2 == 1).map(|n| json!(format!("192.0.2.{n}"))).collect();
    assert_eq!(seen, expected);
    assert_eq!(plane.delete("/v1/lists?contains=r1&kind=address").await.ok(200)["removed"], 12);
    assert_eq!(plane.listed().await.len(), 13);
}

#[tokio::test]
async fn rapid_changes_share_publications() {
    let plane = ControlPlane::start().await;
    let started = Instant::now();
    for number in 0..40 {
        plane.enlist(json!({ "action": "deny", "value": format!("192.0.2.{number}") })).await.ok(201);
    }
    let at_most = 2 + started.elapsed().as_millis() / 200;
    let published = u128::from(plane.app.publisher.current().version - 1);
    assert!(published <= at_most, "{published} publications, at most {at_most}");
    plane.settle().await;
    assert_eq!(plane.judged(json!({ "ip": "192.0.2.39" })).await, "deny_list");
}

#[tokio::test]
async fn fifty_thousand_at_once_and_not_more_than_a_snapshot_holds() {
    let plane = ControlPlane::start().await;
    let ranges = |first: u32, number: u32| {
        let value =
            |n: u32| json!({ "value": format!("2001:db8:{:x}:{:x}::/64", n >> 15, (n << 1) & 0xFFFF) });
        json!({ "action": "deny", "reason": "a feed", "entries": (first..first + number).map(value).collect::<Vec<_>>() })
    };
    let reply = plane.enlist(ranges(0, 50_000)).await;
    assert_eq!(reply.ok(201)["entries"].as_array().map(Vec::len), Some(50_000));
    plane.settle().await;
    assert_eq!(plane.judged(json!({ "ip": "2001:db8:1:869e::5" })).await, "deny_list");
    let before = plane.app.publisher.current().version;
    let refused = plane.enlist(ranges(50_000, 40_000)).await;
    assert!(refused.problem(422).2.contains("filters take at most 3145728"), "{refused:?}");
    let more = plane.enlist(json!({ "action": "deny", "value": "192.0.2.1" })).await;
    assert_eq!(more.ok(201)["entries"][0]["created"], true, "there is room for others");
    plane.settle().await;
    assert_eq!(plane.app.publisher.current().version, before + 1);
    assert_eq!(plane.app.lists.counts().iter().map(|count| count.entries).sum::<u64>(), 50_001);
}

#[tokio::test]
async fn what_another_process_writes_is_noticed() {
    let plane = ControlPlane::start().await;
    let other = SqliteStore::open(&plane.loaded.config.store).expect("opens");
    let entry = NewListEntry {
        action: ListAction::Deny,
        kind: ListKind::Address,
        value: "192.0.2.1".to_owned(),
        reason: String::new(),
        author: "command line".to_owned(),
        expires_ms: 0,
    };
    other.add_list_entries(vec![entry], unix_ms()).await.expect("stored");
    plane.settle().await;
    assert_eq!(plane.judged(json!({ "ip": "192.0.2.1" })).await, "deny_list");
    other.remove_list_entries(ListFilter::default(), unix_ms()).await.expect("stored");
    plane.settle().await;
    assert_eq!(plane.judged(json!({ "ip": "192.0.2.1" })).await, "");
}

#[tokio::test]
async fn what_is_stored_but_not_published_is_told_and_made_good() {
    let plane = ControlPlane::start().await;
    let other = rusqlite::Connection::open(plane.database()).expect("opens");
    other.execute_batch("BEGIN IMMEDIATE").expect("locks");
    let refused = plane.enlist(json!({ "action": "deny", "value": "192.0.2.1" })).await;
    assert_eq!(refused.problem(503).0, "unavailable");
    other.execute_batch("ROLLBACK").expect("unlocks");
    assert_eq!(plane.listed().await, [""; 0]);

    let trigger = "CREATE TRIGGER broken BEFORE UPDATE ON settings WHEN new.name = 'snapshot'
                   BEGIN SELECT raise(ABORT, 'no snapshot today'); END";
    other.execute_batch(trigger).expect("broken");
    let stored = plane.enlist(json!({ "action": "deny", "value": "192.0.2.1" })).await;
    assert_eq!(stored.ok(201)["in_force"], false);
    let reason = plane.get("/ready").await.ok(503)["reasons"][0].clone();
    assert!(reason.as_str().is_some_and(|reason| reason.contains("no snapshot today")), "{reason}");
    other.execute_batch("DROP TRIGGER broken").expect("mended");
    plane.settle().await;
    assert_eq!(plane.judged(json!({ "ip": "192.0.2.1" })).await, "deny_list");
    plane.get("/ready").await.ok(200);
}

#[tokio::test]
async fn the_configurations_own_entries_are_told_too() {
    let config = "policy: { lists: { deny: [198.51.100.0/24], allow: [198.51.100.7], allow_user_agents: [Uptime, 'Probe*/2'] } }";
    let plane = ControlPlane::with_config(config).await;
    let ask = |visitor: Value| plane.post("/v1/lists/check", visitor.to_string());
    let denied = ask(json!({ "ip": "198.51.100.9" })).await;
    let expected = json!([{ "key": "policy.lists.deny[0]", "action": "deny", "value": "198.51.100.0/24" }]);
    assert_eq!((&denied.ok(200)["action"], &denied.json["configured"]), (&json!("deny"), &expected));
    let allowed = ask(json!({ "ip": "198.51.100.7", "user_agent": "my UPTIME/1" })).await;
    assert_eq!(
        (&allowed.ok(200)["action"], allowed.json["configured"].as_array().map(Vec::len)),
        (&json!("allow"), Some(3))
    );
    // As the judge matches: with `*` between, the parts make up the whole.
    for (user_agent, list) in
        [("PROBE of mine/2", json!("allow")), ("a probe/2", Value::Null), ("Probe*/2", json!("allow"))]
    {
        let told = ask(json!({ "user_agent": user_agent })).await;
        assert_eq!(told.ok(200)["action"], list, "{user_agent}");
        let judged = plane.judged(json!({ "ip": "192.0.2.9", "user_agent": user_agent })).await;
        assert_eq!(judged == "allow_list", list == "allow", "{user_agent}: {judged}");
    }
    assert_eq!(ask(json!({ "host": "x" })).await.problem(422).1, "host");
}
