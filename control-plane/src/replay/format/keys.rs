//! Which JSON keys hold what: the names nginx, Envoy, Caddy, Traefik, Cloudflare, Google, GitLab and Nextcloud use, and the operator's own.

use std::collections::HashMap;
use std::str::FromStr;

/// What a JSON key can be mapped to with `--map FIELD=KEY`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, clap::ValueEnum)]
#[value(rename_all = "snake_case")]
pub(super) enum Field {
    Ip,
    /// A list of addresses, the last being the nearest to the server.
    ForwardedFor,
    #[value(alias = "time")]
    Ts,
    /// `GET /path HTTP/1.1` in one piece.
    Request,
    Method,
    #[value(alias = "endpoint")]
    Path,
    #[value(alias = "host")]
    Authority,
    UserAgent,
    Referer,
    Ja4,
    Status,
    Location,
    Scheme,
    /// `%RESPONSE_FLAGS%` and `%RESPONSE_CODE_DETAILS%` of Envoy.
    ResponseFlags,
    ResponseDetails,
    /// Whom the proxy asked.
    UpstreamHost,
    /// The header `x-sallyport`.
    Sallyport,
    Accept,
    AcceptLanguage,
    AcceptEncoding,
    SecFetchSite,
    SecFetchMode,
    SecFetchDest,
    /// `Origin`.
    Origin,
    /// `Upgrade`.
    Upgrade,
    /// `Content-Type` of the request.
    ContentType,
    SecChUa,
    SecChUaMobile,
    SecChUaPlatform,
}

/// The keys known without `--map` besides the headers, the best first. Compared in lower case with `_` for `-`; a dot goes into an object.
const KNOWN: &[(Field, &[&str])] = &[
    (
        Field::Ip,
        &[
            "ip",
            "request.client_ip",
            "request.remote_ip",
            "client_ip",
            "downstream_remote_address",
            "remote_addr",
            "remote_ip",
            "remote_address",
            "clientip",
            "client_addr",
            "client",
            "clienthost",
            "source_address",
            "source_ip",
            "httprequest.remoteip",
            "request.remote_addr",
            "remoteaddr",
        ],
    ),
    (Field::ForwardedFor, &["x_forwarded_for", "http_x_forwarded_for", "forwarded_for"]),
    (
        Field::Ts,
        &[
            "ts",
            "msec",
            "time_iso8601",
            "start_time",
            "startutc",
            "timestamp",
            "@timestamp",
            "time",
            "time_local",
            "edgestarttimestamp",
            "date",
            "datetime",
        ],
    ),
    (Field::Request, &["request", "request_line"]),
    (
        Field::Method,
        &[
            "method",
            ":method",
            "request_method",
            "request.method",
            "requestmethod",
            "http_method",
            "verb",
            "clientrequestmethod",
            "httprequest.requestmethod",
        ],
    ),
    (
        Field::Path,
        &[
            "x_envoy_original_path",
            "x_envoy_origin_path",
            "path",
            ":path",
            "request_uri",
            "request.uri",
            "requestpath",
            "uri",
            "url",
            "endpoint",
            "request_path",
            "clientrequesturi",
            "httprequest.requesturl",
        ],
    ),
    (
        Field::Authority,
        &[
            "authority",
            ":authority",
            "host",
            "http_host",
            "request.host",
            "requesthost",
            "server_name",
            "vhost",
            "clientrequesthost",
        ],
    ),
    (Field::UserAgent, &["useragent", "agent", "ua", "clientrequestuseragent", "httprequest.useragent"]),
    (Field::Referer, &["referrer", "http_referrer", "clientrequestreferer", "httprequest.referer"]),
    (Field::Ja4, &["ja4", "http_x_ja4", "tls_ja4", "ja4_fingerprint", "tls_ja4_fingerprint"]),
    (
        Field::Status,
        &[
            "status",
            "response_code",
            "downstreamstatus",
            "status_code",
            "code",
            "edgeresponsestatus",
            "httprequest.status",
        ],
    ),
    (Field::ContentType, &["http_content_type", "request_content_type"]),
    (Field::Location, &["location", "sent_http_location", "resp_headers.location", "downstream_location"]),
    (Field::ResponseFlags, &["response_flags"]),
    (Field::ResponseDetails, &["response_code_details"]),
    (Field::UpstreamHost, &["upstream_host"]),
    (Field::Sallyport, &["x_sallyport", "http_x_sallyport", "request.headers.x_sallyport"]),
    (
        Field::Scheme,
        &["scheme", "http_x_forwarded_proto", "x_forwarded_proto", "requestscheme", "clientrequestscheme"],
    ),
];

