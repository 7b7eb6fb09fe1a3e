//! How it stands with a certificate, in words that every door can show. Who gets and serves
//! certificates stands in `edge`.

use crate::time::{Span, Timestamp};

/// Within this time of its end, what is wrong with a certificate does not mend itself in time as a
/// matter of course.
const NEAR_END: Span = Span::from_days(14);

/// How it stands with the certificate that some host names share.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CertificateState {
    /// The names, sorted.
    pub names: Vec<String>,
    /// Where the one that is served comes from, as the configuration calls it: an authority's
    /// directory, a file, `internal`. `None` when there is none.
    pub issuer: Option<String>,
    /// Since when it is good.
    pub not_before: Option<Timestamp>,
    /// When it ends.
    pub not_after: Option<Timestamp>,
    /// When it is renewed; `None` when that is somebody else's work.
    pub renew_at: Option<Timestamp>,
    /// What went wrong last and was not made good, for people.
    pub last_error: Option<String>,
    /// When it is tried again, after something went wrong.
    pub next_attempt: Option<Timestamp>,
}

/// What is to be thought of a certificate.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum CertificateStanding {
    /// It is served, and nothing is wrong.
    Good,
    /// It is served, and something is wrong with what is to take its place.
    Troubled,
    /// There is none yet.
    Missing,
    /// Its time is over: clients turn away.
    Ended,
}

impl CertificateStanding {
    /// All of them, from the best to the worst.
    pub const ALL: [Self; 4] = [Self::Good, Self::Troubled, Self::Missing, Self::Ended];

    /// How programs are told.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Good => "good",
            Self::Troubled => "troubled",
            Self::Missing => "missing",
            Self::Ended => "ended",
        }
    }
}

impl CertificateState {
    /// What is to be thought of it at `now`.
    #[must_use]
    pub fn standing(&self, now: Timestamp) -> CertificateStanding {
        match self.not_after {
            None => CertificateStanding::Missing,
            Some(end) if end <= now => CertificateStanding::Ended,
            // Clients turn away from it as if it had ended; a clock is wrong.
            Some(_) if self.not_before.is_some_and(|begin| begin > now) => CertificateStanding::Ended,
            Some(_) if self.last_error.is_some() => CertificateStanding::Troubled,
            Some(_) => CertificateStanding::Good,
        }
    }

    /// Whether somebody has to look after it at `now`: clients turn away, or soon will.
    #[must_use]
    pub fn is_pressing(&self, now: Timestamp) -> bool {
        match self.standing(now) {
            CertificateStanding::Good => false,
            CertificateStanding::Troubled => self.not_after.is_some_and(|end| end - NEAR_END <= now),
            CertificateStanding::Missing | CertificateStanding::Ended => true,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_certificate_is_judged_by_its_end_first() {
        let now = Timestamp::from_secs(1_800_000_000);
        let state = |not_after: Option<Timestamp>, error: Option<&str>| CertificateState {
            names: vec!["accounts.example.org".to_owned()],
            issuer: None,
            not_before: not_after.map(|_| now - Span::from_days(30)),
            not_after,
            renew_at: None,
            last_error: error.map(str::to_owned),
            next_attempt: None,
        };
        let later = Some(now + Span::from_days(1));
        assert_eq!(state(later, None).standing(now), CertificateStanding::Good);
        assert_eq!(state(later, Some("no answer")).standing(now), CertificateStanding::Troubled);
        assert_eq!(state(Some(now), None).standing(now), CertificateStanding::Ended);
        assert_eq!(state(None, Some("no answer")).standing(now), CertificateStanding::Missing);
        for (end, error, is_pressing) in [
            (later, None, false),
            (later, Some("no answer"), true),
            (Some(now + NEAR_END + Span::from_secs(1)), Some("no answer"), false),
            (Some(now), None, true),
            (None, None, true),
        ] {
            assert_eq!(state(end, error).is_pressing(now), is_pressing, "{end:?} {error:?}");
        }
    }
}
