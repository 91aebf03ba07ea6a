//! Rows from an operator's own access log without labels: rules label the clients that leave no doubt, the rest stays out.
//!
//! Bots are who say so (declared crawlers and tools, no or an impossible user agent), who ask for `/robots.txt`, and who try what
//! scanners try. People claim a browser and load what the pages they read are made of, with the referers that a browser
//! sends along. The rules read what the model must not rest on alone, its feature `user_agent`: so training masks that in part of
//! the rows, and behaviour must carry weight.

use std::collections::HashMap;
use std::path::Path;

use sallyport_core::{Agent, AgentKind, Check, Engine, Features, PathClass};

use super::log::judged;
use super::name_of;
use crate::replay::judge::Judged;
use crate::replay::line::LogLine;
use crate::training::{Dataset, Example};

/// Assets with a referer that a person loads at least, and at least as many as pages.
const LEAST_ASSETS: u32 = 2;
/// Answers of 400 to 499 to pages that a person gets at most: a dead link, not a search for holes.
const MOST_ERRORS: u32 = 1;
/// How suspicious a browser's claim may be by itself: as much as of one long outdated.
const MOST_SUSPICION: f32 = 0.5;
/// Requests of a log that are looked at, from its beginning: 64 MiB of features.
const MOST_ROWS: usize = 2_000_000;

/// The requests of clients that leave no doubt; the log's name is their origin.
///
/// # Errors
/// If the log cannot be opened or its format is not recognised.
pub fn rows(log: &Path, engine: &Engine) -> anyhow::Result<Dataset> {
    let mut clients: HashMap<u64, Client> = HashMap::new();
    let mut requests: Vec<(Features, u64)> = Vec::new();
    judged(log, engine, |_, line, judged| {
        if requests.len() < MOST_ROWS {
            let told = !line.unknown.user_agent;
            let new = || Client::new(told.then(|| Agent::judge(&line.user_agent, line.time_ms)));
            clients.entry(judged.client).or_insert_with(new).add(line, judged);
            requests.push((judged.decision.features, judged.client));
        }
    })?;
    let mut data = Dataset::new();
    let origin = data.origin(&name_of(log));
    for (features, group) in requests {
        if let Some(is_bot) = clients.get(&group).and_then(Client::is_bot) {
            data.push(Example { features, is_bot, weight: 1.0, group, origin });
        }
    }
    Ok(data)
}

/// What a client did.
struct Client {
    /// `None` where the log does not tell.
    agent: Option<Agent>,
    pages: u32,
    /// Assets asked for with a referer.
    assets: u32,
    errors: u32,
    heads: u32,
    asked_for_robots: bool,
    probed: bool,
}

impl Client {
    fn new(agent: Option<Agent>) -> Self {
        Self { agent, pages: 0, assets: 0, errors: 0, heads: 0, asked_for_robots: false, probed: false }
    }

    fn add(&mut self, line: &LogLine<'_>, judged: &Judged) {
        match line.facts().class() {
            PathClass::Asset => self.assets += u32::from(!matches!(&*line.referer, b"" | b"-")),
            PathClass::Page | PathClass::Login => {
                self.pages += 1;
                self.errors += u32::from(line.status.is_some_and(|status| (400..500).contains(&status)));
            }
            PathClass::Api | PathClass::Ignore => {}
        }
        self.heads += u32::from(&*line.method == b"HEAD");
        self.asked_for_robots |= line.path() == b"/robots.txt";
        let evidence = &judged.decision.evidence;
        self.probed |= [Check::ProbePath, Check::TrapPath].into_iter().any(|check| evidence.get(check) > 0.0);
    }

    /// Whether it is a bot; `None` where that is in doubt.
    fn is_bot(&self) -> Option<bool> {
        let declared = self.agent.as_ref().is_some_and(|agent| {
            matches!(agent.kind, AgentKind::Declared | AgentKind::Empty | AgentKind::Impossible)
        });
        if declared || self.probed || self.asked_for_robots {
            return Some(true);
        }
        let claims_browser = self
            .agent
            .as_ref()
            .is_some_and(|agent| agent.kind == AgentKind::Browser && agent.suspicion <= MOST_SUSPICION);
        let loads_pages = self.pages > 0 && self.assets >= LEAST_ASSETS.max(self.pages);
        let person = claims_browser && loads_pages && self.heads == 0 && self.errors <= MOST_ERRORS;
        person.then_some(false)
    }
}

#[cfg(test)]
mod tests {
    use std::io::Write as _;

    use sallyport_core::{Model, PolicyConfig, Ranges};

    use super::*;
    use crate::training::sources::engine;

    const BROWSER: &str = "Mozilla/5.0 (Windows NT 10.0; Win64; x64; rv:140.0) Gecko/20100101 Firefox/140.0";

    /// The label of a client that asks for these paths, each with a referer where it begins with `r`.
    fn label(agent: &str, requests: &[&str]) -> Option<bool> {
        let mut file = tempfile::NamedTempFile::new().expect("a file");
        for (second, request) in requests.iter().enumerate() {
            let (path, referer) = match request.strip_prefix('r') {
                Some(path) => (path, "https://site.example/"),
                None => (*request, "-"),
            };
            let (path, status) = path.split_once(' ').unwrap_or((path, "200"));
            writeln!(file, "192.0.2.1 - - [10/Oct/2026:13:55:{second:02} +0000] \"GET {path} HTTP/1.1\" {status} 9 \"{referer}\" \"{agent}\"")
                .expect("a line");
        }
        let model = Model::built_in().expect("built-in model");
        let engine = engine(model, PolicyConfig::default(), Ranges::default()).expect("an engine");
        let data = rows(file.path(), &engine).expect("rows");
        assert!(data.is_empty() || data.len() == requests.len());
        data.examples().first().map(|row| row.is_bot)
    }

    #[test]
    fn browsers_that_load_what_pages_are_made_of_are_people() {
        assert_eq!(label(BROWSER, &["/", "r/a.css", "r/b.js", "r/next"]), Some(false));
        assert_eq!(label(BROWSER, &["/", "r/a.css", "r/b.js", "/old 404"]), Some(false));
    }

    #[test]
    fn who_says_so_asks_for_robots_or_probes_is_a_bot() {
        assert_eq!(label("curl/8.5.0", &["/", "r/a.css", "r/b.js"]), Some(true));
        assert_eq!(label("-", &["/"]), Some(true));
        assert_eq!(label(BROWSER, &["/robots.txt", "/", "r/a.css", "r/b.js"]), Some(true));
        assert_eq!(label(BROWSER, &["/.env 404", "/"]), Some(true));
    }

    #[test]
    fn doubt_stays_out() {
        assert_eq!(label(BROWSER, &["/"]), None);
        assert_eq!(label(BROWSER, &["/", "/a.css", "/b.js"]), None);
        assert_eq!(label(BROWSER, &["/", "r/a.css", "r/b.js", "/c", "/d"]), None);
        assert_eq!(label(BROWSER, &["/a 404", "/b 404", "r/a.css", "r/b.js"]), None);
        assert_eq!(label("SomeApp/1.0", &["/", "r/a.css", "r/b.js"]), None);
    }
}
