//! Times, counts and names in words.

use ostiary_model::{Span, Timestamp};

const MINUTE: i64 = 60;
const HOUR: i64 = 60 * MINUTE;
const DAY: i64 = 24 * HOUR;

const MONTHS: [&str; 12] = [
    "January",
    "February",
    "March",
    "April",
    "May",
    "June",
    "July",
    "August",
    "September",
    "October",
    "November",
    "December",
];

/// A point in time as pages show it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct When {
    /// From now, in the middle of a sentence: "12 minutes ago", "in 3 days".
    pub(crate) relative: String,
    /// The day alone: "22 November 2026".
    pub(crate) day: String,
    /// For the hovering pointer: "22 November 2026, 07:15 UTC".
    pub(crate) exact: String,
    /// For machines (RFC 3339).
    pub(crate) machine: String,
}

impl When {
    /// `then`, seen from `now`.
    pub(crate) fn new(now: Timestamp, then: Timestamp) -> Self {
        let (year, month, day) = date(then);
        let clock = then.as_secs().rem_euclid(DAY);
        let (hour, minute, second) = (clock / HOUR, clock % HOUR / MINUTE, clock % MINUTE);
        let name = usize::try_from(month - 1).ok().and_then(|index| MONTHS.get(index)).unwrap_or(&"");
        Self {
            relative: relative(now, then),
            day: format!("{day} {name} {year}"),
            exact: format!("{day} {name} {year}, {hour:02}:{minute:02} UTC"),
            machine: format!("{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}Z"),
        }
    }

    /// The relative form at the beginning of a sentence or cell: "Yesterday".
    pub(crate) fn first(&self) -> String {
        first(&self.relative)
    }
}

/// `text` with its first letter as a capital.
pub(crate) fn first(text: &str) -> String {
    let mut letters = text.chars();
    letters.next().map_or_else(String::new, |letter| letter.to_uppercase().chain(letters).collect())
}

fn relative(now: Timestamp, then: Timestamp) -> String {
    let seconds = now.as_secs() - then.as_secs();
    let midnights = now.as_secs().div_euclid(DAY) - then.as_secs().div_euclid(DAY);
    if seconds <= -MINUTE {
        return ahead(-seconds, -midnights);
    }
    if seconds < MINUTE {
        "just now".to_owned()
    } else if seconds < HOUR {
        ago(seconds / MINUTE, "minute")
    } else if seconds < 12 * HOUR || midnights == 0 {
        ago(seconds / HOUR, "hour")
    } else if midnights == 1 {
        "yesterday".to_owned()
    } else if midnights < 31 {
        ago(midnights, "day")
    } else if midnights < 365 {
        ago(midnights * 12 / 365, "month")
    } else {
        ago(midnights / 365, "year")
    }
}

fn ahead(seconds: i64, midnights: i64) -> String {
    if seconds < HOUR {
        format!("in {}", counted(seconds / MINUTE, "minute"))
    } else if seconds < 12 * HOUR || midnights == 0 {
        format!("in {}", counted(seconds / HOUR, "hour"))
    } else if midnights == 1 {
        "tomorrow".to_owned()
    } else if midnights < 31 {
        format!("in {}", counted(midnights, "day"))
    } else if midnights < 365 {
        format!("in {}", counted(midnights * 12 / 365, "month"))
    } else {
        format!("in {}", counted(midnights / 365, "year"))
    }
}

fn ago(count: i64, unit: &str) -> String {
    format!("{} ago", counted(count, unit))
}

fn counted(count: i64, unit: &str) -> String {
    if count == 1 { format!("1 {unit}") } else { format!("{count} {unit}s") }
}

/// Year, month and day of the proleptic Gregorian calendar, UTC: days since 1970-01-01 counted in
/// eras of 400 years that begin in March, so that the leap day comes last.
fn date(time: Timestamp) -> (i64, i64, i64) {
    let days = time.as_secs().div_euclid(DAY) + 719_468;
    let era = days.div_euclid(146_097);
    let day_of_era = days.rem_euclid(146_097);
    let year_of_era = (day_of_era - day_of_era / 1_460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let month_from_march = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * month_from_march + 2) / 5 + 1;
    let month = if month_from_march < 10 { month_from_march + 3 } else { month_from_march - 9 };
    (year_of_era + era * 400 + i64::from(month <= 2), month, day)
}

/// A length of time: "10 minutes", "1 hour", "30 days", "1 year". Rounded up to the unit, so that
/// nobody comes back too early.
pub(crate) fn span(span: Span) -> String {
    let seconds = span.as_secs().max(1);
    let up = |unit: i64| (seconds + unit - 1) / unit;
    if seconds < MINUTE {
        counted(seconds, "second")
    } else if seconds < HOUR || (seconds < 6 * HOUR && seconds % HOUR != 0) {
        counted(up(MINUTE), "minute")
    } else if seconds < DAY {
        counted(up(HOUR), "hour")
    } else if seconds % (365 * DAY) == 0 {
        counted(seconds / (365 * DAY), "year")
    } else {
        counted(up(DAY), "day")
    }
}

/// A number with its noun: "1 person", "1,204 people".
pub(crate) fn count(number: usize, one: &str, many: &str) -> String {
    format!("{} {}", figures(number), if number == 1 { one } else { many })
}

