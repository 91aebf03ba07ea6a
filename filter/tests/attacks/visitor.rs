//! What browsers are and what they send.

use std::net::IpAddr;

use crate::site::{Password, Sent};

pub(crate) const ORIGIN: &str = "https://site.example";

/// A browser: what it is by its user agent, its hints and its TLS handshake.
#[derive(Clone, Debug)]
pub(crate) struct Browser {
    pub(crate) agent: String,
    /// `sec-ch-ua` and `sec-ch-ua-platform`; empty where it sends none.
    pub(crate) hints: String,
    pub(crate) platform: &'static str,
    pub(crate) ja4: String,
}

impl Browser {
    /// Chrome of a version and build, as it names itself on Linux, Windows or macOS.
    pub(crate) fn chrome(system: &str, version: u64, build: &str) -> Self {
        let (system, platform) = match system {
            "windows" => ("Windows NT 10.0; Win64; x64", "\"Windows\""),
            "mac" => ("Macintosh; Intel Mac OS X 10_15_7", "\"macOS\""),
            "android" => ("Linux; Android 10; K", "\"Android\""),
            _ => ("X11; Linux x86_64", "\"Linux\""),
        };
        Self {
            agent: format!(
                "Mozilla/5.0 ({system}) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/{version}.{build} Safari/537.36"
            ),
            hints: format!(
                "\"Chromium\";v=\"{version}\", \"Google Chrome\";v=\"{version}\", \"Not.A/Brand\";v=\"99\""
            ),
            platform,
            ja4: "t13d1516h2_8daaf6152771_02713d6af862".to_owned(),
        }
    }

    pub(crate) fn firefox(version: u64) -> Self {
        Self {
            agent: format!(
                "Mozilla/5.0 (Windows NT 10.0; Win64; x64; rv:{version}.0) Gecko/20100101 Firefox/{version}.0"
            ),
            hints: String::new(),
            platform: "",
            ja4: "t13d1717h2_5b57614c22b0_3cbfd9057e0d".to_owned(),
        }
    }

    pub(crate) fn safari(version: u64) -> Self {
        Self {
            agent: format!(
                "Mozilla/5.0 (Macintosh; Intel Mac OS X 10_15_7) AppleWebKit/605.1.15 (KHTML, like Gecko) \
                 Version/{version}.1 Safari/605.1.15"
            ),
            hints: String::new(),
            platform: "",
            ja4: "t13d2014h2_a09f3c656075_14788d8d241b".to_owned(),
        }
    }

    pub(crate) fn iphone(version: u64, minor: u64) -> Self {
        Self {
            agent: format!(
                "Mozilla/5.0 (iPhone; CPU iPhone OS {version}_{minor} like Mac OS X) AppleWebKit/605.1.15 \
                 (KHTML, like Gecko) Version/{version}.{minor} Mobile/15E148 Safari/604.1"
            ),
            ..Self::safari(version)
        }
    }

    /// `sec-ch-ua-mobile`; empty where it sends none.
    fn mobile(&self) -> &'static str {
        match self.platform {
            "" => "",
            "\"Android\"" => "?1",
            _ => "?0",
        }
    }
}

/// A request, before it is sent.
#[derive(Clone, Debug)]
pub(crate) struct Ask {
    pub(crate) address: IpAddr,
    pub(crate) browser: Browser,
    pub(crate) method: &'static str,
    pub(crate) path: String,
    pub(crate) accept: &'static str,
    pub(crate) fetch_site: &'static str,
    pub(crate) fetch_mode: &'static str,
    pub(crate) fetch_dest: &'static str,
    /// Another header; of these two an empty value is none.
    pub(crate) extra: (&'static str, &'static str),
    /// Empty for none, as the cookie.
    pub(crate) referer: String,
    pub(crate) cookie: String,
    pub(crate) password: Password,
    /// It has this already and asks whether it has changed.
    pub(crate) is_conditional: bool,
}

impl Ask {
    /// A page by its address; [`Ask::linked_on`] makes it a link's.
    pub(crate) fn page(address: IpAddr, browser: &Browser, path: impl Into<String>) -> Self {
        Self {
            address,
            browser: browser.clone(),
            method: "GET",
            path: path.into(),
            accept: "text/html,application/xhtml+xml,application/xml;q=0.9,image/avif,image/webp,*/*;q=0.8",
            fetch_site: "none",
            fetch_mode: "navigate",
            fetch_dest: "document",
            extra: ("x-extra", ""),
            referer: String::new(),
            cookie: String::new(),
            password: Password::Wrong,
            is_conditional: false,
        }
    }

    /// The same, from a page of the site.
    pub(crate) fn linked_on(mut self, page: &str) -> Self {
        self.fetch_site = "same-origin";
        self.referer = format!("{ORIGIN}{page}");
        self
    }

    /// A file that a page loads.
    pub(crate) fn asset(address: IpAddr, browser: &Browser, path: impl Into<String>, page: &str) -> Self {
        let path = path.into();
        let (accept, dest) = match path.rsplit_once('.') {
            Some((_, "css")) => ("text/css,*/*;q=0.1", "style"),
            Some((_, "js")) => ("*/*", "script"),
            _ => ("image/avif,image/webp,image/apng,image/*,*/*;q=0.8", "image"),
        };
        let page = Self::page(address, browser, path).linked_on(page);
        Self { accept, fetch_mode: "no-cors", fetch_dest: dest, ..page }
    }

    /// A call that a page's script makes.
    pub(crate) fn call(address: IpAddr, browser: &Browser, path: impl Into<String>, page: &str) -> Self {
        let page = Self::page(address, browser, path).linked_on(page);
        Self { accept: "application/json", fetch_mode: "cors", fetch_dest: "empty", ..page }
    }

    /// The login form, sent.
    pub(crate) fn sign_in(address: IpAddr, browser: &Browser, password: Password) -> Self {
        Self { method: "POST", password, ..Self::page(address, browser, "/login").linked_on("/login") }
    }

    /// The same again, where the browser has it in its cache.
    pub(crate) fn cached(self, is_cached: bool) -> Self {
        Self { is_conditional: is_cached, ..self }
    }

    pub(crate) fn with_session(mut self, token: &str) -> Self {
        if !token.is_empty() {
            self.cookie = format!("sid={token}");
        }
        self
    }

    /// What the site reads of it besides its path.
    pub(crate) fn sent(&self) -> Sent {
        Sent { method: self.method, password: self.password, is_conditional: self.is_conditional }
    }

    /// The header map as the proxy sees it.
    pub(crate) fn headers(&self) -> Vec<(&str, &str)> {
        let all = [
            (":method", self.method),
            (":path", self.path.as_str()),
            (":authority", "site.example"),
            (":scheme", "https"),
            ("user-agent", &self.browser.agent),
            ("accept", self.accept),
            ("accept-language", "en-GB,en;q=0.9"),
            ("accept-encoding", "gzip, deflate, br, zstd"),
            ("sec-ch-ua", &self.browser.hints),
            ("sec-ch-ua-mobile", self.browser.mobile()),
            ("sec-ch-ua-platform", self.browser.platform),
            ("sec-fetch-site", self.fetch_site),
            ("sec-fetch-mode", self.fetch_mode),
            ("sec-fetch-dest", self.fetch_dest),
            self.extra,
            ("referer", &self.referer),
            ("cookie", &self.cookie),
            ("x-ja4", &self.browser.ja4),
            ("if-none-match", if self.is_conditional { "\"v1\"" } else { "" }),
        ];
        all.into_iter().filter(|(_, value)| !value.is_empty()).collect()
    }
}
