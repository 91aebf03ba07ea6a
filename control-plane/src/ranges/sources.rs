//! Where lists of ranges are published: what is known of that, with what the configuration says over it.

use std::collections::BTreeMap;

use sallyport_core::RangeKind;

use super::parse::Format;
use crate::config::SourceConfig;

/// One list.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Source {
    /// Its name.
    pub name: String,
    /// Whose ranges it holds; several sources may share one.
    pub provider: String,
    /// Where it is.
    pub url: String,
    /// How it is written.
    pub format: Format,
    /// What the ranges are used for.
    pub kind: RangeKind,
    /// Whether it is fetched.
    pub enabled: bool,
}

impl Source {
    /// The URL as it may be shown: a query may hold a key.
    pub fn shown_url(&self) -> &str {
        self.url.split('?').next().unwrap_or_default()
    }
}

/// Name, provider where it is another, kind, format, URL, whether it is fetched.
type Known = (&'static str, Option<&'static str>, RangeKind, Format, &'static str, bool);

const CLOUD: RangeKind = RangeKind::Cloud;
const CRAWLER: RangeKind = RangeKind::Crawler;
const PROXY: RangeKind = RangeKind::Proxy;

/// Where Google publishes the addresses of its crawlers.
macro_rules! google {
    ($list:literal) => {
        concat!("https://developers.google.com/static/crawling/ipranges/", $list, ".json")
    };
}

/// The lists that are known, each at the address that its operator documents.
const KNOWN: [Known; 32] = [
    ("aws", None, CLOUD, Format::Aws, "https://ip-ranges.amazonaws.com/ip-ranges.json", true),
    (
        "azure",
        None,
        CLOUD,
        Format::Azure,
        "https://www.microsoft.com/en-us/download/details.aspx?id=56519",
        true,
    ),
    ("digitalocean", None, CLOUD, Format::Csv, "https://digitalocean.com/geo/google.csv", true),
    ("google", None, CLOUD, Format::Prefixes, "https://www.gstatic.com/ipranges/goog.json", true),
    ("google-cloud", None, CLOUD, Format::Prefixes, "https://www.gstatic.com/ipranges/cloud.json", true),
    ("linode", None, CLOUD, Format::Csv, "https://geoip.linode.com/", true),
    (
        "oracle",
        None,
        CLOUD,
        Format::Oracle,
        "https://docs.oracle.com/en-us/iaas/tools/public_ip_ranges.json",
        true,
    ),
    ("vultr", None, CLOUD, Format::Csv, "https://geofeed.constant.com/", true),
    ("cloudflare-v4", Some("cloudflare"), PROXY, Format::Text, "https://www.cloudflare.com/ips-v4", true),
    ("cloudflare-v6", Some("cloudflare"), PROXY, Format::Text, "https://www.cloudflare.com/ips-v6", true),
    ("fastly", None, PROXY, Format::Fastly, "https://api.fastly.com/public-ip-list", true),
    // People behind a proxy of their telephone's maker. Long, and of use only to see them told apart.
    (
        "icloud-private-relay",
        None,
        PROXY,
        Format::Csv,
        "https://mask-api.icloud.com/egress-ip-ranges.csv",
        false,
    ),
    (
        "tor-exits",
        None,
        RangeKind::Anonymizer,
        Format::Text,
        "https://check.torproject.org/torbulkexitlist",
        true,
    ),
    ("googlebot", None, CRAWLER, Format::Prefixes, google!("common-crawlers"), true),
    ("google-special", None, CRAWLER, Format::Prefixes, google!("special-crawlers"), true),
    (
        "google-user-triggered",
        None,
        CRAWLER,
        Format::Prefixes,
        google!("user-triggered-fetchers-google"),
        true,
    ),
    ("bingbot", None, CRAWLER, Format::Prefixes, "https://www.bing.com/toolbox/bingbot.json", true),
    ("applebot", None, CRAWLER, Format::Prefixes, "https://search.developer.apple.com/applebot.json", true),
    ("duckduckbot", None, CRAWLER, Format::Prefixes, "https://duckduckgo.com/duckduckbot.json", true),
    ("gptbot", None, CRAWLER, Format::Prefixes, "https://openai.com/gptbot.json", true),
    ("oai-searchbot", None, CRAWLER, Format::Prefixes, "https://openai.com/searchbot.json", true),
    ("chatgpt-user", None, CRAWLER, Format::Prefixes, "https://openai.com/chatgpt-user.json", true),
    // One list for ClaudeBot, Claude-SearchBot and Claude-User.
    ("claudebot", None, CRAWLER, Format::Prefixes, "https://claude.com/crawling/bots.json", true),
    ("perplexitybot", None, CRAWLER, Format::Prefixes, "https://www.perplexity.com/perplexitybot.json", true),
    (
        "perplexity-user",
        None,
        CRAWLER,
        Format::Prefixes,
        "https://www.perplexity.com/perplexity-user.json",
        true,
    ),
    ("ccbot", None, CRAWLER, Format::Prefixes, "https://index.commoncrawl.org/ccbot.json", true),
    (
        "ahrefsbot",
        None,
        CRAWLER,
        Format::Prefixes,
        "https://api.ahrefs.com/v3/public/crawler-ip-ranges",
        true,
    ),
    ("duckassistbot", None, CRAWLER, Format::Prefixes, "https://duckduckgo.com/duckassistbot.json", true),
    ("mistralai-user", None, CRAWLER, Format::Prefixes, "https://mistral.ai/mistralai-user-ips.json", true),
    ("pingdom-v4", Some("pingdom"), CRAWLER, Format::Text, "https://my.pingdom.com/probes/ipv4", true),
    ("pingdom-v6", Some("pingdom"), CRAWLER, Format::Text, "https://my.pingdom.com/probes/ipv6", true),
    (
        "uptimerobot",
        None,
        CRAWLER,
        Format::Text,
        "https://uptimerobot.com/inc/files/ips/IPv4andIPv6.txt",
        true,
    ),
];

/// The sources in force, by name; a mistake is (place in the configuration, key, message).
///
/// # Errors
/// Every mistake of the entries.
pub fn sources(configured: &[SourceConfig]) -> Result<Vec<Source>, Vec<(usize, &'static str, String)>> {
    let known = KNOWN.iter().map(|&(name, provider, kind, format, url, enabled)| {
        let provider = provider.unwrap_or(name).to_owned();
        (
            name.to_owned(),
            Source { name: name.to_owned(), provider, url: url.to_owned(), format, kind, enabled },
        )
    });
    let mut all: BTreeMap<String, Source> = known.collect();
    let mut problems = Vec::new();
    for (place, entry) in configured.iter().enumerate() {
        let name = &entry.name;
        if !is_name(name) {
            problems.push((
                place,
                "name",
                format!("`{name}`: write up to 64 of a-z, 0-9 and -, such as my-hoster"),
            ));
            continue;
        }
        if configured[..place].iter().any(|earlier| earlier.name == *name) {
            problems.push((place, "name", format!("{name} stands here twice")));
            continue;
        }
        if entry.provider.as_ref().is_some_and(|provider| !is_name(provider)) {
            problems.push((place, "provider", "write up to 64 of a-z, 0-9 and -".to_owned()));
        }
        let known = all.get(name).cloned();
        let missing = [("url", entry.url.is_none()), ("kind", entry.kind.is_none())];
        if known.is_none() {
            let missing = missing.into_iter().filter(|(_, missing)| *missing);
            problems.extend(
                missing.map(|(key, _)| (place, key, format!("{name} is not known, so say its {key}"))),
            );
        }
        let known = known.unwrap_or_else(|| Source {
            name: name.clone(),
            provider: name.clone(),
            url: String::new(),
            format: Format::Text,
            kind: RangeKind::Other,
            enabled: true,
        });
        let url = entry.url.clone().unwrap_or(known.url);
        if !url.is_empty()
            && !reqwest::Url::parse(&url).is_ok_and(|url| matches!(url.scheme(), "http" | "https"))
        {
            problems.push((place, "url", "write one such as https://example.com/ranges.txt".to_owned()));
        }
        let source = Source {
            name: name.clone(),
            provider: entry.provider.clone().unwrap_or(known.provider),
            url,
            format: entry.format.unwrap_or(known.format),
            kind: entry.kind.unwrap_or(known.kind),
            enabled: entry.enabled.unwrap_or(known.enabled),
        };
        all.insert(name.clone(), source);
    }
    if problems.is_empty() { Ok(all.into_values().collect()) } else { Err(problems) }
}

fn is_name(text: &str) -> bool {
    (1..=64).contains(&text.len())
        && text.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-')
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;
    use crate::ranges::bundled::bundled;

    fn entry(name: &str) -> SourceConfig {
        SourceConfig { name: name.to_owned(), ..SourceConfig::default() }
    }

    #[test]
    fn known_sources_are_sound() {
        let all = sources(&[]).expect("sources");
        assert_eq!(all.len(), KNOWN.len());
        assert!(all.iter().all(|source| is_name(&source.name) && is_name(&source.provider)));
        assert!(all.iter().all(|source| source.url.starts_with("https://")));
        assert_eq!(all.iter().map(|source| &source.url).collect::<HashSet<_>>().len(), all.len());
        // What is bundled of a provider is of the kind that its published list is.
        for bundled in bundled() {
            let published = all.iter().find(|source| source.provider == bundled.provider.name);
            assert!(published.is_none_or(|source| source.kind == bundled.provider.kind), "{published:?}");
        }
    }

    #[test]
    fn the_configuration_changes_known_ones_and_adds_others() {
        let mirror = SourceConfig { url: Some("https://mirror.example/aws.json".into()), ..entry("aws") };
        let off = SourceConfig { enabled: Some(false), ..entry("linode") };
        let url = Some("http://lists.internal/ours.txt".into());
        let own = SourceConfig { url, kind: Some(RangeKind::Hosting), ..entry("our-hoster") };
        let all = sources(&[mirror, off, own]).expect("sources");
        let named = |name: &str| all.iter().find(|source| source.name == name).expect("a source");
        assert_eq!(
            (named("aws").url.as_str(), named("aws").format),
            ("https://mirror.example/aws.json", Format::Aws)
        );
        assert!(!named("linode").enabled);
        let own = named("our-hoster");
        assert_eq!(
            (own.provider.as_str(), own.kind, own.format, own.enabled),
            ("our-hoster", RangeKind::Hosting, Format::Text, true)
        );
    }

    #[test]
    fn mistakes_are_told_with_their_place() {
        let bad_url = SourceConfig { url: Some("ftp://example.com".into()), ..entry("aws") };
        let told =
            sources(&[entry("Not A Name"), entry("unknown"), bad_url, entry("aws")]).expect_err("refused");
        let places: Vec<_> = told.iter().map(|(place, key, _)| (*place, *key)).collect();
        assert_eq!(places, [(0, "name"), (1, "url"), (1, "kind"), (2, "url"), (3, "name")]);
    }
}
