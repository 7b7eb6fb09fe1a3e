//! Which entries have a value, for the values that searches ask for by equality.
//!
//! Keys are fingerprints of attribute and value, made with a secret that changes at every start,
//! so that nobody can choose values that collide. Two values may share one all the same: what is
//! found here is a candidate, and whoever asks compares.

use std::collections::HashMap;
use std::hash::{BuildHasher, BuildHasherDefault, Hasher, RandomState};

use ostiary_model::Attribute;

/// The place of an entry in one of the two lists of the state.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) enum Place {
    Person(u32),
    Unit(u32),
}

/// A value as it is looked for.
#[derive(Clone, Copy, Hash)]
pub(super) enum Term<'a> {
    /// Folded by the rule of the attribute.
    Text(&'a str),
    Number(i64),
}

/// Nearly all values have one bearer.
enum Bearers {
    One(Place),
    Many(Vec<Place>),
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
    bearers: HashMap<u64, Bearers, BuildHasherDefault<AsIs>>,
}

impl Index {
    fn key(&self, attribute: Attribute, term: Term<'_>) -> u64 {
        self.secret.hash_one((attribute, term))
    }

    pub(super) fn reserve(&mut self, count: usize) {
        self.bearers.reserve(count);
    }

    pub(super) fn insert(&mut self, attribute: Attribute, term: Term<'_>, place: Place) {
        let key = self.key(attribute, term);
        self.bearers
            .entry(key)
            .and_modify(|bearers| match bearers {
                Bearers::One(one) => *bearers = Bearers::Many(vec![*one, place]),
                Bearers::Many(many) => many.push(place),
            })
            .or_insert(Bearers::One(place));
    }

    pub(super) fn remove(&mut self, attribute: Attribute, term: Term<'_>, place: Place) {
        let key = self.key(attribute, term);
        let is_empty = match self.bearers.get_mut(&key) {
            None => false,
            Some(Bearers::One(one)) => *one == place,
            Some(Bearers::Many(many)) => {
                if let Some(at) = many.iter().position(|bearer| *bearer == place) {
                    many.swap_remove(at);
                }
                many.is_empty()
            }
        };
        if is_empty {
            self.bearers.remove(&key);
        }
    }

    /// Every entry that may have the value.
    pub(super) fn get(&self, attribute: Attribute, term: Term<'_>) -> &[Place] {
        match self.bearers.get(&self.key(attribute, term)) {
            None => &[],
            Some(Bearers::One(one)) => std::slice::from_ref(one),
            Some(Bearers::Many(many)) => many,
        }
    }
}
