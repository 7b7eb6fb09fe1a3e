//! Times in UTC as the command line shows them.

use ostiary_model::Timestamp;

/// `2026-11-22T17:39:35Z` (RFC 3339), for programs.
pub(crate) fn rfc3339(time: Timestamp) -> String {
    time.to_rfc3339()
}

/// `2026-11-22`, for people.
pub(crate) fn day(time: Timestamp) -> String {
    time.to_rfc3339().chars().take_while(|letter| *letter != 'T').collect()
}

/// Reads a day, which stands for its beginning in UTC, or a time of RFC 3339 such as
/// `2026-12-31T09:00:00+01:00`.
pub(crate) fn parse(text: &str) -> Option<Timestamp> {
    let (day, clock) = text.split_once(['T', 't', ' ']).unwrap_or((text, "00:00:00Z"));
    let (time, zone) = clock.split_at_checked(8)?;
    if !has_form(day, "0000-00-00") || !has_form(time, "00:00:00") {
        return None;
    }
    let bare = |text: &str, separator| text.replace(separator, "");
    let zone = zone.to_ascii_uppercase();
    Timestamp::from_generalized_time(&format!("{}{}{}", bare(day, '-'), bare(time, ':'), bare(&zone, ':')))
}

/// Whether `text` has a digit wherever `form` has one, and is the same elsewhere.
fn has_form(text: &str, form: &str) -> bool {
    let fits = |(found, wanted): (u8, u8)| found == wanted || (found.is_ascii_digit() && wanted == b'0');
    text.len() == form.len() && text.bytes().zip(form.bytes()).all(fits)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn days_and_times_are_read() {
        for text in ["2026-12-31", "2026-12-31T00:00:00Z", "2026-12-31T01:00:00+01:00", "2026-12-30 19:00:00-05:00"] {
            assert_eq!(parse(text).map(rfc3339).as_deref(), Some("2026-12-31T00:00:00Z"), "{text}");
        }
        for text in [
            "",
            "today",
            "2026-13-01",
            "20261231",
            "2026-12-31T00:00",
            "2026-12-31T00:00:00",
            "2026-1-1",
            "31-12-2026",
            "20-6-11--1T10:00:00Z",
            "2026-12-31T1::00:::Z",
        ] {
            assert_eq!(parse(text), None, "{text}");
        }
        assert_eq!(day(Timestamp::from_secs(951_782_400)), "2000-02-29");
    }
}
