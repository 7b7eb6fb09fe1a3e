//! Times in UTC as the command line shows them.

use ostiary_model::Timestamp;

/// `2026-11-22T17:39:35Z` (RFC 3339), for programs.
pub(crate) fn rfc3339(time: Timestamp) -> String {
    let (year, month, day) = date(time);
    let second = time.as_secs().rem_euclid(86_400);
    format!("{year:04}-{month:02}-{day:02}T{:02}:{:02}:{:02}Z", second / 3600, second / 60 % 60, second % 60)
}

/// `2026-11-22`, for people.
pub(crate) fn day(time: Timestamp) -> String {
    let (year, month, day) = date(time);
    format!("{year:04}-{month:02}-{day:02}")
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

/// Year, month and day of the Gregorian calendar. Years are counted from March, so that the leap
/// day comes last; 400 of them have 146,097 days.
fn date(time: Timestamp) -> (i64, i64, i64) {
    let days = time.as_secs().div_euclid(86_400) + 719_468;
    let (era, day) = (days.div_euclid(146_097), days.rem_euclid(146_097));
    let year = (day - day / 1_460 + day / 36_524 - day / 146_096) / 365;
    let day = day - (365 * year + year / 4 - year / 100);
    let month = (5 * day + 2) / 153;
    let day = day - (153 * month + 2) / 5 + 1;
    let month = if month < 10 { month + 3 } else { month - 9 };
    (era * 400 + year + i64::from(month <= 2), month, day)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dates_of_the_calendar() {
        for (secs, expected) in [
            (0, "1970-01-01T00:00:00Z"),
            (951_782_399, "2000-02-28T23:59:59Z"),
            (951_782_400, "2000-02-29T00:00:00Z"),
            (1_795_368_000, "2026-11-22T17:20:00Z"),
            (4_107_542_399, "2100-02-28T23:59:59Z"),
            (4_107_542_400, "2100-03-01T00:00:00Z"),
            (-1, "1969-12-31T23:59:59Z"),
        ] {
            assert_eq!(rfc3339(Timestamp::from_secs(secs)), expected);
        }
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
