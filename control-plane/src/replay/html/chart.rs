//! Actions over time as the bars of an inline SVG.

use minijinja::{Value, context};
use sallyport_core::Action;

use super::class;
use crate::replay::summary::{grouped, minute};
use crate::replay::tally::Timeline;

/// The size of the drawing without its labels, in the units of the view box.
const WIDTH: f64 = 960.0;
const HEIGHT: f64 = 200.0;
/// From the bottom up: what is refused stands on the ground, where it can be compared.
const ORDER: [Action; 5] =
    [Action::Block, Action::RateLimit, Action::Challenge, Action::Monitor, Action::Allow];

/// The chart's bars and labels; nothing of it without requests.
pub(super) fn timeline(timeline: &Timeline) -> Option<Value> {
    let (first_ms, _) = timeline.span_ms()?;
    let steps = timeline.steps();
    let most = steps.iter().map(|step| step.iter().sum::<u64>()).max()?.max(1);
    let pitch = WIDTH / steps.len().max(1) as f64;
    let time = |index: usize| minute(first_ms + index as u64 * timeline.step_ms());
    let bar = |(index, step): (usize, &[u64; 5])| {
        let mut floor = HEIGHT;
        let mut parts = Vec::new();
        let mut counts = Vec::new();
        for action in ORDER.into_iter().filter(|action| step[*action as usize] > 0) {
            let count = step[action as usize];
            let height = HEIGHT * count as f64 / most as f64;
            floor -= height;
            parts.push(context! { class => class(action), y => units(floor), height => units(height) });
            counts.push(format!("{} {}", grouped(count), action.as_str()));
        }
        let title = format!("{} UTC: {}", time(index), counts.join(", "));
        context! { x => units(index as f64 * pitch), width => units((pitch - 1.0).max(0.5)), parts, title }
    };
    let labels: Vec<_> = [(0, "start"), (steps.len() / 2, "middle"), (steps.len(), "end")]
        .into_iter()
        .map(|(index, anchor)| context! { x => units(index as f64 * pitch), anchor, text => time(index) })
        .collect();
    Some(context! {
        bars => steps.iter().enumerate().filter(|(_, step)| step.iter().any(|count| *count > 0)).map(bar).collect::<Vec<_>>(),
        labels,
        most => grouped(most),
        step => duration(timeline.step_ms()),
    })
}

fn units(value: f64) -> String {
    format!("{value:.2}")
}

/// A length of time in its largest whole unit.
fn duration(ms: u64) -> String {
    let seconds = ms / 1000;
    match seconds {
        s if s < 120 => format!("{s} s"),
        s if s < 7200 => format!("{} min", s.div_ceil(60)),
        s if s < 172_800 => format!("{:.1} h", s as f64 / 3600.0),
        s => format!("{:.1} days", s as f64 / 86_400.0),
    }
}
