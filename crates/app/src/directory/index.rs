//! Which entries have a value, for the values that searches ask for by equality.
//!
//! Keys are fingerprints of attribute and value, made with a secret that changes at every start,
//! so that nobody can choose values that collide. Two values may share one all the same: what is
//! found here is a candidate, and whoever asks compares.

use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::hash::{BuildHasher, BuildHasherDefault, Hasher, RandomState};

use ostiary_model::Attribute;

use super::places::Places;

/// Where an entry stands: the base, a branch, or a place in one of the two lists of the state. In
/// the order in which searches find entries.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) enum Place {
    Base,
    People,
    Groups,
    Person(u32),
    Unit(u32),
}

/// A value as it is looked for.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub(super) enum Term<'a> {
    /// Folded by the rule of the attribute.
    Text(&'a str),
    Number(i64),
}

/// The entries that may have a value.
#[derive(Clone, Copy, Default)]
pub(super) struct Bearers<'a> {
    one: Option<Place>,
    many: &'a [Place],
}

impl<'a> Bearers<'a> {
    pub(super) fn count(self) -> usize {
        usize::from(self.one.is_some()) + self.many.len()
    }

    pub(super) fn places(self) -> impl Iterator<Item = Place> + use<'a> {
        self.one.into_iter().chain(self.many.iter().copied())
    }
}

/// Nearly all values have one bearer; where there are several, the number of their list. Small, since
/// there is one for each value.
#[derive(Clone, Copy)]
enum Slot {
    One(Place),
    Many(u32),
}

/// Keys are fingerprints already.
#[derive(Default)]
struct AsIs(u64);

impl Hasher for AsIs {
    fn finish(&self) -> u64 {
        self.0
    }

    fn write(&mut self, bytes: &[u8]) {
        bytes.iter().for_each(|byte| self.0 = self.0.rotate_left(8) ^ u64::from(*byte));
    }

    fn write_u64(&mut self, key: u64) {
        self.0 = key;
    }
}

#[derive(Default)]
pub(super) struct Index {
    secret: RandomState,
    slots: HashMap<u64, Slot, BuildHasherDefault<AsIs>>,
    lists: Places<Vec<Place>>,
}

impl Index {
    fn key(&self, attribute: Attribute, term: Term<'_>) -> u64 {
        self.secret.hash_one((attribute, term))
    }

    pub(super) fn reserve(&mut self, count: usize) {
        self.slots.reserve(count);
    }

    pub(super) fn insert(&mut self, attribute: Attribute, term: Term<'_>, place: Place) {
        let key = self.key(attribute, term);
        match self.slots.entry(key) {
            Entry::Vacant(slot) => drop(slot.insert(Slot::One(place))),
            Entry::Occupied(mut slot) => match *slot.get() {
                Slot::One(one) => {
                    let Some(list) = self.lists.open() else { return };
                    self.lists.put(list, vec![one, place]);
                    slot.insert(Slot::Many(list));
                }
                Slot::Many(list) => self.lists.get_mut(list).into_iter().for_each(|list| list.push(place)),
            },
        }
    }

    pub(super) fn remove(&mut self, attribute: Attribute, term: Term<'_>, place: Place) {
        let key = self.key(attribute, term);
        let Entry::Occupied(slot) = self.slots.entry(key) else { return };
        let is_empty = match *slot.get() {
            Slot::One(one) => one == place,
            Slot::Many(number) => {
                let Some(list) = self.lists.get_mut(number) else { return };
                if let Some(at) = list.iter().position(|bearer| *bearer == place) {
                    list.swap_remove(at);
                }
                let is_empty = list.is_empty();
                if is_empty {
                    self.lists.take(number);
                    self.lists.give_back(number);
                }
                is_empty
            }
        };
        if is_empty {
            slot.remove();
        }
    }

    /// Every entry that may have the value.
    pub(super) fn get(&self, attribute: Attribute, term: Term<'_>) -> Bearers<'_> {
        match self.slots.get(&self.key(attribute, term)) {
            None => Bearers::default(),
            Some(Slot::One(one)) => Bearers { one: Some(*one), many: &[] },
            Some(Slot::Many(list)) => Bearers { one: None, many: self.lists.get(*list).map_or(&[], Vec::as_slice) },
        }
    }
}
