//! A Redis of its own for a scenario: a real redis-server that can be killed, held still and started again.

use std::process::Command;
use std::time::Duration;

use tempfile::TempDir;
use xtask::child::Guarded;

use super::{redis_binary, unused_port};

const START: Duration = Duration::from_secs(20);

/// A redis-server without persistence; ends when dropped.
#[derive(Debug)]
pub struct Redis {
    folder: TempDir,
    port: u16,
    process: Option<Guarded>,
}

impl Redis {
    /// Starts it and waits until it answers.
    ///
    /// # Panics
    /// When it does not start.
    #[must_use]
    pub fn start() -> Self {
        let folder = TempDir::with_prefix("sallyport-redis-").expect("a folder for Redis");
        let mut redis = Self { folder, port: unused_port(), process: None };
        redis.start_again();
        redis
    }

    /// A place for one, with none there yet.
    ///
    /// # Panics
    /// When there is no folder for it.
    #[must_use]
    pub fn absent() -> Self {
        let folder = TempDir::with_prefix("sallyport-redis-").expect("a folder for Redis");
        Self { folder, port: unused_port(), process: None }
    }

    /// Starts it once more after [`kill`](Self::kill), empty, on the same port.
    ///
    /// # Panics
    /// When it does not start.
    pub fn start_again(&mut self) {
        let mut command = Command::new(redis_binary());
        command.current_dir(self.folder.path());
        command.args(["--port", &self.port.to_string(), "--bind", "127.0.0.1"]);
        command.args(["--save", "", "--appendonly", "no"]);
        let log = self.folder.path().join("redis.log");
        let mut process = Guarded::start("Redis", command, &log).expect("Redis starts");
        let port = self.port;
        let answers = || ask(port, "PING").is_ok_and(|answer| answer.starts_with("+PONG"));
        process.wait_until(START, answers).unwrap_or_else(|error| panic!("{error}"));
        self.process = Some(process);
    }

    /// Ends it as a power cut would; what it held is gone.
    pub fn kill(&mut self) {
        if let Some(mut process) = self.process.take() {
            process.end_at_once();
        }
    }

    /// Stops it where it is: connections stay, answers do not come.
    pub fn hold(&self) {
        self.process.iter().for_each(Guarded::hold);
    }

    /// Lets it go on after [`hold`](Self::hold).
    pub fn go_on(&self) {
        self.process.iter().for_each(Guarded::go_on);
    }

    /// The `redis:` section of a control plane that uses it.
    #[must_use]
    pub fn section(&self) -> serde_json::Value {
        let url = format!("redis://127.0.0.1:{}/", self.port);
        // A busy machine is no reason to call it gone.
        serde_json::json!({ "url": url, "connect_timeout_ms": 5_000, "response_timeout_ms": 2_000 })
    }

    /// What it answers to an inline command.
    ///
    /// # Panics
    /// When it does not answer.
    #[must_use]
    pub fn ask(&self, command: &str) -> String {
        ask(self.port, command).expect("Redis answers")
    }
}

/// Sends an inline command and reads what comes within a second (of the protocol, RESP 2).
fn ask(port: u16, command: &str) -> std::io::Result<String> {
    use std::io::{Read, Write};
    let mut stream = std::net::TcpStream::connect(("127.0.0.1", port))?;
    stream.set_read_timeout(Some(Duration::from_secs(1)))?;
    stream.write_all(format!("{command}\r\nQUIT\r\n").as_bytes())?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer)?;
    Ok(answer)
}
