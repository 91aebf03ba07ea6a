//! Headers and TLS against the browser that the user agent claims.
//!
//! Absence alone proves nothing where a browser may leave a header out: Sec-Fetch-* and Sec-CH-UA go only to
//! trustworthy origins, and older Safari sends neither. So only contradictions count, and what every browser
//! sends on every request.

use crate::agent::{Claim, claim};
use crate::agents::{self, Says};
use crate::facts::{BrowserHeaders, RequestFacts};
use crate::text::contains;

/// How strongly headers and TLS contradict the claimed browser, each in [0, 1]; 0 for whoever claims none.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(crate) struct Mismatch {
    pub(crate) headers: f32,
    pub(crate) ja4: f32,
}

impl Mismatch {
    pub(crate) fn of(facts: &RequestFacts<'_>) -> Self {
        let Some(claim) = claim(facts.user_agent) else { return Self::default() };
        let headers = facts.headers.as_ref().map_or(0.0, |headers| headers_mismatch(facts, headers, claim));
        let found = Self { headers, ja4: ja4_mismatch(facts.ja4, claim) };
        // What is built on a browser's engine, and stays behind, sends what its makers thought of.
        let is_kept = || agents::read(facts.user_agent) == Some(Says::Device);
        if found != Self::default() && is_kept() { Self::default() } else { found }
    }
}

fn headers_mismatch(facts: &RequestFacts<'_>, headers: &BrowserHeaders<'_>, claim: Claim) -> f32 {
    let is_by_itself = headers.is_by_itself();
    let signs = [
        (headers.accept.is_empty() && !is_by_itself, 0.4),
        (headers.accept_language.is_empty(), 0.5),
        (headers.accept_encoding.is_empty(), 0.5),
        (lacks_fetch_metadata(headers, claim) && !is_by_itself, 0.6),
        (contradicting_hints(facts, headers, claim), 0.8),
        (contains(headers.sec_ch_ua, b"Headless"), 1.0),
        (headers.sec_fetch_mode == b"navigate" && !contains(headers.accept, b"text/html"), 0.6),
    ];
    1.0 - signs.into_iter().filter(|(seen, _)| *seen).map(|(_, strength)| 1.0 - strength).product::<f32>()
}

/// Chromium sends Sec-Fetch-* since 80 and Firefox since 90, to https.
fn lacks_fetch_metadata(headers: &BrowserHeaders<'_>, claim: Claim) -> bool {
    let sends = matches!(claim, Claim::Chromium(80..) | Claim::Firefox(90..));
    headers.secure && sends && headers.sec_fetch_mode.is_empty() && headers.sec_fetch_site.is_empty()
}

/// Client hints are Chromium's alone, name the version that the user agent names, and the same platform.
fn contradicting_hints(facts: &RequestFacts<'_>, headers: &BrowserHeaders<'_>, claim: Claim) -> bool {
    if headers.sec_ch_ua.is_empty() {
        return false;
    }
    let Claim::Chromium(version) = claim else { return true };
    let mut quoted = [0_u8; 16];
    let names_version =
        write_quoted(version, &mut quoted).is_some_and(|text| contains(headers.sec_ch_ua, text));
    let platform = headers.sec_ch_ua_platform;
    let elsewhere =
        [(b"Windows".as_slice(), b"Windows".as_slice()), (b"macOS", b"Mac OS X"), (b"Android", b"Android")]
            .iter()
            .any(|(hint, system)| contains(platform, hint) && !contains(facts.user_agent, system));
    !names_version || elsewhere
}

/// `v="156"`, as Sec-CH-UA writes a major version.
fn write_quoted(version: u32, buffer: &mut [u8; 16]) -> Option<&[u8]> {
    use std::io::Write;
    let mut rest = buffer.as_mut_slice();
    write!(rest, "v=\"{version}\"").ok()?;
    let left = rest.len();
    buffer.get(..16 - left)
}

/// Read from JA4 (`t13d1516h2_8daaf6152771_…`: transport, TLS version, SNI, number of ciphers, of extensions, ALPN; then a
/// hash of the ciphers; FoxIO's published format). Antivirus programs and inspecting proxies speak in a browser's place with a
/// stack of their own, and over QUIC (`q`) all offer TLS 1.3's few ciphers: so what is unknown counts nothing, and only what
/// programs are known by speaks against a browser.
fn ja4_mismatch(ja4: &[u8], claim: Claim) -> f32 {
    let (Some(b't'), Some(version), Some(ciphers), Some(alpn)) =
        (ja4.first(), ja4.get(1..3), ja4.get(4..6).and_then(two_digits), ja4.get(8..10))
    else {
        return 0.0;
    };
    let is_modern = match claim {
        Claim::Chromium(version) | Claim::Firefox(version) => version >= 100,
        Claim::Safari(version) => version >= 15,
    };
    let of_ciphers = ja4.get(11..23).unwrap_or_default();
    if !is_modern {
        0.0
    } else if PROGRAMS.iter().any(|hash| hash.as_slice() == of_ciphers) {
        0.9
    } else if version == b"13" && alpn == b"h2" && OPENSSL.contains(&ciphers) {
        0.7
    } else {
        0.0
    }
}

