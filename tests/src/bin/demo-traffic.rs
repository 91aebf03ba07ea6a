//! A visible mix of people and bots, sent through Envoy: a line per visitor, then what the control plane counted.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail, ensure};
use clap::Parser;
use reqwest::{Client, Method, RequestBuilder, Response};
use sallyport_e2e::http;
use sallyport_e2e::visitor::Visitor;
use serde_json::Value;
use tokio::time::sleep;

#[derive(Parser)]
#[command(about = "Sends people and bots to a site behind Sallyport on this machine")]
struct Args {
    /// The site, through Envoy
    #[arg(long)]
    site: String,
    /// The control plane
    #[arg(long)]
    api: String,
    /// A token that may read its statistics
    #[arg(long, env = "SALLYPORT_ADMIN_TOKEN", hide_env_values = true)]
    token: String,
}

/// What a visitor was answered, status by status.
#[derive(Default)]
struct Answers {
    statuses: BTreeMap<u16, u32>,
    verdict: String,
}

impl Answers {
    async fn note(&mut self, request: RequestBuilder) -> Result<()> {
        let response: Response = request.send().await?;
        *self.statuses.entry(response.status().as_u16()).or_default() += 1;
        if let Some(verdict) = response.headers().get("x-echo-sallyport") {
            self.verdict = String::from_utf8_lossy(verdict.as_bytes()).into_owned();
        }
        response.bytes().await?;
        Ok(())
    }

    fn total(&self) -> u32 {
        self.statuses.values().sum()
    }

    fn got(&self, status: u16) -> u32 {
        self.statuses.get(&status).copied().unwrap_or(0)
    }
}

struct Demo {
    client: Client,
    site: String,
    sent: u32,
    surprises: u32,
}

#[tokio::main]
async fn main() -> Result<()> {
    let args = Args::parse();
    for url in [&args.site, &args.api] {
        ensure!(url.starts_with("http://127.0.0.1:"), "{url}: the demo visits sites on 127.0.0.1 only");
    }
    let client = http::client_builder()
        .redirect(reqwest::redirect::Policy::none())
        .timeout(Duration::from_secs(10))
        .build()?;
    let mut demo = Demo { client, site: args.site, sent: 0, surprises: 0 };
    let before = stats(&demo.client, &args.api, &args.token).await?["total_requests"].as_u64().unwrap_or(0);
    println!("{:<34} {:<16} {:>8}  answers", "visitor", "address", "requests");
    demo.people().await?;
    demo.declared_tools().await?;
    demo.burst().await?;
    demo.scan().await?;
    demo.credential_stuffing().await?;
    let after = counted(&demo.client, &args.api, &args.token, before + u64::from(demo.sent)).await?;
    println!("\nGET /stats: {after:#}");
    println!("sent {}, counted {}", demo.sent, after["total_requests"].as_u64().unwrap_or(0) - before);
    if demo.surprises > 0 {
        bail!("{} visitors were not answered as they should have been", demo.surprises);
    }
    Ok(())
}

impl Demo {
    /// Three people at once, reading pages with what belongs to them, a few seconds apart.
    async fn people(&mut self) -> Result<()> {
        let people = [
            ("a person with Chrome", Visitor::chrome("198.51.100.10")),
            ("a person with Firefox", Visitor::firefox("198.51.100.20")),
            ("a person on IPv6", Visitor::chrome("2001:db8:1:2::10")),
        ];
        let (one, two, three) =
            tokio::join!(self.read(&people[0].1, 0), self.read(&people[1].1, 1), self.read(&people[2].1, 2));
        for ((name, visitor), answers) in people.iter().zip([one?, two?, three?]) {
            let all_served = answers.got(200) == answers.total();
            self.line(name, visitor, &answers, all_served);
        }
        Ok(())
    }

    /// `pace` 0 to 2 makes people different from one another.
    async fn read(&self, visitor: &Visitor, pace: u64) -> Result<Answers> {
        let mut answers = Answers::default();
        let mut referer = "/".to_owned();
        let pages =
            ["/".to_owned(), "/articles".to_owned(), format!("/articles/{}", 3 + pace), "/about".to_owned()];
        for (number, page) in pages.into_iter().enumerate() {
            answers.note(self.page(visitor, &page, &referer)).await?;
            if number == 0 {
                for asset in ["/assets/site.css", "/assets/site.js", "/assets/logo.png"] {
                    answers.note(self.page(visitor, asset, &page)).await?;
                }
            }
            referer = page;
            sleep(Duration::from_millis([2200, 1300, 3100, 900][number] + 350 * pace)).await;
        }
        Ok(answers)
    }

