//! Where labelled rows come from.

pub mod csv;
