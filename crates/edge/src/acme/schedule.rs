//! When a certificate is renewed, and when something that failed is tried again.
//!
//! Pure: the time and chance come in. Goes by shares of a certificate's life, never by days, so
//! that certificates of 90, 47 and 6 days are all treated alike.

use ostiary_model::{Entropy, Span, Timestamp};
use ostiary_store::RenewalPlan;

/// A certificate that lives shorter is renewed at half its life.
const SHORT_LIVED: Span = Span::from_days(10);
/// What an authority is never asked to do sooner after a certificate was stored, whatever clocks
/// and suggestions say.
pub(crate) const REST: Span = Span::from_hours(1);
/// After nothing else was learnt, the authority is asked for a suggestion again.
pub(crate) const ASK_AGAIN: Span = Span::from_hours(6);
/// No authority makes us wait longer.
pub(crate) const LONGEST_WAIT: Span = Span::from_days(7);

/// How long a certificate is good, and since when it is ours.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Life {
    pub(crate) not_before: Timestamp,
    pub(crate) not_after: Timestamp,
    pub(crate) stored_at: Timestamp,
}

impl Life {
    const fn length(&self) -> Span {
        self.not_after.since(self.not_before)
    }

    /// The end of this many hundredths of its life.
    fn share(&self, hundredths: i64) -> Timestamp {
        self.not_before + part(self.length(), hundredths, 100)
    }

    /// Keeps a moment from being so early that renewals follow on each other's heels (a clock that
    /// is off, a suggestion in the past), and from being so late that little time is left to fail.
    fn within(&self, moment: Timestamp) -> Timestamp {
        let rest = part(self.length(), 1, 4).min(REST);
        moment.min(self.share(95)).max(self.stored_at + rest)
    }

    /// The plan for a certificate that nothing was suggested for: when two thirds of its life are
    /// nearly over, or half of it if it is short. The authority is asked at once.
    pub(crate) fn plan(&self, entropy: &dyn Entropy) -> RenewalPlan {
        let (from, to) = if self.length() < SHORT_LIVED { (50, 52) } else { (64, 67) };
        let drawn = between(entropy, self.share(from), self.share(to));
        RenewalPlan { renew_at: self.within(drawn), window: None, ask_at: self.stored_at }
    }

    /// The plan after the authority suggested `window` (RFC 9773 section 4.2). A moment is drawn
    /// once for each window and kept, from as much of it as lies within reason; a window that ends
    /// before it begins is none.
    pub(crate) fn suggested(
        &self,
        plan: &RenewalPlan,
        window: (Timestamp, Timestamp),
        ask_at: Timestamp,
        entropy: &dyn Entropy,
    ) -> RenewalPlan {
        let (start, end) = window;
        if plan.window == Some(window) || end < start {
            return RenewalPlan { ask_at, ..*plan };
        }
        RenewalPlan { renew_at: between(entropy, self.within(start), self.within(end)), window: Some(window), ask_at }
    }
}

/// Which ladder of waiting times a failure climbs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Ladder {
    /// The authority or the way to it is out of order.
    Retry,
    /// The authority looked at us and did not find what it should. It counts such failures.
    Looked,
    /// Nothing changes unless somebody changes something.
    Permanent,
}

impl Ladder {
    /// Minutes; the last one is repeated for ever.
    const fn steps(self) -> &'static [i64] {
        match self {
            Self::Retry => &[1, 2, 5, 10, 20, 30, 60],
            Self::Looked => &[5, 15, 30, 60, 180, 360],
            Self::Permanent => &[360, 720, 1440],
        }
    }

    /// When it is tried again after `failures` failures in a row, the last one `now`: up to a
    /// quarter later than the step says, so that not everybody comes at once, and never before
    /// `not_before`. `minute` is a minute, outside tests.
    pub(crate) fn next_at(
        self,
        failures: i64,
        now: Timestamp,
        not_before: Option<Timestamp>,
        minute: Span,
        entropy: &dyn Entropy,
    ) -> Timestamp {
        let steps = self.steps();
        let place = usize::try_from(failures.max(1) - 1).unwrap_or(usize::MAX).min(steps.len() - 1);
        let step = part(minute, steps.get(place).copied().unwrap_or(1), 1);
        let first = (now + step).max(not_before.map_or(now, |moment| moment.min(now + LONGEST_WAIT)));
        between(entropy, first, first + part(step, 1, 4))
    }
}

/// `span` times `dividend` through `divisor`.
fn part(span: Span, dividend: i64, divisor: i64) -> Span {
    let micros = i128::from(span.as_micros()) * i128::from(dividend) / i128::from(divisor.max(1));
    Span::from_micros(i64::try_from(micros).unwrap_or(i64::MAX))
}

