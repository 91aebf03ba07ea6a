//! What a failed sign-in is by the answer, where a login route is configured: such a one is not given back.

use sallyport_filter::worker::LOOKS_ON_MS;
use serde_json::json;

use crate::machine::Machine;

/// An attempt, and the site's answer to it.
#[derive(Clone, Copy)]
struct Attempt<'a> {
    method: &'a str,
    path: &'a str,
    referer: &'a str,
    status: u16,
    location: &'a str,
}

/// How many of a hundred at once, each under a new name, reach a site with this login route.
fn reached(route: &serde_json::Value, attempt: Attempt<'_>) -> usize {
    let mut machine = Machine::start(&json!({ "policy": {
        "enforcement": "enforce", "thresholds": { "monitor": 99, "challenge": 99.9, "block": 100 },
        "login": { "routes": [route] } } }));
    machine.tick_after(LOOKS_ON_MS);
    let Attempt { method, path, referer, status, location } = attempt;
    let mut passes = |number: usize| {
        let agent = format!("Mozilla/5.0 (X11; Linux x86_64; rv:145.0) Gecko/20100101 Firefox/145.{number}");
        let headers = [
            (":method", method),
            (":path", path),
            (":authority", "site.example"),
            ("user-agent", agent.as_str()),
            ("accept", "text/html"),
            ("accept-language", "en"),
            ("accept-encoding", "gzip"),
            ("referer", referer),
        ];
        let (context, _) = machine.request("192.0.2.1:1000", &headers);
        let passes = machine.reply(context).is_none();
        if passes {
            machine.respond_with(context, status, &[("location", location)]);
        }
        machine.end(context);
        passes
    };
    (0..100).filter(|number| passes(*number)).count()
}

/// What an address may fail at once.
const BURST: usize = 40;

#[test]
fn no_spelling_makes_a_failure_a_success_that_is_given_back() {
    let login = json!({ "path": "/login", "same_page": true });
    let form = Attempt {
        method: "POST",
        path: "/login",
        referer: "https://site.example/login",
        status: 200,
        location: "",
    };
    for path in ["/login", "/login.json", "/login.json/", "/login/x/y", "/login%20", "/Login/"] {
        assert_eq!(reached(&login, Attempt { path, ..form }), BURST, "{path}");
        let back = Attempt { path, status: 302, location: "/login?error", ..form };
        assert_eq!(reached(&login, back), BURST, "{path}");
        assert_eq!(reached(&login, Attempt { location: "/account", ..back }), 100, "{path}: it succeeds");
    }
    for method in ["post", "PUT", "LOGIN"] {
        assert_eq!(reached(&login, Attempt { method, ..form }), BURST, "{method}");
    }
    let own = json!({ "path": "/in" });
    for path in ["/in", "/in.json", "/in/x"] {
        assert_eq!(reached(&own, Attempt { path, status: 401, ..form }), BURST, "{path}");
    }
}

#[test]
fn a_redirect_back_to_the_referer_is_a_failure_where_the_form_is_shown_again() {
    let back = Attempt {
        method: "POST",
        path: "/login",
        referer: "https://site.example/shop/?item=7",
        status: 302,
        location: "https://site.example/shop?error=1",
    };
    assert_eq!(reached(&json!({ "path": "/login", "same_page": true }), back), BURST);
    assert_eq!(reached(&json!({ "path": "/login" }), back), 100, "it may lead back to what was left");
}
