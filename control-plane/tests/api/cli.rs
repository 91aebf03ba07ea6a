//! The program itself.

use std::io::{BufRead, BufReader};
use std::process::{Child, Command, Output, Stdio};

use tempfile::TempDir;

pub(crate) fn sallyport(folder: &TempDir, arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_sallyport"));
    command.current_dir(folder.path()).args(arguments).env_remove("SALLYPORT_CONFIG").env_remove("DB_PATH");
    command
}

fn run(folder: &TempDir, arguments: &[&str]) -> Output {
    sallyport(folder, arguments).output().expect("runs")
}

fn signal(server: &Child, name: &str) {
    let status = Command::new("kill").args([name, &server.id().to_string()]).status().expect("runs");
    assert!(status.success());
}

fn text(bytes: &[u8]) -> &str {
    std::str::from_utf8(bytes).expect("text").trim_end()
}

#[test]
fn tokens_are_made_shown_and_revoked() {
    let folder = TempDir::new().expect("a folder");
    let made = run(&folder, &["token", "create", "--role", "filter", "--name", "edge 1"]);
    assert!(made.status.success(), "{made:?}");
    let token = text(&made.stdout);
    assert!(
        token.starts_with("sp_filter_") && !token.contains(char::is_whitespace),
        "only the token: {token}"
    );
    assert!(text(&made.stderr).contains("in sallyport.db"), "{made:?}");
    for name in ["", " ", "a\tb", "a\nb", &"x".repeat(65)] {
        let refused = run(&folder, &["token", "create", "--role", "filter", "--name", name]);
        assert_eq!(refused.status.code(), Some(2), "{name:?}");
    }
    let list = run(&folder, &["token", "list"]);
    let line = text(&list.stdout);
    assert!(line.starts_with("1\tfilter\tvalid\t") && line.ends_with("\tedge 1"), "{line}");
    assert!(!line.contains(&token[10..]));
    assert!(run(&folder, &["token", "revoke", "1"]).status.success());
    let twice = run(&folder, &["token", "revoke", "1"]);
    assert_eq!(twice.status.code(), Some(1));
    assert!(text(&twice.stderr).contains("there is no valid token 1"));
}

#[test]
fn crawlers_are_checked_by_hand() {
    let folder = TempDir::new().expect("a folder");
    let check = |user_agent| {
        run(
            &folder,
            &["--set", "crawlers.dns=false", "crawlers", "check", "192.0.2.1", "--user-agent", user_agent],
        )
    };
    let claimed = check("Mozilla/5.0 (compatible; YandexBot/3.0)");
    let told = text(&claimed.stdout);
    assert!(told.starts_with("claims   yandexbot (search)\nverdict  unverifiable\nbecause  "), "{claimed:?}");
    let none = check("Firefox");
    assert!(!none.status.success() && text(&none.stderr).contains("claims no crawler"), "{none:?}");
}

#[test]
fn a_feed_is_added_whole_or_not_at_all() {
    let folder = TempDir::new().expect("a folder");
    std::fs::write(folder.path().join("config.yaml"), "{}").expect("written");
    let add = |feed: &str, arguments: &[&str]| {
        std::fs::write(folder.path().join("feed.txt"), feed).expect("written");
        run(&folder, &[&["list", "add", "deny", "--file", "feed.txt"], arguments].concat())
    };
    let values = || -> Vec<String> {
        let shown = run(&folder, &["list", "show", "--json"]);
        let shown: Vec<serde_json::Value> = serde_json::from_str(text(&shown.stdout)).expect("JSON");
        let value = |entry: &serde_json::Value| entry["value"].as_str().expect("text").to_owned();
        let mut values: Vec<_> = shown.iter().map(value).collect();
        values.sort();
        values
    };
    for (feed, faults) in [
        (
            "203.0.113.0/24 ; SBL1\n\nBadBot\n1.2.3.4/24\n",
            &["feed.txt:3: `BadBot`", "feed.txt:4: `1.2.3.4/24`"][..],
        ),
        // What reads well and would do harm is told with its line too.
        ("# own\r\n203.0.113.0/24\r\n10.1.2.3 # mine\r\n", &["feed.txt:3: `10.1.2.3`: it would refuse"]),
        ("/fine\n/a%20b\n", &["feed.txt:2: `/a%20b` never fits"]),
    ] {
        let output = add(feed, &["198.51.100.1"]);
        let said = text(&output.stderr);
        assert!(output.status.code() == Some(1) && said.contains("nothing was stored"), "{output:?}");
        assert!(faults.iter().all(|fault| said.contains(fault)), "{feed}: {said}");
        assert_eq!(values(), [""; 0], "{feed}");
    }
    let feed = "\u{feff}; DROP\r\n203.0.113.0/24 ; SBL1\r\n198.51.100.8-198.51.100.10\r\ndeny 192.0.2.1;\r\n/x # y\r\n";
    let output = add(feed, &[]);
    assert!(output.status.success(), "{output:?}");
    assert!(text(&output.stdout).contains("\tadded\t198.51.100.8/31"), "{output:?}");
    assert_eq!(values(), ["/x", "192.0.2.1", "198.51.100.10", "198.51.100.8/31", "203.0.113.0/24"]);
    assert!(add("203.0.113.7;\n", &["--kind", "user_agent"]).status.success());
    assert!(values().contains(&"203.0.113.7;".to_owned()), "as it is said");
}

