//! What is wrong with a configuration: collected, never one at a time, each with its place, what
//! was found and what is allowed.

use std::fmt;
use std::path::PathBuf;

/// Where something stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Place {
    /// In a file, at a line counted from 1.
    Line(PathBuf, usize),
    /// In the environment, in the variable of this name.
    Variable(String),
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Line(file, line) => write!(f, "{}, line {line}", file.display()),
            Self::Variable(name) => f.write_str(name),
        }
    }
}

/// Everything that is wrong.
#[derive(Debug, Default)]
pub(crate) struct Problems(Vec<String>);

impl Problems {
    /// Adds a problem at `place`.
    pub(crate) fn at(&mut self, place: &Place, what: impl fmt::Display) {
        self.0.push(format!("{place}: {what}"));
    }

    /// Adds a problem that has no single place.
    pub(crate) fn general(&mut self, what: impl fmt::Display) {
        self.0.push(what.to_string());
    }

    pub(crate) const fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

impl fmt::Display for Problems {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0.as_slice() {
            [one] => write!(f, "the configuration has an error:\n  {one}"),
            many => {
                write!(f, "the configuration has {} errors:", many.len())?;
                many.iter().try_for_each(|problem| write!(f, "\n  {problem}"))
            }
        }
    }
}

impl std::error::Error for Problems {}

/// The word of `known` that is closest to `found`.
pub(crate) fn nearest<'a>(found: &str, known: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    known.into_iter().min_by_key(|word| distance(found, word))
}

/// How many letters must be put in, left out or changed to make one word of the other.
fn distance(left: &str, right: &str) -> usize {
    let right: Vec<char> = right.chars().collect();
    let mut row: Vec<usize> = (0..=right.len()).collect();
    for (line, from) in left.chars().enumerate() {
        let mut before = line + 1;
        let mut next = vec![before];
        for (pair, to) in row.windows(2).zip(&right) {
            let (changed, left_out) = match pair {
                [diagonal, above] => (diagonal + usize::from(from != *to), above + 1),
                _ => (usize::MAX, usize::MAX),
            };
            before = changed.min(left_out).min(before + 1);
            next.push(before);
        }
        row = next;
    }
    row.last().copied().unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn distances() {
        for (left, right, expected) in [
            ("", "", 0),
            ("", "abc", 3),
            ("abc", "", 3),
            ("listen", "lisen", 1),
            ("kitten", "sitting", 3),
            ("a", "b", 1),
        ] {
            assert_eq!(distance(left, right), expected, "{left} {right}");
        }
    }

    #[test]
    fn the_nearest_word() {
        assert_eq!(nearest("lisen", ["level", "listen", "format"]), Some("listen"));
        assert_eq!(nearest("x", []), None);
    }
}
