//! The headers of one request.

use std::borrow::Cow;

use super::super::browsers::{Browsers, Engine, platform};
use super::super::purpose::{Accepts, NamesOrigin, Purpose, Sent};
use super::{Face, Manner, Transport};
use crate::replay::line::LoggedHeaders;

/// Where a request comes from, as `Sec-Fetch-Site` names it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Origin {
    Nowhere,
    SameSite,
    Elsewhere,
}

impl Face {
    /// The headers of one request; `None` where nobody wrote them down.
    pub(in super::super) fn headers(
        &self,
        transport: Transport,
        purpose: Purpose,
        origin: Origin,
    ) -> Option<Box<LoggedHeaders<'static>>> {
        let secure = match transport {
            Transport::Log => return None,
            Transport::Https => true,
            Transport::Http => false,
        };
        let mut headers = LoggedHeaders { secure, ..LoggedHeaders::default() };
        let (engine, metadata, hints) = match self.manner {
            Manner::Browser { engine, fetch_metadata, hints } => (engine, fetch_metadata, hints),
            Manner::Headless => (Engine::Chromium, true, true),
            Manner::Copied => (Engine::Chromium, false, false),
            Manner::Bare | Manner::Text | Manner::Native => {
                let (accept, encoding) = self.manner.plainly();
                headers.accept = text(accept);
                headers.accept_encoding = text(encoding);
                headers.accept_language = text(match self.manner {
                    Manner::Bare => "",
                    _ => self.language,
                });
                return Some(Box::new(headers));
            }
        };
        let sent = self.sent(purpose);
        let (page, encoding) = Browsers::known().accept(engine);
        headers.accept = text(match sent.accepts {
            Accepts::Unsaid => "",
            Accepts::Page => page,
            Accepts::Said(accept) => accept,
        });
        headers.accept_encoding = text(if secure { encoding } else { "gzip, deflate" });
        headers.accept_language = text(self.language);
        if let (true, Some((mode, dest))) = (secure && metadata, sent.fetch) {
            headers.sec_fetch_site = text(site(purpose, origin));
            (headers.sec_fetch_mode, headers.sec_fetch_dest) = (text(mode), text(dest));
        }
        if secure && hints && sent.hints {
            let mobile = self.user_agent.contains("Mobile");
            headers.sec_ch_ua_mobile = text(if mobile { "?1" } else { "?0" });
            headers.sec_ch_ua_platform = text(platform(self.user_agent));
            headers.sec_ch_ua = self.hint().into_bytes().into();
        }
        Some(Box::new(headers))
    }

    /// What goes along with a request of this purpose; programs that are no browsers copy Chromium, if anything.
    pub(in super::super) fn sent(&self, purpose: Purpose) -> Sent {
        purpose.sent(match self.manner {
            Manner::Browser { engine, .. } => engine,
            _ => Engine::Chromium,
        })
    }

    /// Whether a request of this purpose has `Origin`; programs that are no browsers send none.
    pub(in super::super) fn names_origin(&self, purpose: Purpose, origin: Origin) -> bool {
        let is_browser = matches!(self.manner, Manner::Browser { .. } | Manner::Headless);
        is_browser
            && match self.sent(purpose).origin {
                NamesOrigin::Never => false,
                NamesOrigin::Always | NamesOrigin::UnlessSecret => true,
                NamesOrigin::Across => origin == Origin::Elsewhere,
            }
    }

    /// `Sec-CH-UA`; a browser without a window tells its own name there, whatever its user agent was set to.
    fn hint(&self) -> String {
        match self.manner {
            Manner::Headless => {
                r#""Chromium";v="150", "HeadlessChrome";v="150", "Not.A/Brand";v="8""#.to_owned()
            }
            _ => Browsers::known().hint(self.user_agent),
        }
    }
}

impl Manner {
    /// `Accept` and `Accept-Encoding` of who sends the same with everything.
    fn plainly(self) -> (&'static str, &'static str) {
        match self {
            Self::Text => {
                ("text/html, text/plain, text/css, application/xhtml+xml, */*;q=0.01", "gzip, bzip2")
            }
            Self::Native => ("application/json", "gzip"),
            _ => ("*/*", "gzip, deflate"),
        }
    }
}

fn text(value: &'static str) -> Cow<'static, [u8]> {
    Cow::Borrowed(value.as_bytes())
}

/// `Sec-Fetch-Site` (W3C Fetch Metadata Request Headers); speculation is the browser's own doing, and says so.
fn site(purpose: Purpose, origin: Origin) -> &'static str {
    match (purpose, origin) {
        (Purpose::Speculation, _) | (_, Origin::Nowhere) => "none",
        (_, Origin::SameSite) => "same-origin",
        (_, Origin::Elsewhere) => "cross-site",
    }
}