#[test]
fn lists_are_filled_shown_asked_and_emptied() {
    let folder = TempDir::new().expect("a folder");
    std::fs::write(folder.path().join("config.yaml"), "lists: { trusted_proxies: [203.0.113.16/28] }")
        .expect("written");
    let told = |arguments: &[&str]| {
        let output = run(&folder, arguments);
        assert!(output.status.success(), "{arguments:?}: {output:?}");
        text(&output.stdout).to_owned()
    };
    let refused = |arguments: &[&str]| {
        let output = run(&folder, arguments);
        assert_eq!(output.status.code(), Some(1), "{arguments:?}: {output:?}");
        text(&output.stderr).to_owned()
    };
    let listed = |arguments: &[&str]| -> serde_json::Value {
        let arguments = [&["list", "show", "--json"], arguments].concat();
        serde_json::from_str(&told(&arguments)).expect("JSON")
    };
    let added =
        told(&["list", "add", "deny", "192.0.2.0/24", "/private/*", "--reason", "scans", "--for", "2h"]);
    let id = added.split('\t').next().expect("an id").to_owned();
    assert!(added.lines().count() == 2 && added.contains("\tadded\t192.0.2.0/24"), "{added}");
    assert!(told(&["list", "add", "deny", "192.0.2.0/24"]).contains("renewed"));
    let entry = &listed(&["--kind", "range"])[0];
    assert_eq!(
        (&entry["id"], &entry["author"], &entry["expires"]),
        (&id.into(), &"command line".into(), &().into())
    );

    let feed = "# a feed\n192.0.2.1 # one\n\n2001:db8::/48\n";
    std::fs::write(folder.path().join("feed.txt"), feed).expect("written");
    told(&["list", "add", "allow", "--file", "feed.txt", "--reason", "feed"]);
    told(&["list", "add", "deny", "s3cret", "--kind", "session"]);
    let all = told(&["list", "show"]);
    assert!(all.lines().count() == 6 && !all.contains("s3cret") && all.contains("hash:"), "{all}");
    let first = |arguments: &[&str]| told(arguments).lines().next().unwrap_or_default().to_owned();
    assert_eq!(first(&["list", "check", "--ip", "192.0.2.1"]), "allow");
    assert_eq!(first(&["list", "check", "--ip", "192.0.2.2"]), "deny");
    assert_eq!(first(&["list", "check", "--session", "s3cret", "--path", "/"]), "deny");
    assert_eq!(told(&["list", "check", "--ip", "198.51.100.1"]), "on no list");

    for (arguments, fault) in [
        (&["add", "deny", "192.0.2.1/24"][..], "write 192.0.2.0/24"),
        (&["add", "deny", "0.0.0.0/0"], "whole Internet"),
        (&["add", "deny", "203.0.113.17"], "trusted proxy 203.0.113.16/28"),
        (&["add", "deny", "Mozilla"], "ordinary browsers"),
        (&["add", "deny", "x", "--until", "2020-01-01T00:00:00Z"], "is past"),
        (&["add", "deny", "--file", "missing.txt"], "missing.txt"),
        (&["remove", "198.51.100.1"], "is on no list"),
        (&["remove"], "say which entries"),
    ] {
        let said = refused(&[&["list"], arguments].concat());
        assert!(said.contains(fault), "{arguments:?}: {said}");
    }
    told(&["list", "add", "deny", "203.0.113.17", "--force"]);
    assert_eq!(told(&["list", "remove", "/private/*", "203.0.113.17"]), "2 removed");
    assert_eq!(told(&["list", "remove", "--contains", "feed"]), "2 removed");
    assert_eq!(told(&["list", "remove", "--kind", "session"]), "1 removed");
    assert_eq!(listed(&[]).as_array().map(Vec::len), Some(1));
}

