//! The names of programs as they are published or seen in many logs: what bots call themselves when they tell the
//! truth, and browsers that no table of versions knows.

/// What kind of program a bot is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Role {
    Library,
    Search,
    Ai,
    Scanner,
    Monitor,
    Feed,
    Headless,
    Copier,
    Preview,
    LinkChecker,
    Images,
    /// A crawler in nobody's list.
    Unlisted,
    /// `Mozilla/5.0` and no more.
    Mozilla,
}

impl Role {
    /// User agents; never empty.
    pub(super) fn names(self) -> &'static [&'static str] {
        match self {
            Self::Library => &[
                "python-requests/2.32.3",
                "Python/3.12 aiohttp/3.10.5",
                "curl/8.9.1",
                "Wget/1.21.4",
                "Go-http-client/1.1",
                "Go-http-client/2.0",
                "okhttp/4.12.0",
                "axios/1.7.7",
                "node-fetch/1.0 (+https://github.com/bitinn/node-fetch)",
                "Java/17.0.12",
                "Apache-HttpClient/4.5.14 (Java/17.0.12)",
                "GuzzleHttp/7",
                "libwww-perl/6.77",
                "Scrapy/2.11.2 (+https://scrapy.org)",
                "colly - https://github.com/gocolly/colly",
                "",
            ],
            Self::Search => &[
                "Mozilla/5.0 (compatible; Googlebot/2.1; +http://www.google.com/bot.html)",
                "Mozilla/5.0 AppleWebKit/537.36 (KHTML, like Gecko; compatible; bingbot/2.0; +http://www.bing.com/bingbot.htm) Chrome/116.0.1938.76 Safari/537.36",
                "Mozilla/5.0 (compatible; YandexBot/3.0; +http://yandex.com/bots)",
                "Mozilla/5.0 (compatible; Baiduspider/2.0; +http://www.baidu.com/search/spider.html)",
                "Mozilla/5.0 (compatible; AhrefsBot/7.0; +http://ahrefs.com/robot/)",
                "Mozilla/5.0 (compatible; SemrushBot/7~bl; +http://www.semrush.com/bot.html)",
                "Mozilla/5.0 (compatible; MJ12bot/v1.4.8; http://mj12bot.com/)",
                "Mozilla/5.0 (compatible; DotBot/1.2; +https://opensiteexplorer.org/dotbot; help@moz.com)",
                "Mozilla/5.0 (compatible; SeznamBot/4.0; +https://o-seznam.cz/napoveda/vyhledavani/en/seznambot-crawler/)",
                "Sogou web spider/4.0(+http://www.sogou.com/docs/help/webmasters.htm#07)",
                "Mozilla/5.0 (compatible;PetalBot;+https://webmaster.petalsearch.com/site/petalbot)",
                "DuckDuckBot/1.1; (+http://duckduckgo.com/duckduckbot.html)",
                "Mozilla/5.0 (Linux; Android 6.0.1; Nexus 5X Build/MMB29P) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/150.0.0.0 Mobile Safari/537.36 (compatible; Googlebot/2.1; +http://www.google.com/bot.html)",
            ],
            Self::Ai => &[
                "Mozilla/5.0 AppleWebKit/537.36 (KHTML, like Gecko; compatible; GPTBot/1.2; +https://openai.com/gptbot)",
                "Mozilla/5.0 AppleWebKit/537.36 (KHTML, like Gecko; compatible; ClaudeBot/1.0; +claudebot@anthropic.com)",
                "CCBot/2.0 (https://commoncrawl.org/faq/)",
                "Mozilla/5.0 AppleWebKit/537.36 (KHTML, like Gecko; compatible; PerplexityBot/1.0; +https://perplexity.ai/perplexitybot)",
                "Mozilla/5.0 (Linux; Android 5.0) AppleWebKit/537.36 (KHTML, like Gecko) Mobile Safari/537.36 (compatible; Bytespider; spider-feedback@bytedance.com)",
                "Mozilla/5.0 AppleWebKit/537.36 (KHTML, like Gecko; compatible; Amazonbot/0.1; +https://developer.amazon.com/support/amazonbot) Chrome/119.0.6045.214 Safari/537.36",
                "meta-externalagent/1.1 (+https://developers.facebook.com/docs/sharing/webmasters/crawler)",
                "Mozilla/5.0 AppleWebKit/537.36 (KHTML, like Gecko; compatible; OAI-SearchBot/1.0; +https://openai.com/searchbot)",
            ],
            Self::Scanner => &[
                "Mozilla/5.0 zgrab/0.x",
                "Nuclei - Open-source project (github.com/projectdiscovery/nuclei)",
                "Mozilla/5.00 (Nikto/2.5.0) (Evasions:None) (Test:Port Check)",
                "WPScan v3.8.27 (https://wpscan.com/wordpress-security-scanner)",
                "gobuster/3.6",
                "feroxbuster/2.11.0",
                "masscan/1.3 (https://github.com/robertdavidgraham/masscan)",
                "sqlmap/1.8.9#stable (https://sqlmap.org)",
                "python-requests/2.31.0",
                "Go-http-client/1.1",
                "",
            ],
            Self::Monitor => &[
                "Mozilla/5.0+(compatible; UptimeRobot/2.0; http://www.uptimerobot.com/)",
                "Pingdom.com_bot_version_1.4_(http://www.pingdom.com/)",
                "Mozilla/5.0 (compatible; StatusCake)",
                "check_http/v2.4.0 (monitoring-plugins 2.4.0)",
                "Better Uptime Bot Mozilla/5.0 (Macintosh; Intel Mac OS X 10_15_7) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/104.0.0.0 Safari/537.36",
                "curl/8.5.0",
                "Blackbox Exporter/0.25.0",
            ],
            Self::Feed => &[
                "Feedly/1.0 (+http://www.feedly.com/fetcher.html; like FeedFetcher-Google)",
                "FreshRSS/1.24.1 (Linux; https://freshrss.org)",
                "Tiny Tiny RSS/24.09 (https://tt-rss.org/)",
                "Mozilla/5.0 (compatible; Miniflux/2.2.1; +https://miniflux.app)",
                "Feedbin feed-id:1234567 - 12 subscribers",
                "UniversalFeedParser/6.0.11 +https://github.com/kurtmckee/feedparser/",
                "NewsBlur Feed Fetcher - 8 subscribers - http://www.newsblur.com/site/1",
                "Inoreader/1.0 (+http://www.inoreader.com/feed-fetcher; 3 subscribers; )",
            ],
            Self::Headless => &[
                "Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) HeadlessChrome/150.0.0.0 Safari/537.36",
                "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) HeadlessChrome/148.0.0.0 Safari/537.36",
                "Mozilla/5.0 (Unknown; Linux x86_64) AppleWebKit/538.1 (KHTML, like Gecko) PhantomJS/2.1.1 Safari/538.1",
            ],
            Self::Copier => &[
                "Wget/1.21.4",
                "Mozilla/4.5 (compatible; HTTrack 3.0x; Windows 98)",
                "Mozilla/5.0 (compatible; archive.org_bot +http://archive.org/details/archive.org_bot)",
                "Mozilla/5.0 (compatible; heritrix/3.4.0 +https://archive.org)",
            ],
            Self::Preview => &[
                "Slackbot-LinkExpanding 1.0 (+https://api.slack.com/robots)",
                "facebookexternalhit/1.1 (+http://www.facebook.com/externalhit_uatext.php)",
                "Twitterbot/1.0",
                "WhatsApp/2.23.20.0",
                "TelegramBot (like TwitterBot)",
                "Mozilla/5.0 (compatible; Discordbot/2.0; +https://discordapp.com)",
                "LinkedInBot/1.0 (compatible; Mozilla/5.0; Apache-HttpClient +http://www.linkedin.com)",
                "http.rb/5.2.0 (Mastodon/4.3.0; +https://mastodon.example/) Bot",
            ],
            Self::LinkChecker => &[
                "LinkChecker/10.4 (+https://linkchecker.github.io/linkchecker/)",
                "W3C-checklink/5.0.0 libwww-perl/6.77",
                "Mozilla/5.0 (compatible; SiteAuditBot/0.97; +http://www.semrush.com/bot.html)",
                "Screaming Frog SEO Spider/20.2",
            ],
            Self::Images => &[
                "Googlebot-Image/1.0",
                "msnbot-media/1.1 (+http://search.msn.com/msnbot.htm)",
                "Mozilla/5.0 (compatible; YandexImages/3.0; +http://yandex.com/bots)",
                "Pinterestbot/1.0 (+http://www.pinterest.com/bot.html)",
                "python-requests/2.32.3",
                "img2dataset",
            ],
            Self::Unlisted => &[
                "Mozilla/5.0 (compatible; SiteIndex/1.2)",
                "Mozilla/5.0 (X11; Linux x86_64) PageReader/0.9",
                "webarchiver-ng 3.1",
                "Mozilla/5.0 (Windows NT 10.0; Win64; x64) contentgraph",
            ],
            Self::Mozilla => &["Mozilla/5.0"],
        }
    }
}

