//! A certificate that the root of the house vouches for: how long it is good, and when another one
//! takes its place. Nothing is remembered but the certificate: clocks jump, and whatever one said
//! before is nothing to go by.

use std::fmt;
use std::sync::Arc;

use ostiary_model::{Span, Timestamp};
use rustls::sign::CertifiedKey;

/// How long a certificate is good.
const LIFE: Span = Span::from_days(7);
/// How long before it was made it is good already, for clients whose clock is slow.
const EARLIER: Span = Span::from_hours(1);

/// From when until when a certificate is good.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Life {
    pub(super) not_before: Timestamp,
    pub(super) not_after: Timestamp,
}

impl Life {
    /// Of one that is made `now`. It never outlives its root.
    pub(super) fn beginning(now: Timestamp, root_end: Timestamp) -> Self {
        Self { not_before: now - EARLIER, not_after: (now + LIFE).min(root_end) }
    }

    /// When the last third begins.
    pub(super) fn renew_at(self) -> Timestamp {
        let whole = self.not_after.since(self.not_before);
        self.not_after - Span::from_micros(whole.as_micros() / 3)
    }

    /// Whether another one is to be made `now`: in the last third, if another one would be good for
    /// longer; and whenever this one is not good yet, since then the clock was ahead.
    pub(super) fn is_due(self, now: Timestamp, root_end: Timestamp) -> bool {
        let is_late = now >= self.renew_at() && self.not_after < root_end;
        is_late || now < self.not_before
    }
}

/// A certificate of this node.
#[derive(Clone)]
pub(super) struct Leaf {
    pub(super) key: Arc<CertifiedKey>,
    pub(super) life: Life,
    /// The number of the root that vouches for it.
    pub(super) root: i64,
}

impl fmt::Debug for Leaf {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Leaf").field("life", &self.life).field("root", &self.root).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: Timestamp = Timestamp::from_secs(1_800_000_000);
    const FAR: Timestamp = Timestamp::from_secs(2_100_000_000);
    const YEAR: Span = Span::from_days(365);

    #[test]
    fn a_certificate_is_renewed_in_its_last_third() {
        let life = Life::beginning(NOW, FAR);
        assert_eq!(life, Life { not_before: NOW - EARLIER, not_after: NOW + LIFE });
        // A third of 169 hours before the end.
        let renew_at = NOW + LIFE - Span::from_secs(169 * 1_200);
        assert_eq!(life.renew_at(), renew_at);
        let second = Span::from_secs(1);
        for (now, is_due) in [
            (NOW, false),
            (renew_at - second, false),
            (renew_at, true),
            (NOW + LIFE, true),
            (NOW + YEAR, true),
            (NOW - EARLIER, false),
            (NOW - EARLIER - second, true),
            (NOW - YEAR, true),
        ] {
            assert_eq!(life.is_due(now, FAR), is_due, "{now:?}");
        }
    }

    #[test]
    fn whatever_the_clock_said_there_is_a_good_one_afterwards() {
        let mut life = Life::beginning(NOW, FAR);
        for now in [NOW, NOW + YEAR, NOW, NOW - YEAR, NOW + Span::from_days(3), NOW, Timestamp::from_secs(0), NOW] {
            if life.is_due(now, FAR) {
                life = Life::beginning(now, FAR);
            }
            assert!(life.not_before <= now && now < life.not_after, "{life:?} at {now:?}");
            assert!(!life.is_due(now, FAR));
        }
    }

    #[test]
    fn no_certificate_outlives_its_root_and_none_is_made_in_vain() {
        let root_end = NOW + Span::from_days(3);
        let life = Life::beginning(NOW, root_end);
        assert_eq!(life.not_after, root_end);
        for now in [NOW, root_end - Span::from_secs(1), root_end, NOW + YEAR] {
            assert!(!life.is_due(now, root_end), "{now:?}");
        }
        assert!(life.is_due(NOW - YEAR, root_end), "the clock was ahead");
        // The root was replaced by one that ends later.
        assert!(life.is_due(root_end, FAR));
    }
}
