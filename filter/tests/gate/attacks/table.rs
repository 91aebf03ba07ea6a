//! The tables, what they must not exceed, and where they stand in the docs.

use std::fmt::Write as _;

use super::attacker::Lever;
use super::goals::{Goal, Pace, reached, worst_mix};
use super::people;

/// What reached the site as the attacker is, before subjects were nested (commit 40f2a2c): it may never be more.
const BEFORE: [(Goal, [u32; 3]); 4] = [
    (Goal::SignIn, [6, 5, 253]),
    (Goal::Pages, [2, 2, 2]),
    (Goal::Probes, [0, 0, 0]),
    (Goal::Api, [229, 2_000, 2_000]),
];

const DOCS: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../docs/attacks.md");
const BEGIN: &str = "<!-- tables: written by the tests -->\n";

#[test]
fn no_free_choice_lets_a_visitor_do_more_than_not_choosing() {
    let (mut text, mut broken) = (String::new(), Vec::new());
    for (goal, wanted) in Goal::ALL {
        let _ = writeln!(text, "\n### {} {wanted}\n", goal.attempts());
        let _ = writeln!(text, "| the attacker | {} |", Pace::ALL.map(|(_, name)| name).join(" | "));
        let _ = writeln!(text, "|---|---|---|---|");
        let mut honest = [0; 3];
        for (lever, name) in Lever::ALL {
            let mut cells = Vec::new();
            for (at, (pace, pace_name)) in Pace::ALL.into_iter().enumerate() {
                let (passed, hand) = match lever {
                    Lever::Mix => worst_mix(goal, pace),
                    _ => (reached(goal, pace, &vec![lever]), vec![lever]),
                };
                if lever == Lever::Honest {
                    honest[at] = passed;
                    let before =
                        BEFORE.iter().find(|(of, _)| *of == goal).map_or(0, |(_, figures)| figures[at]);
                    if passed > before {
                        broken.push(format!("{wanted} {pace_name}, {name}: {passed}, before {before}"));
                    }
                }
                let leaves = hand.contains(&Lever::Networks64);
                let bound = (honest[at] * 3 / 2).max(goal.budget(leaves, pace.seconds(goal)));
                if lever.is_free() && passed > bound {
                    broken.push(format!("{wanted} {pace_name}, {name} {hand:?}: {passed} over {bound}"));
                }
                cells.push(passed.to_string());
            }
            let _ = writeln!(text, "| {name} | {} |", cells.join(" | "));
        }
    }
    let people = people::table(&mut broken);
    println!("{text}\n{people}\n{}", broken.join("\n"));
    assert!(broken.is_empty(), "{}", broken.join("\n"));
    compare(&format!("{text}\n## People\n{people}"));
}

/// Compares with the docs, or writes them where that is asked for.
fn compare(tables: &str) {
    let held = std::fs::read_to_string(DOCS).expect("docs/attacks.md");
    let (before, _) = held.split_once(BEGIN).expect("the place of the tables");
    let written = format!("{before}{BEGIN}{tables}");
    if std::env::var_os("SALLYPORT_WRITE_TABLES").is_some() {
        std::fs::write(DOCS, written).expect("written");
    } else {
        assert!(
            held == written,
            "docs/attacks.md is not of today: run the test with SALLYPORT_WRITE_TABLES=1"
        );
    }
}
