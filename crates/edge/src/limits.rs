//! How many connections a door holds open at once, in all and for one party, and who has to go
//! when there are too many: nobody can use up the machine by holding on, or keep others out.
//!
//! A party that holds its share is turned away before anything else is asked. When all places are
//! taken, a newcomer gets that of the newest stranger of the party that has the most of them, if
//! that leaves it better off than the newcomer's own. Strangers are connections that have proved
//! nothing; those that a door has settled are never sent away for others.

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};

use ostiary_model::Network;
use tokio::sync::{Notify, Semaphore};
use tokio_util::sync::CancellationToken;

/// The most connections that a door holds.
#[derive(Debug, Clone)]
pub struct Limits {
    /// In all.
    pub total: usize,
    /// From one party (an IPv4 address, an IPv6 /64). Further ones are closed at once.
    pub per_party: usize,
    /// Not counted as one party: reverse proxies, behind which many people stand.
    pub shared: Vec<Network>,
}

impl Limits {
    /// Whom a connection from `address` counts for.
    fn party(&self, address: IpAddr) -> Option<Network> {
        let is_shared = self.shared.iter().any(|network| network.contains(address));
        (!is_shared).then(|| Network::of_one_party(address))
    }
}

/// Counts the connections of one door. Clones count together.
#[derive(Clone)]
pub struct Gate {
    house: Arc<House>,
    /// Who may come in at all; empty for everybody.
    allowed: Arc<[Network]>,
}

struct House {
    limits: Limits,
    places: Mutex<Places>,
    /// Told when somebody has left.
    left: Notify,
}

#[derive(Default)]
struct Places {
    held: usize,
    parties: HashMap<Network, Party>,
    last: u64,
}

#[derive(Default)]
struct Party {
    held: usize,
    /// Oldest first, each with what sends it away.
    strangers: Vec<(u64, CancellationToken)>,
    /// For requests, where a connection may bring many at once.
    turns: Option<Arc<Semaphore>>,
}

/// What becomes of somebody at the gate.
pub(crate) enum Admission {
    /// Comes in.
    Enter(Permit),
    /// Is closed, for this reason.
    Close(&'static str),
    /// May come in when somebody has left.
    Wait,
}

impl House {
    fn places(&self) -> MutexGuard<'_, Places> {
        self.places.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Gate {
    /// A gate with nobody in it, open to everybody.
    #[must_use]
    pub fn new(limits: Limits) -> Self {
        Self {
            house: Arc::new(House { limits, places: Mutex::default(), left: Notify::new() }),
            allowed: Arc::default(),
        }
    }

    /// The same gate, through which only addresses in `networks` come; all when there are none.
    #[must_use]
    pub fn only_from(&self, networks: &[Network]) -> Self {
        Self { house: Arc::clone(&self.house), allowed: networks.into() }
    }

    /// Whether a connection from `address`, which `leave` ends, may come in.
    pub(crate) fn admit(&self, address: IpAddr, leave: &CancellationToken) -> Admission {
        if !self.allowed.is_empty() && !self.allowed.iter().any(|network| network.contains(address)) {
            return Admission::Close("its address is not among those that may connect");
        }
        let limits = &self.house.limits;
        let party = limits.party(address);
        let mut places = self.house.places();
        let own = party.and_then(|party| places.parties.get(&party));
        let (held, strangers) = own.map_or((0, 0), |own| (own.held, own.strangers.len()));
        if held >= limits.per_party {
            return Admission::Close("its address holds as many connections as it may");
        }
        if places.held >= limits.total && !places.make_room(strangers) {
            // Who has none yet waits for one to end; behind it nobody can have a better claim.
            return if strangers == 0 { Admission::Wait } else { Admission::Close("all places are taken") };
        }
        Admission::Enter(places.enter(party, leave.clone(), &self.house))
    }

    /// How many connections there are.
    #[must_use]
    pub fn held(&self) -> usize {
        self.house.places().held
    }

    /// Waits until somebody has left since the last time, or so long that it pays to look again.
    pub(crate) async fn left(&self) {
        self.house.left.notified().await;
    }
}

impl Places {
    /// Sends away the newest stranger of the party with the most, if it then still has more than
    /// `strangers`.
    fn make_room(&mut self, strangers: usize) -> bool {
        let most = self.parties.values_mut().max_by_key(|party| party.strangers.len());
        let Some(most) = most.filter(|party| party.strangers.len() >= strangers + 2) else { return false };
        let Some((_, leave)) = most.strangers.pop() else { return false };
        tracing::debug!(held = self.held, "all places are taken: somebody unknown gives way");
        leave.cancel();
        true
    }

