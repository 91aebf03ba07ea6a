//! `sallyport simulate` writes what `sallyport replay` reads.

use std::process::{Command, Output};

use crate::{Replay, parse, stdout, text};

fn simulate(args: &[&str]) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_sallyport"));
    command.env_clear().arg("simulate").args(args).output().expect("the program starts")
}

#[test]
fn simulated_traffic_is_replayed_with_its_labels() {
    let replay = Replay::new();
    let (log, labels) = (replay.file("made-up.json", ""), replay.file("made-up.tsv", ""));
    let seed = ["--seed", "3", "--scale", "0.02"];
    let files = ["--out", text(&log), "--labels", text(&labels)];
    assert_eq!(stdout(&files, simulate(&[seed, files].concat())), "");
    let written = std::fs::read_to_string(&log).expect("the log is there");
    assert_eq!(written, stdout(&seed, simulate(&seed)), "the same with and without --out");

    let summary = replay.succeeds(&[text(&log), "--labels", text(&labels), "--format", "json"]);
    assert!(summary.contains("Against `label`: "), "{summary}");
    assert!(!summary.contains("could not be read"), "{summary}");
    assert_eq!(replay.decisions(&[text(&log)]).len(), parse(&written).len());
}

#[test]
fn scenarios_are_listed_and_chosen_by_name() {
    let list = stdout(&["--list"], simulate(&["--list"]));
    assert!(list.lines().count() > 30 && list.contains("headless-browser"), "{list}");
    let some = ["--scale", "0.1", "--scenario", "flood", "--scenario", "shopper"];
    let rows = parse(&stdout(&some, simulate(&some)));
    let count = |name: &str| rows.iter().filter(|row| row["scenario"] == name).count();
    assert!(count("flood") > 100 && count("shopper") > 10);
    assert_eq!(count("flood") + count("shopper"), rows.len());
}

#[test]
fn mistakes_say_what_to_write() {
    let errors = |args: &[&str]| {
        let output = simulate(args);
        assert!(!output.status.success(), "{args:?} succeeded");
        String::from_utf8_lossy(&output.stderr).into_owned()
    };
    assert!(errors(&["--scenario", "nobody"]).contains("the scenarios are desktop-reader"));
    for scale in ["0", "-1", "NaN", "1e9"] {
        assert!(errors(&[&format!("--scale={scale}")]).contains("such as 0.5"), "{scale}");
    }
    assert!(errors(&["--out", "/nowhere/at/all.json"]).contains("/nowhere/at/all.json"));
}
