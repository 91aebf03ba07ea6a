//! A real redis-server for a test: on a free port of this machine, without persistence, ended with the value.

use std::io::{BufRead, BufReader};
use std::net::{Ipv4Addr, TcpListener};
use std::path::PathBuf;
use std::process::{Child, ChildStdout, Command, Stdio};

use tempfile::TempDir;

/// A running server.
pub(crate) struct RedisServer {
    port: u16,
    options: Vec<String>,
    folder: TempDir,
    running: Option<(Child, BufReader<ChildStdout>)>,
}

impl RedisServer {
    /// Starts one that can be used when this returns.
    pub(crate) fn start() -> Self {
        Self::with(&[])
    }

    /// Starts one with further options, such as `["--maxmemory", "1mb"]`. `PORT` stands for its port, which is a plain
    /// one unless the options say otherwise.
    pub(crate) fn with(options: &[&str]) -> Self {
        let options = options.iter().map(|&option| option.to_owned()).collect();
        let folder = TempDir::new().expect("a folder");
        let mut server = Self { port: 0, options, folder, running: None };
        // Another program may take the port before the server does.
        for _ in 0..10 {
            server.port = unused_port();
            if server.launch().is_ok() {
                return server;
            }
        }
        panic!("redis-server did not start: {}", server.launch().expect_err("not even now"));
    }

    /// The port.
    pub(crate) fn port(&self) -> u16 {
        self.port
    }

    /// Its address for `redis.url`.
    pub(crate) fn url(&self) -> String {
        format!("redis://127.0.0.1:{}", self.port)
    }

    /// Ends it without a word, as a crash would.
    pub(crate) fn kill(&mut self) {
        if let Some((mut child, _)) = self.running.take() {
            child.kill().expect("it can be ended");
            child.wait().expect("it has ended");
        }
    }

    /// Starts it again, empty, on the same port.
    pub(crate) fn start_again(&mut self) {
        self.launch().expect("it starts again");
    }

    /// Stops it where it is, its connections open.
    pub(crate) fn freeze(&self) {
        self.signal(rustix::process::Signal::STOP);
    }

    /// Lets it go on.
    pub(crate) fn thaw(&self) {
        self.signal(rustix::process::Signal::CONT);
    }

    fn signal(&self, signal: rustix::process::Signal) {
        let (child, _) = self.running.as_ref().expect("it runs");
        let id = rustix::process::Pid::from_child(child);
        rustix::process::kill_process(id, signal).expect("it can be told");
    }

    /// Returns when it can be used; `Err` with what it said instead.
    fn launch(&mut self) -> Result<(), String> {
        let port = self.port.to_string();
        let plain = ["--port", "PORT"].map(str::to_owned);
        let has_port = self.options.iter().any(|option| option == "PORT");
        let listen = if has_port { &[][..] } else { &plain };
        let mut child = Command::new(program())
            .args(["--bind", "127.0.0.1", "--save", "", "--appendonly", "no", "--daemonize", "no", "--dir"])
            .arg(self.folder.path())
            .args(listen.iter().chain(&self.options).map(|option| option.replace("PORT", &port)))
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .expect("redis-server can be started");
        let mut output = BufReader::new(child.stdout.take().expect("piped"));
        let mut said = String::new();
        while output.read_line(&mut said).is_ok_and(|bytes| bytes > 0) {
            if said.contains("Ready to accept connections") {
                self.running = Some((child, output));
                return Ok(());
            }
        }
        child.wait().expect("it has ended");
        Err(said)
    }
}

impl Drop for RedisServer {
    fn drop(&mut self) {
        self.kill();
    }
}

/// `$SALLYPORT_REDIS_SERVER`, else `redis-server` on `PATH`.
pub(crate) fn found() -> Option<PathBuf> {
    if let Some(given) = std::env::var_os("SALLYPORT_REDIS_SERVER").filter(|given| !given.is_empty()) {
        return Some(given.into());
    }
    let paths = std::env::var_os("PATH")?;
    std::env::split_paths(&paths).map(|folder| folder.join("redis-server")).find(|path| path.is_file())
}

fn program() -> PathBuf {
    found().expect(
        "these tests need a redis-server (6.2 or later): install it (`apt-get install redis-server`), let \
         SALLYPORT_REDIS_SERVER name it, or run `cargo xtask test`, which does both",
    )
}

fn unused_port() -> u16 {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).expect("a free port");
    listener.local_addr().expect("bound").port()
}
