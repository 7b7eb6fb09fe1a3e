//! What the machine gives: its clock and its source of chance.

use std::time::{SystemTime, UNIX_EPOCH};

use ostiary_model::{Clock, Entropy, Timestamp};

/// The machine's clock.
pub(crate) struct SystemClock;

impl Clock for SystemClock {
    fn now(&self) -> Timestamp {
        #[expect(clippy::disallowed_methods, reason = "this is the clock that everybody else is given")]
        let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        Timestamp::from_micros(i64::try_from(since.as_micros()).unwrap_or(i64::MAX))
    }
}

/// The system's source of chance.
pub(crate) struct SystemEntropy;

impl Entropy for SystemEntropy {
    fn fill(&self, buffer: &mut [u8]) {
        #[expect(clippy::disallowed_methods, reason = "this is the chance that everybody else is given")]
        let filled = aws_lc_rs::rand::fill(buffer);
        if filled.is_err() {
            // Going on with bytes that somebody could foresee would be worse than any end.
            std::process::abort();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_clock_is_later_than_this_line_was_written() {
        assert!(SystemClock.now() > Timestamp::from_secs(1_790_000_000));
    }

    #[test]
    fn chance_does_not_repeat() {
        let (mut first, mut second) = ([0; 32], [0; 32]);
        SystemEntropy.fill(&mut first);
        SystemEntropy.fill(&mut second);
        assert_ne!(first, second);
    }
}