    fn enter(&mut self, party: Option<Network>, leave: CancellationToken, house: &Arc<House>) -> Permit {
        self.held += 1;
        self.last += 1;
        let seat = Seat(Arc::new(Sitting { id: self.last, party: OnceLock::new(), leave, house: Arc::clone(house) }));
        if let Some(party) = party {
            self.count(&seat, party);
        }
        Permit { seat }
    }

    /// Counts a place for `party`, as that of a stranger.
    fn count(&mut self, seat: &Seat, party: Network) {
        if seat.0.party.set(party).is_ok() {
            let own = self.parties.entry(party).or_default();
            own.held += 1;
            own.strangers.push((seat.0.id, seat.0.leave.clone()));
        }
    }
}

/// The right to hold one connection. Dropping it makes room for another.
pub(crate) struct Permit {
    seat: Seat,
}

impl Permit {
    pub(crate) const fn seat(&self) -> &Seat {
        &self.seat
    }
}

impl Drop for Permit {
    fn drop(&mut self) {
        let Sitting { id, party, house, .. } = &*self.seat.0;
        let mut places = house.places();
        places.held = places.held.saturating_sub(1);
        if let Some(party) = party.get()
            && let Some(own) = places.parties.get_mut(party)
        {
            own.forget(*id);
            own.held = own.held.saturating_sub(1);
            if own.held == 0 {
                places.parties.remove(party);
            }
        }
        drop(places);
        house.left.notify_one();
    }
}

/// A connection's place, as its door sees it.
#[derive(Clone)]
pub struct Seat(Arc<Sitting>);

struct Sitting {
    id: u64,
    /// Whom it counts for, once somebody is known whom it could.
    party: OnceLock<Network>,
    leave: CancellationToken,
    house: Arc<House>,
}

impl Seat {
    /// The turns of this party, of which each request takes one where a connection may bring many at
    /// once: as many as it may have connections. `None` for those that are not one party.
    pub(crate) fn turns(&self) -> Option<Arc<Semaphore>> {
        let Sitting { party, house, .. } = &*self.0;
        let mut places = house.places();
        let own = places.parties.get_mut(party.get()?)?;
        let most = house.limits.per_party.min(Semaphore::MAX_PERMITS);
        Some(Arc::clone(own.turns.get_or_insert_with(|| Arc::new(Semaphore::new(most)))))
    }

    /// Counts a place that a proxy took, and that counts for nobody, for the client at `address`.
    /// False when that one holds as many as it may.
    pub(crate) fn stand_for(&self, address: IpAddr) -> bool {
        let Sitting { house, .. } = &*self.0;
        let Some(party) = house.limits.party(address) else { return true };
        let mut places = house.places();
        if places.parties.get(&party).is_some_and(|own| own.held >= house.limits.per_party) {
            return false;
        }
        places.count(self, party);
        true
    }

