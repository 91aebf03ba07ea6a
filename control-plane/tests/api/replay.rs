//! `sallyport replay --verify`, which asks name servers as the control plane does.

use hickory_resolver::proto::rr::RecordType;
use tempfile::TempDir;

use crate::cli::sallyport;
use crate::name_server::{NameServer, Zone};

/// What a log of three visits as Googlebot, two by one address, comes to.
async fn replay(server: &NameServer, verify: &str) -> String {
    let folder = TempDir::new().expect("a folder");
    let config =
        format!("crawlers: {{ nameservers: [\"{}\"] }}\nranges: {{ bundled: false }}\n", server.address);
    std::fs::write(folder.path().join("config.yaml"), config).expect("the folder can be written");
    let line = |ip: &str| {
        format!("{ip} - - [15/Dec/2018:10:18:31 +0000] \"GET / HTTP/1.1\" 200 1 \"-\" \"Googlebot/2.1\"\n")
    };
    let log = line("66.249.66.1") + &line("66.249.66.1") + &line("192.0.2.1");
    std::fs::write(folder.path().join("access.log"), log).expect("the folder can be written");
    let mut command = sallyport(&folder, &["--config", "config.yaml", "replay", verify, "access.log"]);
    let output = tokio::task::spawn_blocking(move || (command.output(), folder)).await.expect("runs").0;
    let output = output.expect("runs");
    assert!(output.status.success(), "{output:?}");
    String::from_utf8(output.stdout).expect("text")
}

fn zone() -> Zone {
    Zone::default()
        .ptr("66.249.66.1", "crawl.googlebot.com")
        .address("crawl.googlebot.com", "66.249.66.1")
        .ptr("192.0.2.1", "cable-1.isp.example")
}

/// The cells of the row of a crawler, or an action.
fn row(summary: &str, first: &str) -> Vec<String> {
    let rows = summary.lines().map(|line| line.split_whitespace().map(str::to_owned).collect::<Vec<_>>());
    rows.into_iter().find(|words| words.first().is_some_and(|word| word == first)).expect(summary)
}

#[tokio::test]
async fn each_address_is_asked_for_once_and_the_verdicts_count() {
    let server = NameServer::start(zone()).await;
    let summary = replay(&server, "--verify").await;
    assert_eq!(row(&summary, "googlebot")[2..], ["0", "2", "1", "0"], "{summary}");
    assert_eq!(row(&summary, "ALLOW")[1], "2", "{summary}");
    assert_eq!(row(&summary, "BLOCK")[1], "1", "{summary}");
    let (names, addresses) = (server.asked(RecordType::PTR), server.asked(RecordType::A));
    assert_eq!((names.len(), addresses.len()), (2, 1), "{names:?} {addresses:?}");
}

#[tokio::test]
async fn when_its_time_is_over_the_rest_would_be_verified() {
    let server = NameServer::held(zone()).await;
    let summary = replay(&server, "--verify=0").await;
    assert_eq!(row(&summary, "googlebot")[2..], ["3", "0", "0", "0"], "{summary}");
    assert!(summary.contains("3 requests of claimed crawlers not looked up"), "{summary}");
}
