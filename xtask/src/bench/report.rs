//! Medians with their spread, and the table that goes into the README.

use std::fmt::Write as _;

use super::check::{self, Check};
use super::contest::{self, Contestant, Round};

/// Envoy runs a machine for the filter on its worker and one on its main thread.
const MACHINES: f64 = 2.0;

/// Median, smallest, largest.
pub(crate) struct Spread {
    pub(crate) median: f64,
    least: f64,
    most: f64,
}

impl Spread {
    pub(crate) fn of(values: impl Iterator<Item = f64>) -> Self {
        let mut values: Vec<f64> = values.collect();
        values.sort_by(f64::total_cmp);
        let middle = values.len() / 2;
        let median = match values.len() {
            0 => f64::NAN,
            odd if odd % 2 == 1 => values[middle],
            _ => f64::midpoint(values[middle - 1], values[middle]),
        };
        let end = |value: Option<&f64>| value.copied().unwrap_or(f64::NAN);
        Self { median, least: end(values.first()), most: end(values.last()) }
    }

    /// The interval that holds the true median with 95 % confidence, whatever the distribution: by the sign test. The whole
    /// spread where there are too few values.
    fn interval_of(values: impl Iterator<Item = f64>) -> Self {
        let mut values: Vec<f64> = values.collect();
        values.sort_by(f64::total_cmp);
        let (mut cut, mut below, mut chance) = (0, 0.0, 0.5_f64.powi(values.len() as i32));
        while cut < values.len() / 2 && 2.0 * (below + chance) <= 0.05 {
            below += chance;
            chance *= (values.len() - cut) as f64 / (cut + 1) as f64;
            cut += 1;
        }
        let cut = cut.saturating_sub(1);
        Self::of(values.iter().copied().skip(cut).take(values.len() - 2 * cut))
    }

    /// The median with its spread, so many digits after the point.
    pub(crate) fn show(&self, digits: usize) -> String {
        format!("{:.digits$} ({:.digits$}–{:.digits$})", self.median, self.least, self.most)
    }
}

/// The whole report, in Markdown.
pub(crate) fn table(contest: &[Contestant], checks: &[Check], filter_bytes: u64) -> String {
    let mut text = String::from(
        "\nMedian (least–most) over alternating rounds; times are processor time per request.\n\n\
         | | requests/s | p50 µs | p99 µs | Envoy µs | service µs | over bare, of ext_authz's | with the service |\n\
         |---|---|---|---|---|---|---|---|\n",
    );
    for contestant in contest {
        row(&mut text, contestant, contest);
    }
    // Writing into a String cannot fail.
    let _ = writeln!(text, "\n{}", consults(contest));
    let _ = writeln!(text, "Filter: {:.0} KiB of wasm; {}", filter_bytes as f64 / 1024.0, memory(contest));
    for line in compared(contest, checks) {
        let _ = writeln!(text, "{line}");
    }
    for check in checks {
        let _ = writeln!(
            text,
            "`POST /check`, state in {}: {} requests/s, p99 {} µs, {} µs of processor time each, {:.0} MiB resident, \
             {:.1} % counted",
            check.state,
            Spread::of(check.rounds.iter().map(|(load, _)| load.per_second)).show(0),
            Spread::of(check.rounds.iter().map(|(load, _)| load.p99_us)).show(0),
            Spread::of(check.rounds.iter().map(|(_, cpu)| *cpu)).show(1),
            check.rss_mib,
            100.0 * check.counted_share,
        );
    }
    text
}

fn row(text: &mut String, contestant: &Contestant, all: &[Contestant]) {
    let column =
        |value: fn(&Round) -> f64, digits| Spread::of(contestant.rounds.iter().map(value)).show(digits);
    let _ = writeln!(
        text,
        "| {} | {} | {} | {} | {} | {} | {} | {} |",
        contestant.name,
        column(|round| round.load.per_second, 0),
        column(|round| round.load.p50_us, 0),
        column(|round| round.load.p99_us, 0),
        column(|round| round.envoy_us, 1),
        column(|round| round.service_us, 1),
        ratio(contestant, all, |round| round.envoy_us),
        ratio(contestant, all, |round| round.envoy_us + round.service_us),
    );
}

