//! Points in time as LDAP writes them: GeneralizedTime, `20261122174500Z` (RFC 4517 section
//! 3.3.13). Written in UTC to the second; read with fractions and offsets too. And as everybody
//! else writes them.

use crate::time::Timestamp;

const MICROS_PER_SECOND: i64 = 1_000_000;
const SECONDS_PER_DAY: i64 = 86_400;
/// The years that four digits can write, from 0000 to 9999.
const FIRST_SECOND: i64 = -62_167_219_200;
const LAST_SECOND: i64 = 253_402_300_799;

impl Timestamp {
    /// The GeneralizedTime of the second that this point lies in.
    #[must_use]
    pub fn to_generalized_time(self) -> String {
        let ([year, month, day], [hour, minute, second]) = self.date_and_clock();
        format!("{year:04}{month:02}{day:02}{hour:02}{minute:02}{second:02}Z")
    }

    /// The second that this point lies in as `2026-11-22T17:45:00Z` (RFC 3339), for programs.
    #[must_use]
    pub fn to_rfc3339(self) -> String {
        let ([year, month, day], [hour, minute, second]) = self.date_and_clock();
        format!("{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}Z")
    }

    fn date_and_clock(self) -> ([i64; 3], [i64; 3]) {
        let (year, month, day) = date_of(self.as_secs().div_euclid(SECONDS_PER_DAY));
        let second = self.as_secs().rem_euclid(SECONDS_PER_DAY);
        ([year, month, day], [second / 3600, second / 60 % 60, second % 60])
    }

    /// Reads a GeneralizedTime. `None` when `text` is none: no such day, no zone, other digits.
    #[must_use]
    pub fn from_generalized_time(text: &str) -> Option<Self> {
        let (digits, rest) = split_digits(text);
        let fields = match digits.len() {
            10 | 12 | 14 => digits,
            _ => return None,
        };
        let number = |from: usize, to: usize| fields.get(from..to).and_then(|field| field.parse::<i64>().ok());
        let (year, month, day, hour) = (number(0, 4)?, number(4, 6)?, number(6, 8)?, number(8, 10)?);
        let minute = if fields.len() >= 12 { number(10, 12)? } else { 0 };
        let second = if fields.len() == 14 { number(12, 14)? } else { 0 };
        // 60 is a leap second: it is the last of its minute here.
        if hour > 23
            || minute > 59
            || second > 60
            || !(1..=12).contains(&month)
            || day < 1
            || day > days_in(year, month)
        {
            return None;
        }
        let unit = match fields.len() {
            10 => 3600,
            12 => 60,
            _ => 1,
        };
        let (fraction, zone) = fraction(rest, unit * MICROS_PER_SECOND)?;
        let of_day = hour * 3600 + minute * 60 + second.min(59);
        let seconds = days_of(year, month, day) * SECONDS_PER_DAY + of_day - offset(zone)?;
        if !(FIRST_SECOND..=LAST_SECOND).contains(&seconds) {
            return None;
        }
        Some(Self::from_micros(seconds * MICROS_PER_SECOND + fraction))
    }
}

fn split_digits(text: &str) -> (&str, &str) {
    let end = text.bytes().position(|byte| !byte.is_ascii_digit()).unwrap_or(text.len());
    text.split_at_checked(end).unwrap_or((text, ""))
}

/// What stands behind a point or comma, as microseconds of a `unit`, and what follows it.
fn fraction(text: &str, unit: i64) -> Option<(i64, &str)> {
    let Some(rest) = text.strip_prefix(['.', ',']) else { return Some((0, text)) };
    let (digits, zone) = split_digits(rest);
    // More digits than microseconds of an hour have cannot change the result.
    let kept = digits.get(..digits.len().min(9)).filter(|kept| !kept.is_empty())?;
    let scale = 10_i64.checked_pow(u32::try_from(kept.len()).ok()?)?;
    Some((kept.parse::<i64>().ok()? * unit / scale, zone))
}

/// Seconds east of UTC.
fn offset(zone: &str) -> Option<i64> {
    if zone == "Z" {
        return Some(0);
    }
    let (sign, digits) = match (zone.strip_prefix('+'), zone.strip_prefix('-')) {
        (Some(digits), _) => (1, digits),
        (_, Some(digits)) => (-1, digits),
        _ => return None,
    };
    if !matches!(digits.len(), 2 | 4) || !digits.bytes().all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    let hours: i64 = digits.get(..2)?.parse().ok()?;
    let minutes: i64 = if digits.len() == 4 { digits.get(2..)?.parse().ok()? } else { 0 };
    if hours > 23 || minutes > 59 { None } else { Some(sign * (hours * 3600 + minutes * 60)) }
}