/// Hashes of ciphers that FoxIO's ja4 documentation tells of programs: Go's library, Python's, WinINet's with TLS 1.2.
const PROGRAMS: [&[u8; 12]; 3] = [b"9dc949149365", b"85036bcba153", b"d83cc789557e"];
/// So many ciphers OpenSSL offers of itself, with and without the signal for renegotiation (observed of curl). HTTP/2 is what
/// proxies that inspect leave out.
const OPENSSL: std::ops::RangeInclusive<u32> = 30..=31;

fn two_digits(text: &[u8]) -> Option<u32> {
    std::str::from_utf8(text).ok()?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    const CHROME: &[u8] = b"Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/156.0.0.0 Safari/537.36";

    fn navigation() -> BrowserHeaders<'static> {
        BrowserHeaders {
            accept: b"text/html,*/*;q=0.8",
            accept_language: b"en",
            accept_encoding: b"gzip, br",
            sec_fetch_site: b"none",
            sec_fetch_mode: b"navigate",
            sec_fetch_dest: b"document",
            sec_ch_ua: br#""Chromium";v="156", "Not.A/Brand";v="8""#,
            sec_ch_ua_platform: b"\"Linux\"",
            secure: true,
            ..Default::default()
        }
    }

    fn mismatch(user_agent: &[u8], headers: BrowserHeaders<'_>) -> f32 {
        Mismatch::of(&RequestFacts { user_agent, headers: Some(headers), ..Default::default() }).headers
    }

    #[test]
    fn a_browser_agrees_with_itself() {
        assert_eq!(mismatch(CHROME, navigation()), 0.0);
        let plain = BrowserHeaders {
            secure: false,
            sec_fetch_site: b"",
            sec_fetch_mode: b"",
            sec_fetch_dest: b"",
            sec_ch_ua: b"",
            ..navigation()
        };
        assert_eq!(mismatch(CHROME, plain), 0.0, "http gets no fetch metadata");
    }

    #[test]
    fn contradictions_add_up() {
        assert!(mismatch(CHROME, BrowserHeaders::default()) > 0.8);
        assert!(
            mismatch(CHROME, BrowserHeaders { sec_ch_ua: br#""Chromium";v="99""#, ..navigation() }) >= 0.8
        );
        assert_eq!(
            mismatch(CHROME, BrowserHeaders { sec_ch_ua: br#""HeadlessChrome";v="156""#, ..navigation() }),
            1.0
        );
        let firefox = b"Mozilla/5.0 (X11; Linux x86_64; rv:150.0) Gecko/20100101 Firefox/150.0";
        assert!(mismatch(firefox, navigation()) >= 0.8, "client hints are Chromium's");
        assert_eq!(
            mismatch(b"curl/8", BrowserHeaders::default()),
            0.0,
            "claims nothing, contradicts nothing"
        );
    }

    #[test]
    fn a_television_sends_what_its_makers_thought_of() {
        let bare = BrowserHeaders { secure: true, ..Default::default() };
        let tv = b"Mozilla/5.0 (Web0S; Linux/SmartTV) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/120.0.0.0 Safari/537.36";
        let fork = b"Mozilla/5.0 (Windows NT 10.0; rv:128.0) Gecko/20100101 Goanna/6.7 Firefox/128.0 PaleMoon/33.7.2";
        assert_eq!([mismatch(tv, bare), mismatch(fork, bare)], [0.0, 0.0]);
        assert!(mismatch(CHROME, bare) > 0.8);
    }

    #[test]
    fn only_what_programs_are_known_by_contradicts_a_browser() {
        let ja4 = |ja4: &'static [u8]| {
            Mismatch::of(&RequestFacts { user_agent: CHROME, ja4, ..Default::default() }).ja4
        };
        assert_eq!(ja4(b"t13d1516h2_8daaf6152771_b0da82dd1658"), 0.0);
        assert_eq!(ja4(b"q13d0312h3_55b375c5d22e_06cda9e17597"), 0.0, "HTTP/3");
        for proxy in
            [&b"t12d190900_d41ae481755e_x"[..], b"t13d1713h1_5b57614c22b0_x", b"t13d311100_e8f1e7e78f70_x"]
        {
            assert_eq!(ja4(proxy), 0.0, "an inspecting proxy may speak so");
        }
        assert_eq!(ja4(b"t13d3112h2_e8f1e7e78f70_b26ce05bbdd6"), 0.7, "curl");
        assert_eq!(ja4(b"t13d190900_9dc949149365_97f8aa674fd9"), 0.9, "Go");
        assert_eq!(ja4(b"t13i181000_85036bcba153_d41ae481755e"), 0.9, "Python");
        assert_eq!(ja4(b"t12d1909_"), 0.0, "cut short");
        assert_eq!(ja4(b""), 0.0);
    }
}