/// The request headers, each logged under its own name or one of [`HEADER_PREFIXES`] before it.
const HEADERS: &[(Field, &str)] = &[
    (Field::UserAgent, "user_agent"),
    (Field::Referer, "referer"),
    (Field::Accept, "accept"),
    (Field::AcceptLanguage, "accept_language"),
    (Field::AcceptEncoding, "accept_encoding"),
    (Field::SecFetchSite, "sec_fetch_site"),
    (Field::SecFetchMode, "sec_fetch_mode"),
    (Field::SecFetchDest, "sec_fetch_dest"),
    (Field::Origin, "origin"),
    (Field::Upgrade, "upgrade"),
    (Field::SecChUa, "sec_ch_ua"),
    (Field::SecChUaMobile, "sec_ch_ua_mobile"),
    (Field::SecChUaPlatform, "sec_ch_ua_platform"),
];

/// What nginx (`$http_…`), Caddy, plain exporters and Traefik put before a header's name.
const HEADER_PREFIXES: [&str; 5] = ["", "http_", "request.headers.", "headers.", "request_"];

/// One `--map FIELD=KEY`.
#[derive(Debug, Clone)]
pub struct Mapping {
    field: Field,
    key: String,
}

impl FromStr for Mapping {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        use clap::ValueEnum as _;
        let (field, key) = text
            .split_once('=')
            .filter(|(_, key)| !key.is_empty())
            .ok_or_else(|| format!("`{text}` is not FIELD=KEY, such as ip=remote_addr"))?;
        let field = Field::from_str(field, true).map_err(|_| {
            let known: Vec<_> =
                Field::value_variants().iter().filter_map(|field| field.to_possible_value()).collect();
            let names: Vec<_> = known.iter().map(|value| value.get_name()).collect();
            format!("`{field}` is not a field; the fields are {}", names.join(", "))
        })?;
        Ok(Self { field, key: normal(key) })
    }
}

/// From a normalised key path to the field it holds, and how good a source it is (0 is best).
#[derive(Debug)]
pub(crate) struct KeyMap {
    fields: HashMap<String, (Field, u8)>,
}

impl KeyMap {
    /// The known keys, and before them the operator's own.
    pub(crate) fn new(own: &[Mapping]) -> Self {
        let known = KNOWN.iter().flat_map(|(field, keys)| {
            keys.iter().zip(1..).map(|(key, rank)| ((*key).to_owned(), (*field, rank)))
        });
        let headers = HEADERS.iter().flat_map(|(field, name)| {
            HEADER_PREFIXES
                .iter()
                .zip(1..)
                .map(move |(prefix, rank)| (format!("{prefix}{name}"), (*field, rank)))
        });
        let own = own.iter().map(|mapping| (mapping.key.clone(), (mapping.field, 0)));
        Self { fields: known.chain(headers).chain(own).collect() }
    }

    /// The field a normalised key path holds.
    pub(super) fn get(&self, path: &str) -> Option<(Field, u8)> {
        self.fields.get(path).copied()
    }
}

/// A key as [`KeyMap`] compares it.
pub(super) fn normal(key: &str) -> String {
    key.chars().map(|c| if c == '-' { '_' } else { c.to_ascii_lowercase() }).collect()
}
