//! What is wrong with a policy: everything, in one report.

use super::agents::AgentPolicy;
use super::config::{Limit, PolicyConfig, SessionsConfig};
use super::host;
use super::host_limits::HostLimits;
use super::limits::LimitRule;
use crate::address_text::read_range;
use crate::check::Check;
use crate::plain::plain;

/// One mistake: where it stands and what to write instead.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Problem {
    /// The key, as `thresholds.block` or `routes[2].prefix`.
    pub key: String,
    /// What is wrong and what to write instead.
    pub message: String,
}

const MOST_ROUTES: usize = 256;
const MOST_ENTRIES: usize = 10_000;
/// Every request of a named agent is compared with all of its category.
const MOST_AGENT_PATHS: usize = 64;
const MOST_USER_AGENTS: usize = 64;
/// Longest path and part of a user agent, in bytes.
const LONGEST_TEXT: usize = 1024;

struct Report(Vec<Problem>);

impl Report {
    fn check(&mut self, good: bool, key: &str, message: impl FnOnce() -> String) {
        if !good {
            self.0.push(Problem { key: key.to_owned(), message: message() });
        }
    }

    fn check_host(&mut self, key: &str, host: &str) {
        let fault = host::fault(host);
        self.check(fault.is_none(), key, || {
            let fault = fault.unwrap_or_default();
            format!("'{host}' {fault}: write a name such as shop.example, or *.shop.example for all below it")
        });
    }

    fn check_limit(&mut self, section: &str, rule: LimitRule, Limit { per_second, burst, .. }: Limit) {
        let key = format!("{section}.{}", rule.name());
        self.check((0.001..=1e6).contains(&per_second), &format!("{key}.per_second"), || {
            format!("{per_second} is not between 0.001 and 1000000 requests per second")
        });
        self.check((1..=1_000_000).contains(&burst), &format!("{key}.burst"), || {
            format!("{burst} is not between 1 and 1000000 requests")
        });
    }
}

impl PolicyConfig {
    /// All mistakes that the schema alone does not catch, in the order of the keys.
    pub fn problems(&self) -> Vec<Problem> {
        let mut report = Report(Vec::new());
        self.check_numbers(&mut report);
        self.check_weights(&mut report);
        self.check_lists(&mut report);
        self.check_paths(&mut report);
        self.check_agents(&mut report);
        report.0
    }

    fn check_numbers(&self, report: &mut Report) {
        let ttl = self.consult_ttl_s.0;
        report.check((1..=86_400).contains(&ttl), "consult_ttl_s", || {
            format!("{ttl} is not between 1 and 86400 seconds")
        });
        let t = &self.thresholds;
        for (key, value) in [("monitor", t.monitor), ("challenge", t.challenge), ("block", t.block)] {
            report.check((0.0..=100.0).contains(&value), &format!("thresholds.{key}"), || {
                format!("{value} is not a score between 0 and 100")
            });
        }
        report.check(t.monitor <= t.challenge && t.challenge <= t.block, "thresholds", || {
            format!(
                "monitor ({}), challenge ({}) and block ({}) must be in rising order",
                t.monitor, t.challenge, t.block
            )
        });
        for rule in LimitRule::ALL {
            if rule == LimitRule::Session && self.rate_limit.session.is_none() {
                continue;
            }
            let limit = self.rate_limit.limit(rule);
            limit.inspect(|limit| report.check_limit("rate_limit", rule, *limit));
        }
        let hosts = &self.rate_limit.hosts;
        report.check(hosts.len() <= MOST_ROUTES, "rate_limit.hosts", || {
            format!("more than {MOST_ROUTES} hosts")
        });
        for (i, HostLimits { host, limits }) in hosts.iter().enumerate().take(MOST_ROUTES) {
            let key = format!("rate_limit.hosts[{i}]");
            report.check_host(&format!("{key}.host"), host);
            limits.iter().for_each(|(rule, limit)| report.check_limit(&key, *rule, *limit));
        }
        let SessionsConfig { suspicious, keep_s } = self.sessions;
        report.check(suspicious > 0, "sessions.suspicious", || {
            "0 would challenge every session: write 1 to 255".to_owned()
        });
        report.check((1..=604_800).contains(&keep_s), "sessions.keep_s", || {
            format!("{keep_s} is not between 1 and 604800 seconds")
        });
    }

