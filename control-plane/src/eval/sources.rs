//! Labelled rows from tables of features, labelled logs and the simulation.

use std::path::{Path, PathBuf};

use sallyport_core::{Basis, Engine};

use super::args::Args;
use super::rows::{Rows, Verdict};
use crate::replay::judge::Judged;
use crate::simulate::{self, Place};
use crate::training::recipe::mix;
use crate::training::sources::log::labelled;
use crate::training::sources::{csv, name_of, weak};
use crate::training::{Example, Settings};

/// One side's sources.
pub(super) struct Sources<'a> {
    csv: &'a [PathBuf],
    logs: &'a [PathBuf],
    /// One for each log, or none at all: then rules label them.
    labels: &'a [PathBuf],
    simulate: bool,
}

impl<'a> Sources<'a> {
    /// What is trained on, and judged where nothing else is.
    pub(super) fn first(args: &'a Args) -> Self {
        Self { csv: &args.csv, logs: &args.log, labels: &args.labels, simulate: args.simulate }
    }

    /// What is judged.
    pub(super) fn test(args: &'a Args) -> Self {
        let (logs, labels) = (&args.test_log, &args.test_labels);
        Self { csv: &args.test_csv, logs, labels, simulate: args.test_simulate }
    }

    /// Their rows, requests judged by `engine`.
    ///
    /// # Errors
    /// If a file cannot be read or is not what it should be.
    pub(super) fn read(&self, args: &Args, engine: &Engine) -> anyhow::Result<Rows> {
        let mut rows = Rows { judged: Some(Vec::new()), ..Rows::default() };
        for path in self.csv {
            rows.append(csv::read(path)?);
        }
        for (index, log) in self.logs.iter().enumerate() {
            match self.labels.get(index) {
                Some(labels) => rows.log(log, labels, args, engine)?,
                None => rows.append(weak::rows(log, engine)?),
            }
        }
        if self.simulate {
            rows.simulation(args, engine);
        }
        Ok(rows)
    }
}

impl Rows {
    fn log(&mut self, log: &Path, labels: &Path, args: &Args, engine: &Engine) -> anyhow::Result<()> {
        let origin = self.data.origin(&name_of(log));
        labelled(log, labels, args.column.as_deref(), engine, |judged, is_bot| {
            self.request(judged, is_bot, origin, None)
        })
    }

    /// Adds simulated rows, weighed as `sallyport train` weighs them.
    fn simulation(&mut self, args: &Args, engine: &Engine) {
        let settings =
            simulate::Settings { seed: args.world, scale: args.scale, ..simulate::Settings::default() };
        let mut simulated = Rows { judged: self.judged.take(), ..Rows::default() };
        simulate::judged(&settings, engine, |request, judged| {
            let origin = simulated.data.origin(request.scenario.name());
            simulated.request(judged, request.scenario.is_bot(), origin, Some(request.place));
        });
        let own = std::mem::take(&mut self.data);
        self.data = mix(own, simulated.data, args.simulated_share, &Settings::default());
        self.judged = simulated.judged;
        self.places.extend(simulated.places);
    }

    fn request(&mut self, judged: &Judged, is_bot: bool, origin: u16, place: Option<Place>) {
        let decision = &judged.decision;
        if decision.basis == Basis::Ignored {
            return;
        }
        let (features, group) = (decision.features, judged.client);
        self.data.push(Example { features, is_bot, weight: 1.0, group, origin });
        self.places.push(place);
        if let Some(said) = &mut self.judged {
            said.push(Verdict::of(decision));
        }
    }
}
