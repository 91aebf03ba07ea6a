//! Well-behaved machines pass a gate that enforces, where they have business, and nowhere else by their name.

use sallyport_e2e::harness::Plan;
use serde_json::json;

/// Name, preset, category, method, path, user agent.
const MACHINES: &str = include_str!("../../../core/tests/data/machines.txt");

#[tokio::test(flavor = "multi_thread")]
async fn well_behaved_machines_pass_and_programs_do_not() {
    let rows: Vec<Vec<&str>> = MACHINES
        .lines()
        .filter(|line| !line.starts_with('#'))
        .map(|line| line.split('\t').collect())
        .collect();
    assert!(rows.len() >= 40);
    for preset in ["site", "shop", "api", "forge", "wordpress"] {
        let policy = json!({ "enforcement": "enforce", "consult": "never", "agents": { "preset": preset } });
        let gate = Plan::with_policy(policy).start_alone().await;
        let ask = async |address: String, method: &str, path: &str, user_agent: &str| {
            let request = gate.client.request(method.parse().unwrap(), gate.url(path));
            let request = request.header("x-forwarded-for", address).header("user-agent", user_agent);
            request.send().await.unwrap().status().as_u16()
        };
        for (number, row) in rows.iter().enumerate().filter(|(_, row)| row[1] == preset) {
            let [name, _, category, method, path, user_agent] = row[..] else { panic!("{row:?}") };
            let status = ask(format!("198.51.100.{number}"), method, path, user_agent).await;
            assert!(!matches!(status, 403 | 429), "{name}: {method} {path} got {status}");
            // Elsewhere, at another address, as any program.
            let unknown = if user_agent.contains("CFNetwork") || user_agent.contains("Dalvik") {
                "Frobnicator/1.0"
            } else {
                "curl/8.5.0"
            };
            let elsewhere = if category == "preview" { "/rest/items" } else { "/about" };
            if category != "-" {
                let named = ask(format!("203.0.113.{number}"), "GET", elsewhere, user_agent).await;
                assert_eq!(
                    named,
                    ask(format!("192.0.2.{number}"), "GET", elsewhere, unknown).await,
                    "{name} at {elsewhere}"
                );
            }
        }
        for user_agent in
            ["python-requests/2.32.3", "Scrapy/2.12.0 (+https://scrapy.org)", "curl/8.5.0", "sqlmap/1.8"]
        {
            assert_eq!(
                ask("198.51.100.200".to_owned(), "GET", "/about", user_agent).await,
                403,
                "{user_agent}"
            );
        }
    }
}
