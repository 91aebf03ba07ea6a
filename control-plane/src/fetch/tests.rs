//! Against local servers that behave as badly as servers can.

use std::io::Write as _;
use std::net::Ipv4Addr;
use std::sync::Mutex;
use std::time::Instant;

use axum::Router;
use axum::body::{Body, Bytes};
use axum::http::HeaderMap as Headers;
use axum::response::{IntoResponse, Redirect};
use axum::routing::get;
use futures_util::{StreamExt as _, stream};
use tokio::net::TcpListener;

use super::*;

const MEBIBYTE: usize = 1024 * 1024;

/// Serves on loopback; answers `127.0.0.1:port`.
async fn serve(router: Router) -> String {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.expect("a free port");
    let host = listener.local_addr().expect("an address").to_string();
    tokio::spawn(async move { axum::serve(listener, router).await });
    host
}

/// A client that may ask these hosts although they are private.
fn client(allowed: &[&str]) -> Client {
    let allow_private = allowed.iter().map(|host| (*host).to_owned()).collect();
    Client::new(&FetchConfig { allow_private, ..FetchConfig::default() }).expect("a client")
}

async fn fetch(host: &str, path: &str) -> Result<Fetched, FetchError> {
    client(&["127.0.0.1"]).get(FetchRequest::new(&format!("http://{host}{path}"), MEBIBYTE)).await
}

#[tokio::test]
async fn an_answer_comes_with_its_etag_and_not_twice() {
    let router = Router::new().route(
        "/list",
        get(|headers: Headers| async move {
            match headers.get("if-none-match").is_some_and(|etag| etag == "\"v1\"") {
                true => StatusCode::NOT_MODIFIED.into_response(),
                false => ([(ETAG, "\"v1\"")], "10.0.0.0/8").into_response(),
            }
        }),
    );
    let url = format!("http://{}/list", serve(router).await);
    let client = client(&["*"]);
    let seen = Mutex::new(0);
    let progress = |bytes: u64, of: Option<u64>| {
        assert_eq!(of, Some(10));
        *seen.lock().expect("not poisoned") = bytes;
    };
    let request = FetchRequest { progress: Some(&progress), ..FetchRequest::new(&url, 10) };
    let etag = Some("\"v1\"".to_owned());
    let body = Fetched::Body { bytes: b"10.0.0.0/8".to_vec(), etag, status: 200 };
    assert_eq!(client.get(request.clone()).await, Ok(body));
    assert_eq!(*seen.lock().expect("not poisoned"), 10);
    let again = FetchRequest { etag: Some("\"v1\""), progress: None, ..request };
    assert_eq!(client.get(again).await, Ok(Fetched::NotModified));
}

/// 304 to somebody who has nothing is no answer.
#[tokio::test]
async fn not_modified_without_having_asked_is_refused() {
    let host = serve(Router::new().route("/", get(|| async { StatusCode::NOT_MODIFIED }))).await;
    assert!(matches!(fetch(&host, "/").await, Err(FetchError::Status { status: 304, .. })));
}

#[tokio::test]
async fn a_gibibyte_is_cut_at_the_limit() {
    let sent = Arc::new(Mutex::new(0_usize));
    let count = Arc::clone(&sent);
    let endless = move || {
        let count = Arc::clone(&count);
        let pieces = stream::iter(0..1024).map(move |_| {
            *count.lock().expect("not poisoned") += 1;
            Ok::<_, std::io::Error>(Bytes::from_static(&[b' '; MEBIBYTE]))
        });
        async { Body::from_stream(pieces) }
    };
    let router = Router::new().route("/chunked", get(endless)).route(
        "/announced",
        get(|| async {
            (
                [("content-length", "1073741824")],
                Body::from_stream(stream::pending::<Result<Bytes, std::io::Error>>()),
            )
        }),
    );
    let host = serve(router).await;
    let too_large = Err(FetchError::TooLarge { host: host.clone(), limit: MEBIBYTE });
    assert_eq!(fetch(&host, "/chunked").await, too_large);
    let sent = *sent.lock().expect("not poisoned");
    assert!(sent < 64, "{sent} MiB were taken off the server");
    assert_eq!(fetch(&host, "/announced").await, too_large);
}

#[tokio::test]
async fn what_unpacks_to_too_much_is_cut_too() {
    let mut packer = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    for _ in 0..64 {
        packer.write_all(&vec![0; MEBIBYTE]).expect("packed");
    }
    let bomb = packer.finish().expect("packed");
    assert!(bomb.len() < MEBIBYTE / 2);
    let mut packer = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    packer.write_all(b"harmless").expect("packed");
    let harmless = packer.finish().expect("packed");
    let packed = |bytes: Vec<u8>| get(move || async move { ([("content-encoding", "gzip")], bytes) });
    let host = serve(Router::new().route("/bomb", packed(bomb)).route("/harmless", packed(harmless))).await;
    assert_eq!(
        fetch(&host, "/bomb").await,
        Err(FetchError::TooLarge { host: host.clone(), limit: MEBIBYTE })
    );
    let body = Fetched::Body { bytes: b"harmless".to_vec(), etag: None, status: 200 };
    assert_eq!(fetch(&host, "/harmless").await, Ok(body));
}