/// Safaris from before Sec-Fetch-* (16.4).
pub(super) const OLD_SAFARIS: [&str; 4] = [
    "Mozilla/5.0 (iPad; CPU OS 12_5_7 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko) Version/12.1.2 Mobile/15E148 Safari/604.1",
    "Mozilla/5.0 (iPhone; CPU iPhone OS 14_8 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko) Version/14.1.2 Mobile/15E148 Safari/604.1",
    "Mozilla/5.0 (Macintosh; Intel Mac OS X 10_15_7) AppleWebKit/605.1.15 (KHTML, like Gecko) Version/15.6.1 Safari/605.1.15",
    "Mozilla/5.0 (iPad; CPU OS 15_8 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko) Version/15.6.6 Mobile/15E148 Safari/604.1",
];

/// The views of web pages in apps of iOS.
pub(super) const IN_APPS: [&str; 4] = [
    "Mozilla/5.0 (iPhone; CPU iPhone OS 18_5 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko) Mobile/15E148 Instagram 390.0.0.28.85 (iPhone14,7; iOS 18_5; en_US; en; scale=3.00; 1170x2532)",
    "Mozilla/5.0 (iPhone; CPU iPhone OS 18_6 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko) Mobile/22G86 [FBAN/FBIOS;FBAV/520.0.0.38.101;FBBV/756351453;FBDV/iPhone15,2;FBMD/iPhone;FBSN/iOS]",
    "Mozilla/5.0 (iPhone; CPU iPhone OS 17_7 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko) Mobile/15E148 [LinkedInApp]/9.31.1092",
    "Mozilla/5.0 (Macintosh; Intel Mac OS X 10_15_7) AppleWebKit/605.1.15 (KHTML, like Gecko)",
];

