//! The same log twice: read by `sallyport replay`, and sent as real requests through Envoy, its time told by a
//! header (the filter's `time_header`). Both judge alike, whether Envoy carries it out or not: what is refused, or would
//! be, is no evidence.

use std::process::Command;
use std::time::{Duration, Instant};

use reqwest::Method;
use rusqlite::Connection;
use sallyport_e2e::harness::{Gate, Plan, control_plane_binary};
use serde_json::{Value, json};

/// A combined log of the sample site, with the statuses that it really answers: people, a scraper, a scan,
/// credential stuffing, a burst, a crawler, a poller.
const LOG: &str = include_str!("../../testdata/sample.log");
const TIME_HEADER: &str = "x-log-time";

/// What was decided of one line.
#[derive(Debug, PartialEq)]
struct Judged {
    action: String,
    features: [f32; 7],
}

/// A line of the log, split at what its format quotes.
struct Line<'a> {
    address: &'a str,
    method: &'a str,
    path: &'a str,
    status: u16,
    referer: &'a str,
    user_agent: &'a str,
}

impl<'a> Line<'a> {
    fn parse(line: &'a str) -> Self {
        let quoted: Vec<&str> = line.split('"').collect();
        let request: Vec<&str> = quoted[1].split(' ').collect();
        Self {
            address: line.split(' ').next().unwrap(),
            method: request[0],
            path: request[1],
            status: quoted[2].trim().split(' ').next().unwrap().parse().unwrap(),
            referer: quoted[3],
            user_agent: quoted[5],
        }
    }
}

fn policy(enforcement: &str) -> Value {
    json!({ "enforcement": enforcement, "consult": "never", "observe_allow_per_second": 1_000_000 })
}

#[tokio::test(flavor = "multi_thread")]
async fn a_log_is_judged_alike_by_replay_and_by_envoy() {
    for enforcement in ["monitor", "enforce"] {
        let plan = Plan::with_policy(policy(enforcement)).plugin("time_header", json!(TIME_HEADER));
        let gate = plan.start_with_control_plane().await;
        let (times, replayed) = replay(&gate, LOG);
        let mut written = String::new();
        for (line, time_ms) in LOG.lines().zip(&times) {
            let status = send(&gate, &Line::parse(line), *time_ms).await;
            written += &with_status(line, status);
        }
        let stored = stored(&gate, replayed.len());
        let told = |number: usize| {
            format!("{enforcement}, line {}: {}", number + 1, LOG.lines().nth(number).unwrap())
        };
        for (number, (by_replay, by_envoy)) in replayed.iter().zip(&stored).enumerate() {
            assert_eq!(by_replay, by_envoy, "{}", told(number));
        }
        // The log as Envoy would have written it, with its own refusals.
        assert_eq!(written == LOG, enforcement == "monitor");
        for (number, (before, after)) in replayed.iter().zip(&replay(&gate, &written).1).enumerate() {
            assert_eq!(before, after, "{}", told(number));
        }
        for action in ["ALLOW", "MONITOR", "CHALLENGE", "RATE_LIMIT", "BLOCK"] {
            assert!(replayed.iter().any(|judged| judged.action == action), "the sample has no {action}");
        }
    }
}

/// The line with another status, and its end.
fn with_status(line: &str, status: u16) -> String {
    let mut quoted: Vec<String> = line.split('"').map(str::to_owned).collect();
    let bytes = quoted[2].trim().split(' ').nth(1).unwrap_or("-");
    quoted[2] = format!(" {status} {bytes} ");
    quoted.join("\"") + "\n"
}

/// The lines' times and what replay decides of them.
fn replay(gate: &Gate, text: &str) -> (Vec<u64>, Vec<Judged>) {
    let folder = gate.control.as_ref().unwrap().folder();
    let log = folder.join("sample.log");
    std::fs::write(&log, text).unwrap();
    let mut command = Command::new(control_plane_binary());
    let output =
        command.args(["replay", "--json", "--config"]).arg(folder.join("config.yaml")).arg(&log).output();
    let output = output.expect("sallyport replay");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let rows = String::from_utf8(output.stdout).unwrap();
    rows.lines()
        .map(|row| {
            let row: Value = serde_json::from_str(row).unwrap();
            let features = serde_json::from_value(row["features"].clone()).unwrap();
            (
                time_ms(row["ts"].as_str().unwrap()),
                Judged { action: row["action"].as_str().unwrap().into(), features },
            )
        })
        .unzip()
}

/// Unix milliseconds of `2026-11-20T09:00:00Z`; the sample lies within that one day.
fn time_ms(ts: &str) -> u64 {
    let clock = ts
        .strip_prefix("2026-11-20T")
        .and_then(|rest| rest.strip_suffix('Z'))
        .expect("a time of the sample's day");
    let seconds = clock.split(':').fold(0, |total, part| total * 60 + part.parse::<u64>().unwrap());
    (1_795_132_800 + seconds) * 1000
}

/// Sends a line's request; the status of its answer, which is the site's or a refusal.
async fn send(gate: &Gate, line: &Line<'_>, time_ms: u64) -> u16 {
    let method: Method = line.method.parse().unwrap();
    let mut request = gate
        .client
        .request(method, gate.url(line.path))
        .header("x-forwarded-for", line.address)
        .header(TIME_HEADER, time_ms)
        .header("accept-language", "en")
        .header("accept-encoding", "gzip");
    if line.referer != "-" {
        request = request.header("referer", line.referer);
    }
    if line.user_agent != "-" {
        request = request.header("user-agent", line.user_agent);
    }
    if line.method == "POST" {
        let password = if line.status == 303 { "right" } else { "wrong" };
        let form = format!("user=ada&password={password}");
        request = request.header("content-type", "application/x-www-form-urlencoded").body(form);
    }
    let answer = request.send().await.unwrap();
    let status = answer.status().as_u16();
    assert!([line.status, 403, 429].contains(&status), "{status} for {} {}", line.method, line.path);
    status
}

/// What the control plane keeps of the requests, once it has all of them; at most 20 s. The order is that of the
/// filter's one worker; the harness asks for the icon while it waits.
fn stored(gate: &Gate, count: usize) -> Vec<Judged> {
    let database = Connection::open(gate.control.as_ref().unwrap().folder().join("sallyport.db")).unwrap();
    let mut select = database
        .prepare("SELECT action, features FROM requests WHERE path <> '/favicon.ico' ORDER BY id")
        .unwrap();
    let start = Instant::now();
    loop {
        let rows = select.query_map([], |row| Ok((row.get::<_, u8>(0)?, row.get::<_, Vec<u8>>(1)?)));
        let rows: Vec<_> = rows.unwrap().map(|row| judged(row.unwrap())).collect();
        if rows.len() >= count {
            assert_eq!(rows.len(), count, "more rows than requests");
            return rows;
        }
        assert!(start.elapsed() < Duration::from_secs(20), "{} of {count} requests stored", rows.len());
        std::thread::park_timeout(Duration::from_millis(50));
    }
}

fn judged((action, features): (u8, Vec<u8>)) -> Judged {
    let mut numbers = [0.0; 7];
    for (number, bytes) in numbers.iter_mut().zip(features.chunks_exact(4)) {
        *number = f32::from_le_bytes(bytes.try_into().unwrap());
    }
    Judged {
        action: ["ALLOW", "MONITOR", "CHALLENGE", "RATE_LIMIT", "BLOCK"][usize::from(action)].into(),
        features: numbers,
    }
}
