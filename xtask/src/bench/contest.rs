//! The contestants, each an Envoy of its own with what stands behind it, visited in alternating rounds.

use anyhow::{Context, Result};
use serde_json::{Value, json};

use super::in_turns;
use super::load::{self, Load};
use super::machine::{cpu_us, rss_mib};
use super::servers::{ControlPlane, Envoy, Programs, Scratch, Server, start_plain};

/// What is measured against what.
const PLANS: [Plan; 9] = [
    plain("bare", "bare"),
    plain("lua", "lua"),
    plain("ext_authz", "ext-authz"),
    sallyport(NEVER, "never", "always", 0),
    Plan { is_other: true, ..sallyport(OTHER_NEVER, "never", "always", 0) },
    sallyport("sallyport never, flagged", "never", "flagged", 0),
    sallyport("sallyport uncertain", "uncertain", "always", 5),
    sallyport("sallyport uncertain, flagged", "uncertain", "flagged", 5),
    sallyport("sallyport always", "always", "always", 0),
];

/// What another build is compared with, and its own name.
pub(crate) const NEVER: &str = "sallyport never";
pub(crate) const OTHER_NEVER: &str = "sallyport never, the other build";

const fn plain(name: &'static str, config: &'static str) -> Plan {
    Plan { name, config, policy: None, uncertain_percent: 0, is_other: false }
}

const fn sallyport(
    name: &'static str,
    consult: &'static str,
    header: &'static str,
    uncertain_percent: u32,
) -> Plan {
    let policy = Some(Policy { consult, header });
    Plan { name, config: "sallyport", policy, uncertain_percent, is_other: false }
}

/// What differs between the policies of the contestants.
#[derive(Clone, Copy)]
pub(crate) struct Policy {
    /// When the filter asks the control plane.
    pub(crate) consult: &'static str,
    /// Which requests tell the origin.
    pub(crate) header: &'static str,
}

#[derive(Clone, Copy)]
struct Plan {
    name: &'static str,
    /// `envoy/bench/{config}.yaml`.
    config: &'static str,
    /// Where there is a filter.
    policy: Option<Policy>,
    /// Of the requests.
    uncertain_percent: u32,
    /// Runs only where there is another build, with its programs.
    is_other: bool,
}

/// One round of one contestant; times are processor time per request.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Round {
    pub(crate) load: Load,
    pub(crate) envoy_us: f64,
    /// Of the control plane or authz service; 0 without one.
    pub(crate) service_us: f64,
    /// Per request.
    pub(crate) consults: f64,
}

/// A contestant and all its rounds.
pub(crate) struct Contestant {
    pub(crate) name: &'static str,
    pub(crate) rounds: Vec<Round>,
    /// Envoy's resident memory after the last round.
    pub(crate) rss_mib: f64,
}

impl Contestant {
    pub(crate) fn to_json(&self) -> Value {
        let rounds: Vec<_> = self
            .rounds
            .iter()
            .map(|round| {
                json!({
                    "requests_per_s": round.load.per_second,
                    "p50_us": round.load.p50_us,
                    "p99_us": round.load.p99_us,
                    "failed": round.load.failed,
                    "envoy_us": round.envoy_us,
                    "service_us": round.service_us,
                    "consults_per_request": round.consults,
                })
            })
            .collect();
        json!({ "name": self.name, "rounds": rounds, "envoy_rss_mib": self.rss_mib })
    }
}

struct Running {
    plan: Plan,
    envoy: Envoy,
    control_plane: Option<ControlPlane>,
    /// The service whose time counts, when it is not the control plane.
    service_pid: Option<u32>,
}

/// Runs all rounds of bare, `ext_authz` and those whose names contain `only`; beside them those of another build.
pub(crate) fn run(
    programs: &Programs,
    other: Option<&Programs>,
    (only, rounds, seconds): (&str, u32, u32),
) -> Result<Vec<Contestant>> {
    let scratch = Scratch::new()?;
    let site = start_plain(&programs.site, &["--quiet"], &scratch)?;
    let authz = start_plain(&programs.authz, &[], &scratch)?;
    let running = PLANS
        .into_iter()
        .filter(|plan| plan.name.contains(only) || matches!(plan.name, "bare" | "ext_authz"))
        .filter_map(|plan| Some((plan, if plan.is_other { other? } else { programs })))
        .map(|(plan, programs)| start(plan, programs, &scratch, &site, &authz).context(plan.name))
        .collect::<Result<Vec<_>>>()?;
    let mut contestants: Vec<_> = running
        .iter()
        .map(|running| Contestant { name: running.plan.name, rounds: Vec::new(), rss_mib: 0.0 })
        .collect();
    for round in 0..=rounds {
        for (running, contestant) in in_turns(round, running.iter().zip(&mut contestants)) {
            // The first is a warm-up: connections, caches, full tables.
            let seconds = if round == 0 { seconds.min(3) } else { seconds };
            let measured = measure(programs, running, seconds).with_context(|| running.plan.name)?;
            eprintln!(
                "xtask: round {round} {:<28} {:>7.0}/s  Envoy {:>6.1} µs  service {:>6.1} µs",
                contestant.name, measured.load.per_second, measured.envoy_us, measured.service_us
            );
            if round > 0 {
                contestant.rounds.push(measured);
            }
        }
    }
    for (running, contestant) in running.iter().zip(&mut contestants) {
        contestant.rss_mib = rss_mib(running.envoy.server.process.pid())?;
    }
    Ok(contestants)
}

fn start(
    plan: Plan,
    programs: &Programs,
    scratch: &Scratch,
    site: &Server,
    authz: &Server,
) -> Result<Running> {
    let mut values = vec![("ORIGIN_PORT", site.port.to_string())];
    let mut control_plane = None;
    let mut service_pid = None;
    if let Some(policy) = plan.policy {
        let control = ControlPlane::start(
            &programs.control_plane,
            scratch,
            &format!("control of {}", plan.name),
            policy,
        )?;
        values.push(("API_PORT", control.server.port.to_string()));
        values.push(("FILTER_TOKEN", control.filter_token.clone()));
        values.push(("FILTER_WASM", programs.filter.display().to_string()));
        service_pid = Some(control.server.process.pid());
        control_plane = Some(control);
    } else if plan.config == "ext-authz" {
        values.push(("AUTHZ_PORT", authz.port.to_string()));
        service_pid = Some(authz.process.pid());
    }
    let mut envoy = Envoy::start(programs, scratch, plan.name, plan.config, values)?;
    if control_plane.is_some() {
        envoy.wait_for_snapshot()?;
    }
    Ok(Running { plan, envoy, control_plane, service_pid })
}

fn measure(programs: &Programs, running: &Running, seconds: u32) -> Result<Round> {
    let envoy = running.envoy.server.process.pid();
    let service = |pid: Option<u32>| pid.map_or(Ok(0.0), cpu_us);
    let sent = || match running.control_plane {
        Some(_) => running.envoy.stat("wasmcustom.sallyport_consults_sent"),
        None => Ok(0.0),
    };
    let before = (cpu_us(envoy)?, service(running.service_pid)?, sent()?);
    let environment = [("UNCERTAIN_PERCENT", running.plan.uncertain_percent.to_string())];
    let load = load::run(&programs.wrk, load::BROWSERS, running.envoy.server.port, seconds, &environment)?;
    let after = (cpu_us(envoy)?, service(running.service_pid)?, sent()?);
    Ok(Round {
        load,
        envoy_us: (after.0 - before.0) / load.requests,
        service_us: (after.1 - before.1) / load.requests,
        consults: (after.2 - before.2) / load.requests,
    })
}
