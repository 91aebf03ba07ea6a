//! Scenarios against a real Envoy, one module per subject. Run by `cargo xtask test`.

mod shipped_configs;
