//! What the origin is told: the request header `x-sallyport`.

use std::fmt::Write as _;

use sallyport_core::Decision;

/// The header's name. Setting it overwrites all copies that a client sent.
pub const NAME: &str = "x-sallyport";
/// What CGI and its heirs take for the same name; never set, always removed.
pub const LOOKALIKE: &str = "x_sallyport";

/// The RFC 9651 dictionary for the origin: `action=MONITOR, score=57, id="…", reasons=("user_agent")`; with
/// `enforced=?0` where a refusal was not carried out.
pub fn value(decision: &Decision, enforced: bool, id: &str) -> String {
    let mut header = String::with_capacity(128);
    // Writing to a String cannot fail.
    let _ = write!(header, "action={}, score={}", decision.action.as_str(), whole(decision.score));
    if decision.action.refuses() && !enforced {
        header.push_str(", enforced=?0");
    }
    if !id.is_empty() {
        let _ = write!(header, ", id=\"{id}\"");
    }
    let mut separator = ", reasons=(";
    for (check, points) in decision.reasons.iter() {
        if points > 0.0 {
            let _ = write!(header, "{separator}\"{}\"", check.name());
            separator = " ";
        }
    }
    if separator == " " {
        header.push(')');
    }
    header
}

/// A score as the whole number it shows as.
fn whole(score: f32) -> u8 {
    (score + 0.5) as u8
}