    fn check_weights(&self, report: &mut Report) {
        for (name, weight) in &self.weights {
            let known = Check::from_name(name).is_some_and(|check| Check::weighted().any(|c| c == check));
            let key = format!("weights.{name}");
            report.check(known, &key, || {
                let names: Vec<_> = Check::weighted().map(Check::name).collect();
                format!("no such check; the checks are {}", names.join(", "))
            });
            report.check((-10.0..=10.0).contains(weight), &key, || {
                format!("{weight} is not between -10 and 10 log-odds")
            });
        }
    }

    fn check_lists(&self, report: &mut Report) {
        for (list, entries) in [("allow", &self.lists.allow), ("deny", &self.lists.deny)] {
            report.check(entries.len() <= MOST_ENTRIES, &format!("lists.{list}"), || {
                format!("more than {MOST_ENTRIES} entries")
            });
            for (i, entry) in entries.iter().enumerate().take(MOST_ENTRIES) {
                // A filter checks 10,000 of them while requests wait: text is only made for mistakes.
                let message = match read_range(entry) {
                    Err(error) => format!("'{entry}' {error}"),
                    Ok(net) if list == "deny" && net.prefix_len() == 0 => {
                        "would refuse the whole Internet".to_owned()
                    }
                    Ok(_) => continue,
                };
                report.check(false, &format!("lists.{list}[{i}]"), || message);
            }
        }
        let parts = &self.lists.allow_user_agents;
        report.check(parts.len() <= MOST_USER_AGENTS, "lists.allow_user_agents", || {
            format!("more than {MOST_USER_AGENTS} entries")
        });
        for (i, part) in parts.iter().enumerate().take(MOST_USER_AGENTS) {
            let good = part.trim().len() >= 4 && part.len() <= LONGEST_TEXT;
            report.check(good, &format!("lists.allow_user_agents[{i}]"), || {
                format!("'{part}': write 4 to {LONGEST_TEXT} characters of the user agent")
            });
        }
    }

    fn check_agents(&self, report: &mut Report) {
        for (category, policy) in &self.agents.may {
            let key = format!("agents.may.{}", category.name());
            report.check(*policy != AgentPolicy::Limit || category.budget().is_some(), &key, || {
                "has no budget of its own: write allow, score, challenge or block".to_owned()
            });
        }
        for (category, paths) in &self.agents.paths {
            let key = format!("agents.paths.{}", category.name());
            report.check(paths.len() <= MOST_AGENT_PATHS, &key, || {
                format!("more than {MOST_AGENT_PATHS} paths")
            });
            for (i, path) in paths.iter().enumerate().take(MOST_AGENT_PATHS) {
                let key = format!("{key}[{i}]");
                let inner = path.strip_prefix('*').unwrap_or(path);
                let inner = inner.strip_suffix('*').unwrap_or(inner);
                let begins = path.starts_with(['/', '*']) && path.len() <= LONGEST_TEXT;
                report.check(begins, &key, || {
                    format!("'{path}' must begin with / or * and have at most {LONGEST_TEXT} characters")
                });
                report.check(!inner.trim_matches('/').is_empty(), &key, || {
                    format!(
                        "'{path}' would be every path: name those that {} has business at",
                        category.name()
                    )
                });
                let longer = format!("/{}x", inner.trim_start_matches('/'));
                let is_plain = *plain(longer.as_bytes()) == *longer.as_bytes() && !inner.contains(['?', '*']);
                report.check(is_plain || !begins, &key, || {
                    format!("'{path}' never fits: write it decoded, without %, ;, ?, // or dot segments, * only at its ends")
                });
            }
        }
    }

