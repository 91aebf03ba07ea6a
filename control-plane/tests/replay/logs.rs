//! Logs of every format, whole and broken.

use std::collections::BTreeMap;
use std::io::Write as _;

use serde_json::Value;

use crate::{Replay, parse, testdata, text};

fn refused(decision: &Value) -> bool {
    ["CHALLENGE", "RATE_LIMIT", "BLOCK"].contains(&decision["action"].as_str().expect("an action"))
}

#[test]
fn every_line_of_a_good_log_is_judged() {
    for log in testdata("good") {
        let decisions = Replay::new().decisions(&[text(&log)]);
        let lines = std::fs::read_to_string(&log).expect("a log of text").lines().count();
        assert_eq!(decisions.len(), lines, "{}", log.display());
        for (decision, number) in decisions.iter().zip(1..) {
            assert_eq!(decision["line"], number);
            assert!((0.0..=100.0).contains(&decision["score"].as_f64().expect("a score")), "{decision}");
            assert!(
                (0.0..=1.0).contains(&decision["ml_probability"].as_f64().expect("a share")),
                "{decision}"
            );
            let features = decision["features"].as_array().expect("the features");
            assert_eq!(features.len(), 7);
            assert!(
                features.iter().all(|f| (0.0..=1.0).contains(&f.as_f64().expect("a number"))),
                "{decision}"
            );
            assert!(decision["ts"].as_str().expect("a time").starts_with("2024-07-12T09:"), "{decision}");
            assert!(decision["ip"].is_string(), "{decision}");
        }
    }
}

#[test]
fn people_pass_and_bots_are_refused() {
    for log in testdata("good") {
        let Ok(labels) = std::fs::read_to_string(log.with_extension("labels.tsv")) else { continue };
        let is_bot: Vec<bool> = labels.lines().skip(1).map(|row| row.ends_with("bot")).collect();
        let mut last_of_bot = BTreeMap::new();
        for (decision, bot) in Replay::new().decisions(&[text(&log)]).into_iter().zip(is_bot) {
            if bot {
                last_of_bot.insert(decision["client"].to_string(), decision);
            } else {
                assert!(!refused(&decision), "{}: a person: {decision}", log.display());
            }
        }
        for decision in last_of_bot.values() {
            assert!(refused(decision), "{}: a bot: {decision}", log.display());
        }
    }
}

#[test]
fn packed_and_piped_logs_are_judged_alike() {
    for log in testdata("good") {
        let replay = Replay::new();
        let plain = std::fs::read(&log).expect("a log");
        let expected = replay.decisions(&[text(&log)]);

        let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
        encoder.write_all(&plain).expect("memory can be written");
        let packed = encoder.finish().expect("memory can be written");
        let file = replay.file("packed", &packed);
        assert_eq!(replay.decisions(&[text(&file)]), expected, "{}", log.display());
        assert_eq!(parse(&replay.succeeds_reading(&plain, &["-", "--json"])), expected);
        assert_eq!(parse(&replay.succeeds_reading(&packed, &["-", "--json"])), expected);
    }
}

#[test]
fn lines_of_a_bad_log_are_counted_and_the_first_shown() {
    for log in testdata("bad") {
        let format = log.file_stem().and_then(|stem| stem.to_str()).expect("named after its format");
        let lines = std::fs::read(&log)
            .expect("a log")
            .split(|byte| *byte == b'\n')
            .filter(|l| !l.is_empty())
            .count();
        let summary = Replay::new().succeeds(&["--format", format, text(&log)]);
        assert!(summary.starts_with("0 requests of 0 clients"), "{summary}");
        assert!(summary.contains(&format!("{lines} lines could not be judged")), "{lines}: {summary}");
        assert!(summary.contains("line 1 "), "{summary}");
        assert!(!summary.contains('\x1b'), "a log must not drive the terminal: {summary:?}");
    }
}

#[test]
fn good_lines_among_bad_ones_are_judged() {
    let replay = Replay::new();
    let line = r#"192.0.2.7 - - [15/Dec/2018:10:18:31 +0000] "GET / HTTP/1.1" 200 334 "-" "curl/8""#;
    let log = replay.file("mixed.log", format!("rubbish\n\n{line}\r\n{}\n{line}", "x".repeat(70_000)));
    let decisions = replay.decisions(&[text(&log)]);
    let numbers: Vec<_> = decisions.iter().map(|decision| decision["line"].clone()).collect();
    assert_eq!(numbers, [3, 5]);
    let summary = replay.succeeds(&[text(&log)]);
    assert!(summary.contains("longer than 64 KiB"), "{summary}");
}

