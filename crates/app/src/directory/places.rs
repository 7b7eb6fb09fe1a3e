//! A list in which entries keep their place as long as they are there.

use std::collections::HashSet;

/// Entries by place. Places that are free are given away again.
pub(super) struct Places<T> {
    list: Vec<Option<T>>,
    free: Vec<u32>,
}

impl<T> Default for Places<T> {
    fn default() -> Self {
        Self { list: Vec::new(), free: Vec::new() }
    }
}

impl<T> Places<T> {
    /// A list for `count` entries, of which some are to be put at the places `taken`.
    pub(super) fn with(taken: &HashSet<u32>, count: usize) -> Self {
        let known = taken.iter().max().map_or(0, |last| last + 1);
        let mut list = Vec::with_capacity(count.max(known as usize));
        list.resize_with(known as usize, || None);
        Self { list, free: (0..known).rev().filter(|place| !taken.contains(place)).collect() }
    }

    pub(super) fn get(&self, place: u32) -> Option<&T> {
        self.list.get(place as usize)?.as_ref()
    }

    pub(super) fn get_mut(&mut self, place: u32) -> Option<&mut T> {
        self.list.get_mut(place as usize)?.as_mut()
    }

    pub(super) fn take(&mut self, place: u32) -> Option<T> {
        self.list.get_mut(place as usize)?.take()
    }

    pub(super) fn put(&mut self, place: u32, entry: T) {
        if let Some(slot) = self.list.get_mut(place as usize) {
            *slot = Some(entry);
        }
    }

    /// A place that nobody has.
    pub(super) fn open(&mut self) -> Option<u32> {
        self.free.pop().or_else(|| {
            let place = u32::try_from(self.list.len()).ok()?;
            self.list.push(None);
            Some(place)
        })
    }

    /// Lets a place, whose entry was taken, go to another.
    pub(super) fn give_back(&mut self, place: u32) {
        self.free.push(place);
    }

    /// How many places there are, free ones too.
    pub(super) fn len(&self) -> u32 {
        u32::try_from(self.list.len()).unwrap_or(u32::MAX)
    }

    pub(super) fn iter_mut(&mut self) -> impl Iterator<Item = &mut T> {
        self.list.iter_mut().flatten()
    }

    /// The entries with their places.
    pub(super) fn iter(&self) -> impl Iterator<Item = (u32, &T)> {
        (0..).zip(&self.list).filter_map(|(place, entry)| Some((place, entry.as_ref()?)))
    }
}
