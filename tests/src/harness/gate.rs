//! The whole thing: site, control plane where wanted, Envoy with the filter, ready to be visited.

use std::time::{Duration, Instant};

use serde_json::{Value, json};

use super::{ControlPlane, Envoy, EnvoyConfig, Site, Tap, filter_wasm};
use crate::visitor::Visitor;

const TEMPLATE: &str = include_str!("../../envoy/scenario.yaml");
/// How long a new policy may take to reach all workers.
const SETTLE: Duration = Duration::from_secs(20);
/// So many connections in a row reach both of two workers, but for one run in half a million.
const ENOUGH: u32 = 20;

/// What a scenario wants started.
#[derive(Debug, Clone)]
pub struct Plan {
    /// Plugin configuration of the filter; its `control_plane` is filled in from the two fields below.
    pub plugin: Value,
    /// Envoy's workers.
    pub workers: u32,
    /// How many entries of X-Forwarded-For are trusted.
    pub trusted_hops: u32,
    /// Further sections of the control plane's config file.
    pub sections: Value,
}

impl Plan {
    /// The filter with this policy, one worker, one trusted hop (so that visitors can have addresses).
    #[must_use]
    pub fn with_policy(policy: Value) -> Self {
        let plugin = json!({ "policy": policy, "poll_interval_ms": 200 });
        Self { plugin, workers: 1, trusted_hops: 1, sections: json!({}) }
    }

    /// The same with nobody refused for their score or for coming often, unless the policy says how often: only what a
    /// scenario is about decides, however quickly it asks.
    #[must_use]
    pub fn indifferent(mut self) -> Self {
        self.plugin["policy"]["thresholds"] = json!({ "monitor": 100, "challenge": 100, "block": 100 });
        for rule in ["address", "client"] {
            let limit = &mut self.plugin["policy"]["rate_limit"][rule];
            if limit.is_null() {
                *limit = json!({ "per_second": 10_000, "burst": 100_000 });
            }
        }
        self
    }

    /// The same with this many workers.
    #[must_use]
    pub fn workers(self, workers: u32) -> Self {
        Self { workers, ..self }
    }

    /// The same with a further key of the plugin configuration.
    #[must_use]
    pub fn plugin(mut self, key: &str, value: Value) -> Self {
        self.plugin[key] = value;
        self
    }

    /// The same with a further section of the control plane's config file.
    #[must_use]
    pub fn section(mut self, name: &str, value: Value) -> Self {
        self.sections[name] = value;
        self
    }

    /// Starts the filter alone, without a control plane.
    pub async fn start_alone(self) -> Gate {
        let api_port = super::unused_port();
        self.start(api_port, None).await
    }

    /// Starts a control plane with the same policy, then Envoy, and waits until every worker has its snapshot.
    /// That shows in a route that only the snapshot has: icons are not judged.
    ///
    /// # Panics
    /// When the snapshot does not arrive.
    pub async fn start_with_control_plane(self) -> Gate {
        let control = self.start_control_plane();
        let port = control.port();
        self.start_before(control, port).await
    }

    /// The same with a tap between the two.
    ///
    /// # Panics
    /// When the snapshot does not arrive.
    pub async fn start_with_tap(self) -> (Gate, Tap) {
        let control = self.start_control_plane();
        let tap = Tap::before(control.port()).await;
        let gate = self.start_before(control, tap.port()).await;
        (gate, tap)
    }

    fn start_control_plane(&self) -> ControlPlane {
        let mut policy = self.plugin["policy"].clone();
        let routes = policy.as_object_mut().expect("a policy").entry("routes").or_insert_with(|| json!([]));
        routes.as_array_mut().expect("a list").push(json!({ "prefix": "/favicon.ico", "class": "ignore" }));
        ControlPlane::start_with(&policy, self.sections.clone())
    }

    async fn start_before(self, control: ControlPlane, port: u16) -> Gate {
        let token = control.filter_token().to_owned();
        let gate = self.calling(&token).start(port, Some(control)).await;
        gate.everywhere("the snapshot", || {
            matches!(xtask::http::is_ignored(gate.port, "/favicon.ico"), Ok(true))
        });
        gate
    }

    /// Starts the filter with whatever listens (or not) on this port as its control plane.
    pub async fn start_with_control_plane_at(self, port: u16, token: &str) -> Gate {
        self.calling(token).start(port, None).await
    }

