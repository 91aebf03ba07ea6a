//! The allow and deny lists that operators change while it runs: by API and command line, with reason, author and expiry.
//!
//! An entry is read ([`value`]), weighed ([`caution`]), stored durably, published in the next snapshot and told to the
//! other replicas ([`replication`]). The entries of the configuration are the policy's; both count.

mod caution;
pub mod command;
mod expiry;
mod file;
mod in_force;
mod keeper;
mod record;
mod replication;
mod request;
mod target;
pub mod value;
mod verdict;
mod view;

pub use in_force::InForce;
pub use keeper::{Added, ListsError, OperatorLists, watch};
pub use replication::{Replication, ReplicationError, replicate};
pub use request::{AddRequest, Asked, EntryRequest, Fault, Faults, MOST_AT_ONCE};
pub use target::entry;
pub use verdict::{ConfiguredEntry, Listed, Visitor, verdict};
pub use view::ListEntryView;