/// (this − bare) / (`ext_authz` with its service − bare), round by round.
fn ratio(contestant: &Contestant, all: &[Contestant], cost: fn(&Round) -> f64) -> String {
    let named = |name| all.iter().find(|other: &&Contestant| other.name == name);
    let (Some(bare), Some(authz)) = (named("bare"), named("ext_authz")) else { return String::new() };
    let rounds = contestant.rounds.iter().zip(&bare.rounds).zip(&authz.rounds);
    Spread::of(rounds.map(|((own, bare), authz)| {
        (cost(own) - bare.envoy_us) / (authz.envoy_us + authz.service_us - bare.envoy_us)
    }))
    .show(2)
}

/// This build beside the other one, where there is one: each round's ratio, the median with its 95 % interval.
fn compared(contest: &[Contestant], checks: &[Check]) -> Vec<String> {
    let mut lines = Vec::new();
    let named = |name| contest.iter().find(|other: &&Contestant| other.name == name);
    if let (Some(bare), Some(own), Some(other)) =
        (named("bare"), named(contest::NEVER), named(contest::OTHER_NEVER))
    {
        let rounds = own.rounds.iter().zip(&other.rounds).zip(&bare.rounds);
        let ratios = rounds
            .map(|((own, other), bare)| (own.envoy_us - bare.envoy_us) / (other.envoy_us - bare.envoy_us));
        let shown = Spread::interval_of(ratios).show(3);
        lines.push(format!("never, extra processor time in Envoy, of the other build's: {shown}"));
    }
    let of = |state| checks.iter().find(|check: &&Check| check.state == state);
    if let (Some(own), Some(other)) = (of(check::MEMORY), of(check::OTHER_MEMORY)) {
        let ratios = own.rounds.iter().zip(&other.rounds).map(|((_, own), (_, other))| own / other);
        let shown = Spread::interval_of(ratios).show(3);
        lines.push(format!("`POST /check`, processor time, of the other build's: {shown}"));
    }
    lines
}

fn consults(contest: &[Contestant]) -> String {
    let asked = contest.iter().filter(|contestant| contestant.name.starts_with("sallyport"));
    let shares = asked.map(|contestant| {
        let share = Spread::of(contestant.rounds.iter().map(|round| 100.0 * round.consults)).median;
        let failed =
            Spread::of(contestant.rounds.iter().map(|round| 100.0 * round.load.failed / round.load.requests));
        format!("{}: {share:.1} % of requests consulted, {:.1} % refused", contestant.name, failed.median)
    });
    shares.collect::<Vec<_>>().join("; ")
}

fn memory(contest: &[Contestant]) -> String {
    let bare = contest.iter().find(|contestant| contestant.name == "bare").map_or(0.0, |bare| bare.rss_mib);
    let filters = contest.iter().filter(|contestant| contestant.name.starts_with("sallyport"));
    let most = filters.map(|contestant| contestant.rss_mib - bare).fold(0.0, f64::max);
    format!(
        "Envoy's memory {most:.0} MiB above bare for {MACHINES} machines and the shared tables: {:.0} MiB per machine",
        most / MACHINES
    )
}

#[cfg(test)]
mod tests {
    use super::Spread;

    #[test]
    fn the_median_stands_in_the_middle() {
        assert_eq!(Spread::of([3.0, 1.0, 2.0].into_iter()).show(0), "2 (1–3)");
        assert_eq!(Spread::of([4.0, 1.0, 2.0, 3.0].into_iter()).show(1), "2.5 (1.0–4.0)");
    }

    #[test]
    fn an_interval_leaves_out_what_chance_does_at_the_ends() {
        // Of 15 the 4th to the 12th, of 9 the 2nd to the 8th, of 5 all: as tables of the sign test have it.
        let of = |count: u32| Spread::interval_of((1..=count).map(f64::from)).show(0);
        assert_eq!([of(15), of(9), of(5)], ["8 (4–12)", "5 (2–8)", "3 (1–5)"]);
    }
}
