//! The control plane as a process on a port of its own, with tokens, that can be ended and started again.

use std::path::Path;
use std::process::Command;
use std::time::Duration;

use reqwest::{Client, Method, RequestBuilder};
use serde_json::{Value, json};
use tempfile::TempDir;
use xtask::child::Guarded;
use xtask::http;

use super::{control_plane_binary, eventually, unused_port};

const START: Duration = Duration::from_secs(30);

/// A control plane on a database of its own; ends when dropped.
#[derive(Debug)]
pub struct ControlPlane {
    folder: TempDir,
    port: u16,
    sections: Value,
    filter_token: String,
    admin_token: String,
    process: Option<Guarded>,
}

impl ControlPlane {
    /// Starts it with this `policy` section and waits until it answers.
    ///
    /// # Panics
    /// When it does not start.
    #[must_use]
    pub fn start(policy: &Value) -> Self {
        Self::start_with(policy, json!({}))
    }

    /// The same with further sections of its config file.
    ///
    /// # Panics
    /// When it does not start.
    #[must_use]
    pub fn start_with(policy: &Value, sections: Value) -> Self {
        let folder = TempDir::with_prefix("sallyport-control-").expect("a folder for the control plane");
        let port = unused_port();
        write_config(folder.path(), port, policy, &sections);
        let token = |role: &str| create_token(folder.path(), role);
        let (filter_token, admin_token) = (token("filter"), token("admin"));
        let mut control = Self { folder, port, sections, filter_token, admin_token, process: None };
        control.start_again();
        control
    }

    /// Starts it once more after [`end`](Self::end) or [`end_at_once`](Self::end_at_once), on the same port and
    /// database.
    ///
    /// # Panics
    /// When it does not start.
    pub fn start_again(&mut self) {
        let mut command = program(self.folder.path());
        command.arg("serve");
        let log = self.folder.path().join("serve.log");
        let mut process =
            Guarded::start("the control plane", command, &log).expect("the control plane starts");
        let ready =
            process.wait_until(START, || matches!(http::get(self.port, "/health", None), Ok((200, _))));
        ready.unwrap_or_else(|error| panic!("{error}"));
        self.process = Some(process);
    }

    /// Replaces the `policy` section of its config file; it notices the change by itself.
    pub fn change_policy(&self, policy: &Value) {
        write_config(self.folder.path(), self.port, policy, &self.sections);
    }

    /// Ends it gracefully.
    pub fn end(&mut self) {
        self.process = None;
    }

    /// Ends it as a power cut would.
    pub fn end_at_once(&mut self) {
        if let Some(mut process) = self.process.take() {
            process.end_at_once();
        }
    }

    /// Where it listens on 127.0.0.1.
    #[must_use]
    pub fn port(&self) -> u16 {
        self.port
    }

    /// The token the filter uses.
    #[must_use]
    pub fn filter_token(&self) -> &str {
        &self.filter_token
    }

    /// A token that opens every path.
    #[must_use]
    pub fn admin_token(&self) -> &str {
        &self.admin_token
    }

    /// Where its database and config lie.
    #[must_use]
    pub fn folder(&self) -> &Path {
        self.folder.path()
    }

    /// Its command and log, for the report of a failure.
    #[must_use]
    pub fn report(&self) -> String {
        self.process.as_ref().map_or_else(|| "control plane: not running".to_owned(), Guarded::report)
    }

