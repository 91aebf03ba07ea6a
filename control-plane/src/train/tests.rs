//! The command as a whole, on small files.

use clap::Parser;
use serde_json::Value;
use tempfile::TempDir;

use super::*;
use crate::config::Sources;

#[derive(Parser)]
struct Command {
    #[command(flatten)]
    args: Args,
}

struct Bench {
    folder: TempDir,
}

impl Bench {
    /// A folder with `rows.csv`, `site.log` and its labels `site.tsv`.
    fn new() -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        let row = |i: u32| {
            let bot = i % 2;
            let rate = (40 * bot + i * 7 % 60) as f32 / 100.0;
            format!("{rate},0.5,0.3,0.1,0.4,0,0,{bot}\n")
        };
        let rows: String = (0..200).map(row).collect();
        std::fs::write(folder.path().join("rows.csv"), format!("{}\n{rows}", csv::HEADER)).expect("rows");
        let browser = "Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0";
        let (mut log, mut labels) = (String::new(), String::from("line\tlabel\tcareful\n"));
        for line in 0..240 {
            let client = line % 24;
            let (agent, label) = if client % 2 == 0 { (browser, "human") } else { ("curl/8.5.0", "bot") };
            let path = if client % 2 == 0 && line / 24 % 3 > 0 { "css" } else { "html" };
            log += &format!(
                "198.51.100.{client} - - [10/Oct/2026:13:{:02}:{client:02} +0000] \"GET /{line}.{path} HTTP/1.1\" 200 512 \"https://site.example/\" \"{agent}\"\n",
                line / 24
            );
            labels += &format!("{}\t{label}\tunknown\n", line + 1);
        }
        std::fs::write(folder.path().join("site.log"), log).expect("a log");
        std::fs::write(folder.path().join("site.tsv"), labels).expect("labels");
        Self { folder }
    }

    fn train(&self, line: &str) -> anyhow::Result<(Trained, Kept)> {
        let line = line.replace("DIR", &self.folder.path().display().to_string());
        let Command { args } = Command::try_parse_from(["train"].into_iter().chain(line.split_whitespace()))?;
        let database = self.folder.path().join("test.db").display().to_string();
        let flags = vec![("--set".to_owned(), "store.path".to_owned(), database)];
        let file = Some(self.folder.path().join("config.yaml"));
        std::fs::write(self.folder.path().join("config.yaml"), "")?;
        let loaded = Sources { file, environment: Vec::new(), flags }.load()?;
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        runtime.block_on(async {
            args.check()?;
            let settings = args.settings(&loaded.config.model);
            let (data, test) = rows(&args, &settings, &loaded).await?;
            let trained = learn(data, test, &settings)?;
            let kept = keep(&args, &trained, &loaded).await?;
            Ok((trained, kept))
        })
    }

    fn refused(&self, line: &str) -> String {
        format!("{:#}", self.train(line).map(|(trained, _)| trained.data).expect_err(line))
    }
}

#[test]
fn tables_are_learned_from_plainly_and_become_checkpoints() {
    let bench = Bench::new();
    let (trained, kept) = bench.train("--csv DIR/rows.csv --test DIR/rows.csv --epochs 3").expect("a model");
    assert_eq!((trained.metrics.rows, trained.data.rows, trained.epochs_run), (200, 200, 3));
    assert_eq!((trained.settings.masked, trained.settings.monotone), (0.0, false));
    assert_eq!(kept, Kept::Checkpoint(1));
    let (monotone, kept) = bench.train("--csv DIR/rows.csv --monotone --epochs 3").expect("a model");
    assert!(monotone.settings.monotone && monotone.data.held_out && monotone.metrics.rows < 200);
    assert_eq!(kept, Kept::Checkpoint(2));
    let (_, kept) = bench.train("--csv DIR/rows.csv --epochs 2 --promote").expect("a model");
    assert_eq!(kept, Kept::Promoted(3));
    let database = rusqlite::Connection::open(bench.folder.path().join("test.db")).expect("opens");
    let sql = "SELECT group_concat(checkpoint || ' by ' || made_by) FROM promotions";
    let promoted: String = database.query_row(sql, [], |row| row.get(0)).expect("a row");
    assert_eq!(promoted, "3 by command line");
}

#[test]
fn logs_are_learned_from_by_labels_and_by_rules() {
    let bench = Bench::new();
    for labels in ["--labels DIR/site.tsv", "--weak-labels"] {
        let (trained, _) = bench.train(&format!("--log DIR/site.log {labels}")).expect("a model");
        assert_eq!((trained.data.rows, trained.data.bots, trained.data.groups), (240, 120, 24));
        assert_eq!(trained.data.origins, ["site.log"]);
        assert!(trained.settings.monotone && trained.settings.masked > 0.0);
    }
}

#[test]
fn sources_add_up() {
    let bench = Bench::new();
    let line =
        "--csv DIR/rows.csv --log DIR/site.log --weak-labels --simulate --scale 0.01 --feedback --epochs 1";
    let (trained, _) = bench.train(line).expect("a model");
    assert!(trained.data.rows > 440 && trained.data.origins.len() > 10, "{:?}", trained.data);
    assert_eq!(trained.data.origins[..2], ["rows.csv", "site.log"]);
}

#[test]
fn a_model_in_a_file_comes_with_its_measurements() {
    let bench = Bench::new();
    let (trained, kept) = bench.train("--csv DIR/rows.csv --epochs 2 --out DIR/own.model").expect("a model");
    let path = bench.folder.path().join("own.model");
    assert_eq!(kept, Kept::File(path.clone()));
    let model = Model::from_bytes(&std::fs::read(&path).expect("the file")).expect("a model");
    assert_eq!(model, trained.model);
    let beside =
        std::fs::read_to_string(bench.folder.path().join("own.model.json")).expect("the file beside");
    let said: Value = serde_json::from_str(&beside).expect("JSON");
    assert!(said["roc_auc"].is_f64() && said["log_loss"].is_f64() && said["seconds"].is_f64(), "{said}");
    assert!(!bench.folder.path().join("test.db").exists());
}

#[test]
fn the_summary_says_where_the_model_is() {
    let bench = Bench::new();
    let (trained, kept) = bench.train("--csv DIR/rows.csv --epochs 2 --kind random_forest").expect("a model");
    let text = Report::of(&trained, kept).text();
    for part in ["a random forest", "200 rows, 100 of bots", "ROC-AUC", "≥ 70", "sallyport model promote 1"]
    {
        assert!(text.contains(part), "no {part} in {text}");
    }
}

#[test]
fn mistakes_are_told() {
    let bench = Bench::new();
    for (line, part) in [
        ("", "no rows"),
        ("--log DIR/site.log", "--weak-labels"),
        (
            "--log DIR/site.log --labels DIR/site.tsv --column none",
            "no column none; there are label, careful",
        ),
        ("--log DIR/site.log --labels DIR/site.tsv --column careful", "too few"),
        ("--csv DIR/none.csv", "none.csv"),
        ("--csv DIR/site.tsv", "first line"),
        ("--csv DIR/rows.csv --epochs 0", "1 to 1000"),
        ("--csv DIR/rows.csv --epochs 1000000000", "1 to 1000"),
        ("--csv DIR/rows.csv --batch-size 1", "no spread"),
        ("--csv DIR/rows.csv --learning-rate NaN", "learning_rate"),
        ("--csv DIR/rows.csv --kind tree", "random_forest"),
        ("--feedback", "too few"),
    ] {
        let told = bench.refused(line);
        assert!(told.contains(part), "{line}: {told}");
    }
}
