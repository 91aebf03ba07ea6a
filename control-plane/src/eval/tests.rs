//! The command as a whole, on small files.

use std::path::Path;

use clap::Parser;
use tempfile::TempDir;

use super::*;
use crate::models::{checkpoint, file};
use crate::store::{SqliteStore, Store as _};

#[derive(Parser)]
struct Command {
    #[command(flatten)]
    args: Args,
}

fn evaluate(line: &str, folder: &Path) -> anyhow::Result<Outcome> {
    let line = line.replace("DIR", &folder.display().to_string());
    let Command { args } = Command::try_parse_from(["eval"].into_iter().chain(line.split_whitespace()))?;
    let mut config = Config::default();
    config.store.path = folder.join("sallyport.db");
    measure(&args, config, Ranges::default())
}

/// 120 rows that rate and user agent tell apart, if not without mistakes.
fn table(folder: &Path, name: &str) {
    let row = |i: u32| {
        let bot = i % 2;
        let rate = (40 * bot + i * 7 % 60) as f32 / 100.0;
        let agent = (60 * bot + i * 13 % 40) as f32 / 100.0;
        format!("{rate},{agent},0.3,0.1,0.4,0,0,{bot}\n")
    };
    let rows: String = (0..120).map(row).collect();
    std::fs::write(folder.join(name), format!("{}\n{rows}", crate::training::sources::csv::HEADER))
        .expect("a file");
}

/// Ten people who load two pages with their assets, ten tools that ask for twelve pages, and their labels.
fn log(folder: &Path) {
    let (mut lines, mut labels, mut number) = (String::new(), String::from("line\tlabel\n"), 0);
    for client in 0..20 {
        let (requests, agent, label) = match client % 2 {
            0 => (
                8,
                "Mozilla/5.0 (Windows NT 10.0; Win64; x64; rv:140.0) Gecko/20100101 Firefox/140.0",
                "human",
            ),
            _ => (12, "python-requests/2.32", "bot"),
        };
        for request in 0..requests {
            let is_asset = client % 2 == 0 && request % 4 > 0;
            let path = if is_asset { format!("{request}.css") } else { format!("page{request}") };
            let second = 2 * request + client % 2;
            lines.push_str(&format!(
                "198.51.100.{client} - - [10/Oct/2026:13:{client:02}:{second:02} +0000] \"GET /{path} HTTP/1.1\" 200 512 \"https://site.example/\" \"{agent}\"\n"
            ));
            number += 1;
            labels.push_str(&format!("{number}\t{label}\n"));
        }
    }
    std::fs::write(folder.join("site.log"), lines).expect("a log");
    std::fs::write(folder.join("site.tsv"), labels).expect("labels");
}

fn folder() -> TempDir {
    let folder = tempfile::tempdir().expect("a folder");
    table(folder.path(), "rows.csv");
    log(folder.path());
    folder
}

fn names(view: &View) -> Vec<&str> {
    view.standings.iter().map(|standing| standing.name.as_str()).collect()
}

fn auc(view: &View, name: &str) -> f64 {
    let standing = view.standings.iter().find(|standing| standing.name == name).expect(name);
    standing.metrics.roc_auc.expect("both classes")
}

#[test]
fn all_kinds_are_compared_on_the_same_unseen_rows() {
    let folder = folder();
    let outcome = evaluate("--csv DIR/rows.csv --epochs 5 --batch-size 16 --mask user_agent", folder.path())
        .expect("figures");
    assert_eq!((outcome.trained_on, outcome.judged, outcome.clients), (Some(84), 36, 36));
    let kinds = ["network, monotone", "network, unconstrained", "random forest", "gradient boosting"];
    let [all, masked] = outcome.views.as_slice() else { panic!("two views") };
    for view in [all, masked] {
        assert_eq!(
            names(view),
            [&kinds[..], &["user-agent rules alone"]].concat(),
            "rows of a table are no requests"
        );
        assert!(view.standings.iter().all(|standing| standing.metrics.rows == 36));
    }
    assert!(kinds.iter().all(|kind| auc(all, kind) > 0.8));
    assert_eq!(auc(masked, "user-agent rules alone"), 0.5, "nothing is left to go by");
    let text = outcome.text(true);
    for told in ["without user_agent", "random forest", "rows.csv", "Trained on 84 rows; judged 36 rows"] {
        assert!(text.contains(told), "{told} in {text}");
    }
}

#[test]
fn a_stored_model_is_measured_without_training() {
    let folder = folder();
    let outcome =
        evaluate("--model builtin --log DIR/site.log --labels DIR/site.tsv", folder.path()).expect("figures");
    assert_eq!((outcome.trained_on, outcome.judged, outcome.clients), (None, 200, 20));
    let [view] = outcome.views.as_slice() else { panic!("one view") };
    assert_eq!(names(view), ["user-agent rules alone", "whole judge with builtin", "builtin"]);
    assert!(auc(view, "whole judge with builtin") > 0.9);
    let json = serde_json::to_value(&outcome).expect("JSON");
    assert_eq!(json["views"][0]["standings"][2]["metrics"]["per_origin"][0]["name"], "site.log");
}