#[test]
fn models_are_exchanged_promoted_and_rolled_back() {
    let folder = TempDir::new().expect("a folder");
    let told = |arguments: &[&str]| {
        let output = run(&folder, arguments);
        assert!(output.status.success(), "{arguments:?}: {output:?}");
        text(&output.stdout).to_owned()
    };
    let refused = |arguments: &[&str]| {
        let output = run(&folder, arguments);
        assert_eq!(output.status.code(), Some(1), "{arguments:?}: {output:?}");
        text(&output.stderr).to_owned()
    };
    let listed =
        || -> serde_json::Value { serde_json::from_str(&told(&["model", "list", "--json"])).expect("JSON") };
    told(&["model", "export", "0", "first.sallyport"]);
    assert!(told(&["model", "import", "first.sallyport", "--note", "a copy"]).contains("model promote 1"));
    assert_eq!(listed()["models"][1]["active"], true, "it is not promoted by itself");
    told(&["model", "shadow", "1"]);
    assert_eq!(listed()["models"][0]["shadow"], true);
    assert_eq!(told(&["model", "promote", "1", "--reason", "why not"]), "checkpoint 1 judges instead of 0");
    let list = told(&["model", "list"]);
    let line = list.lines().nth(1).expect("a line");
    assert!(line.contains("1  judges") && line.ends_with("a copy"), "{list}");
    assert!(list.contains("why not"), "{list}");
    assert!(refused(&["model", "promote", "1"]).contains("judges already"));
    assert_eq!(told(&["model", "rollback"]), "checkpoint 0 judges instead of 1");
    assert!(refused(&["model", "rollback"]).contains("no earlier checkpoint"));
    assert_eq!(told(&["model", "shadow", "--off"]), "no checkpoint looks on");
    assert!(told(&["model", "show", "0"]).contains("Checkpoint 0"));
    for command in [&["model", "show", "9"][..], &["model", "promote", "9"], &["model", "export", "9", "x"]] {
        assert!(refused(command).contains("there is no checkpoint 9"), "{command:?}");
    }

    let file = folder.path().join("first.sallyport");
    let bytes = std::fs::read(&file).expect("the file");
    std::fs::write(&file, &bytes[..bytes.len() - 1]).expect("cut short");
    assert!(refused(&["model", "import", "first.sallyport"]).contains("damaged"));
    assert_eq!(listed()["models"].as_array().map(Vec::len), Some(2));
    assert!(!folder.path().join("x").exists() && !folder.path().join("x.part").exists());
}

#[test]
fn a_promotion_on_the_command_line_reaches_a_running_control_plane() {
    let folder = TempDir::new().expect("a folder");
    let mut server =
        sallyport(&folder, &["serve", "--port", "0"]).stderr(Stdio::piped()).spawn().expect("starts");
    let lines = BufReader::new(server.stderr.take().expect("piped")).lines();
    let mut told = lines.map_while(Result::ok);
    assert!(told.next().is_some_and(|line| line.contains("serving") && line.contains("\"checkpoint\":0")));
    for command in
        [&["model", "export", "0", "file"][..], &["model", "import", "file"], &["model", "promote", "1"]]
    {
        assert!(run(&folder, command).status.success());
    }
    let changed = told.find(|line| line.contains("models changed")).expect("it is noticed");
    assert!(changed.contains("\"checkpoint\":1"), "{changed}");
    server.kill().expect("killed");
    server.wait().expect("ends");
    let mut server =
        sallyport(&folder, &["serve", "--port", "0"]).stderr(Stdio::piped()).spawn().expect("starts");
    let lines = BufReader::new(server.stderr.take().expect("piped")).lines();
    let mut lines = lines.map_while(Result::ok);
    let serving = lines.next().expect("a line");
    assert!(serving.contains("\"checkpoint\":1"), "a restart goes on with it: {serving}");
    signal(&server, "-TERM");
    assert!(server.wait().expect("ends").success());
}

