//! What replay writes: the summary, the page, the accuracy, and how the policy shows in them.

use crate::{Replay, testdata, text};

fn combined(second: u32, ip: &str, path: &str, agent: &str) -> String {
    let (minute, second) = (second / 60, second % 60);
    format!(
        "{ip} - - [15/Dec/2018:10:{minute:02}:{second:02} +0000] \"GET {path} HTTP/1.1\" 200 1 \"-\" \"{agent}\"\n"
    )
}

#[test]
fn the_summary_has_no_colours_in_a_pipe() {
    let log = testdata("good").into_iter().find(|log| log.ends_with("combined.log")).expect("it is there");
    let summary = Replay::new().succeeds(&[text(&log)]);
    assert!(
        summary.starts_with("64 requests of 4 clients, 2024-07-12 09:00 to 2024-07-12 09:04 UTC\n"),
        "{summary}"
    );
    for wanted in ["ALLOW", "Why ", "Clients refused most", "203.0.113.77", "python-requests", "/.env"] {
        assert!(summary.contains(wanted), "no {wanted} in:\n{summary}");
    }
    assert!(!summary.contains('\x1b'));
}

#[test]
fn accuracy_is_measured_per_request_and_per_client() {
    let log = testdata("good").into_iter().find(|log| log.ends_with("combined.log")).expect("it is there");
    let labels = log.with_extension("labels.tsv");
    let summary = Replay::new().succeeds(&[text(&log), "--labels", text(&labels)]);
    assert!(
        summary.contains("Against `label`: 40 requests of bots, 24 of people; 2 bots, 2 people"),
        "{summary}"
    );
    let rows = summary.lines().map(|line| line.split_whitespace().collect::<Vec<_>>());
    let clients =
        rows.into_iter().find(|words| words.starts_with(&["clients", "MONITOR"])).expect("a row of clients");
    assert_eq!(clients[2..].join(" "), "100.0 % 100.0 % 0.0 % (0) 1.000");
}

#[test]
fn labels_must_fit_their_logs() {
    let replay = Replay::new();
    let log = replay.file("a.log", combined(0, "192.0.2.1", "/", "curl/8"));
    let bad = replay.file("bad.tsv", "line\tlabel\none\tbot\n");
    assert!(replay.fails(&[text(&log), "--labels", text(&bad)]).contains("row 2"));
    let other = replay.file("other.tsv", "line\tlabel\n1\tbot\n100\thuman\n");
    let message = replay.fails(&[text(&log), "--labels", text(&other)]);
    assert!(message.contains("up to line 100, but") && message.contains("has 1 lines"), "{message}");
    let message = replay.fails(&[text(&log), text(&log), "--labels", text(&bad)]);
    assert!(message.contains("once for each log"), "{message}");
}

#[test]
fn the_page_shows_hostile_text_without_running_it() {
    let replay = Replay::new();
    let mut log = String::new();
    for second in 0..60 {
        log +=
            &combined(second, "192.0.2.1", "/<script>alert(1)</script>", "bot<img src=x onerror=alert(2)>'");
    }
    let log = replay.file("<b>hostile.log", log + "<svg onload=alert(3)>\n");
    replay.succeeds(&[text(&log), "--html", "report.html"]);
    let page =
        std::fs::read_to_string(replay.folder.path().join("report.html")).expect("the page is written");
    for hostile in ["<script", "<img", "<svg onload", "<b>"] {
        assert!(!page.contains(hostile), "{hostile} stands in the page");
    }
    assert!(page.contains("&lt;script&gt;"), "the path is shown");
    assert!(page.contains("default-src 'none'"));
    let own = page.replace("&lt;img src=", "");
    for outside in ["src=", "href=", "url(", "@import"] {
        assert!(!own.contains(outside), "{outside} reaches outside the page");
    }
}

#[test]
fn a_page_of_nothing_is_a_page() {
    let replay = Replay::new();
    let log = replay.file("empty.log", "");
    replay.succeeds(&[text(&log), "--html", "report.html"]);
    let page =
        std::fs::read_to_string(replay.folder.path().join("report.html")).expect("the page is written");
    assert!(page.trim_end().ends_with("</html>"), "{page}");
}

#[test]
fn lines_out_of_order_are_judged_and_counted() {
    let replay = Replay::new();
    let first = replay.file("1.log", combined(100, "192.0.2.1", "/", "curl/8"));
    let second = replay.file("2.log", combined(50, "192.0.2.1", "/", "curl/8"));
    let summary = replay.succeeds(&[text(&first), text(&second)]);
    assert!(summary.starts_with("2 requests of 1 client,"), "{summary}");
    assert!(summary.contains("Note: 1 line older"), "{summary}");
    let decisions = replay.decisions(&[text(&first), text(&second)]);
    assert_eq!(decisions[1]["file"], text(&second));
    assert_eq!(decisions[1]["ts"], "2018-12-15T10:00:50Z", "the line's own time is shown");
}