#[tokio::test]
async fn a_slow_drip_ends_at_the_limit() {
    let drip = || async {
        let drops = stream::unfold((), |()| async {
            tokio::time::sleep(Duration::from_millis(10)).await;
            Some((Ok::<_, std::io::Error>(Bytes::from_static(b".")), ()))
        });
        Body::from_stream(drops)
    };
    let host =
        serve(Router::new().route("/drip", get(drip)).route("/never", get(std::future::pending::<()>))).await;
    let limit = Duration::from_millis(120);
    let began = Instant::now();
    for path in ["/drip", "/never"] {
        let url = format!("http://{host}{path}");
        let request = FetchRequest { timeout: Some(limit), ..FetchRequest::new(&url, MEBIBYTE) };
        let timeout = FetchError::Timeout { host: host.clone(), limit };
        assert_eq!(client(&["*"]).get(request).await, Err(timeout), "{path}");
    }
    assert!(began.elapsed() < Duration::from_secs(5));
}

#[tokio::test]
async fn redirects_are_followed_three_times_and_never_into_a_private_network() {
    let hop = |to: &'static str| get(move || async move { Redirect::temporary(to) });
    let router = Router::new()
        .route("/1", hop("/2"))
        .route("/2", hop("/3"))
        .route("/3", hop("/end"))
        .route("/0", hop("/1"))
        .route("/round", hop("/round"))
        .route("/end", get(|| async { "there" }))
        .route("/metadata", hop("http://169.254.169.254/latest/meta-data"))
        .route("/decimal", hop("http://2130706433/"))
        .route("/v6", hop("http://[::ffff:127.0.0.2]/"))
        .route("/named", hop("http://localhost:1/"))
        .route("/file", hop("file:///etc/passwd"))
        .route("/nowhere", get(|| async { StatusCode::FOUND }));
    let host = serve(router).await;
    let body = Fetched::Body { bytes: b"there".to_vec(), etag: None, status: 200 };
    assert_eq!(fetch(&host, "/1").await, Ok(body));
    let redirect = |why| Err(FetchError::Redirect { host: host.clone(), why });
    for endless in ["/0", "/round"] {
        assert_eq!(fetch(&host, endless).await, redirect("more than three times"), "{endless}");
    }
    assert_eq!(fetch(&host, "/nowhere").await, redirect("nowhere"));
    for (path, to) in [
        ("/metadata", "169.254.169.254"),
        ("/decimal", "127.0.0.1"),
        ("/v6", "[::ffff:7f00:2]"),
        ("/named", "localhost:1"),
    ] {
        // Only the server's own host and port are allowed.
        let url = format!("http://{host}{path}");
        let refused = client(&[&host]).get(FetchRequest::new(&url, MEBIBYTE)).await;
        assert_eq!(refused, Err(FetchError::Private { host: to.to_owned() }), "{path}");
    }
    assert_eq!(fetch(&host, "/file").await, Err(FetchError::Url("neither http nor https")));
}

#[test]
fn nobody_is_led_from_https_to_http() {
    let url = Url::parse("https://example.com/list").expect("a URL");
    let response = |to: &str| {
        let answer = axum::http::Response::builder().status(302).header(LOCATION, to);
        Response::from(answer.body("").expect("a response"))
    };
    let refused = target(&url, &response("http://example.com/list")).expect_err("refused").to_string();
    assert_eq!(refused, "example.com redirects from https to http, which anybody on the way can change");
    let next = target(&url, &response("../other?x=1")).expect("a redirect");
    assert_eq!(next.as_str(), "https://example.com/other?x=1");
}

#[tokio::test]
async fn keys_stay_with_the_origin_they_were_meant_for() {
    let other = Router::new().route(
        "/",
        get(|headers: Headers| async move { if headers.contains_key("key") { "leaked" } else { "kept" } }),
    );
    let there = format!("http://{}/", serve(other).await);
    let here = Router::new().route("/", get(move || async move { Redirect::temporary(&there) })).route(
        "/key",
        get(|headers: Headers| async move {
            headers.get("key").cloned().map(|key| key.as_bytes().to_vec()).unwrap_or_default()
        }),
    );
    let host = serve(here).await;
    for (path, told) in [("/", "kept"), ("/key", "s3cret")] {
        let url = format!("http://{host}{path}");
        let request = FetchRequest::new(&url, 100).header("key", "s3cret").expect("a header");
        assert!(!format!("{:?}", request.headers).contains("s3cret"));
        let Ok(Fetched::Body { bytes, .. }) = client(&["*"]).get(request).await else { panic!("no answer") };
        assert_eq!(bytes, told.as_bytes());
    }
}

