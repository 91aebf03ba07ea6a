//! Rows from simulated traffic, judged by the same core; each scenario is an origin of its own.

use sallyport_core::{Basis, Engine};

use crate::simulate::{self, Settings};
use crate::training::{Dataset, Example};

/// The requests of the simulation.
pub fn rows(settings: &Settings, engine: &Engine) -> Dataset {
    let mut data = Dataset::new();
    simulate::judged(settings, engine, |request, judged| {
        if judged.decision.basis != Basis::Ignored {
            let origin = data.origin(request.scenario.name());
            let (features, group) = (judged.decision.features, judged.client);
            data.push(Example { features, is_bot: request.scenario.is_bot(), weight: 1.0, group, origin });
        }
    });
    data
}

#[cfg(test)]
mod tests {
    use sallyport_core::{Model, PolicyConfig, Ranges};

    use super::*;
    use crate::simulate::Scenario;
    use crate::training::sources::engine;

    #[test]
    fn scenarios_are_origins_and_say_who_is_a_bot() {
        let model = Model::built_in().expect("built-in model");
        let engine = engine(model, PolicyConfig::default(), Ranges::default()).expect("an engine");
        let scenarios: Vec<_> = [true, false]
            .into_iter()
            .filter_map(|is_bot| Scenario::ALL.into_iter().find(|scenario| scenario.is_bot() == is_bot))
            .collect();
        let settings = Settings { scale: 0.01, scenarios: scenarios.clone(), ..Settings::default() };
        let data = rows(&settings, &engine);
        assert!((1..data.len()).contains(&data.bots()));
        for row in data.examples() {
            let scenario = Scenario::from_name(&data.origins()[usize::from(row.origin)]).expect("a scenario");
            assert!(scenarios.contains(&scenario) && scenario.is_bot() == row.is_bot);
        }
        assert_eq!(rows(&settings, &engine), data);
    }
}
