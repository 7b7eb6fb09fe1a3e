//! What can go wrong with an authority, sorted by what is to be done about it.
//!
//! An authority's words are for people: they are cut and cleaned before they are kept or shown.

use instant_acme::{Error as AcmeError, Problem};
use ostiary_model::Timestamp;
use ostiary_store::{Error as StoreError, TroubleKind};

use super::client::Heard;
use super::schedule::Ladder;

/// Characters that are kept of what an authority says about one thing.
const MAX_WORDS: usize = 400;
/// Characters that are kept of everything that went wrong at once.
const MAX_TOLD: usize = 2_000;
/// What error types begin with (RFC 8555 section 6.7).
const ERROR: &str = "urn:ietf:params:acme:error:";

/// Why nothing came of an attempt.
#[derive(Debug)]
pub(crate) enum Refusal {
    /// This node holds the front no longer: another one goes on.
    Lost,
    /// The store did not do its work.
    Store(StoreError),
    /// The authority or what it answered.
    Failed(Failure),
}

impl From<StoreError> for Refusal {
    fn from(error: StoreError) -> Self {
        Self::Store(error)
    }
}

impl From<Failure> for Refusal {
    fn from(failure: Failure) -> Self {
        Self::Failed(failure)
    }
}

/// What went wrong at an authority.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Failure {
    /// How long it is waited for.
    pub(crate) ladder: Ladder,
    /// Before this nothing is tried: the authority said so.
    pub(crate) not_before: Option<Timestamp>,
    /// Whether it concerns everything at this authority, not only the names that were asked for.
    pub(crate) is_general: bool,
    /// Whether the names could not be proved, so that another challenge may do better.
    pub(crate) is_of_proof: bool,
    /// Whether the authority does not know our account.
    pub(crate) has_lost_account: bool,
    /// Whether the order is at its end, so that it is of no use to come back to it.
    pub(crate) ends_order: bool,
    /// What went wrong, for people.
    pub(crate) told: String,
}

impl Failure {
    /// A failure of these names alone.
    pub(crate) fn of_names(ladder: Ladder, told: impl Into<String>) -> Self {
        Self {
            ladder,
            not_before: None,
            is_general: false,
            is_of_proof: matches!(ladder, Ladder::Looked),
            has_lost_account: false,
            ends_order: false,
            told: clean(&told.into(), MAX_WORDS),
        }
    }

    /// The same, of everything at this authority.
    pub(crate) fn general(self) -> Self {
        Self { is_general: true, ..self }
    }

    /// The same, of what should have proved the names.
    pub(crate) fn of_proof(self) -> Self {
        Self { is_of_proof: true, ..self }
    }

    /// The same, and the order is of no use any longer.
    pub(crate) fn at_its_end(self) -> Self {
        Self { ends_order: true, ..self }
    }

    /// What `error` means after `heard` was the last answer.
    pub(crate) fn of(error: &AcmeError, heard: &Heard) -> Self {
        let failure = match (error, heard.status) {
            (AcmeError::Api(problem), _) => Self::of_problem(problem),
            (_, None) => Self::of_names(Ladder::Retry, error.to_string()).general(),
            (_, Some(status)) if status < 400 => Self::of_names(Ladder::Retry, error.to_string()),
            (_, Some(status)) => Self::of_names(Ladder::Retry, format!("the authority answered with status {status}")),
        };
        let is_overload = matches!(heard.status, Some(429 | 503));
        // What was refused once is refused again: an order that led there leads nowhere else.
        let ends_order = heard.status.is_some_and(|status| (400..500).contains(&status)) && !is_overload;
        Self {
            ends_order,
            is_general: failure.is_general || heard.status.is_some_and(|status| status >= 500),
            not_before: heard.retry_after.filter(|_| is_overload),
            ..failure
        }
    }

    /// What a problem document means (RFC 8555 section 6.7).
    pub(crate) fn of_problem(problem: &Problem) -> Self {
        let told = words_of(problem);
        let kind = kind_of(problem);
        let ladder = match kind {
            "connection" | "dns" | "tls" | "unauthorized" | "incorrectResponse" | "caa" => Ladder::Looked,
            "rejectedIdentifier"
            | "unsupportedIdentifier"
            | "invalidProfile"
            | "badCSR"
            | "badPublicKey"
            | "badSignatureAlgorithm"
            | "externalAccountRequired"
            | "userActionRequired"
            | "invalidContact"
            | "unsupportedContact" => Ladder::Permanent,
            _ => Ladder::Retry,
        };
        let has_lost_account = kind == "accountDoesNotExist";
        Self { has_lost_account, is_general: has_lost_account, ..Self::of_names(ladder, told) }
    }