/// A number with its thousands parted.
pub(crate) fn figures(number: usize) -> String {
    let plain = number.to_string();
    let mut parted = String::with_capacity(plain.len() + plain.len() / 3);
    for (index, figure) in plain.chars().enumerate() {
        if index > 0 && (plain.len() - index).is_multiple_of(3) {
            parted.push(',');
        }
        parted.push(figure);
    }
    parted
}

/// "Editors", "Editors and Staff", "Editors, Finance and Staff".
pub(crate) fn listed(names: &[String]) -> String {
    match names {
        [] => String::new(),
        [only] => only.clone(),
        [before @ .., last] => format!("{} and {last}", before.join(", ")),
    }
}

/// One or two letters that stand for a name where a picture would: of its first and last word.
pub(crate) fn initials(name: &str) -> String {
    let mut letters = name.split_whitespace().filter_map(|word| word.chars().find(|c| c.is_alphanumeric()));
    let first = letters.next();
    let last = letters.next_back();
    first.into_iter().chain(last).flat_map(char::to_uppercase).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// 2026-11-22 07:27:41 UTC.
    const NOW: Timestamp = Timestamp::from_secs(1_795_332_461);

    #[test]
    fn points_in_time() {
        let exact = |secs| When::new(NOW, Timestamp::from_secs(secs)).exact;
        assert_eq!(exact(1_795_332_461), "22 November 2026, 07:27 UTC");
        assert_eq!(exact(0), "1 January 1970, 00:00 UTC");
        assert_eq!(exact(951_782_400), "29 February 2000, 00:00 UTC");
        assert_eq!(exact(1_709_251_199), "29 February 2024, 23:59 UTC");
        assert_eq!(exact(1_709_251_200), "1 March 2024, 00:00 UTC");
        assert_eq!(exact(-1), "31 December 1969, 23:59 UTC");
        assert_eq!(When::new(NOW, NOW).machine, "2026-11-22T07:27:41Z");
    }

    #[test]
    fn times_from_now() {
        let ago = |seconds: i64| relative(NOW, Timestamp::from_secs(NOW.as_secs() - seconds));
        for (seconds, words) in [
            (-30, "just now"),
            (-12 * MINUTE, "in 12 minutes"),
            (-HOUR, "in 1 hour"),
            (-24 * HOUR, "tomorrow"),
            (-4 * DAY, "in 4 days"),
            (-95 * DAY, "in 3 months"),
            (-800 * DAY, "in 2 years"),
            (0, "just now"),
            (59, "just now"),
            (60, "1 minute ago"),
            (12 * MINUTE, "12 minutes ago"),
            (HOUR, "1 hour ago"),
            (8 * HOUR, "8 hours ago"),
            (13 * HOUR, "yesterday"),
            (24 * HOUR, "yesterday"),
            (DAY + 8 * HOUR, "2 days ago"),
            (4 * DAY, "4 days ago"),
            (30 * DAY, "30 days ago"),
            (31 * DAY, "1 month ago"),
            (95 * DAY, "3 months ago"),
            (364 * DAY, "11 months ago"),
            (365 * DAY, "1 year ago"),
            (800 * DAY, "2 years ago"),
        ] {
            assert_eq!(ago(seconds), words, "{seconds}");
        }
        assert_eq!(When::new(NOW, NOW - Span::from_hours(24)).first(), "Yesterday");
    }

    #[test]
    fn lengths_of_time() {
        for (length, words) in [
            (Span::ZERO, "1 second"),
            (Span::from_secs(30), "30 seconds"),
            (Span::from_secs(61), "2 minutes"),
            (Span::from_mins(10), "10 minutes"),
            (Span::from_mins(90), "90 minutes"),
            (Span::from_hours(1), "1 hour"),
            (Span::from_hours(12), "12 hours"),
            (Span::from_days(1), "1 day"),
            (Span::from_days(30), "30 days"),
            (Span::from_days(365), "1 year"),
        ] {
            assert_eq!(span(length), words);
        }
    }

    #[test]
    fn numbers_and_lists() {
        assert_eq!(count(1, "person", "people"), "1 person");
        assert_eq!(count(0, "person", "people"), "0 people");
        assert_eq!(count(1_234_567, "person", "people"), "1,234,567 people");
        let names = |names: &[&str]| listed(&names.iter().map(|name| (*name).to_owned()).collect::<Vec<_>>());
        assert_eq!(names(&[]), "");
        assert_eq!(names(&["Editors"]), "Editors");
        assert_eq!(names(&["Editors", "Finance", "Staff"]), "Editors, Finance and Staff");
    }

    #[test]
    fn initials_of_names_from_many_places() {
        for (name, letters) in [
            ("Ada Okafor", "AO"),
            ("Hans-Joachim Freiherr von Oberammergau-Garmisch", "HO"),
            ("김서연", "김"),
            ("Łukasz Wiśniewski", "ŁW"),
            ("ليلى حداد", "لح"),
            ("<script>alert(1)</script>", "S"),
            ("priya", "P"),
            ("", ""),
        ] {
            assert_eq!(initials(name), letters, "{name}");
        }
    }
}
