//! Certificates in files: their end, and hosts that they are not for. A word at the start, once a
//! day after that, and by `ostiary check`. Else the first to notice would be the clients, which turn
//! away all at once.

use std::sync::Arc;

use ostiary_edge::{Certificates, Lifecycle, ServedCertificate};
use ostiary_model::{Clock, Span, Timestamp};

use crate::cli::rfc3339;
use crate::config::Served;
use crate::machine::SystemClock;

/// How long before its end a certificate is spoken of.
const NOTICE: Span = Span::from_days(21);
/// How often it is spoken of.
const OFTEN: Span = Span::from_days(1);

/// What there is to say of the certificates in files, where `hosts` need one for HTTPS.
pub(crate) fn warnings(served: &Served, hosts: &[String]) -> Vec<String> {
    let all = served.files.iter();
    all.flat_map(|(section, file)| of_file(section, file, &hosts_of(section, hosts), &served.https)).collect()
}

/// Takes up what becomes of the files, and says in the log what there is to say of them.
pub(crate) fn follow(served: &Served, hosts: &[String], life: &Lifecycle) {
    for (section, file) in &served.files {
        life.service("certificates in files", Arc::clone(file).follow());
        let (section, file, certificates) = (*section, Arc::clone(file), served.https.clone());
        let hosts = hosts_of(section, hosts);
        life.service("a word about certificates in files", async move {
            loop {
                for warning in of_file(section, &file, &hosts, &certificates) {
                    tracing::warn!("{warning}");
                }
                tokio::time::sleep(OFTEN.to_std()).await;
            }
        });
    }
}

/// Clients of LDAP come by inner names as well, which are not known here.
fn hosts_of(section: &str, hosts: &[String]) -> Vec<String> {
    if section == "https" { hosts.to_vec() } else { Vec::new() }
}

fn of_file(section: &str, file: &ServedCertificate, hosts: &[String], served: &Certificates) -> Vec<String> {
    let path = file.files().certificate.display().to_string();
    let named = format!("[{section}] certificate_file names {path:?}, which");
    let end = file.ends_at().and_then(|end| end_in_words(end, SystemClock.now()));
    let end = end.map(|told| format!("{named} {told}; a new one in its place is taken up at once"));
    let missing = hosts.iter().filter(|host| served.get(host).is_none());
    let missing = missing.map(|host| format!("{named} is not for {host:?}: nobody gets there over HTTPS"));
    end.into_iter().chain(missing).collect()
}

fn end_in_words(end: Timestamp, now: Timestamp) -> Option<String> {
    let at = rfc3339(end);
    if end <= now {
        Some(format!("ended at {at}: clients that look at it turn away"))
    } else if end - NOTICE <= now {
        Some(format!("ends at {at}"))
    } else {
        None
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
            assert_eq!(end_in_words(end, now).as_deref(), told, "{now:?}");
        }
    }
}