    async fn declared_tools(&mut self) -> Result<()> {
        let tools = ["python-requests/2.28.0", "curl/8.5.0", "Scrapy/2.11 (+https://scrapy.org)", ""];
        for (number, agent) in tools.into_iter().enumerate() {
            let visitor = Visitor::tool(&format!("203.0.113.{}", 10 + number), agent);
            let mut answers = Answers::default();
            for page in ["/", "/articles", "/articles/1"] {
                answers.note(visitor.get(&self.client, &self.url(page))).await?;
            }
            let name = if agent.is_empty() { "no user agent" } else { agent };
            // The first one is what the project promises to refuse; the others only show how it goes.
            let expected = number != 0 || answers.got(403) == answers.total();
            self.line(name, &visitor, &answers, expected);
        }
        Ok(())
    }

    async fn burst(&mut self) -> Result<()> {
        let visitor = Visitor::chrome("203.0.113.50");
        let mut answers = Answers::default();
        for number in 0..150 {
            answers.note(self.page(&visitor, &format!("/articles/{}", number % 40 + 1), "/articles")).await?;
        }
        let limited = answers.got(429) > 0;
        self.line("a burst of 150 pages", &visitor, &answers, limited);
        Ok(())
    }

    async fn scan(&mut self) -> Result<()> {
        let visitor = Visitor::chrome("203.0.113.60");
        let mut answers = Answers::default();
        let paths = [
            "/.env",
            "/wp-login.php",
            "/.git/config",
            "/phpmyadmin",
            "/xmlrpc.php",
            "/backup.zip",
            "/admin/config.php",
            "/.env.production",
            "/wp-admin/setup-config.php",
            "/server-status",
        ];
        for path in paths {
            answers.note(visitor.get(&self.client, &self.url(path))).await?;
        }
        let refused = answers.got(403) > 0;
        self.line("a scan for /.env, /wp-login.php …", &visitor, &answers, refused);
        Ok(())
    }

    async fn credential_stuffing(&mut self) -> Result<()> {
        // With all that a browser sends: only what it does tells.
        let visitor = Visitor::chrome("203.0.113.70");
        let mut answers = Answers::default();
        for number in 0..30 {
            let user = format!("user{number}");
            answers.note(visitor.sign_in(&self.client, &self.url("/login"), &user, "123456")).await?;
        }
        let refused = answers.got(403) > 0;
        self.line("30 stolen passwords at /login", &visitor, &answers, refused);
        Ok(())
    }

    fn url(&self, path: &str) -> String {
        format!("{}{path}", self.site)
    }

    fn page(&self, visitor: &Visitor, path: &str, referer: &str) -> RequestBuilder {
        visitor.request(&self.client, Method::GET, &self.url(path)).header("referer", self.url(referer))
    }

    fn line(&mut self, name: &str, visitor: &Visitor, answers: &Answers, expected: bool) {
        self.sent += answers.total();
        let mut text = String::new();
        for (status, count) in &answers.statuses {
            // Writing into a String cannot fail.
            let _ = write!(text, "{count} × {status}  ");
        }
        if !expected {
            self.surprises += 1;
            text.push_str("UNEXPECTED  ");
        }
        println!("{name:<34} {:<16} {:>8}  {text}{}", visitor.address, answers.total(), answers.verdict);
    }
}

async fn stats(client: &Client, api: &str, token: &str) -> Result<Value> {
    let answer = client.get(format!("{api}/stats")).bearer_auth(token).send().await?;
    ensure!(answer.status().is_success(), "GET /stats: {}", answer.status());
    answer.json().await.context("GET /stats: no JSON")
}

/// The statistics once all that was sent has been counted; observations travel every second.
async fn counted(client: &Client, api: &str, token: &str, expected: u64) -> Result<Value> {
    let start = Instant::now();
    loop {
        let stats = stats(client, api, token).await?;
        if stats["total_requests"].as_u64().unwrap_or(0) >= expected {
            return Ok(stats);
        }
        ensure!(start.elapsed() < Duration::from_secs(10), "{expected} requests expected, counted: {stats}");
        sleep(Duration::from_millis(100)).await;
    }
}