#[test]
fn a_faulty_configuration_starts_nothing_and_tells_everything() {
    let folder = TempDir::new().expect("a folder");
    std::fs::write(folder.path().join("config.yaml"), "server:\n  prot: 1\nstore:\n  readers: 0\n")
        .expect("written");
    for command in [&["serve"][..], &["config", "check"], &["token", "list"]] {
        let refused = run(&folder, command);
        assert_eq!(refused.status.code(), Some(2), "{command:?}");
        let told = text(&refused.stderr);
        assert!(told.contains("config.yaml:2: server.prot: unknown field"), "{told}");
        assert!(told.contains("config.yaml:4: store.readers: 0: write 1 to 64"), "{told}");
    }
    assert!(!folder.path().join("sallyport.db").exists());
    let fixed = run(&folder, &["--set", "store.readers=2", "config", "check"]);
    assert!(!text(&fixed.stderr).contains("readers"), "a flag goes over the file");
}

#[test]
fn a_good_configuration_is_said_to_be() {
    let folder = TempDir::new().expect("a folder");
    let good = run(&folder, &["config", "check"]);
    assert_eq!((good.status.code(), text(&good.stdout)), (Some(0), "config.yaml: no mistakes"));
    let missing = run(&folder, &["--config", "other.yaml", "config", "check"]);
    assert_eq!(missing.status.code(), Some(2));
    assert!(text(&missing.stderr).contains("other.yaml:1: cannot be read"), "{missing:?}");
}

#[test]
fn it_serves_and_ends_in_order() {
    let folder = TempDir::new().expect("a folder");
    let mut server =
        sallyport(&folder, &["serve", "--port", "0"]).stderr(Stdio::piped()).spawn().expect("starts");
    let mut lines = BufReader::new(server.stderr.take().expect("piped")).lines();
    let serving = lines.next().expect("a line").expect("text");
    assert!(serving.contains("serving"), "{serving}");
    let hint = lines.next().expect("a line").expect("text");
    assert!(hint.contains("sallyport token create --role admin"), "{hint}");
    signal(&server, "-TERM");
    assert!(server.wait().expect("ends").success());
    assert!(lines.map_while(Result::ok).any(|line| line.contains("stopped")));
}

#[test]
fn it_goes_on_where_its_log_cannot_be_written() {
    let folder = TempDir::new().expect("a folder");
    let mut server =
        sallyport(&folder, &["serve", "--port", "0"]).stderr(Stdio::piped()).spawn().expect("starts");
    let mut lines = BufReader::new(server.stderr.take().expect("piped")).lines();
    assert!(lines.next().is_some_and(|line| line.is_ok_and(|line| line.contains("serving"))));
    // From here on writing fails, as on a full disk.
    drop(lines);
    signal(&server, "-TERM");
    let ended = server.wait().expect("ends");
    assert!(ended.success(), "it ended in a panic: {ended}");
}

#[test]
fn a_changed_file_is_noticed_and_a_faulty_one_refused() {
    let folder = TempDir::new().expect("a folder");
    let file = folder.path().join("config.yaml");
    let mut server =
        sallyport(&folder, &["serve", "--port", "0"]).stderr(Stdio::piped()).spawn().expect("starts");
    let lines = BufReader::new(server.stderr.take().expect("piped")).lines();
    let mut told =
        lines.map_while(Result::ok).filter(|line| !line.contains("stopp") && !line.contains("no token"));
    assert!(told.next().is_some_and(|line| line.contains("serving")));
    std::fs::write(&file, "policy: { enforcement: enforce }").expect("written");
    let published = told.next().expect("the change is noticed without a signal");
    assert!(published.contains("snapshot published") && published.contains("\"version\":2"), "{published}");
    std::fs::remove_file(&file).expect("removed");
    let refused = told.next().expect("its absence is noticed");
    assert!(refused.contains("config.yaml is gone"), "{refused}");
    std::fs::write(&file, "policy: { enforcement: perhaps }").expect("written");
    signal(&server, "-HUP");
    let refused = told.next().expect("the mistake is told");
    assert!(refused.contains("policy.enforcement: unknown variant `perhaps`"), "{refused}");
    signal(&server, "-TERM");
    assert!(server.wait().expect("ends").success());
}