    fn check_paths(&self, report: &mut Report) {
        report
            .check(self.routes.len() <= MOST_ROUTES, "routes", || format!("more than {MOST_ROUTES} routes"));
        report.check(self.login.routes.len() <= MOST_ROUTES, "login.routes", || {
            format!("more than {MOST_ROUTES} routes")
        });
        report.check(self.trap_paths.len() <= MOST_ROUTES, "trap_paths", || {
            format!("more than {MOST_ROUTES} paths")
        });
        let routes = self.routes.iter().enumerate().map(|(i, r)| (format!("routes[{i}].prefix"), &r.prefix));
        let logins =
            self.login.routes.iter().enumerate().map(|(i, r)| (format!("login.routes[{i}].path"), &r.path));
        let traps = self.trap_paths.iter().enumerate().map(|(i, path)| (format!("trap_paths[{i}]"), path));
        let (routes, logins, traps) =
            (routes.take(MOST_ROUTES), logins.take(MOST_ROUTES), traps.take(MOST_ROUTES));
        for (key, path) in routes.chain(logins).chain(traps) {
            report.check(path.starts_with('/') && path.len() <= LONGEST_TEXT, &key, || {
                format!("'{path}' must begin with / and have at most {LONGEST_TEXT} characters")
            });
            // The letter stands for what may follow a prefix.
            let longer = format!("{path}x");
            let is_plain = *plain(longer.as_bytes()) == *longer.as_bytes() && !path.contains('?');
            report.check(is_plain || !path.starts_with('/'), &key, || {
                format!("'{path}' never fits: write it decoded, without %, ;, ?, // or dot segments")
            });
        }
        let routes = self.routes.iter().enumerate().map(|(i, r)| (format!("routes[{i}].host"), &r.host));
        let logins =
            self.login.routes.iter().enumerate().map(|(i, r)| (format!("login.routes[{i}].host"), &r.host));
        for (key, host) in routes.take(MOST_ROUTES).chain(logins.take(MOST_ROUTES)) {
            host.iter().for_each(|host| report.check_host(&key, host));
        }
        for (i, trap) in self.trap_paths.iter().enumerate().take(MOST_ROUTES) {
            report.check(trap != "/" && trap != "/*", &format!("trap_paths[{i}]"), || {
                "would trap every visitor".to_owned()
            });
        }
        for (i, login) in self.login.routes.iter().enumerate().take(MOST_ROUTES) {
            let method = &login.method;
            let is_method = !method.is_empty() && method.bytes().all(|b| b.is_ascii_uppercase() || b == b'-');
            report.check(is_method, &format!("login.routes[{i}].method"), || {
                format!("'{method}' is not a method such as POST, in capital letters")
            });
            let odd = login.failing_statuses.iter().find(|status| !(100..600).contains(*status));
            report.check(odd.is_none(), &format!("login.routes[{i}].failing_statuses"), || {
                format!("{} is not an HTTP status", odd.copied().unwrap_or_default())
            });
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::policy::{LoginConfig, LoginRoute, Policy, Route};

    #[test]
    fn the_defaults_are_right() {
        assert_eq!(PolicyConfig::default().problems(), []);
        assert_eq!(serde_json::from_str::<PolicyConfig>("{}").expect("defaults"), PolicyConfig::default());
    }

    #[test]
    fn what_can_never_fit_is_a_mistake() {
        let path = |path: &str| Route { prefix: path.into(), ..Default::default() };
        let login = |path: &str, method: &str| LoginRoute {
            path: path.into(),
            method: method.into(),
            failing_statuses: vec![401, 99],
            same_page: false,
            host: None,
        };
        let config = PolicyConfig {
            routes: ["/", "/.well-known/", "/caf\u{e9}/", "/a%20b", "/a//b", "/a/../b", "/a?b"]
                .map(path)
                .into(),
            login: LoginConfig { routes: vec![login("/in", "post"), login("/in;a", "POST")] },
            ..Default::default()
        };
        let keys: Vec<String> = config.problems().into_iter().map(|p| p.key).collect();
        assert_eq!(
            keys,
            [
                "routes[3].prefix",
                "routes[4].prefix",
                "routes[5].prefix",
                "routes[6].prefix",
                "login.routes[1].path",
                "login.routes[0].method",
                "login.routes[0].failing_statuses",
                "login.routes[1].failing_statuses",
            ]
        );
    }

    #[test]
    fn what_agents_may_is_checked() {
        let config = r#"{ "agents": { "may": { "library": "limit", "feed": "block" }, "paths": {
            "webhook": ["/hooks/*", "*/hook", "hooks", "/", "*", "/a//b", "/a*b", "/a%20"] } } }"#;
        let problems = PolicyConfig::from_json(config.as_bytes()).expect("reads").problems();
        let keys: Vec<_> = problems.iter().map(|problem| problem.key.as_str()).collect();
        let paths = [2, 3, 4, 5, 6, 7].map(|place| format!("agents.paths.webhook[{place}]"));
        let right: Vec<_> =
            std::iter::once("agents.may.library").chain(paths.iter().map(String::as_str)).collect();
        assert_eq!(keys, right, "{problems:?}");
        for unknown in
            [r#"{ "agents": { "feed": "allow" } }"#, r#"{ "agents": { "may": { "bot": "allow" } } }"#]
        {
            assert!(PolicyConfig::from_json(unknown.as_bytes()).is_err(), "{unknown}");
        }
    }

