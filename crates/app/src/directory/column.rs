//! All values of one text attribute behind each other, so that a search for a part of a text reads
//! memory from front to back and not entry by entry.
//!
//! Each entry has a cell that holds its values, folded, with a zero byte after each. A cell that is
//! replaced is blanked and the new one goes to the end; when half is blank everything moves up.
//! What is found here is a candidate: whoever asks looks at the whole pattern.

use memchr::memmem::Finder;

use super::index::Place;

/// Below so many bytes nothing is gained by moving up.
const SMALL: usize = 64 * 1024;

#[derive(Default)]
pub(super) struct Column {
    bytes: Vec<u8>,
    /// Where cells begin, in order, and whose they are; blank ones too.
    cells: Vec<(u32, Place)>,
    persons: Spans,
    units: Spans,
    blank: usize,
}

/// Where the cell of each place begins and ends.
#[derive(Default)]
struct Spans(Vec<(u32, u32)>);

impl Spans {
    fn get(&self, place: u32) -> Option<(u32, u32)> {
        self.0.get(place as usize).copied().filter(|(start, end)| start < end)
    }

    fn set(&mut self, place: u32, span: (u32, u32)) {
        let at = place as usize;
        if self.0.len() <= at {
            self.0.resize(at + 1, (0, 0));
        }
        if let Some(own) = self.0.get_mut(at) {
            *own = span;
        }
    }
}

impl Column {
    /// Gives `place` one more value.
    pub(super) fn insert(&mut self, place: Place, value: &str) {
        let (old, number) = match place {
            Place::Person(number) => (self.persons.get(number), number),
            Place::Unit(number) => (self.units.get(number), number),
        };
        let Ok(start) = u32::try_from(self.bytes.len()) else { return };
        let is_last = old.is_some_and(|(_, end)| end == start);
        let start = match old {
            Some((old, _)) if is_last => old,
            Some((old, end)) => {
                // The values that it has already come along.
                self.bytes.extend_from_within(old as usize..end as usize);
                self.erase(old, end);
                start
            }
            None => start,
        };
        if !is_last {
            self.cells.push((start, place));
        }
        self.bytes.extend_from_slice(value.as_bytes());
        self.bytes.push(0);
        let span = (start, u32::try_from(self.bytes.len()).unwrap_or(u32::MAX));
        match place {
            Place::Person(_) => self.persons.set(number, span),
            Place::Unit(_) => self.units.set(number, span),
        }
    }

    /// Takes away all values of `place`.
    pub(super) fn remove(&mut self, place: Place) {
        let old = match place {
            Place::Person(number) => {
                let old = self.persons.get(number);
                old.inspect(|_| self.persons.set(number, (0, 0)))
            }
            Place::Unit(number) => {
                let old = self.units.get(number);
                old.inspect(|_| self.units.set(number, (0, 0)))
            }
        };
        if let Some((start, end)) = old {
            self.erase(start, end);
            if self.blank > SMALL && self.blank * 2 > self.bytes.len() {
                self.move_up();
            }
        }
    }

    fn erase(&mut self, start: u32, end: u32) {
        if let Some(cell) = self.bytes.get_mut(start as usize..end as usize) {
            self.blank += cell.len();
            cell.fill(0);
        }
    }

    fn move_up(&mut self) {
        let old = std::mem::take(self);
        for (start, place) in &old.cells {
            let span = match place {
                Place::Person(number) => old.persons.get(*number),
                Place::Unit(number) => old.units.get(*number),
            };
            let Some((begin, end)) = span.filter(|(begin, _)| begin == start) else { continue };
            let cell = old.bytes.get(begin as usize..end as usize).unwrap_or_default();
            for value in cell.split(|byte| *byte == 0).filter(|value| !value.is_empty()) {
                if let Ok(value) = str::from_utf8(value) {
                    self.insert(*place, value);
                }
            }
        }
    }

    /// The entries that have `part` in one of their values. `None` when there are more than `most`
    /// of them: then looking at all entries is as good.
    pub(super) fn find(&self, part: &str, most: usize) -> Option<Vec<Place>> {
        let finder = Finder::new(part.as_bytes());
        let (mut found, mut from) = (Vec::new(), 0);
        while let Some(hit) = self.bytes.get(from..).and_then(|rest| finder.find(rest)) {
            let at = from + hit;
            let next = self.cells.partition_point(|(start, _)| *start as usize <= at);
            let (_, place) = *self.cells.get(next.checked_sub(1)?)?;
            if found.len() == most {
                return None;
            }
            found.push(place);
            // One hit in an entry is enough.
            from = self.cells.get(next).map_or(self.bytes.len(), |(start, _)| *start as usize);
        }
        Some(found)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn find(column: &Column, part: &str) -> Vec<u32> {
        let mut found: Vec<u32> = column
            .find(part, usize::MAX)
            .unwrap()
            .into_iter()
            .map(|place| match place {
                Place::Person(number) | Place::Unit(number) => number,
            })
            .collect();
        found.sort_unstable();
        found
    }

    #[test]
    fn parts_are_found_where_they_are_and_nowhere_else() {
        let mut column = Column::default();
        for (place, value) in [(0, "ada@example.org"), (0, "okafor@example.org"), (1, "bob@example.org"), (2, "orgada")]
        {
            column.insert(Place::Person(place), value);
        }
        assert_eq!(find(&column, "example"), [0, 1]);
        assert_eq!(find(&column, "ada"), [0, 2]);
        assert_eq!(find(&column, "orgada"), [2]);
        assert_eq!(find(&column, "nobody"), [0; 0]);
        assert_eq!(column.find("example", 1), None);
        column.insert(Place::Person(0), "third");
        assert_eq!(find(&column, "okafor"), [0]);
        assert_eq!(find(&column, "third"), [0]);
        column.remove(Place::Person(0));
        assert_eq!(find(&column, "example"), [1]);
        column.remove(Place::Person(9));
    }

    #[test]
    fn a_column_does_not_grow_by_changes() {
        let mut column = Column::default();
        for round in 0..200 {
            for place in 0..100 {
                column.remove(Place::Person(place));
                column.insert(Place::Person(place), &format!("person {place} in round {round}"));
            }
        }
        assert!(column.bytes.len() < 4 * SMALL, "{}", column.bytes.len());
        assert_eq!(find(&column, "person 42 in round 199"), [42]);
        assert_eq!(find(&column, "round 198"), [0; 0]);
        assert_eq!(find(&column, "round 199").len(), 100);
    }
}
