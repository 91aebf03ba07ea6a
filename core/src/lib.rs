//! The judge of Sallyport: pure functions from request facts and client state to a decision.
//!
//! No clock, randomness, I/O, async or proxy-wasm: time and keys come in as arguments, so the filter in
//! Envoy, the control plane, replay and training all run the same code. Every decoder is total: hostile
//! bytes give an error, never a panic.

mod address;
mod address_set;
mod address_text;
mod agent;
mod agents;
mod answers;
mod asked;
mod cell;
mod check;
mod client;
mod counting;
mod crawler;
mod decay;
mod decision;
mod engine;
mod evidence;
pub mod exchange;
mod explanation;
mod facts;
mod features;
mod headers;
mod keys;
mod limiter;
mod login_path;
mod logins;
mod model;
mod network;
pub mod observation;
mod passing;
mod path;
mod plain;
pub mod policy;
mod proof;
mod ranges;
mod record;
mod score;
mod session;
mod site;
pub mod snapshot;
mod subjects;
mod text;
mod usual;
mod visit;
mod wire;

pub use address::AddressState;
pub use address_set::AddressSet;
pub use address_text::{RangeError, read_range};
pub use agent::{Agent, AgentKind};
pub use agents::{AgentCategory, NamedAgent, named_agents};
pub use answers::{Answer, Answered, LoginOutcome, Watch};
pub use asked::Asked;
pub use check::{Check, Evidence};
pub use client::ClientState;
pub use crawler::{AgentVerdict, KnownCrawler, claimed_crawler, known_crawlers};
pub use decision::{Action, Basis, Charge, Charges, Decision, OverLimit, Reasons};
pub use engine::{Engine, Marks};
pub use explanation::{Explanation, Share};
pub use facts::{BrowserHeaders, RequestFacts, Unknown, canonical, strip_query};
pub use features::{FEATURE_COUNT, FEATURE_NAMES, FEATURE_VERSION, Features};
pub use keys::HashKey;
pub use limiter::LOOKS_ON_MS;
pub use logins::SignIn;
pub use model::{Model, ModelError, ModelKind, Network, TreeNode, Trees};
pub use network::NetworkState;
pub use path::PathClass;
pub use plain::plain;
pub use policy::{Policy, PolicyConfig, Problem};
pub use ranges::{Provider, RangeKind, Ranges};
pub use session::SessionState;
pub use site::{Lesson, Normal, SiteLearner, SiteProfile};
pub use subjects::Subjects;
pub use usual::UsualAnswers;
