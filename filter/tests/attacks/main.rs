//! Attackers and people against the filter on the in-memory proxy. It holds the invariant: whatever a visitor may choose
//! about itself, no free choice lets it do more than not choosing.
//!
//! Only the filter's outer behaviour is looked at: request headers go in; a reply, or the way to the site and its answer,
//! comes out. What was counted stands in `docs/attacks.md`; `UPDATE_GOLDEN=1 cargo test -p sallyport-filter --test attacks`
//! writes it anew.

#![expect(
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "in a test a panic is the message"
)]

mod attacker;
mod attackers;
mod bounds;
mod crowds;
mod dice;
#[expect(dead_code, reason = "the gate's tests use the rest of it")]
#[path = "../gate/fake.rs"]
mod fake;
mod goals;
mod levers;
#[expect(dead_code, reason = "the gate's tests use the rest of it")]
#[path = "../gate/machine.rs"]
mod machine;
mod neighbours;
mod odd;
mod people;
mod runs;
mod search;
mod sign_ins;
mod site;
mod table;
mod today;
mod visitor;
mod world;
