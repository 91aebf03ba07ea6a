//! `sallyport replay` as its users run it: the program itself, on logs that are tests by lying in `testdata`.
//!
//! `testdata/good/NAME.log`: every line is judged; with `NAME.labels.tsv` beside it, no person is refused and every bot
//! is. `testdata/bad/FORMAT.log`: no line of it is one of FORMAT, and each is counted.

mod logs;
mod output;
mod simulate;

use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

use serde_json::Value;
use tempfile::TempDir;

/// A run of the program in an empty folder of its own, so that no `config.yaml` lies around.
struct Replay {
    folder: TempDir,
}

impl Replay {
    fn new() -> Self {
        Self { folder: tempfile::tempdir().expect("a folder for the run") }
    }

    /// Writes a file into the folder.
    fn file(&self, name: &str, content: impl AsRef<[u8]>) -> PathBuf {
        let path = self.folder.path().join(name);
        std::fs::write(&path, content).expect("the folder can be written");
        path
    }

    fn command(&self, args: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_sallyport"));
        command.current_dir(self.folder.path()).env_clear().arg("replay").args(args);
        command
    }

    fn run(&self, args: &[&str]) -> Output {
        self.command(args).output().expect("the program starts")
    }

    /// Standard output of a run that must succeed.
    fn succeeds(&self, args: &[&str]) -> String {
        stdout(args, self.run(args))
    }

    /// As [`Self::succeeds`], with something on standard input.
    fn succeeds_reading(&self, input: &[u8], args: &[&str]) -> String {
        let mut command = self.command(args);
        let mut child = command
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .expect("the program starts");
        let mut pipe = child.stdin.take().expect("standard input is a pipe");
        std::thread::scope(|scope| {
            scope.spawn(move || pipe.write_all(input));
            stdout(args, child.wait_with_output().expect("the program ends"))
        })
    }

    /// Standard error of a run that must fail.
    fn fails(&self, args: &[&str]) -> String {
        let output = self.run(args);
        assert!(!output.status.success(), "replay {args:?} succeeded");
        String::from_utf8_lossy(&output.stderr).into_owned()
    }

    /// The decisions of a run with `--json`.
    fn decisions(&self, args: &[&str]) -> Vec<Value> {
        parse(&self.succeeds(&[args, &["--json"]].concat()))
    }
}

fn stdout(args: &[&str], output: Output) -> String {
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "replay {args:?}: {}\n{errors}", output.status);
    String::from_utf8(output.stdout).expect("the output is UTF-8")
}

fn parse(lines: &str) -> Vec<Value> {
    lines.lines().map(|line| serde_json::from_str(line).expect("each line is JSON")).collect()
}

/// The logs in a folder of `testdata`, in order; there must be some.
fn testdata(folder: &str) -> Vec<PathBuf> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/replay/testdata").join(folder);
    let entries = std::fs::read_dir(&path).expect("testdata is there");
    let files = entries.map(|entry| entry.expect("testdata can be read").path());
    let mut logs: Vec<_> =
        files.filter(|file| file.extension().is_some_and(|ending| ending == "log")).collect();
    assert!(!logs.is_empty(), "no logs in {}", path.display());
    logs.sort();
    logs
}

fn text(path: &Path) -> &str {
    path.to_str().expect("a path of this test is UTF-8")
}