    /// What is kept of its words: there may have been many names.
    pub(crate) fn words(&self) -> String {
        clean(&self.told, MAX_TOLD)
    }

    /// What is noted of it.
    pub(crate) const fn kind(&self) -> TroubleKind {
        match (self.not_before, self.ladder) {
            (Some(_), _) => TroubleKind::Wait,
            (None, Ladder::Permanent) => TroubleKind::Permanent,
            (None, Ladder::Retry | Ladder::Looked) => TroubleKind::Retry,
        }
    }
}

/// The kind of a problem, without what all kinds begin with.
pub(crate) fn kind_of(problem: &Problem) -> &str {
    problem.r#type.as_deref().and_then(|kind| kind.strip_prefix(ERROR)).unwrap_or_default()
}

/// Whether `error` is a problem of this kind.
pub(crate) fn is_problem(error: &AcmeError, kind: &str) -> bool {
    matches!(error, AcmeError::Api(problem) if kind_of(problem) == kind)
}

fn words_of(problem: &Problem) -> String {
    let mut words = problem.detail.clone().unwrap_or_else(|| "the authority gives no reason".to_owned());
    if let Some(kind) = &problem.r#type {
        words += &format!(" ({})", kind.strip_prefix(ERROR).unwrap_or(kind));
    }
    for part in &problem.subproblems {
        words += &format!("; {part}");
    }
    words
}

/// Without control characters and of bearable length.
fn clean(words: &str, most: usize) -> String {
    let printable = |letter: char| if letter.is_control() { ' ' } else { letter };
    words.chars().take(most).map(printable).collect()
}

#[cfg(test)]
mod tests {
    use ostiary_model::Timestamp;

    use super::*;

    const LATER: Timestamp = Timestamp::from_secs(1_795_000_000);

    fn problem(kind: &str) -> AcmeError {
        let (r#type, detail) = (Some(format!("{ERROR}{kind}")), Some("so it is".to_owned()));
        AcmeError::Api(Problem { r#type, detail, status: None, subproblems: Vec::new() })
    }

    fn heard(status: u16, retry_after: Option<Timestamp>) -> Heard {
        Heard { status: Some(status), retry_after }
    }

    #[test]
    fn failures_are_sorted_by_what_is_to_be_done() {
        for (kind, ladder) in [
            ("connection", Ladder::Looked),
            ("dns", Ladder::Looked),
            ("unauthorized", Ladder::Looked),
            ("caa", Ladder::Looked),
            ("invalidProfile", Ladder::Permanent),
            ("rejectedIdentifier", Ladder::Permanent),
            ("externalAccountRequired", Ladder::Permanent),
            ("badNonce", Ladder::Retry),
            ("somethingNew", Ladder::Retry),
        ] {
            let failure = Failure::of(&problem(kind), &heard(403, None));
            assert_eq!((failure.ladder, failure.is_general), (ladder, false), "{kind}");
            assert_eq!(failure.told, format!("so it is ({kind})"));
        }
        let lost = Failure::of(&problem("accountDoesNotExist"), &heard(400, None));
        assert!(lost.has_lost_account && lost.is_general);
    }

    #[test]
    fn an_authority_that_is_down_concerns_everything_there() {
        let json = AcmeError::Json(serde_json::from_str::<u8>("<html>").unwrap_err());
        let down = Failure::of(&json, &heard(500, None));
        assert!(down.is_general && down.ladder == Ladder::Retry && down.told.contains("status 500"), "{down:?}");
        let away = Failure::of(&AcmeError::Str("no answer"), &Heard::default());
        assert!(away.is_general && away.kind() == TroubleKind::Retry);
        let odd = Failure::of(&json, &heard(200, None));
        assert!(!odd.is_general);
    }

    #[test]
    fn a_time_to_wait_is_believed_when_it_is_about_load() {
        for status in [429, 503] {
            let failure = Failure::of(&problem("rateLimited"), &heard(status, Some(LATER)));
            assert_eq!((failure.not_before, failure.kind()), (Some(LATER), TroubleKind::Wait));
        }
        assert_eq!(Failure::of(&problem("malformed"), &heard(400, Some(LATER))).not_before, None);
    }

    #[test]
    fn the_words_of_an_authority_are_cut_and_cleaned() {
        let told = Failure::of_names(Ladder::Retry, format!("a\u{1b}[31m\r\nb{}", "x".repeat(5_000))).told;
        assert!(told.starts_with("a [31m  b") && told.chars().count() == MAX_WORDS);
    }
}