const fn is_leap(year: i64) -> bool {
    year % 4 == 0 && (year % 100 != 0 || year % 400 == 0)
}

const fn days_in(year: i64, month: i64) -> i64 {
    match month {
        2 if is_leap(year) => 29,
        2 => 28,
        4 | 6 | 9 | 11 => 30,
        _ => 31,
    }
}

/// Days from 1970-01-01 to a date of the Gregorian calendar. Counts in years that begin in March,
/// so that the leap day is the last of its year.
const fn days_of(year: i64, month: i64, day: i64) -> i64 {
    let year = if month <= 2 { year - 1 } else { year };
    let month = (month + 9) % 12;
    let of_year = (153 * month + 2) / 5 + day - 1;
    year * 365 + year.div_euclid(4) - year.div_euclid(100) + year.div_euclid(400) + of_year - 719_468
}

/// The date that lies so many days after 1970-01-01.
fn date_of(days: i64) -> (i64, i64, i64) {
    // Years are taken as too long after 1970 and as too short before, so the guess is never late.
    let mut year = 1970 + if days < 0 { days.div_euclid(365) } else { days / 366 };
    while days_of(year + 1, 1, 1) <= days {
        year += 1;
    }
    let mut month = 1;
    while month < 12 && days_of(year, month + 1, 1) <= days {
        month += 1;
    }
    (year, month, days - days_of(year, month, 1) + 1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn known_points() {
        for (text, secs) in [
            ("19700101000000Z", 0),
            ("20000229235959Z", 951_868_799),
            ("20261122174500Z", 1_795_369_500),
            ("19691231235959Z", -1),
            ("99991231235959Z", 253_402_300_799),
            ("00000101000000Z", -62_167_219_200),
        ] {
            assert_eq!(Timestamp::from_generalized_time(text), Some(Timestamp::from_secs(secs)), "{text}");
            assert_eq!(Timestamp::from_secs(secs).to_generalized_time(), text);
        }
        for (secs, text) in [
            (0, "1970-01-01T00:00:00Z"),
            (951_782_399, "2000-02-28T23:59:59Z"),
            (951_782_400, "2000-02-29T00:00:00Z"),
            (1_795_368_000, "2026-11-22T17:20:00Z"),
            (4_107_542_399, "2100-02-28T23:59:59Z"),
            (4_107_542_400, "2100-03-01T00:00:00Z"),
            (-1, "1969-12-31T23:59:59Z"),
        ] {
            assert_eq!(Timestamp::from_secs(secs).to_rfc3339(), text);
        }
    }

    #[test]
    fn offsets_fractions_and_short_forms() {
        let at = |text| Timestamp::from_generalized_time(text).map(Timestamp::as_micros);
        let noon = at("20261122120000Z").unwrap();
        assert_eq!(at("20261122130000+01"), Some(noon));
        assert_eq!(at("20261122093000-0230"), Some(noon));
        assert_eq!(at("2026112212Z"), Some(noon));
        assert_eq!(at("202611221200Z"), Some(noon));
        assert_eq!(at("2026112212.5Z"), Some(noon + 1_800_000_000));
        assert_eq!(at("20261122120000,123456Z"), Some(noon + 123_456));
        assert_eq!(at("20261122120000.1234567899999Z"), Some(noon + 123_456));
    }

    #[test]
    fn what_is_no_point_in_time() {
        for text in [
            "",
            "Z",
            "20261122",
            "00000101000000+01",
            "99991231235959-01",
            "20261122120000",
            "20261122120000X",
            "20261322120000Z",
            "20270229120000Z",
            "20261122240000Z",
            "20261122126000Z",
            "20261122120000.Z",
            "20261122120000+1",
            "20261122120000+0160",
            "20261122120000Z ",
            "2026112212000ßZ",
            "２０２６1122120000Z",
        ] {
            assert_eq!(Timestamp::from_generalized_time(text), None, "{text:?}");
        }
    }

    #[test]
    fn every_day_of_four_centuries_comes_back() {
        for day in -73_048..73_049 {
            let at = Timestamp::from_secs(day * SECONDS_PER_DAY + day.abs() % SECONDS_PER_DAY);
            assert_eq!(Timestamp::from_generalized_time(&at.to_generalized_time()), Some(at));
        }
    }
}
