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
    /// Where the cell of each place begins and ends; nowhere when both are the same.
    persons: Vec<(u32, u32)>,
    units: Vec<(u32, u32)>,
    blank: usize,
}

impl Column {
    /// Where the cell of a person or group is kept.
    fn span(&mut self, place: Place) -> Option<&mut (u32, u32)> {
        let (spans, at) = match place {
            Place::Person(at) => (&mut self.persons, at as usize),
            Place::Unit(at) => (&mut self.units, at as usize),
            _ => return None,
        };
        if spans.len() <= at {
            spans.resize(at + 1, (0, 0));
        }
        spans.get_mut(at)
    }

    /// Gives `place` one more value.
    pub(super) fn insert(&mut self, place: Place, value: &str) {
        let Ok(end) = u32::try_from(self.bytes.len()) else { return };
        let Some(span) = self.span(place) else { return };
        let old = std::mem::take(span);
        let is_last = old.0 < old.1 && old.1 == end;
        let start = if is_last { old.0 } else { end };
        if !is_last {
            self.cells.push((start, place));
            // The values that it has already come along.
            self.bytes.extend_from_within(old.0 as usize..old.1 as usize);
            self.erase(old);
        }
        self.bytes.extend_from_slice(value.as_bytes());
        self.bytes.push(0);
        let end = u32::try_from(self.bytes.len()).unwrap_or(u32::MAX);
        if let Some(span) = self.span(place) {
            *span = (start, end);
        }
    }

    /// Takes away all values of `place`.
    pub(super) fn remove(&mut self, place: Place) {
        let Some(old) = self.span(place).map(std::mem::take) else { return };
        self.erase(old);
        if self.blank > SMALL && self.blank * 2 > self.bytes.len() {
            self.move_up();
        }
    }

    fn erase(&mut self, (start, end): (u32, u32)) {
        if let Some(cell) = self.bytes.get_mut(start as usize..end as usize) {
            self.blank += cell.len();
            cell.fill(0);
        }
    }

    fn move_up(&mut self) {
        let mut old = std::mem::take(self);
        for (start, place) in std::mem::take(&mut old.cells) {
            let Some((begin, end)) = old.span(place).copied().filter(|(begin, end)| *begin == start && begin < end)
            else {
                continue;
            };
            let cell = old.bytes.get(begin as usize..end as usize).unwrap_or_default();
            for value in cell.split(|byte| *byte == 0).filter(|value| !value.is_empty()) {
                if let Ok(value) = str::from_utf8(value) {
                    self.insert(place, value);
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
                _ => panic!("no cell"),
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
