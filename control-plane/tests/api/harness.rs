//! A control plane of its own for each test: free port, fresh database, both tokens.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use reqwest::{Method, StatusCode};
use sallyport::app::App;
use sallyport::auth::{Role, Token};
use sallyport::config::{Loaded, Sources};
use sallyport::serve;
use sallyport::store::{SqliteStore, Store};
use sallyport::{issued, limits, sessions};
use serde_json::Value;
use tempfile::TempDir;
use tokio::net::TcpListener;
use tokio::sync::oneshot;

pub(crate) const FIREFOX: &str = "Mozilla/5.0 (X11; Linux x86_64; rv:145.0) Gecko/20100101 Firefox/145.0";

/// A running control plane; ends with the value.
pub(crate) struct ControlPlane {
    pub(crate) app: Arc<App>,
    pub(crate) sources: Sources,
    pub(crate) loaded: Loaded,
    pub(crate) filter_token: String,
    pub(crate) admin_token: String,
    pub(crate) folder: TempDir,
    base: String,
    client: reqwest::Client,
    stop: Option<oneshot::Sender<()>>,
}

/// A status with its body as JSON, null where it is none.
#[derive(Debug)]
pub(crate) struct Reply {
    pub(crate) status: StatusCode,
    pub(crate) headers: reqwest::header::HeaderMap,
    pub(crate) json: Value,
    pub(crate) bytes: Vec<u8>,
}

impl ControlPlane {
    /// The site issues a session; its keyed hash.
    pub(crate) fn issue(&self, session: &str) -> u64 {
        let key = self.app.detector.engine().key().session(session.as_bytes());
        let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).expect("after 1970");
        self.app.detector.issue(key, now.as_millis() as u64);
        key
    }

    pub(crate) async fn start() -> Self {
        Self::with_config("").await
    }

    /// Starts on the text of a `config.yaml`; port and database are set here.
    pub(crate) async fn with_config(config: &str) -> Self {
        let folder = TempDir::new().expect("a folder");
        let file = folder.path().join("config.yaml");
        std::fs::write(&file, config).expect("the configuration is written");
        let path = folder.path().join("test.db");
        let flag = |key: &str, value: &str| ("--set".to_owned(), key.to_owned(), value.to_owned());
        let flags = vec![
            flag("store.path", path.to_str().expect("UTF-8")),
            flag("store.busy_timeout_ms", "0"),
            flag("server.port", "0"),
        ];
        let sources = Sources { file: Some(file), environment: Vec::new(), flags };
        let loaded = sources.load().unwrap_or_else(|problems| panic!("{problems}\n{config}"));
        let store: Arc<dyn Store> = Arc::new(SqliteStore::open(&loaded.config.store).expect("opens"));
        let filter_token = token(&*store, Role::Filter).await;
        let admin_token = token(&*store, Role::Admin).await;
        let app = App::start(store, &loaded).await.expect("starts");
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
        let base = format!("http://{}", listener.local_addr().expect("bound"));
        let (stop, stopped) = oneshot::channel::<()>();
        let serving = serve::run(listener, Arc::clone(&app), async move { drop(stopped.await) });
        tokio::spawn(serving);
        sallyport::fetch::install_tls();
        tokio::spawn(limits::run(Arc::clone(&app.limits)));
        tokio::spawn(sessions::run(Arc::clone(&app.sessions)));
        tokio::spawn(issued::run(Arc::clone(&app.issued)));
        let client = reqwest::Client::builder().timeout(Duration::from_secs(20)).build().expect("a client");
        let stop = Some(stop);
        Self { app, sources, loaded, filter_token, admin_token, folder, base, client, stop }
    }

    pub(crate) fn request(&self, method: Method, path: &str, token: &str) -> reqwest::RequestBuilder {
        let request = self.client.request(method, format!("{}{path}", self.base));
        if token.is_empty() { request } else { request.bearer_auth(token) }
    }

    /// Where it listens, as host and port.
    pub(crate) fn address(&self) -> &str {
        self.base.trim_start_matches("http://")
    }

    pub(crate) async fn get(&self, path: &str) -> Reply {
        send(self.request(Method::GET, path, &self.admin_token)).await
    }

    pub(crate) async fn post(&self, path: &str, body: impl Into<reqwest::Body>) -> Reply {
        send(self.request(Method::POST, path, &self.admin_token).body(body)).await
    }

    pub(crate) async fn check(&self, body: Value) -> Reply {
        self.post("/check", body.to_string()).await
    }

    /// Waits until everything recorded so far is in the database.
    pub(crate) async fn flush(&self) {
        self.app.store.flush().await.expect("written");
    }

    pub(crate) fn database(&self) -> PathBuf {
        self.folder.path().join("test.db")
    }

    pub(crate) fn sql(&self, query: &str) -> Vec<String> {
        let connection = rusqlite::Connection::open(self.database()).expect("opens");
        let mut statement = connection.prepare(query).expect("a query");
        let columns = statement.column_count();
        let rows = statement.query_map([], |row| {
            let cells = (0..columns).map(|column| {
                Ok(match row.get_ref(column)? {
                    rusqlite::types::ValueRef::Null => "null".to_owned(),
                    rusqlite::types::ValueRef::Integer(number) => number.to_string(),
                    rusqlite::types::ValueRef::Real(number) => number.to_string(),
                    rusqlite::types::ValueRef::Text(text) => String::from_utf8_lossy(text).into_owned(),
                    rusqlite::types::ValueRef::Blob(bytes) => format!("{} bytes", bytes.len()),
                })
            });
            Ok(cells.collect::<rusqlite::Result<Vec<_>>>()?.join("|"))
        });
        rows.expect("runs").map(|row| row.expect("a row")).collect()
    }
}

impl Drop for ControlPlane {
    fn drop(&mut self) {
        if let Some(stop) = self.stop.take() {
            // The server may have ended already.
            let _ = stop.send(());
        }
    }
}

impl Reply {
    /// Asserts the status and answers the problem's `type` end, `field` and `detail`.
    #[track_caller]
    pub(crate) fn problem(&self, status: u16) -> (&str, &str, &str) {
        assert_eq!(self.status.as_u16(), status, "{self:?}");
        assert_eq!(self.headers["content-type"], "application/problem+json");
        let text = |key: &str| self.json[key].as_str().unwrap_or_default();
        assert_eq!(self.json["status"], status);
        let kind = text("type").strip_prefix("urn:sallyport:problem:").expect("a stable type");
        (kind, text("field"), text("detail"))
    }

    #[track_caller]
    pub(crate) fn ok(&self, status: u16) -> &Value {
        assert_eq!(self.status.as_u16(), status, "{self:?}");
        &self.json
    }
}

pub(crate) async fn send(request: reqwest::RequestBuilder) -> Reply {
    let response = request.send().await.expect("an answer");
    let (status, headers) = (response.status(), response.headers().clone());
    let bytes = response.bytes().await.expect("a body").to_vec();
    Reply { status, headers, json: serde_json::from_slice(&bytes).unwrap_or_default(), bytes }
}

/// What `look` finds, as soon as it does, at most 20 s from now.
pub(crate) async fn eventually<T>(what: &str, mut look: impl FnMut() -> Option<T>) -> T {
    for _ in 0..4_000 {
        if let Some(found) = look() {
            return found;
        }
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    panic!("{what} did not come within 20 s");
}

async fn token(store: &dyn Store, role: Role) -> String {
    let token = Token::generate(role).expect("random bytes");
    store.create_token(role, "test".to_owned(), token.hash(), 1).await.expect("stored");
    token.reveal().to_owned()
}