#[tokio::test]
async fn private_addresses_are_refused_by_literal_and_by_name() {
    let strict = client(&["allowed.example"]);
    for (url, host) in [
        ("http://127.0.0.1:9/", "127.0.0.1:9"),
        ("http://0x7f.1/", "127.0.0.1"),
        ("http://[::1]/", "[::1]"),
        ("https://10.1.2.3/list?key=s3cret", "10.1.2.3"),
        ("http://localhost:9/", "localhost:9"),
        ("http://localhost.:9/", "localhost.:9"),
    ] {
        let refused = strict.get(FetchRequest::new(url, 10)).await;
        assert_eq!(refused, Err(FetchError::Private { host: host.to_owned() }), "{url}");
    }
    // Allowed by its name, it is asked: nobody listens.
    let refused = client(&["localhost"]).get(FetchRequest::new("http://localhost:9/", 10)).await;
    assert!(matches!(refused, Err(FetchError::Connection { .. })), "{refused:?}");
    for (url, told) in [
        ("ftp://example.com/", "neither http nor https"),
        ("http://user:s3cret@example.com/", "written with a name or password, which do not belong there"),
        ("example.com/list", "no URL"),
    ] {
        assert_eq!(strict.get(FetchRequest::new(url, 10)).await, Err(FetchError::Url(told)), "{url}");
    }
}

#[test]
fn private_addresses_are_allowed_by_any_spelling_and_by_their_range() {
    let may = |entry: &str, url: &str| {
        let config = FetchConfig { allow_private: vec![entry.to_owned()], ..FetchConfig::default() };
        Allowed::new(&config).check(&Url::parse(url).expect("a URL")).is_ok()
    };
    for (entry, url, expected) in [
        ("10.0.0.5", "http://10.0.0.5:8080/", true),
        ("10.0.0.5", "http://[::ffff:10.0.0.5]/", true),
        ("10.0.0.5", "http://10.0.0.6/", false),
        ("::ffff:10.0.0.5", "http://10.0.0.5/", true),
        ("10.0.0.0/8", "http://10.1.2.3/", true),
        ("10.0.0.0/8", "http://192.168.1.1/", false),
        ("::ffff:10.0.0.0/104", "http://10.1.2.3/", true),
        ("10.0.0.5:8443", "http://10.0.0.5:8443/", true),
        ("10.0.0.5:8443", "http://10.0.0.5:8444/", false),
        ("10.0.0.5:443", "https://10.0.0.5/", true),
        ("FD00:0::5", "http://[fd00::5]/", true),
        ("[fd00::5]:80", "http://[fd00::5]/", true),
        ("lists.internal", "http://10.0.0.5/", false),
        ("*", "http://10.0.0.5/", true),
    ] {
        assert_eq!(may(entry, url), expected, "{entry} {url}");
    }
}

#[tokio::test]
async fn refusals_are_told_without_the_query() {
    let refuse = |status: u16| {
        let status = StatusCode::from_u16(status).expect("a status");
        get(move || async move { (status, [("retry-after", "17")], "x".repeat(REFUSAL_BYTES * 3)) })
    };
    let statuses = [400, 401, 403, 404, 429, 500, 503];
    let router =
        statuses.into_iter().fold(Router::new(), |router, s| router.route(&format!("/{s}"), refuse(s)));
    let host = serve(router).await;
    for status in statuses {
        let error = fetch(&host, &format!("/{status}?key=s3cret")).await.expect_err("refused");
        assert_eq!(error.to_string(), format!("{host} answers {status}"));
        let FetchError::Status { retry_after_s, body, .. } = error else { panic!("{error}") };
        assert_eq!((retry_after_s, body.len()), (Some(17), REFUSAL_BYTES));
    }
    let closed = fetch("127.0.0.1:9", "/?key=s3cret").await.expect_err("nobody listens").to_string();
    assert!(closed.starts_with("127.0.0.1:9: ") && !closed.contains("s3cret"), "{closed}");
}

/// What answers is no HTTP, or ends early.
#[tokio::test]
async fn broken_answers_are_errors() {
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
    for answer in ["SSH-2.0-OpenSSH_9.2\r\n", "", "HTTP/1.1 200 OK\r\ncontent-length: 100\r\n\r\nshort"] {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.expect("a free port");
        let host = listener.local_addr().expect("an address").to_string();
        tokio::spawn(async move {
            let (mut stream, _) = listener.accept().await.expect("a connection");
            let mut request = [0; 1024];
            assert!(stream.read(&mut request).await.expect("a request") > 0);
            stream.write_all(answer.as_bytes()).await.expect("written");
        });
        let error = fetch(&host, "/").await.expect_err("broken");
        assert!(matches!(error, FetchError::Connection { .. }), "{answer}: {error}");
    }
}
