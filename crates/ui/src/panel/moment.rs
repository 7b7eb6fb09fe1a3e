//! Points in time as forms have them: in UTC, to the second at most.

use ostiary_model::Timestamp;

/// As a field for date and time holds it (`2026-11-22T17:45`, with seconds where there are some).
pub(crate) fn field(at: Timestamp) -> String {
    written(at, 'T')
}

/// As somebody writes it in a line (`2026-11-22 17:45`).
pub(crate) fn line(at: Timestamp) -> String {
    written(at, ' ')
}

fn written(at: Timestamp, between: char) -> String {
    let text = at.to_generalized_time();
    let part = |from, to| text.get(from..to).unwrap_or_default();
    let mut out = format!("{}-{}-{}{between}{}:{}", part(0, 4), part(4, 6), part(6, 8), part(8, 10), part(10, 12));
    if part(12, 14) != "00" {
        out.push(':');
        out.push_str(part(12, 14));
    }
    out
}

/// Reads either form, or LDAP's own. `None` when `text` is no time.
pub(crate) fn read(text: &str) -> Option<Timestamp> {
    let text = text.trim();
    if let Some(at) = Timestamp::from_generalized_time(text) {
        return Some(at);
    }
    let (day, clock) = text.split_once(['T', ' '])?;
    let is_day = day.len() == 10 && day.bytes().filter(|byte| *byte == b'-').count() == 2;
    let is_clock = matches!(clock.len(), 5 | 8) && clock.bytes().filter(|byte| *byte == b':').count() < 3;
    let digits: String = text.chars().filter(char::is_ascii_digit).collect();
    let seconds = if clock.len() == 5 { "00" } else { "" };
    let is_whole = is_day && is_clock && digits.len() + seconds.len() == 14;
    if is_whole { Timestamp::from_generalized_time(&format!("{digits}{seconds}Z")) } else { None }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn moments_are_read_as_they_are_written() {
        for (text, secs) in [
            ("2026-11-22T07:27:41", 1_795_332_461),
            ("2026-11-22 07:27:41", 1_795_332_461),
            ("2026-11-22T07:27", 1_795_332_420),
            ("1970-01-01 00:00", 0),
        ] {
            let at = Timestamp::from_secs(secs);
            assert_eq!(read(text), Some(at), "{text}");
            assert!([field(at), line(at)].iter().any(|own| own == text), "{text}");
        }
        assert_eq!(read("20261122072741Z"), Some(Timestamp::from_secs(1_795_332_461)));
        for bad in ["", "tomorrow", "2026-11-22", "2026-13-01T00:00", "2026-02-30T00:00", "2026-11-22T25:00", "x T y"] {
            assert_eq!(read(bad), None, "{bad}");
        }
    }
}