/// Outdated and rare browsers.
pub(super) const OLD_BROWSERS: [&str; 4] = [
    "Mozilla/5.0 (Linux; U; Android 4.4.2; de-de; GT-I9505 Build/KOT49H) AppleWebKit/534.30 (KHTML, like Gecko) Version/4.0 Mobile Safari/534.30",
    "Mozilla/5.0 (Windows NT 6.1; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/109.0.0.0 Safari/537.36",
    "Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/605.1.15 (KHTML, like Gecko) Konqueror/5.0 (like Gecko)",
    "Opera/9.80 (Windows NT 6.1; WOW64) Presto/2.12.388 Version/12.18",
];

/// The views of web pages in apps of Android.
pub(super) const WEB_VIEWS: [&str; 5] = [
    "Mozilla/5.0 (Linux; Android 15; Pixel 8 Build/AP4A.250205.002; wv) AppleWebKit/537.36 (KHTML, like Gecko) Version/4.0 Chrome/150.0.7871.60 Mobile Safari/537.36",
    "Mozilla/5.0 (Linux; Android 14; SM-S921B Build/UP1A.231005.007; wv) AppleWebKit/537.36 (KHTML, like Gecko) Version/4.0 Chrome/149.0.7827.91 Mobile Safari/537.36 Instagram 390.0.0.43.81 Android (34/14; 480dpi; 1080x2109; samsung; SM-S921B; e1s; s5e9945; de_DE; 770000000)",
    "Mozilla/5.0 (Linux; Android 13; 22101316UG Build/TP1A.220624.014; wv) AppleWebKit/537.36 (KHTML, like Gecko) Version/4.0 Chrome/148.0.7778.120 Mobile Safari/537.36 [FB_IAB/FB4A;FBAV/521.0.0.48.99;]",
    "Mozilla/5.0 (Linux; Android 12; moto g(60) Build/S2RI32.32-20-9; wv) AppleWebKit/537.36 (KHTML, like Gecko) Version/4.0 Chrome/141.0.7390.122 Mobile Safari/537.36 GSA/16.40.36",
    "Mozilla/5.0 (Linux; Android 14; CPH2581 Build/UKQ1.230924.001; wv) AppleWebKit/537.36 (KHTML, like Gecko) Version/4.0 Chrome/150.0.7871.60 Mobile Safari/537.36 Line/15.18.0/IAB",
];

