//! How many connections a door holds open at once, in all and for one party, so that nobody can
//! use up the machine by holding on.

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::{Arc, Mutex, PoisonError};

use ostiary_model::Network;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

/// The most connections that a door holds.
#[derive(Debug, Clone)]
pub struct Limits {
    /// In all. Further ones wait unaccepted until one ends.
    pub total: usize,
    /// From one party (an IPv4 address, an IPv6 /64). Further ones are closed at once.
    pub per_party: usize,
    /// Not counted as one party: reverse proxies, behind which many people stand.
    pub shared: Vec<Network>,
}

/// Counts the connections of one door. Clones count together.
#[derive(Clone)]
pub struct Gate {
    total: Arc<Semaphore>,
    parties: Arc<Mutex<HashMap<Network, usize>>>,
    limits: Arc<Limits>,
}

impl Gate {
    /// A gate with nobody in it.
    #[must_use]
    pub fn new(limits: Limits) -> Self {
        Self { total: Arc::new(Semaphore::new(limits.total)), parties: Arc::default(), limits: Arc::new(limits) }
    }

    /// Waits until one more connection may be held.
    pub(crate) async fn place(&self) -> Option<OwnedSemaphorePermit> {
        Arc::clone(&self.total).acquire_owned().await.ok()
    }

    /// Lets the connection from `address` in to the `place` that was kept for it. `None` when its
    /// party holds as many as it may.
    pub(crate) fn admit(&self, address: IpAddr, place: OwnedSemaphorePermit) -> Option<Permit> {
        if self.limits.shared.iter().any(|network| network.contains(address)) {
            return Some(Permit { party: None, parties: Arc::clone(&self.parties), _place: place });
        }
        let party = Network::of_one_party(address);
        let mut parties = self.parties.lock().unwrap_or_else(PoisonError::into_inner);
        let held = parties.entry(party).or_insert(0);
        if *held >= self.limits.per_party {
            return None;
        }
        *held += 1;
        Some(Permit { party: Some(party), parties: Arc::clone(&self.parties), _place: place })
    }
}

/// The right to hold one connection. Dropping it makes room for another.
pub struct Permit {
    party: Option<Network>,
    parties: Arc<Mutex<HashMap<Network, usize>>>,
    _place: OwnedSemaphorePermit,
}

impl Drop for Permit {
    fn drop(&mut self) {
        let Some(party) = self.party else { return };
        let mut parties = self.parties.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(held) = parties.get_mut(&party) {
            *held -= 1;
            if *held == 0 {
                parties.remove(&party);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn gate(total: usize, per_party: usize) -> Gate {
        Gate::new(Limits { total, per_party, shared: vec!["10.0.0.0/8".parse().unwrap()] })
    }

    async fn enter(gate: &Gate, address: &str) -> Option<Permit> {
        gate.admit(address.parse().unwrap(), gate.place().await.unwrap())
    }

    #[tokio::test]
    async fn one_party_does_not_take_all_places() {
        let gate = gate(10, 2);
        let first = enter(&gate, "2001:db8::1").await;
        let second = enter(&gate, "2001:db8::2").await;
        assert!(first.is_some() && second.is_some());
        assert!(enter(&gate, "2001:db8::3").await.is_none(), "a third from the same /64");
        assert!(enter(&gate, "192.0.2.1").await.is_some(), "somebody else");
        drop(first);
        assert!(enter(&gate, "2001:db8::3").await.is_some(), "after one has left");
    }

    #[tokio::test]
    async fn behind_a_proxy_many_stand() {
        let gate = gate(10, 1);
        let first = enter(&gate, "10.0.0.1").await;
        let second = enter(&gate, "10.0.0.1").await;
        assert!(first.is_some() && second.is_some());
    }

    #[tokio::test]
    async fn who_left_is_forgotten() {
        let gate = gate(1, 1);
        for _ in 0..3 {
            assert!(enter(&gate, "192.0.2.1").await.is_some());
        }
        assert!(gate.parties.lock().unwrap().is_empty());
    }
}
