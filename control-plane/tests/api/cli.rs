//! The program itself.

use std::io::{BufRead, BufReader};
use std::process::{Child, Command, Output, Stdio};

use tempfile::TempDir;

fn sallyport(folder: &TempDir, arguments: &[&str]) -> Command {
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
