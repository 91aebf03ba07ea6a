//! An asset is what its answer says: what newcomers get in an asset's place draws on what they have for pages.

use sallyport_core::{Answer, BrowserHeaders, RequestFacts};

use crate::door::{Door, NOW, browser, chrome};

const OFFICE: &str = "203.0.113.9";
const HTML: &str = "text/html; charset=utf-8";
const JSON: &str = "application/json";

/// How many of twenty newcomers of an address pass that ask for this as for a picture, one after the other, where five
/// pages may; each gets this status, type and location.
fn passed(path: &str, status: u16, content_type: &str, location: &str) -> usize {
    let mut door =
        Door::indifferent(r#", "rate_limit": { "newcomers": { "per_second": 0.001, "burst": 5 } }"#);
    let picture =
        BrowserHeaders { sec_fetch_dest: b"image", accept: b"image/avif,*/*", ..Default::default() };
    let passes = |number: &u64| {
        let agent = chrome(*number as usize);
        let facts = RequestFacts { headers: Some(picture), ..browser(OFFICE, &agent, path) };
        let (content_type, location) = (content_type.as_bytes(), location.as_bytes());
        let answer = Answer { status, content_type, location, ..Default::default() };
        !door.answered(&facts, answer, NOW + number * 50).action.refuses()
    };
    (0..20).filter(passes).count()
}

#[test]
fn an_asset_is_what_its_answer_says() {
    for (path, status, content_type, location) in [
        ("/a.css", 200, "text/css", ""),
        ("/picture", 206, "image/webp", ""),
        ("/a.js.map", 200, JSON, ""),
        ("/app/manifest.json", 200, JSON, ""),
        ("/a.woff2", 200, "", ""),
        ("/a.vtt.ts", 200, "text/plain", ""),
        ("/picture", 304, "", ""),
        ("/a.png", 302, HTML, "/img/a.7f3e.png?w=10"),
        ("/avatar/7", 302, HTML, "https://pictures.example/7"),
        ("/a.png", 503, HTML, ""),
        ("/pixel", 204, "", ""),
        ("/favicon.ico", 404, HTML, ""),
        ("/favicon.ico", 200, HTML, ""),
    ] {
        assert_eq!(passed(path, status, content_type, location), 20, "{path} {status} {content_type}");
    }
    for (path, status, content_type, location) in [
        ("/item/7/a.css", 200, HTML, ""),
        ("/item/7/favicon.ico", 200, HTML, ""),
        ("/item/7/favicon.ico", 404, HTML, ""),
        ("/api/items/7/a.js.map", 200, JSON, ""),
        ("/items/7.json", 200, JSON, ""),
        ("/item/7", 206, "multipart/byteranges; boundary=x", ""),
        ("/item/7", 200, "text/x-component", ""),
        ("/item/7", 200, "text/plain", ""),
        ("/item/7", 200, "", ""),
        ("/items/7", 200, "application/vnd.api+json", ""),
        ("/coupon/7", 302, HTML, "/basket"),
        ("/coupon/7", 400, JSON, ""),
        ("/coupon/7", 401, "", ""),
        ("/coupon/7", 403, HTML, ""),
        ("/coupon/7", 410, HTML, ""),
        ("/coupon/7", 500, HTML, ""),
    ] {
        assert_eq!(passed(path, status, content_type, location), 5, "{path} {status} {content_type}");
    }
}

#[test]
fn one_of_seventeen_assets_may_be_missing() {
    let agent = chrome(1);
    let mut door =
        Door::indifferent(r#", "rate_limit": { "newcomers": { "per_second": 0.001, "burst": 5 } }"#);
    let mut asks = |path: &str, (status, content_type), at_ms| {
        !door.visit(&browser(OFFICE, &agent, path), (status, content_type), NOW + at_ms).action.refuses()
    };
    for page in 0..5 {
        let at_ms = page * 1_000;
        assert!(asks("/a", (200, HTML), at_ms), "page {page}");
        for file in 0..32 {
            assert!(asks(&format!("/{file}.png"), (200, "image/png"), at_ms + file));
        }
        assert!((0..2).all(|file| asks(&format!("/{page}/gone{file}.png"), (404, HTML), at_ms + 40 + file)));
    }
    assert!(!asks("/b", (200, HTML), 6_000), "only pages were charged");
}

#[test]
fn of_a_proven_client_what_is_named_like_no_asset_is_read_and_of_files_some() {
    let mut door = Door::indifferent("");
    let agent = chrome(1);
    let page = browser(OFFICE, &agent, "/a");
    door.prove(&[page], NOW);
    let mut watched = |path: String| {
        let picture =
            BrowserHeaders { sec_fetch_dest: b"image", accept: b"image/avif", ..Default::default() };
        let facts = RequestFacts { path: path.as_bytes(), headers: Some(picture), ..page };
        door.judge(&facts, NOW + 62_000).watch.is_some()
    };
    assert_eq!((0..100).filter(|number| watched(format!("/item/{number}"))).count(), 100);
    let files = (0..400).filter(|number| watched(format!("/item/{number}/a.css"))).count();
    assert!((25..=75).contains(&files), "about one of eight: {files}");
}
