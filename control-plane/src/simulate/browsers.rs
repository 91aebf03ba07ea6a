//! The browsers that people use, and what they send: read from `data/browsers.txt`.

use std::collections::HashMap;
use std::sync::LazyLock;

/// Whose engine a browser is built on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Engine {
    Chromium,
    Firefox,
    Safari,
}

/// One browser of one version on one system.
#[derive(Debug)]
pub(super) struct Browser {
    /// How common it is.
    pub(super) weight: u32,
    pub(super) mobile: bool,
    pub(super) engine: Engine,
    pub(super) user_agent: &'static str,
}

/// Which browsers a visitor may use.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Device {
    Any,
    Desktop,
    Mobile,
}

/// What is read from the file.
#[derive(Debug, Default)]
pub(super) struct Browsers {
    /// What people use.
    pub(super) people: Vec<Browser>,
    /// The phones that browser tools pretend to be, with versions that never were.
    pub(super) emulated: Vec<&'static str>,
    accepts: HashMap<&'static str, (&'static str, &'static str)>,
    hints: HashMap<(&'static str, &'static str), &'static str>,
}

impl Browsers {
    /// The browsers of the file.
    pub(super) fn known() -> &'static Self {
        static KNOWN: LazyLock<Browsers> =
            LazyLock::new(|| Browsers::read(include_str!("../../data/browsers.txt")));
        &KNOWN
    }

    fn read(text: &'static str) -> Self {
        let mut known = Self::default();
        let mut section = "";
        for line in text.lines().filter(|line| !line.starts_with('#')) {
            let cells: Vec<&'static str> = line.split('\t').collect();
            match (section, cells.as_slice()) {
                (_, [name]) if name.starts_with('[') => section = name,
                ("[headers]", [engine, accept, encoding]) => {
                    known.accepts.insert(engine, (accept, encoding));
                }
                ("[hints]", [brand, version, value]) => {
                    known.hints.insert((brand, version), value);
                }
                ("[people]", [weight, device, user_agent]) => known.people.push(Browser {
                    weight: weight.parse().unwrap_or(1),
                    mobile: *device == "mobile",
                    engine: engine(user_agent),
                    user_agent,
                }),
                ("[emulated]", [user_agent]) => known.emulated.push(user_agent),
                _ => {}
            }
        }
        known
    }

    /// `Accept` for a page, and `Accept-Encoding`.
    pub(super) fn accept(&self, engine: Engine) -> (&'static str, &'static str) {
        let name = match engine {
            Engine::Chromium => "chromium",
            Engine::Firefox => "firefox",
            Engine::Safari => "safari",
        };
        self.accepts.get(name).copied().unwrap_or(("text/html,*/*;q=0.8", "gzip, deflate, br"))
    }

    /// `Sec-CH-UA` of a Chromium browser. Each version spells the brand that stands for no browser differently;
    /// of versions that the file does not have, it is spelled as of late.
    pub(super) fn hint(&self, user_agent: &'static str) -> String {
        let brand = match user_agent {
            edge if edge.contains(" Edg/") => "Microsoft Edge",
            view if view.contains("; wv)") => "Android WebView",
            _ => "Google Chrome",
        };
        let version = version(user_agent);
        match self.hints.get(&(brand, version)) {
            Some(value) => (*value).to_owned(),
            None => format!(r#""Chromium";v="{version}", "{brand}";v="{version}", "Not.A/Brand";v="8""#),
        }
    }
}

/// The engine that a user agent names; what names none is built on Safari's, as all browsers of iOS.
pub(super) fn engine(user_agent: &str) -> Engine {
    if user_agent.contains("Firefox/") {
        Engine::Firefox
    } else if user_agent.contains("Chrome/") {
        Engine::Chromium
    } else {
        Engine::Safari
    }
}

/// The digits behind `Chrome/`.
pub(super) fn version(user_agent: &'static str) -> &'static str {
    let rest = user_agent.split("Chrome/").nth(1).unwrap_or_default();
    rest.split('.').next().unwrap_or_default()
}

/// `Sec-CH-UA-Platform` of a user agent.
pub(super) fn platform(user_agent: &str) -> &'static str {
    let systems = [("Windows", "\"Windows\""), ("Android", "\"Android\""), ("Mac OS X", "\"macOS\"")];
    systems
        .iter()
        .find(|(system, _)| user_agent.contains(system))
        .map_or("\"Linux\"", |(_, platform)| platform)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_file_has_browsers_of_all_kinds() {
        let known = Browsers::known();
        assert!(known.people.len() >= 200 && known.emulated.len() >= 10);
        for kind in [Engine::Chromium, Engine::Firefox, Engine::Safari] {
            assert!(known.people.iter().filter(|b| b.engine == kind).count() >= 10, "{kind:?}");
            assert!(known.accept(kind).0.starts_with("text/html,application"), "{kind:?}");
        }
        assert!(known.people.iter().any(|b| b.mobile) && known.people.iter().any(|b| !b.mobile));
    }

    #[test]
    fn hints_name_the_version() {
        let edge = "Mozilla/5.0 (Windows NT 10.0) Chrome/147.0.0.0 Safari/537.36 Edg/147.0.0.0";
        assert!(Browsers::known().hint(edge).contains(r#""Microsoft Edge";v="147""#));
        assert!(Browsers::known().hint("X Chrome/999.0").contains(r#""Chromium";v="999""#));
        assert_eq!(platform(edge), "\"Windows\"");
    }
}
