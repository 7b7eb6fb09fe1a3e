//! Pages of a long list: where one is, and the ways to the next and the previous one.

use crate::words;

/// Rows on one page.
pub(crate) const PER_PAGE: usize = 25;

/// Where a list stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Paging {
    /// "26 to 50 of 132".
    pub(crate) range: String,
    /// The page before.
    pub(crate) previous: Option<String>,
    /// The page after.
    pub(crate) next: Option<String>,
}

impl Paging {
    /// Page `page` (from 1) of `total` rows; `href` gives the address of a page. `None` when all
    /// fits on one.
    pub(crate) fn new(page: usize, total: usize, href: impl Fn(usize) -> String) -> Option<Self> {
        if total <= PER_PAGE {
            return None;
        }
        let first = (page - 1) * PER_PAGE + 1;
        let last = (page * PER_PAGE).min(total);
        Some(Self {
            range: format!("{} to {} of {}", words::figures(first), words::figures(last), words::figures(total)),
            previous: (page > 1).then(|| href(page - 1)),
            next: (last < total).then(|| href(page + 1)),
        })
    }
}

/// The page that was asked for, kept between the first and the last.
pub(crate) fn page_of(asked: Option<usize>, total: usize) -> usize {
    asked.unwrap_or(1).clamp(1, total.div_ceil(PER_PAGE).max(1))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pages_have_neighbours() {
        let at = |page, total| Paging::new(page, total, |page| page.to_string());
        assert_eq!(at(1, 25), None);
        let first = at(1, 26).unwrap();
        assert_eq!((first.range.as_str(), first.previous, first.next.as_deref()), ("1 to 25 of 26", None, Some("2")));
        let last = at(2, 26).unwrap();
        assert_eq!((last.range.as_str(), last.previous.as_deref(), last.next), ("26 to 26 of 26", Some("1"), None));
    }

    #[test]
    fn any_number_is_a_page() {
        for (asked, total, page) in
            [(None, 0, 1), (Some(0), 30, 1), (Some(2), 30, 2), (Some(99), 30, 2), (Some(3), 0, 1)]
        {
            assert_eq!(page_of(asked, total), page);
        }
    }
}