    /// What a command line of it prints; the config file is given already.
    ///
    /// # Panics
    /// When the command fails; with what it said.
    pub fn command(&self, arguments: &[&str]) -> String {
        let output = program(self.folder.path()).args(arguments).output().expect("sallyport starts");
        let said = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "sallyport {}: {said}", arguments.join(" "));
        String::from_utf8(output.stdout).expect("text")
    }

    /// A request as admin.
    pub fn ask(&self, client: &Client, method: Method, path: &str) -> RequestBuilder {
        let url = format!("http://127.0.0.1:{}{path}", self.port);
        client.request(method, url).bearer_auth(&self.admin_token)
    }

    /// Waits until `GET /stats` counts at least this many requests; the totals then.
    ///
    /// # Panics
    /// When it does not come to that within 20 s.
    pub async fn counted(&self, requests: u64) -> Value {
        eventually("requests counted", || {
            let stats = self.get("/stats");
            let is_enough = stats["total_requests"].as_u64() >= Some(requests);
            if is_enough { Ok(stats) } else { Err(format!("{requests} sent, but {stats}")) }
        })
        .await
    }

    /// Waits until `GET /ready` says `ready`.
    ///
    /// # Panics
    /// When it does not come to that within 20 s.
    pub async fn until_ready(&self) {
        eventually("readiness", || {
            let ready = self.get("/ready");
            if ready["status"] == "ready" { Ok(()) } else { Err(ready.to_string()) }
        })
        .await;
    }

    /// Waits until `GET /ready` says `degraded`; why.
    ///
    /// # Panics
    /// When it does not come to that within 20 s.
    pub async fn until_degraded(&self) -> String {
        eventually("degradation", || {
            let ready = self.get("/ready");
            let is_degraded = ready["status"] == "degraded";
            if is_degraded { Ok(ready["reasons"].to_string()) } else { Err(ready.to_string()) }
        })
        .await
    }

    /// Waits for an event of `GET /v1/events?{query}` that fits, and returns it.
    ///
    /// # Panics
    /// When none comes within 20 s, with those that came.
    pub async fn event(&self, query: &str, fits: impl Fn(&Value) -> bool) -> Value {
        eventually("the event", || {
            let page = self.get(&format!("/v1/events?{query}"));
            let found = page["events"].as_array().and_then(|events| events.iter().find(|event| fits(event)));
            found.cloned().ok_or_else(|| format!("{query}: {page}"))
        })
        .await
    }

    /// A request as admin with a body, and its answer: the status, and the body as JSON (null where it is none).
    ///
    /// # Panics
    /// When it does not answer.
    pub async fn send(&self, client: &Client, method: Method, path: &str, body: &Value) -> (u16, Value) {
        let answer = self.ask(client, method, path).json(body).send().await.expect("an answer");
        let status = answer.status().as_u16();
        (status, answer.json().await.unwrap_or_default())
    }

    /// GET as admin, as JSON.
    ///
    /// # Panics
    /// When it does not answer with JSON and 200.
    pub fn get(&self, path: &str) -> Value {
        let (status, body) = http::get(self.port, path, Some(&self.admin_token)).expect("an answer");
        assert_eq!(status, 200, "GET {path}: {body}");
        serde_json::from_str(&body).expect("JSON")
    }
}

/// The program with its config file; every setting of the environment that could change it is taken away.
fn program(folder: &Path) -> Command {
    let mut command = Command::new(control_plane_binary());
    for (name, _) in std::env::vars_os() {
        let name_text = name.to_string_lossy();
        if name_text.starts_with("SALLYPORT_") || matches!(&*name_text, "DB_PATH" | "API_HOST" | "API_PORT") {
            command.env_remove(name);
        }
    }
    command.current_dir(folder).arg("--config").arg(folder.join("config.yaml"));
    command
}

/// Every YAML reader takes JSON.
fn write_config(folder: &Path, port: u16, policy: &Value, sections: &Value) {
    let mut config = json!({
        "server": { "host": "127.0.0.1", "port": port },
        "store": { "path": folder.join("sallyport.db") },
        "policy": policy,
        // A simulated world takes a debug build half a minute.
        "model": { "train": { "simulated": 0.1 } },
    });
    for (name, section) in sections.as_object().into_iter().flatten() {
        config[name] = section.clone();
    }
    // Written aside and renamed, so that a reload never reads half a file.
    let aside = folder.join("config.yaml.new");
    std::fs::write(&aside, config.to_string()).expect("the config file");
    std::fs::rename(&aside, folder.join("config.yaml")).expect("the config file");
}

fn create_token(folder: &Path, role: &str) -> String {
    let mut command = program(folder);
    command.args(["token", "create", "--role", role, "--name", "scenario"]);
    let output = command.output().expect("sallyport token create");
    assert!(output.status.success(), "token create: {}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).expect("a token").trim().to_owned()
}
