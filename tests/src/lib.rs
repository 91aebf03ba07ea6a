//! Everything the scenarios in `tests/e2e` stand on: a harness that runs real processes, the sample site
//! they protect, and visitors of several kinds.

pub mod harness;
pub mod http;
pub mod site;
pub mod visitor;
