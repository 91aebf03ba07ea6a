//! Actions over time in a bounded number of equal steps: the step doubles whenever the log reaches past the last one.

use sallyport_core::Action;

use super::PerAction;

/// The most steps there are.
const STEPS: usize = 96;
/// The shortest step, milliseconds.
const SHORTEST_MS: u64 = 10_000;

/// Counts per step, from the first request on.
#[derive(Debug, Clone)]
pub(crate) struct Timeline {
    first_ms: Option<u64>,
    last_ms: u64,
    step_ms: u64,
    steps: Vec<PerAction>,
}

impl Default for Timeline {
    fn default() -> Self {
        Self { first_ms: None, last_ms: 0, step_ms: SHORTEST_MS, steps: Vec::new() }
    }
}

impl Timeline {
    /// Counts a request; one older than the first falls into the first step.
    pub(crate) fn add(&mut self, time_ms: u64, action: Action) {
        let first = *self.first_ms.get_or_insert(time_ms);
        self.last_ms = self.last_ms.max(time_ms);
        let after = time_ms.saturating_sub(first);
        while after / self.step_ms >= STEPS as u64 {
            self.double();
        }
        let index = (after / self.step_ms) as usize;
        if self.steps.len() <= index {
            self.steps.resize(index + 1, PerAction::default());
        }
        self.steps[index][action as usize] += 1;
    }

    fn double(&mut self) {
        let add =
            |pair: &[PerAction]| std::array::from_fn(|action| pair.iter().map(|step| step[action]).sum());
        self.steps = self.steps.chunks(2).map(add).collect();
        self.step_ms *= 2;
    }

    /// The times of the first and the last request, Unix milliseconds; `None` if there was none.
    pub(crate) fn span_ms(&self) -> Option<(u64, u64)> {
        self.first_ms.map(|first| (first, self.last_ms))
    }

    /// How long one step is, milliseconds.
    pub(crate) fn step_ms(&self) -> u64 {
        self.step_ms
    }

    /// The steps in order; steps without requests are there with zeros.
    pub(crate) fn steps(&self) -> &[PerAction] {
        &self.steps
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_is_lost_when_steps_double() {
        let mut timeline = Timeline::default();
        for request in 0..10_000 {
            timeline.add(1_000_000 + request * 60_000, Action::Allow);
        }
        assert!(timeline.steps().len() <= STEPS);
        assert_eq!(timeline.steps().iter().map(|step| step[0]).sum::<u64>(), 10_000);
        assert_eq!(timeline.span_ms(), Some((1_000_000, 600_940_000)));
    }

    #[test]
    fn the_widest_times_there_are_end_soon() {
        let mut timeline = Timeline::default();
        timeline.add(0, Action::Block);
        timeline.add(u64::MAX / 4, Action::Block);
        assert_eq!(timeline.steps().iter().map(|step| step[Action::Block as usize]).sum::<u64>(), 2);
    }
}
