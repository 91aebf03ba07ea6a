//! What the crates measure of themselves by criterion.

use std::process::Stdio;

use anyhow::{Context, Result, ensure};
use xtask::workspace::{cargo, shown};

/// Runs those of a package's benchmark file whose names fit the pattern `only`; one line `name  time: [low median high]` each.
pub(crate) fn run(package: &str, file: &str, only: &str) -> Result<Vec<String>> {
    let mut command = cargo();
    command.args(["bench", "--package", package, "--bench", file]);
    if !only.is_empty() {
        command.args(["--", only]);
    }
    eprintln!("xtask: {}", shown(&command));
    let output = command.stderr(Stdio::inherit()).output().context("cannot start cargo bench")?;
    ensure!(output.status.success(), "cargo bench ended with {}", output.status);
    let times = times(&String::from_utf8_lossy(&output.stdout));
    ensure!(!times.is_empty(), "no benchmark of {package} is called like `{only}`");
    Ok(times)
}

fn times(text: &str) -> Vec<String> {
    // A long name stands on a line of its own before its time.
    let mut name = "";
    let mut times = Vec::new();
    for line in text.lines().map(str::trim).filter(|line| !line.is_empty()) {
        match line.find("time:") {
            Some(0) => times.push(format!("{name}  {line}")),
            Some(_) => times.push(line.to_owned()),
            None => name = line,
        }
    }
    times
}

#[cfg(test)]
mod tests {
    use super::times;

    #[test]
    fn a_long_name_stands_before_its_time() {
        let text = "model      time:   [1.0 µs 1.1 µs 1.2 µs]\n\na name of many words\n   time:   [2 ns 3 ns 4 ns]\n";
        let expected =
            ["model      time:   [1.0 µs 1.1 µs 1.2 µs]", "a name of many words  time:   [2 ns 3 ns 4 ns]"];
        assert_eq!(times(text), expected);
    }
}