    fn calling(self, token: &str) -> Self {
        self.plugin(
            "control_plane",
            json!({"cluster": "sallyport", "authority": "sallyport", "token": token}),
        )
    }

    async fn start(self, api_port: u16, control: Option<ControlPlane>) -> Gate {
        let site = Site::start().await;
        let envoy = Envoy::start(&EnvoyConfig {
            template: TEMPLATE,
            values: vec![
                ("FILTER_WASM", filter_wasm().display().to_string()),
                ("PLUGIN", self.plugin.to_string()),
                ("TRUSTED_HOPS", self.trusted_hops.to_string()),
                ("ORIGIN_PORT", site.port().to_string()),
                ("API_PORT", api_port.to_string()),
            ],
            workers: self.workers,
        });
        let port = envoy.port("visitors");
        let client = crate::http::client_builder()
            .redirect(reqwest::redirect::Policy::none())
            .timeout(Duration::from_secs(20))
            .build()
            .expect("an HTTP client");
        Gate { envoy, control, site, client, port }
    }
}

/// A protected site. A scenario that fails prints what Envoy and the control plane were doing.
#[derive(Debug)]
pub struct Gate {
    /// Envoy with the filter.
    pub envoy: Envoy,
    /// The control plane, where the plan wanted one.
    pub control: Option<ControlPlane>,
    /// The origin.
    pub site: Site,
    /// Follows no redirects.
    pub client: reqwest::Client,
    /// Where visitors arrive on 127.0.0.1.
    pub port: u16,
}

impl Gate {
    /// The control plane.
    ///
    /// # Panics
    /// When the plan wanted none.
    #[must_use]
    pub fn control(&self) -> &ControlPlane {
        self.control.as_ref().expect("a control plane")
    }

    /// The answer to a visitor's GET.
    ///
    /// # Panics
    /// When there is none.
    pub async fn get(&self, visitor: &Visitor, path: &str) -> reqwest::Response {
        visitor.get(&self.client, &self.url(path)).send().await.expect("an answer")
    }

    /// Lets the site issue a session of this name, to somebody elsewhere.
    ///
    /// # Panics
    /// When it does not.
    pub async fn issue(&self, session: &str) {
        let visitor = Visitor::chrome("203.0.113.251");
        assert_eq!(self.status(&visitor, &format!("/welcome/{session}")).await, 200);
    }

    /// The status of the answer to a visitor's GET.
    ///
    /// # Panics
    /// When there is none.
    pub async fn status(&self, visitor: &Visitor, path: &str) -> u16 {
        self.get(visitor, path).await.status().as_u16()
    }

    /// The address of a path as visitors see it.
    #[must_use]
    pub fn url(&self, path: &str) -> String {
        format!("http://127.0.0.1:{}{path}", self.port)
    }

    /// Waits until `seen`, which has to use a new connection each time, is true so often in a row that every
    /// worker was asked, at most 20 s.
    ///
    /// # Panics
    /// When it does not become true everywhere.
    pub fn everywhere(&self, what: &str, mut seen: impl FnMut() -> bool) {
        let start = Instant::now();
        let mut in_a_row = 0;
        while in_a_row < ENOUGH {
            in_a_row = if seen() { in_a_row + 1 } else { 0 };
            assert!(start.elapsed() < SETTLE, "{what} did not reach every worker");
        }
    }

    /// Waits until every worker answers `GET path` of a visitor from this address with this status.
    ///
    /// # Panics
    /// When it does not come to that within 20 s.
    pub fn until_status(&self, visitor: &Visitor, path: &str, status: u16) {
        let runtime = tokio::runtime::Handle::current();
        self.everywhere(&format!("status {status} on {path}"), || {
            let request = visitor.get(&self.client, &self.url(path)).header("connection", "close");
            let answer = tokio::task::block_in_place(|| runtime.block_on(request.send()));
            answer.expect("an answer").status() == status
        });
    }

    /// How often the filter had to be started anew after a crash; has to stay 0.
    #[must_use]
    pub fn reloads(&self) -> u64 {
        self.envoy.stats("vm_reload").values().sum()
    }
}

impl Drop for Gate {
    fn drop(&mut self) {
        if std::thread::panicking() {
            eprintln!("---- Envoy\n{}", self.envoy.report());
            if let Some(control) = &self.control {
                eprintln!("---- control plane\n{}", control.report());
            }
        }
    }
}