    #[test]
    fn what_is_no_host_is_a_mistake() {
        let config = r#"{
            "routes": [{ "prefix": "/", "host": "shop.example:443" }, { "prefix": "/", "host": "*.shop.example" }],
            "login": { "routes": [{ "path": "/in", "host": "https://shop.example" }, { "path": "/in", "host": "" }] }
        }"#;
        let problems = PolicyConfig::from_json(config.as_bytes()).expect("reads").problems();
        let found: Vec<_> = problems.iter().map(|p| (p.key.as_str(), p.message.as_str())).collect();
        let hint = "write a name such as shop.example, or *.shop.example for all below it";
        assert_eq!(
            found,
            [
                (
                    "routes[0].host",
                    &*format!("'shop.example:443' has a port, or is an address and no name: {hint}")
                ),
                ("login.routes[0].host", &format!("'https://shop.example' has a scheme: {hint}")),
                ("login.routes[1].host", &format!("'' is empty: {hint}")),
            ]
        );
    }

    #[test]
    fn a_list_without_end_is_one_mistake() {
        let mut config = PolicyConfig { trap_paths: vec![String::new(); 100_000], ..Default::default() };
        config.lists.allow = vec![String::new(); 100_000];
        config.lists.allow_user_agents = vec!["curl".into(); 100_000];
        assert!(config.problems().len() <= MOST_ENTRIES + MOST_ROUTES + 3);
    }

    #[test]
    fn lists_take_ipv4_within_ipv6_and_refuse_host_bits_zones_and_leading_zeros() {
        let mut config = PolicyConfig::default();
        config.lists.allow =
            ["::ffff:8.8.8.0/120", "8.8.8.8/24", "fe80::1%eth0", "010.0.0.1"].map(str::to_owned).into();
        config.lists.deny = vec!["::ffff:0:0/96".into()];
        let told: Vec<String> =
            config.problems().into_iter().map(|p| format!("{}: {}", p.key, p.message)).collect();
        for (problem, expected) in told.iter().zip([
            "lists.allow[1]: '8.8.8.8/24' has bits set behind the prefix; write 8.8.8.0/24",
            "lists.allow[2]: 'fe80::1%eth0' has a zone",
            "lists.allow[3]: '010.0.0.1' has leading zeros",
            "lists.deny[0]: would refuse the whole Internet",
        ]) {
            assert!(problem.starts_with(expected), "{problem}");
        }
        assert_eq!(told.len(), 4, "{told:?}");
    }

    #[test]
    fn every_mistake_is_named_at_once() {
        let mut config = PolicyConfig::default();
        config.thresholds.block = 20.0;
        config.thresholds.monitor = f32::NAN;
        config.weights.insert("colour".into(), 99.0);
        config.lists.deny = vec!["0.0.0.0/0".into(), "10.0.0.300".into()];
        config.trap_paths = vec!["secret".into(), "/*".into()];
        config.routes = vec![Route { prefix: String::new(), ..Default::default() }];
        config.rate_limit.client.per_second = 0.0;
        let keys: Vec<String> =
            Policy::compile(config).expect_err("mistakes").into_iter().map(|p| p.key).collect();
        assert_eq!(
            keys,
            [
                "thresholds.monitor",
                "thresholds",
                "rate_limit.client.per_second",
                "weights.colour",
                "weights.colour",
                "lists.deny[0]",
                "lists.deny[1]",
                "routes[0].prefix",
                "trap_paths[0]",
                "trap_paths[1]",
            ]
        );
    }
}
