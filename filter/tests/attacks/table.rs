//! The tables of `docs/attacks.md`: written by `UPDATE_GOLDEN=1`, compared otherwise.

use std::fmt::Write as _;
use std::path::PathBuf;

use crate::attackers::{ATTACKS, Attack, Who, find};
use crate::bounds::most;
use crate::crowds::{CROWDS, Crowd};
use crate::goals::Goal;
use crate::levers::{GRADUATES, Price};
use crate::people::Tally;
use crate::runs::{Count, Span};

fn attackers() -> String {
    let mut table = String::from("| lever |");
    Goal::ALL.iter().for_each(|goal| table += &format!(" {} |", goal.name()));
    table += "\n|---|";
    table += &"--:|".repeat(Goal::ALL.len());
    for who in Who::all() {
        write_row(&mut table, who.name(), |goal| {
            let [short, long] = Span::ALL.map(|span| find(who, goal, span));
            let cell = cell(short.count, long.count);
            let exceeds = who != Who::Honest && (short.exceeds() || long.exceeds());
            if exceeds { format!("**{cell}**") } else { cell }
        });
    }
    for (price, name) in [
        (Price::Address, "*at most, from one address*"),
        (Price::Network, "*at most, from one network*"),
        (Price::Clients(GRADUATES), "*at most, by ten clients that graduated*"),
    ] {
        write_row(&mut table, name, |goal| {
            let [short, long] = Span::ALL.map(|span| {
                let honest = find(Who::Honest, goal, span).count;
                most(price, goal, span, honest, honest).unwrap_or_default()
            });
            cell(short, long)
        });
    }
    table + "\n"
}

fn write_row(table: &mut String, name: &str, cell: impl Fn(Goal) -> String) {
    write!(table, "\n| {name} |").expect("a text takes everything");
    Goal::ALL.iter().for_each(|goal| *table += &format!(" {} |", cell(*goal)));
}

/// In haste, in ten minutes, in a day.
fn cell(short: Count, long: Count) -> String {
    [short.hasty, short.all, long.all].map(grouped).join(" / ")
}

fn mixes() -> String {
    let mixed = ATTACKS.iter().filter(|attack| matches!(attack.who, Who::Mixed(_)));
    let line = |Attack { who, goal, span, mix, .. }: &Attack| {
        let from = if *who == Who::Mixed(Price::Address) { "one address" } else { "a /48" };
        format!("| {} | {from} | {} | {mix} |\n", goal.name(), span.name())
    };
    String::from("| goal | from | in | levers, and at how many of the requests |\n|---|---|---|---|\n")
        + &mixed.map(line).collect::<String>()
}

fn people() -> String {
    let line = |(crowd, tally): &(Crowd, Tally)| {
        let Tally { people, asked, refused, challenged, minded, longest_wait_ms } = *tally;
        let counts = [people, asked, refused, challenged, minded, longest_wait_ms.div_ceil(1_000)];
        format!("| {} | {} |\n", crowd.name(), counts.map(grouped).join(" | "))
    };
    String::from(
        "| who | people | requests | refused | people challenged | waited over 30 s | longest wait, s |\n\
         |---|--:|--:|--:|--:|--:|--:|\n",
    ) + &CROWDS.iter().map(line).collect::<String>()
}

/// 1234567 as `1,234,567`.
fn grouped(number: u64) -> String {
    let digits = number.to_string();
    let mut text = String::new();
    for (place, digit) in digits.chars().enumerate() {
        if place > 0 && (digits.len() - place).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

/// The page with what stands between `<!-- name -->` and `<!-- end of name -->` replaced.
fn replaced(page: &str, name: &str, text: &str) -> String {
    let marks = [format!("<!-- {name} -->\n"), format!("<!-- end of {name} -->")];
    let [begin, end] =
        marks.map(|mark| (page.find(&mark).unwrap_or_else(|| panic!("no {mark}")), mark.len()));
    format!("{}\n{text}\n{}", &page[..begin.0 + begin.1], &page[end.0..])
}

#[test]
fn the_tables_in_the_docs_are_these() {
    let path = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../docs/attacks.md");
    let page = std::fs::read_to_string(&path).expect("docs/attacks.md");
    let mut expected = page.clone();
    for (name, text) in [("attackers", attackers()), ("mixes", mixes()), ("people", people())] {
        expected = replaced(&expected, name, &text);
    }
    if std::env::var_os("UPDATE_GOLDEN").is_some() {
        std::fs::write(&path, expected).expect("docs/attacks.md takes the tables");
        return;
    }
    let differing = page.lines().zip(expected.lines()).find(|(old, new)| old != new);
    let told = differing.map(|(old, new)| format!("\nthere: {old}\n now:  {new}")).unwrap_or_default();
    assert!(
        page == expected,
        "docs/attacks.md tells of another judge; where the new figures are right, write them with \
         `UPDATE_GOLDEN=1 cargo test -p sallyport-filter --test attacks`{told}"
    );
}

#[test]
fn numbers_are_read_in_threes() {
    assert_eq!([0, 999, 1_000, 1_234_567].map(grouped), ["0", "999", "1,000", "1,234,567"]);
}