#[test]
fn checkpoints_and_exported_files_are_stored_models() {
    let folder = folder();
    let model = Model::built_in().expect("a model");
    let mut config = Config::default();
    config.store.path = folder.path().join("sallyport.db");
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
    let exported = runtime.block_on(async {
        let store = SqliteStore::open(&config.store).expect("a store");
        let content = file::read(&model.to_bytes(), "test").expect("a model");
        assert_eq!(store.save_checkpoint(content, 1).await.expect("saved"), 1);
        file::write(&checkpoint(&store, 1).await.expect("the checkpoint"))
    });
    std::fs::write(folder.path().join("exported"), exported).expect("a file");
    let outcome =
        evaluate("--csv DIR/rows.csv --model 1 --model DIR/exported --model builtin", folder.path());
    let outcome = outcome.expect("figures");
    let [_, of_number, of_file, built_in] = outcome.views[0].standings.as_slice() else { panic!("four") };
    assert_eq!((&of_number.name[..], &of_number.metrics), ("1", &built_in.metrics));
    assert_eq!(of_file.metrics, built_in.metrics);
}

#[test]
fn what_is_trained_on_one_source_is_judged_on_another() {
    let folder = folder();
    let line = "--csv DIR/rows.csv --test-log DIR/site.log --test-labels DIR/site.tsv --kind random-forest --model builtin";
    let outcome = evaluate(line, folder.path()).expect("figures");
    assert_eq!((outcome.trained_on, outcome.judged), (Some(120), 200));
    assert_eq!(
        names(&outcome.views[0]),
        ["random forest", "user-agent rules alone", "whole judge with builtin", "builtin"]
    );
}

#[test]
fn rules_label_a_log_to_train_on() {
    let folder = folder();
    let line = "--log DIR/site.log --weak-labels --test DIR/rows.csv --kind gradient-boosting";
    let outcome = evaluate(line, folder.path()).expect("figures");
    assert_eq!((outcome.trained_on, outcome.judged), (Some(200), 120), "the rules leave no client out");
}

#[test]
fn simulated_traffic_is_judged_scenario_by_scenario() {
    let folder = folder();
    let outcome = evaluate("--model builtin --simulate --scale 0.02", folder.path()).expect("figures");
    let builtin = &outcome.views[0].standings[2].metrics;
    assert!(builtin.per_origin.len() > 10 && builtin.rows > 100);
    let line = "--model builtin --log DIR/site.log --labels DIR/site.tsv --simulate --scale 0.02";
    let both = evaluate(line, folder.path()).expect("figures");
    let whole = &both.views[0].standings[1].metrics;
    assert_eq!((whole.rows, whole.per_origin.len()), (builtin.rows + 200, builtin.per_origin.len() + 1));
}

#[test]
fn simulated_sites_are_told_by_kind_and_traits() {
    let folder = folder();
    let line =
        "--model builtin --log DIR/site.log --labels DIR/site.tsv --simulate --scale 0.05 --mask user_agent";
    let outcome = evaluate(line, folder.path()).expect("figures");
    let [all, masked] = outcome.views.as_slice() else { panic!("two views") };
    for standing in all.standings.iter().chain(&masked.standings) {
        let simulated = standing.sites.iter().filter(|site| site.sort == "kind");
        let (people, bots) = simulated.fold((0, 0), |sum, site| (sum.0 + site.people, sum.1 + site.bots));
        assert_eq!(people + bots, outcome.clients as u64 - 20, "of each client one site; the log has none");
        assert!(standing.sites.iter().any(|site| (site.sort, site.name) == ("traits", "cdn")));
        assert!(standing.sites.windows(2).all(|two| two[0].people_refused >= two[1].people_refused));
    }
    let text = outcome.text(false);
    for told in ["by kind of site:", "wordpress", "by traits of sites:", "no-referrer", "log without headers"]
    {
        assert!(text.contains(told), "{told} in {text}");
    }
    let held_out = evaluate("--simulate --scale 0.02 --kind random-forest", folder.path()).expect("figures");
    for standing in &held_out.views[0].standings {
        let of_kind = standing.sites.iter().filter(|site| site.sort == "kind");
        let clients: u64 = of_kind.map(|site| site.people + site.bots).sum();
        assert_eq!(clients, held_out.clients as u64, "a split keeps rows with their sites");
    }
    let log = evaluate("--model builtin --log DIR/site.log --labels DIR/site.tsv", folder.path());
    assert!(!log.expect("figures").text(false).contains("by kind of site"));
}

#[test]
fn what_does_not_go_together_is_refused() {
    let folder = folder();
    for (line, told) in [
        ("", "no rows"),
        ("--log DIR/site.log", "--labels must be given once for each --log"),
        ("--csv DIR/rows.csv --mask ua", "no such feature"),
        ("--csv DIR/rows.csv --model DIR/rows.csv", "no checkpoint"),
        ("--csv DIR/rows.csv --model 3", "there is no database"),
        ("--csv DIR/none.csv", "cannot read"),
        ("--csv DIR/rows.csv --model builtin --test DIR/rows.csv", "nothing is trained"),
        ("--log DIR/site.log --labels DIR/site.tsv --column strict", "there are label"),
        ("--csv DIR/rows.csv --held-out 1", "a number between 0 and 1"),
    ] {
        let error = evaluate(line, folder.path()).err().map(|error| format!("{error:#}"));
        assert!(error.as_ref().is_some_and(|error| error.contains(told)), "{line}: {error:?}");
    }
}