/// A moment from `from` to `to`, all as likely.
fn between(entropy: &dyn Entropy, from: Timestamp, to: Timestamp) -> Timestamp {
    let mut bytes = [0; 8];
    entropy.fill(&mut bytes);
    let width = i128::from(to.since(from).as_micros()) + 1;
    let drawn = (i128::from(u64::from_le_bytes(bytes)) * width) >> 64;
    from + Span::from_micros(i64::try_from(drawn).unwrap_or(0))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Draws always the first, the middle or the last.
    struct Chance(u8);

    impl Entropy for Chance {
        fn fill(&self, buffer: &mut [u8]) {
            buffer.fill(self.0);
        }
    }

    const FIRST: Chance = Chance(0);
    const LAST: Chance = Chance(0xff);
    const NOW: Timestamp = Timestamp::from_secs(1_795_000_000);
    const MINUTE: Span = Span::from_mins(1);

    fn life(length: Span) -> Life {
        Life { not_before: NOW, not_after: NOW + length, stored_at: NOW }
    }

    #[test]
    fn a_third_of_a_long_life_is_left_and_half_of_a_short_one() {
        for (length, early, late) in [
            (Span::from_days(90), Span::from_days(57), Span::from_days(61)),
            (Span::from_days(47), Span::from_days(30), Span::from_days(32)),
            (Span::from_hours(160), Span::from_hours(80), Span::from_hours(84)),
            (Span::from_secs(60), Span::from_secs(30), Span::from_secs(32)),
        ] {
            for chance in [FIRST, Chance(0x80), LAST] {
                let plan = life(length).plan(&chance);
                assert!(plan.renew_at >= NOW + early && plan.renew_at <= NOW + late, "{length:?} {plan:?}");
                assert_eq!((plan.window, plan.ask_at), (None, NOW));
            }
            assert!(life(length).plan(&FIRST).renew_at < life(length).plan(&LAST).renew_at);
        }
    }

    #[test]
    fn a_moment_is_drawn_once_for_a_window() {
        let life = life(Span::from_days(90));
        let window = (NOW + Span::from_days(40), NOW + Span::from_days(42));
        let ask_at = NOW + Span::from_hours(6);
        let first = life.suggested(&life.plan(&FIRST), window, ask_at, &FIRST);
        assert_eq!(first, RenewalPlan { renew_at: window.0, window: Some(window), ask_at });
        let again = life.suggested(&first, window, ask_at + MINUTE, &LAST);
        assert_eq!(again, RenewalPlan { ask_at: ask_at + MINUTE, ..first }, "the moment is kept");
        let moved = (window.0 + Span::from_days(1), window.1 + Span::from_days(1));
        assert_eq!(life.suggested(&first, moved, ask_at, &LAST).renew_at, moved.1);
    }

    #[test]
    fn a_suggestion_neither_hurries_nor_delays_beyond_reason() {
        let life = life(Span::from_days(90));
        let plan = life.plan(&FIRST);
        let past = (NOW - Span::from_days(2), NOW - Span::from_days(1));
        assert_eq!(life.suggested(&plan, past, NOW, &FIRST).renew_at, NOW + REST);
        let far = (NOW + Span::from_days(400), NOW + Span::from_days(401));
        let latest = life.suggested(&plan, far, NOW, &FIRST).renew_at;
        assert!(latest < life.not_after && latest > NOW + Span::from_days(85));
        // A window that is wider than the life: not half of all renewals at its very end.
        let wide = (past.0, far.1);
        let drawn = [&FIRST, &Chance(0x80), &LAST].map(|chance| life.suggested(&plan, wide, NOW, chance).renew_at);
        assert!(
            drawn.first() == Some(&(NOW + REST)) && drawn.last() == Some(&latest) && drawn.is_sorted(),
            "{drawn:?}"
        );
        assert!(drawn.get(1).is_some_and(|moment| *moment < NOW + Span::from_days(45)), "{drawn:?}");
        let absurd = (NOW + MINUTE, NOW);
        assert_eq!(life.suggested(&plan, absurd, NOW, &FIRST).renew_at, plan.renew_at);
    }

    #[test]
    fn a_clock_that_is_off_makes_no_storm() {
        for stored_at in [NOW - Span::from_days(1), NOW + Span::from_days(1), NOW + Span::from_days(365)] {
            let life = Life { stored_at, ..life(Span::from_days(90)) };
            assert!(life.plan(&FIRST).renew_at >= stored_at + REST, "{stored_at:?}");
        }
        let short = Life { stored_at: NOW + Span::from_days(1), ..life(Span::from_secs(60)) };
        assert_eq!(short.plan(&FIRST).renew_at, short.stored_at + Span::from_secs(15));
    }

    #[test]
    fn waiting_times_grow_and_are_never_shorter_than_was_asked_for() {
        for ladder in [Ladder::Retry, Ladder::Looked, Ladder::Permanent] {
            let waits: Vec<Span> =
                (1..20).map(|failures| ladder.next_at(failures, NOW, None, MINUTE, &FIRST).since(NOW)).collect();
            assert!(waits.is_sorted() && waits.last() == waits.iter().rev().nth(5), "{waits:?}");
            for failures in [1, 3, 100] {
                let late = ladder.next_at(failures, NOW, None, MINUTE, &LAST).since(NOW);
                let early = ladder.next_at(failures, NOW, None, MINUTE, &FIRST).since(NOW);
                assert!(late > early && late.as_micros() <= early.as_micros() * 5 / 4 + 1);
                let until = NOW + Span::from_days(2);
                assert!(ladder.next_at(failures, NOW, Some(until), MINUTE, &FIRST) >= until);
            }
        }
        assert_eq!(Ladder::Retry.next_at(1, NOW, None, MINUTE, &FIRST), NOW + MINUTE);
        assert_eq!(Ladder::Retry.next_at(-1, NOW, Some(NOW - MINUTE), MINUTE, &FIRST), NOW + MINUTE);
        let for_ever = Ladder::Retry.next_at(1, NOW, Some(NOW + Span::from_days(10_000)), MINUTE, &FIRST);
        assert_eq!(for_ever, NOW + LONGEST_WAIT);
    }
}
