//! The cache in the process: a map behind a lock, bounded, with an expiry on each entry.
//!
//! When it is full, what is over goes first, then what would be over soonest. Counters never
//! give way to values: they are what guessing is held back by.

use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

use ostiary_model::{Span, Timestamp};

/// Entries at most: about 50 MB at worst, reached only under attack.
const CAPACITY: usize = 100_000;

#[derive(Default)]
pub(crate) struct Memory {
    entries: Mutex<HashMap<Box<str>, Entry>>,
}

struct Entry {
    value: Value,
    expires_at: Timestamp,
}

enum Value {
    Bytes(Box<[u8]>),
    Count(i64),
}

impl Memory {
    fn lock(&self) -> MutexGuard<'_, HashMap<Box<str>, Entry>> {
        // A panic elsewhere cannot leave an entry half written: each is one insert.
        self.entries.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn get(&self, key: &str, now: Timestamp) -> Option<Vec<u8>> {
        match self.lock().get(key) {
            Some(Entry { value: Value::Bytes(bytes), expires_at }) if *expires_at > now => Some(bytes.to_vec()),
            _ => None,
        }
    }

    pub(super) fn put(&self, key: &str, value: Vec<u8>, now: Timestamp, ttl: Span) -> bool {
        let mut entries = self.lock();
        if entries.len() >= CAPACITY && !make_room(&mut entries, now) {
            return false;
        }
        entries.insert(key.into(), Entry { value: Value::Bytes(value.into()), expires_at: now + ttl });
        true
    }

    pub(super) fn take(&self, key: &str, now: Timestamp) -> Option<Vec<u8>> {
        match self.lock().remove(key) {
            Some(Entry { value: Value::Bytes(bytes), expires_at }) if expires_at > now => Some(bytes.into()),
            _ => None,
        }
    }

    pub(super) fn add(&self, key: &str, by: i64, now: Timestamp, window: Span) -> i64 {
        let mut entries = self.lock();
        if let Some(Entry { value: Value::Count(count), expires_at }) = entries.get_mut(key)
            && *expires_at > now
        {
            *count = count.saturating_add(by);
            return *count;
        }
        if entries.len() >= CAPACITY {
            make_room(&mut entries, now);
        }
        entries.insert(key.into(), Entry { value: Value::Count(by), expires_at: now + window });
        by
    }
}

/// Makes room for some thousand entries, so that the walk over all of them is rare. False when
/// nothing could go.
fn make_room(entries: &mut HashMap<Box<str>, Entry>, now: Timestamp) -> bool {
    entries.retain(|_, entry| entry.expires_at > now);
    if entries.len() < CAPACITY {
        return true;
    }
    let mut ends: Vec<Timestamp> =
        entries.values().filter(|entry| matches!(entry.value, Value::Bytes(_))).map(|entry| entry.expires_at).collect();
    ends.sort_unstable();
    let Some(&last) = ends.get(ends.len() / 10) else { return false };
    entries.retain(|_, entry| matches!(entry.value, Value::Count(_)) || entry.expires_at > last);
    entries.len() < CAPACITY
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: Timestamp = Timestamp::from_secs(1_000);
    const LONG: Span = Span::from_mins(10);

    #[test]
    fn when_full_the_soonest_to_end_give_way_and_counters_stay() {
        let memory = Memory::default();
        memory.add("tries", 7, NOW, LONG);
        for number in 0..u32::try_from(CAPACITY).unwrap() + 10 {
            assert!(memory.put(&format!("k{number}"), vec![0], NOW, Span::from_secs(number + 1)));
        }
        assert!(memory.lock().len() <= CAPACITY);
        assert_eq!(memory.add("tries", 1, NOW, LONG), 8);
        assert_eq!(memory.get("k0", NOW), None);
        assert!(memory.get(&format!("k{CAPACITY}"), NOW).is_some());
    }
}