    /// Says whether whoever sits here has proved who they are. Until somebody says so they are a
    /// stranger, who may be sent away for others.
    pub fn settle(&self, is_known: bool) {
        let Sitting { id, party, leave, house } = &*self.0;
        let Some(party) = party.get() else { return };
        let mut places = house.places();
        let Some(own) = places.parties.get_mut(party) else { return };
        own.forget(*id);
        if !is_known {
            own.strangers.push((*id, leave.clone()));
        }
    }
}

impl Party {
    /// Takes a connection off the list of strangers. The newest are looked at first: it is they
    /// that become known, or leave.
    fn forget(&mut self, id: u64) {
        if let Some(at) = self.strangers.iter().rposition(|(stranger, _)| *stranger == id) {
            self.strangers.remove(at);
        }
        if self.strangers.is_empty() {
            self.strangers = Vec::new();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn gate(total: usize, per_party: usize) -> Gate {
        Gate::new(Limits { total, per_party, shared: vec!["10.0.0.0/8".parse().unwrap()] })
    }

    fn ask(gate: &Gate, address: &str) -> (Admission, CancellationToken) {
        let leave = CancellationToken::new();
        (gate.admit(address.parse().unwrap(), &leave), leave)
    }

    fn enter(gate: &Gate, address: &str) -> Option<(Permit, CancellationToken)> {
        match ask(gate, address) {
            (Admission::Enter(permit), leave) => Some((permit, leave)),
            _ => None,
        }
    }

    #[test]
    fn one_party_does_not_take_all_places() {
        let gate = gate(10, 2);
        let first = enter(&gate, "2001:db8::1");
        let second = enter(&gate, "2001:db8::2");
        assert!(first.is_some() && second.is_some());
        assert!(matches!(ask(&gate, "2001:db8::3").0, Admission::Close(_)), "a third from the same /64");
        assert!(enter(&gate, "192.0.2.1").is_some(), "somebody else");
        drop(first);
        assert!(enter(&gate, "2001:db8::3").is_some(), "after one has left");
    }

    #[test]
    fn behind_a_proxy_many_stand() {
        let gate = gate(3, 1);
        let held: Vec<_> = (0..3).filter_map(|_| enter(&gate, "10.0.0.1")).collect();
        assert_eq!(held.len(), 3);
        assert!(matches!(ask(&gate, "10.0.0.1").0, Admission::Wait), "nobody is sent away for them, or for others");
        assert!(matches!(ask(&gate, "192.0.2.1").0, Admission::Wait));
    }

    #[test]
    fn whom_a_proxy_speaks_for_is_counted() {
        let gate = gate(4, 2);
        let client = "192.0.2.1".parse().unwrap();
        let direct = enter(&gate, "192.0.2.1").unwrap();
        let held: Vec<_> = (0..3).map(|_| enter(&gate, "10.0.0.1").unwrap()).collect();
        assert!(held[0].0.seat().stand_for(client));
        assert!(!held[1].0.seat().stand_for(client), "with its own one it has two");
        assert!(held[1].0.seat().stand_for("192.0.2.2".parse().unwrap()));
        assert!(held[2].0.seat().stand_for("10.0.0.9".parse().unwrap()), "another proxy behind it");
        // All places are taken: a stranger is a stranger, wherever it comes through.
        assert!(enter(&gate, "192.0.2.3").is_some());
        assert!(held[0].1.is_cancelled() && !direct.1.is_cancelled());
        drop((direct, held));
        let places = gate.house.places();
        assert!(places.parties.is_empty() && places.held == 0);
    }

    #[test]
    fn who_left_is_forgotten() {
        let gate = gate(1, 1);
        for _ in 0..3 {
            assert!(enter(&gate, "192.0.2.1").is_some());
        }
        assert!(gate.house.places().parties.is_empty());
    }

    #[test]
    fn when_all_places_are_taken_who_has_the_most_gives_way() {
        let gate = gate(6, 5);
        let many: Vec<_> = (0..5).map(|_| enter(&gate, "192.0.2.1").unwrap()).collect();
        let _one = enter(&gate, "192.0.2.2").unwrap();
        let newcomer = enter(&gate, "192.0.2.3").expect("the newest of the five gives way");
        assert!(many[4].1.is_cancelled() && !many[3].1.is_cancelled());
        assert!(matches!(ask(&gate, "192.0.2.1").0, Admission::Close(_)), "who has the most gains nothing");
        // Its own connections count for who has a claim: 4 strangers there, 1 here.
        let again = enter(&gate, "192.0.2.3").unwrap();
        assert!(many[3].1.is_cancelled());
        assert!(matches!(ask(&gate, "192.0.2.3").0, Admission::Close(_)), "two against three");
        drop((many, newcomer, again));
        assert_eq!(gate.held(), 1);
    }

    #[test]
    fn who_is_known_stays() {
        let gate = gate(3, 3);
        let known: Vec<_> = (0..3).map(|_| enter(&gate, "192.0.2.1").unwrap()).collect();
        known.iter().for_each(|(permit, _)| permit.seat().settle(true));
        assert!(matches!(ask(&gate, "192.0.2.2").0, Admission::Wait));
        known[0].0.seat().settle(false);
        known[1].0.seat().settle(false);
        assert!(enter(&gate, "192.0.2.2").is_some());
        assert!(known[1].1.is_cancelled() && !known[0].1.is_cancelled() && !known[2].1.is_cancelled());
    }

    #[test]
    fn only_some_may_come_in_at_all() {
        let open = gate(10, 10);
        let narrow = open.only_from(&["192.0.2.0/24".parse().unwrap()]);
        assert!(enter(&narrow, "192.0.2.9").is_some());
        assert!(matches!(ask(&narrow, "198.51.100.1").0, Admission::Close(_)));
        assert!(enter(&open, "198.51.100.1").is_some());
    }
}