#[test]
fn clients_are_bounded_and_the_loss_is_told() {
    let replay = Replay::new();
    let log: String =
        (0..200).map(|n| combined(n, &format!("192.0.2.{}", n % 100), "/", &format!("agent {n}"))).collect();
    let log = replay.file("many.log", log);
    let summary = replay.succeeds(&[text(&log), "--max-clients", "20"]);
    assert!(summary.starts_with("200 requests of 200 clients"), "{summary}");
    assert!(summary.contains("raise --max-clients"), "{summary}");
}

#[test]
fn the_policy_of_the_configuration_is_used() {
    let replay = Replay::new();
    let log = replay.file("a.log", combined(0, "192.0.2.1", "/", "python-requests/2.28.0"));
    let config = replay.file("allow.yaml", "policy:\n  lists:\n    allow: [192.0.2.0/24]\n");
    let decisions = replay.decisions(&["--config", text(&config), text(&log)]);
    assert_eq!(decisions[0]["action"], "ALLOW");
    assert_eq!(decisions[0]["reasons"][0]["check"], "allow_list");
}

#[test]
fn weights_of_another_kind_are_refused() {
    let replay = Replay::new();
    let log = replay.file("a.log", combined(0, "192.0.2.1", "/", "curl/8"));
    let weights = replay.file("weights.bin", "not weights");
    assert!(replay.fails(&[text(&log), "--model", text(&weights)]).contains("not a Sallyport model"));
}

/// 40 readings of one page, each by another visitor.
fn visitors(client: impl Fn(u32) -> String, forwarded: impl Fn(u32) -> String) -> String {
    let line = |n| combined(n, &client(n), "/", &format!("agent {n}"));
    (0..40).map(|n| format!("{} \"{}\"\n", line(n).trim_end(), forwarded(n))).collect()
}

#[test]
fn a_log_behind_a_balancer_says_so() {
    let replay = Replay::new();
    let balancers = |n: u32| format!("203.0.113.{}", n % 2);
    let log = replay.file("behind.log", visitors(balancers, |n| format!("6.6.6.6, 192.0.2.{n}")));
    let summary = replay.succeeds(&[text(&log), "--html", "report.html"]);
    let beware = "Beware: this log stands behind a balancer: 100.0 % of its lines come from 203.0.113.";
    assert!(summary.contains(beware), "{summary}");
    let page =
        std::fs::read_to_string(replay.folder.path().join("report.html")).expect("the page is written");
    assert!(page.contains(beware), "{page}");
    let summary = replay.succeeds(&[text(&log), "--trusted-hops", "1"]);
    assert!(summary.starts_with("40 requests of 40 clients") && !summary.contains("Beware"), "{summary}");
    let decisions = replay.decisions(&[text(&log), "--trusted-hops", "1"]);
    assert_eq!(decisions[7]["ip"], "192.0.2.7", "not what the client says");

    let pods = replay.file("private.log", visitors(|n| format!("10.1.{n}.1"), |_| "-".to_owned()));
    assert!(replay.succeeds(&[text(&pods)]).contains("come from private addresses"));
}

#[test]
fn a_log_that_is_newest_first_says_so() {
    let replay = Replay::new();
    let log = (0..40).rev().map(|n| combined(n, &format!("192.0.2.{n}"), "/", "curl/8")).collect::<String>();
    let summary = replay.succeeds(&[text(&replay.file("turned.log", log))]);
    assert!(summary.contains("Beware: this log is newest first"), "{summary}");
}

#[test]
fn claimed_crawlers_are_shown_apart() {
    let replay = Replay::new();
    let googlebot = "Mozilla/5.0 (compatible; Googlebot/2.1; +http://www.google.com/bot.html)";
    let log = combined(0, "192.0.2.1", "/of-a-crawler", googlebot) + &combined(1, "192.0.2.2", "/", "curl/8");
    let log = replay.file("crawlers.log", log);
    let summary = replay.succeeds(&[text(&log)]);
    assert!(summary.contains("Claimed crawlers: 1 request, of which 1 would be verified"), "{summary}");
    assert!(
        !summary.contains("192.0.2.1 ") && !summary.contains("/of-a-crawler"),
        "not among the refused: {summary}"
    );
    let decisions = replay.decisions(&[text(&log)]);
    assert_eq!(decisions[0]["would_be_verified"], "googlebot");
    assert!(decisions[1].get("would_be_verified").is_none());
}

#[test]
fn a_gate_s_own_refusals_are_counted() {
    let replay = Replay::new();
    let line = r#"[2024-07-12T09:00:00Z] "GET / HTTP/2" 403 - 0 512 4 - "192.0.2.7" "curl/8" "id" "shop.example" "-""#;
    let summary = replay.succeeds(&[text(&replay.file("own.log", line))]);
    assert!(summary.contains("Note: 1 request refused by a gate before the site"), "{summary}");
}