/// Browsers of televisions, consoles and cars.
pub(super) const TELEVISIONS: [&str; 6] = [
    "Mozilla/5.0 (SMART-TV; LINUX; Tizen 6.0) AppleWebKit/537.36 (KHTML, like Gecko) 76.0.3809.146/6.0 TV Safari/537.36",
    "Mozilla/5.0 (Linux; Tizen 2.4.0; SMART-TV) AppleWebKit/538.1 (KHTML, like Gecko) Version/2.4.0 TV Safari/538.1",
    "Mozilla/5.0 (Web0S; Linux/SmartTV) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/87.0.4280.88 Safari/537.36 WebAppManager",
    "Mozilla/5.0 (Linux; Android 11; BRAVIA 4K VH2 Build/RTT2.211108.001) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/116.0.5845.172 Safari/537.36",
    "Mozilla/5.0 (X11; GNU/Linux) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/109.0.5414.129 Safari/537.36 Tesla/2024.26.9",
    "Mozilla/5.0 (PlayStation; PlayStation 5/9.00) AppleWebKit/605.1.15 (KHTML, like Gecko) Version/15.4 Safari/605.1.15",
];

/// Text browsers.
pub(super) const TEXT_BROWSERS: [&str; 4] = [
    "Lynx/2.9.2 libwww-FM/2.14 SSL-MM/1.4.1 OpenSSL/3.0.13",
    "w3m/0.5.3+git20230121",
    "ELinks/0.17.1 (textmode; Linux 6.8.0 x86_64; 120x40-2)",
    "Links (2.29; Linux 6.1.0 x86_64; GNU C 12.2; text)",
];

/// What a site's own app calls itself: the library that it is built on, with or without the app's name.
pub(super) const NATIVE_APPS: [&str; 6] = [
    "SiteApp/412 CFNetwork/1568.200.51 Darwin/24.1.0",
    "SiteApp/398 CFNetwork/1498.700.2 Darwin/23.6.0",
    "okhttp/4.12.0",
    "SiteApp/5.3.1 (Android 14; Pixel 8) okhttp/5.0.0",
    "Dalvik/2.1.0 (Linux; U; Android 14; SM-A546B Build/UP1A.231005.007)",
    "Dalvik/2.1.0 (Linux; U; Android 11; M2101K6G Build/RKQ1.200826.002)",
];
