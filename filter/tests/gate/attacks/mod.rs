//! Whatever a visitor may choose about itself, no free choice lets it do more than not choosing.
//!
//! Attackers and people are played against the filter on its in-memory host: a simulated site, simulated time, no control
//! plane. What came of it is the table in `docs/attacks.md`; `SALLYPORT_WRITE_TABLES=1` writes it anew.

mod attacker;
mod goals;
mod people;
mod site;
mod table;
