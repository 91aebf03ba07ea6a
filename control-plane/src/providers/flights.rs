//! Single flight: one lookup per address at a time; whoever else wants to know joins it.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use tokio::sync::watch;

use super::{IpReputation, LookupError};

/// How a lookup ended.
pub(super) type Outcome = Result<IpReputation, LookupError>;

/// Lookups under way.
pub(super) struct Flights {
    under_way: Mutex<HashMap<u64, watch::Receiver<Option<Outcome>>>>,
    most: usize,
}

/// A lookup that can be waited for.
#[derive(Clone, Debug)]
pub struct Flight(watch::Receiver<Option<Outcome>>);

/// What [`Flights::board`] gives.
pub(super) enum Boarding {
    /// Nobody looks this address up: do it, and tell.
    First(Landing, Flight),
    /// Somebody does.
    Joined(Flight),
    /// Too many lookups are under way.
    Full,
}

/// The duty to tell how a lookup ended; dropped without, those who wait hear that it failed.
pub(super) struct Landing {
    flights: Arc<Flights>,
    address: u64,
    tell: watch::Sender<Option<Outcome>>,
}

impl Flights {
    /// At most `most` at a time.
    pub(super) fn new(most: usize) -> Arc<Self> {
        Arc::new(Self { under_way: Mutex::default(), most })
    }

    pub(super) fn board(self: &Arc<Self>, address: u64) -> Boarding {
        let mut under_way = self.under_way.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(flight) = under_way.get(&address) {
            return Boarding::Joined(Flight(flight.clone()));
        }
        if under_way.len() >= self.most {
            return Boarding::Full;
        }
        let (tell, told) = watch::channel(None);
        under_way.insert(address, told.clone());
        Boarding::First(Landing { flights: Arc::clone(self), address, tell }, Flight(told))
    }

    /// How many are under way.
    pub(super) fn len(&self) -> usize {
        self.under_way.lock().unwrap_or_else(PoisonError::into_inner).len()
    }
}

impl Landing {
    pub(super) fn tell(self, outcome: Outcome) {
        self.tell.send_replace(Some(outcome));
    }
}

impl Drop for Landing {
    fn drop(&mut self) {
        // Before the sender goes: who comes after that starts anew.
        self.flights.under_way.lock().unwrap_or_else(PoisonError::into_inner).remove(&self.address);
    }
}

impl Flight {
    /// Waits for the end.
    pub(super) async fn ended(mut self) -> Outcome {
        match self.0.wait_for(Option::is_some).await {
            Ok(outcome) => outcome.clone().unwrap_or(Err(LookupError::Busy)),
            Err(_) => Err(LookupError::Busy),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::providers::Source;

    #[tokio::test]
    async fn the_second_joins_the_first_and_the_third_starts_anew() {
        let flights = Flights::new(2);
        let Boarding::First(landing, first) = flights.board(1) else { panic!("nobody flies") };
        let Boarding::Joined(second) = flights.board(1) else { panic!("one flies") };
        assert!(matches!(flights.board(2), Boarding::First(..)), "and lands at once, told by nobody");
        let Boarding::First(_other, lost) = flights.board(2) else { panic!("landed") };
        assert!(matches!(flights.board(3), Boarding::Full));
        let clean = IpReputation::clean(Source::AbuseIpdb, 1);
        landing.tell(Ok(clean));
        assert_eq!((first.ended().await, second.ended().await), (Ok(clean), Ok(clean)));
        assert!(matches!(flights.board(1), Boarding::First(..)));
        drop(_other);
        assert_eq!(lost.ended().await, Err(LookupError::Busy));
        assert_eq!(flights.len(), 0);
    }
}
