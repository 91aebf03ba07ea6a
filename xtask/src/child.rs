//! A process that ends with its owner: asked by SIGTERM, then, when it does not listen, by SIGKILL.

use std::fs::File;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

use crate::workspace::shown;

/// How long a process may take over a graceful end.
const GRACE: Duration = Duration::from_secs(5);
/// Between two looks at something that is about to happen.
const LOOK: Duration = Duration::from_millis(20);
/// How much of a log a failure shows.
const TAIL_LINES: usize = 40;

/// A started process whose output goes to a log file.
#[derive(Debug)]
pub struct Guarded {
    name: String,
    command: String,
    /// None: its output is shown as it comes.
    log: Option<PathBuf>,
    child: Child,
}

impl Guarded {
    /// Starts `command` in a process group of its own (Ctrl-C reaches the owner only), logging to `log`.
    ///
    /// # Errors
    /// When the program or the log file cannot be opened.
    pub fn start(name: &str, mut command: Command, log: &Path) -> Result<Self> {
        let out = File::create(log).with_context(|| format!("cannot write {}", log.display()))?;
        let err = out.try_clone()?;
        command.stdout(out).stderr(err);
        Self::spawn(name, command, Some(log.to_path_buf()))
    }

    /// Starts `command` likewise, with its output shown.
    ///
    /// # Errors
    /// When the program cannot be started.
    pub fn start_shown(name: &str, command: Command) -> Result<Self> {
        Self::spawn(name, command, None)
    }

    fn spawn(name: &str, mut command: Command, log: Option<PathBuf>) -> Result<Self> {
        command.stdin(Stdio::null()).process_group(0);
        let shown = shown(&command);
        let child = command.spawn().with_context(|| format!("cannot start {name}: `{shown}`"))?;
        Ok(Self { name: name.to_owned(), command: shown, log, child })
    }

    /// What it was called by its owner.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The process id.
    #[must_use]
    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    /// The exit status, when it has ended.
    pub fn ended(&mut self) -> Option<ExitStatus> {
        self.child.try_wait().ok().flatten()
    }

    /// Waits until `ready` says so, at most `bound`.
    ///
    /// # Errors
    /// When the process ends first or the bound passes; the message carries the command and the log's tail.
    pub fn wait_until(&mut self, bound: Duration, mut ready: impl FnMut() -> bool) -> Result<()> {
        let start = Instant::now();
        while !ready() {
            if let Some(status) = self.ended() {
                bail!("{} ended with {status} before it was ready\n{}", self.name, self.report());
            }
            if start.elapsed() > bound {
                bail!("{} was not ready within {} s\n{}", self.name, bound.as_secs(), self.report());
            }
            std::thread::park_timeout(LOOK);
        }
        Ok(())
    }

    /// The command and the last lines of the log, for a failure's message.
    #[must_use]
    pub fn report(&self) -> String {
        match &self.log {
            Some(log) => {
                format!("command: {}\nlog tail ({}):\n{}", self.command, log.display(), tail(log))
            }
            None => format!("command: {}", self.command),
        }
    }

    /// Ends it: SIGTERM, up to five seconds of grace, SIGKILL.
    pub fn end(&mut self) {
        if self.ended().is_some() {
            return;
        }
        self.signal(Signal::SIGTERM);
        let start = Instant::now();
        while start.elapsed() < GRACE {
            if self.ended().is_some() {
                return;
            }
            std::thread::park_timeout(LOOK);
        }
        self.end_at_once();
    }

    /// Ends it by SIGKILL, as a power cut would.
    pub fn end_at_once(&mut self) {
        // Both fail only when it has already ended.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }

    /// Stops it where it is, as a machine that hangs; [`go_on`](Self::go_on) ends that.
    pub fn hold(&self) {
        self.signal(Signal::SIGSTOP);
    }

    /// Lets it go on.
    pub fn go_on(&self) {
        self.signal(Signal::SIGCONT);
    }

    /// Sends any signal to it.
    pub fn signal(&self, signal: Signal) {
        // Fails only when it has already ended; pids fit i32 on every Unix.
        if let Ok(pid) = i32::try_from(self.child.id()) {
            let _ = kill(Pid::from_raw(pid), signal);
        }
    }
}

impl Drop for Guarded {
    fn drop(&mut self) {
        self.end();
    }
}

/// The last lines of a log file; says so when there is none.
fn tail(log: &Path) -> String {
    match std::fs::read(log) {
        Ok(bytes) => {
            let text = String::from_utf8_lossy(&bytes);
            let lines: Vec<_> = text.lines().collect();
            lines[lines.len().saturating_sub(TAIL_LINES)..].join("\n")
        }
        Err(error) => format!("(no log: {error})"),
    }
}

#[cfg(test)]
mod tests {
    use super::Guarded;
    use std::path::Path;
    use std::process::Command;
    use std::time::Duration;

    fn log(name: &str) -> std::path::PathBuf {
        std::env::temp_dir().join(format!("xtask-{}-{name}.log", std::process::id()))
    }

    #[test]
    fn a_dropped_guard_ends_its_process() {
        let mut command = Command::new("sleep");
        command.arg("60");
        let guarded = Guarded::start("sleep", command, Path::new("/dev/null")).unwrap();
        let process = format!("/proc/{}", guarded.pid());
        assert!(Path::new(&process).exists());
        drop(guarded);
        assert!(!Path::new(&process).exists());
    }

    #[test]
    fn an_early_end_is_reported_with_command_and_log() {
        let mut command = Command::new("sh");
        command.args(["-c", "echo no such luck; exit 3"]);
        let log = log("early");
        let mut guarded = Guarded::start("shell", command, &log).unwrap();
        let message = guarded.wait_until(Duration::from_secs(10), || false).unwrap_err().to_string();
        assert!(message.contains("exit status: 3") && message.contains("no such luck"), "{message}");
        let _ = std::fs::remove_file(log);
    }
}
