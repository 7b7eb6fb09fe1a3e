//! The end of a certificate from files: a word before it at the start, once a day after that, and
//! by `ostiary check`. Else the first to notice would be the clients, which turn away all at once.

use std::sync::Arc;

use ostiary_edge::ServedCertificate;
use ostiary_model::{Clock, Span, Timestamp};

use crate::cli::rfc3339;
use crate::machine::SystemClock;

/// How long before its end a certificate is spoken of.
const NOTICE: Span = Span::from_days(21);
/// How often it is spoken of.
const OFTEN: Span = Span::from_days(1);

/// What there is to say of `certificate`, which `section` of the configuration names; nothing while
/// its end is far.
pub(crate) fn warning(section: &str, certificate: &ServedCertificate) -> Option<String> {
    let told = words(certificate.ends_at()?, SystemClock.now())?;
    let file = certificate.files().certificate.display().to_string();
    Some(format!(
        "[{section}] certificate_file names {file:?}, which {told}; a new one in its place is taken up at once"
    ))
}

fn words(end: Timestamp, now: Timestamp) -> Option<String> {
    let at = rfc3339(end);
    if end <= now {
        Some(format!("ended at {at}: clients that look at it turn away"))
    } else if end - NOTICE <= now {
        Some(format!("ends at {at}"))
    } else {
        None
    }
}

/// Says so in the log, now and then once a day, for ever.
pub(crate) async fn watch(section: &'static str, certificate: Arc<ServedCertificate>) {
    loop {
        if let Some(warning) = warning(section, &certificate) {
            tracing::warn!("{warning}");
        }
        tokio::time::sleep(OFTEN.to_std()).await;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn three_weeks_before_its_end_a_certificate_is_spoken_of() {
        let end = Timestamp::from_secs(1_796_083_200);
        for (now, told) in [
            (end - NOTICE - Span::from_secs(1), None),
            (end - NOTICE, Some("ends at 2026-12-01T00:00:00Z")),
            (end - Span::from_secs(1), Some("ends at 2026-12-01T00:00:00Z")),
            (end, Some("ended at 2026-12-01T00:00:00Z: clients that look at it turn away")),
        ] {
            assert_eq!(words(end, now).as_deref(), told, "{now:?}");
        }
    }
}
