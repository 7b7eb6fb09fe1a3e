//! The cache in the process: a map behind a lock, bounded, with an expiry on each entry.
//!
//! When it is full, what is over goes first, then a tenth of what would be over soonest: copies
//! and tickets before counters, which are what guessing is held back by. It never grows beyond
//! its bound, and each walk over it makes room for thousands of entries.

use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

use ostiary_model::{Span, Timestamp};

/// Entries at most. Keys and values are short (names are hashed before they get here), so this
/// is about 30 MB, reached only under attack.
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

    pub(super) fn put(&self, key: &str, value: Vec<u8>, now: Timestamp, ttl: Span) {
        let mut entries = self.lock();
        if entries.len() >= CAPACITY {
            make_room(&mut entries, now);
        }
        entries.insert(key.into(), Entry { value: Value::Bytes(value.into()), expires_at: now + ttl });
    }

    pub(super) fn put_new(&self, key: &str, value: Vec<u8>, now: Timestamp, ttl: Span) {
        let mut entries = self.lock();
        if entries.get(key).is_some_and(|entry| entry.expires_at > now) {
            return;
        }
        if entries.len() >= CAPACITY {
            make_room(&mut entries, now);
        }
        entries.insert(key.into(), Entry { value: Value::Bytes(value.into()), expires_at: now + ttl });
    }

    /// Drops what is over.
    pub(super) fn sweep(&self, now: Timestamp) {
        self.lock().retain(|_, entry| entry.expires_at > now);
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
        // Asking leaves nothing behind.
        if by == 0 {
            return 0;
        }
        if entries.len() >= CAPACITY {
            make_room(&mut entries, now);
        }
        entries.insert(key.into(), Entry { value: Value::Count(by), expires_at: now + window });
        by
    }

    pub(super) fn set(&self, key: &str, value: i64, now: Timestamp, window: Span) {
        let mut entries = self.lock();
        if entries.len() >= CAPACITY {
            make_room(&mut entries, now);
        }
        entries.insert(key.into(), Entry { value: Value::Count(value), expires_at: now + window });
    }
}

/// Makes room for some thousand entries, so that the walk over all of them is rare.
fn make_room(entries: &mut HashMap<Box<str>, Entry>, now: Timestamp) {
    entries.retain(|_, entry| entry.expires_at > now);
    if entries.len() < CAPACITY {
        return;
    }
    let mut order: Vec<(bool, Timestamp)> = entries.values().map(Entry::worth).collect();
    let (_, last, _) = order.select_nth_unstable(CAPACITY / 10);
    let last = *last;
    entries.retain(|_, entry| entry.worth() > last);
}

impl Entry {
    /// What gives way first is worth least.
    const fn worth(&self) -> (bool, Timestamp) {
        (matches!(self.value, Value::Count(_)), self.expires_at)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: Timestamp = Timestamp::from_secs(1_000);
    const LONG: Span = Span::from_mins(10);

    fn many() -> u32 {
        u32::try_from(CAPACITY).unwrap() + 10
    }

    #[test]
    fn when_full_the_soonest_to_end_give_way_and_counters_stay() {
        let memory = Memory::default();
        memory.add("tries", 7, NOW, LONG);
        for number in 0..many() {
            memory.put(&format!("k{number}"), vec![0], NOW, Span::from_secs(number + 1));
            assert!(memory.lock().len() <= CAPACITY);
        }
        assert_eq!(memory.add("tries", 1, NOW, LONG), 8);
        assert_eq!(memory.get("k0", NOW), None);
        assert!(memory.get(&format!("k{CAPACITY}"), NOW).is_some());
    }

    #[test]
    fn a_flood_of_counters_is_bounded_and_cheap() {
        let memory = Memory::default();
        for number in 0..2 * many() {
            memory.add(&format!("c{number}"), 1, NOW, LONG);
        }
        assert!(memory.lock().len() <= CAPACITY);
        memory.sweep(NOW + LONG);
        assert!(memory.lock().is_empty());
    }
}