#[test]
fn a_packed_log_that_is_cut_off_is_judged_as_far_as_it_goes() {
    let replay = Replay::new();
    let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::none());
    for second in 0..2000 {
        let (minute, second) = (second / 60, second % 60);
        writeln!(
            encoder,
            r#"192.0.2.7 - - [15/Dec/2018:10:{minute:02}:{second:02} +0000] "GET / HTTP/1.1" 200 1"#
        )
        .expect("memory can be written");
    }
    let packed = encoder.finish().expect("memory can be written");
    let log = replay.file("cut.gz", &packed[..packed.len() / 2]);
    let summary = replay.succeeds(&[text(&log)]);
    assert!(summary.contains("cannot be read from here on"), "{summary}");
    assert!(!summary.starts_with("0 requests"), "{summary}");
}

#[test]
fn an_unknown_format_says_how_to_name_it() {
    let replay = Replay::new();
    let log = replay.file("strange.log", "one two three\n");
    let message = replay.fails(&[text(&log)]);
    assert!(message.contains("--format") && message.contains("one two three"), "{message}");
    assert!(replay.fails(&["missing.log"]).contains("missing.log"));
    let empty = replay.file("empty.log", "");
    assert!(replay.succeeds(&[text(&empty)]).starts_with("0 requests"));
}

#[test]
fn own_keys_are_mapped() {
    let replay = Replay::new();
    let log = replay.file(
        "own.log",
        r#"{"when":"2024-07-12T09:00:00Z","who":{"peer":"192.0.2.9"},"verb":"GET","what":"/","ua":"curl/8"}"#,
    );
    let map = "ip=who.peer,ts=when,path=what,user_agent=ua";
    let decisions = replay.decisions(&["--map", map, text(&log)]);
    assert_eq!(decisions[0]["ip"], "192.0.2.9");
    assert!(replay.fails(&["--map", "colour=red", text(&log)]).contains("the fields are"));
}

#[test]
fn a_log_without_user_agents_refuses_nobody_for_that() {
    let log = testdata("good").into_iter().find(|log| log.ends_with("common.log")).expect("it is there");
    let replay = Replay::new();
    for decision in replay.decisions(&[text(&log)]) {
        let reasons = decision["reasons"].as_array().expect("reasons");
        assert!(reasons.iter().all(|reason| reason["check"] != "user_agent"), "{decision}");
    }
    let summary = replay.succeeds(&[text(&log)]);
    assert!(summary.contains("of a format without user agents"), "{summary}");
}

#[test]
fn rubbish_before_the_first_line_does_not_hide_the_format() {
    let line = r#"192.0.2.7 - - [15/Dec/2018:10:18:31 +0000] "GET / HTTP/1.1" 200 334 "-" "curl/8""#;
    let scan = r#"192.0.2.9 - - [15/Dec/2018:10:18:30 +0000] "\x16\x03\x01\x02" 400 157 "-" "-""#;
    let replay = Replay::new();
    for start in ["\u{feff}".to_owned(), "\0".repeat(200_000), format!("{scan}\n").repeat(300)] {
        let log = format!("{start}{line}\n");
        let decisions = parse(&replay.succeeds_reading(log.as_bytes(), &["-", "--json"]));
        assert_eq!(decisions.len(), 1);
        assert_eq!(decisions[0]["ip"], "192.0.2.7");
    }
}

#[test]
fn a_line_of_2038_does_not_age_those_after_it() {
    let line = |date: &str, path: &str| {
        format!("192.0.2.7 - - [{date} +0000] \"GET {path} HTTP/1.1\" 200 334 \"-\" \"curl/8\"\n")
    };
    let replay = Replay::new();
    let log = replay.file(
        "astray.log",
        line("15/Dec/2018:10:18:31", "/")
            + &line("19/Jan/2038:03:14:07", "/")
            + &line("15/Dec/2018:10:18:33", "/"),
    );
    let summary = replay.succeeds(&[text(&log)]);
    assert!(summary.starts_with("3 requests of 1 client, 2018-12-15 10:18 to 2018-12-15 10:18"), "{summary}");
    assert!(summary.contains("Note: 1 line more than a month ahead"), "{summary}");
    assert!(!summary.contains("older than one before"), "{summary}");
}

#[test]
fn what_a_client_forged_is_counted_apart() {
    let replay = Replay::new();
    let line = r#"[2024-07-12T09:00:00Z] "GET / HTTP/1.1" 200 - 0 0 4 3 "6.6.6.6" "Mozilla/5.0, 192.0.2.7" "curl/8" "id" "shop.example" "10.0.0.5:80""#;
    let log = replay.file("forged.log", line);
    let summary = replay.succeeds(&["--format", "envoy", text(&log)]);
    assert!(summary.contains("Note: 1 line in which a client wrote what ends a field"), "{summary}");
}
