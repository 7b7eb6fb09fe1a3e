//! Proving that names are ours (RFC 8555 section 7.5.1): something is shown where the authority
//! looks, is given time to be seen everywhere, and is taken back afterwards.

use std::mem::take;
use std::sync::PoisonError;

use instant_acme::{
    AuthorizationHandle, AuthorizationState, AuthorizationStatus, ChallengeStatus, ChallengeType, Order,
};
use ostiary_model::Span;
use ostiary_store::{AcmeAnswer, AnswerKind};

use super::NameSet;
use super::answers::is_token;
use super::desk::{Desk, NONCES, ask};
use super::dns::{DnsError, Text};
use super::schedule::Ladder;
use super::settings::Challenge;
use super::trouble::{Failure, Refusal, is_problem};

/// An answer that nobody took back is forgotten by the first daily tidying up after this.
const ANSWERED: Span = Span::from_hours(1);

/// What is shown to the authority.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Shown {
    /// By all nodes.
    Answer(AcmeAnswer),
    /// In the DNS.
    Text(Text),
}

const fn kind_of(challenge: Challenge) -> ChallengeType {
    match challenge {
        Challenge::TlsAlpn01 => ChallengeType::TlsAlpn01,
        Challenge::Http01 => ChallengeType::Http01,
        Challenge::Dns01 => ChallengeType::Dns01,
    }
}

/// Which of our names an authorization is about. An authority may write anything there, and what is
/// shown goes into the DNS and to a command.
pub(super) fn own_name<'a>(set: &'a NameSet, authorization: &AuthorizationState) -> Option<&'a str> {
    let asked = authorization.identifier().to_string();
    set.names.iter().find(|name| name.eq_ignore_ascii_case(&asked)).map(String::as_str)
}

impl Desk<'_> {
    /// Shows what is wanted for all names that are not proved yet, lets it be seen everywhere, and
    /// calls the authority.
    pub(super) async fn prove(&self, order: &mut Order, set: &NameSet, challenge: Challenge) -> Result<(), Refusal> {
        self.read_authorizations(order).await?;
        let wanted = self.wanted(order, set, challenge).await?;
        if wanted.is_empty() {
            return Ok(());
        }
        self.show(&wanted).await?;
        let pace = &self.inner.settings.pace;
        tokio::time::sleep(if challenge == Challenge::Dns01 { pace.dns_settle } else { pace.settle }).await;
        let mut authorizations = order.authorizations();
        while let Some(next) = authorizations.next().await {
            let mut authorization = next.map_err(|error| self.failure(&error))?;
            if authorization.status != AuthorizationStatus::Pending {
                continue;
            }
            let Some(mut asked) = authorization.challenge(kind_of(challenge)) else { continue };
            if asked.status == ChallengeStatus::Pending {
                ask!(self, asked.set_ready().await)?;
            }
        }
        Ok(())
    }

    /// Has this taken back at the end of the visit.
    fn note_shown(&self, shown: &[Shown]) {
        let mut noted = self.shown.lock().unwrap_or_else(PoisonError::into_inner);
        noted.retain(|one| !shown.contains(one));
        noted.extend_from_slice(shown);
    }

    async fn show(&self, wanted: &[Shown]) -> Result<(), Refusal> {
        // Noted before it is done: what is half done has to be taken back as well.
        self.note_shown(wanted);
        let mut tx = self.begin().await?;
        for one in wanted {
            if let Shown::Answer(answer) = one {
                tx.answer_put(answer).await?;
            }
        }
        self.commit(tx).await?;
        self.inner.refresh().await?;
        for one in wanted {
            if let (Shown::Text(text), Some(dns)) = (one, &self.inner.settings.dns) {
                // The authority has seen nothing of it: the order is as good as before.
                let refused = |error: DnsError| Failure::of_names(Ladder::Retry, format!("{}: {error}", text.name));
                dns.put(text, self.inner.now()).await.map_err(|error| refused(error).of_proof())?;
            }
        }
        Ok(())
    }

    /// Has taken back what an earlier visit may have shown for `order`, as far as that can be learnt:
    /// it may have been cut off at any moment.
    pub(super) async fn inherit(&self, order: &mut Order, set: &NameSet, challenge: Challenge) {
        // What cannot be read is passed over.
        let _ = self.read_authorizations(order).await;
        let mut authorizations = order.authorizations();
        while let Some(next) = authorizations.next().await {
            let Ok(mut authorization) = next else { continue };
            let Some(host) = own_name(set, &authorization).map(str::to_owned) else { continue };
            if let Ok(shown) = self.shown_for(&mut authorization, host, challenge) {
                self.note_shown(&[shown]);
            }
        }
    }

    /// Takes back what was shown in this visit.
    pub(super) async fn take_back(&self) -> Result<(), Refusal> {
        let shown = take(&mut *self.shown.lock().unwrap_or_else(PoisonError::into_inner));
        if shown.is_empty() {
            return Ok(());
        }
        for one in &shown {
            if let (Shown::Text(text), Some(dns)) = (one, &self.inner.settings.dns)
                && let Err(error) = dns.take_back(text, self.inner.now()).await
            {
                tracing::warn!(name = text.name, %error, "a text stays behind in the DNS");
            }
        }
        let mut tx = self.begin().await?;
        for one in &shown {
            if let Shown::Answer(AcmeAnswer { kind, name, .. }) = one {
                tx.answer_delete(*kind, name).await?;
            }
        }
        self.commit(tx).await
    }

    /// Has the library read all authorizations; from then on it knows them.
    async fn read_authorizations(&self, order: &mut Order) -> Result<(), Failure> {
        let mut left = NONCES;
        'anew: loop {
            left -= 1;
            let mut authorizations = order.authorizations();
            while let Some(next) = authorizations.next().await {
                match next {
                    Ok(_) => {}
                    // What was not read would be passed over from here on.
                    Err(error) if left > 0 && is_problem(&error, "badNonce") => continue 'anew,
                    Err(error) => return Err(self.failure(&error)),
                }
            }
            return Ok(());
        }
    }

    /// What is to be shown for the names that are not proved yet.
    async fn wanted(&self, order: &mut Order, set: &NameSet, challenge: Challenge) -> Result<Vec<Shown>, Failure> {
        let mut wanted = Vec::new();
        let mut authorizations = order.authorizations();
        while let Some(next) = authorizations.next().await {
            let mut authorization = next.map_err(|error| self.failure(&error))?;
            wanted.extend(self.wanted_for(&mut authorization, set, challenge)?);
        }
        Ok(wanted)
    }

    fn wanted_for<'a>(
        &self,
        authorization: &'a mut AuthorizationHandle<'a>,
        set: &NameSet,
        challenge: Challenge,
    ) -> Result<Option<Shown>, Failure> {
        let Some(host) = own_name(set, authorization).map(str::to_owned) else {
            let told = "the authority asks about a name that was not ordered";
            return Err(Failure::of_names(Ladder::Permanent, told).at_its_end());
        };
        match authorization.status {
            AuthorizationStatus::Pending => {}
            // The authority has seen it before.
            AuthorizationStatus::Valid => return Ok(None),
            _ => {
                let told = format!("{host}: the authority has given up looking");
                return Err(Failure::of_names(Ladder::Looked, told).at_its_end());
            }
        }
        self.shown_for(authorization, host, challenge).map(Some)
    }

    /// What is shown for one name.
    fn shown_for<'a>(
        &self,
        authorization: &'a mut AuthorizationHandle<'a>,
        host: String,
        challenge: Challenge,
    ) -> Result<Shown, Failure> {
        let Some(asked) = authorization.challenge(kind_of(challenge)) else {
            let told = format!("{host}: the authority does not offer {}", challenge.name());
            return Err(Failure::of_names(Ladder::Looked, told).at_its_end());
        };
        if !is_token(&asked.token) {
            let told = "the authority asks with a token that is none";
            return Err(Failure::of_names(Ladder::Permanent, told).at_its_end());
        }
        let (right, expires_at) = (asked.key_authorization(), self.inner.now() + ANSWERED);
        let answer = |kind, name, value| Shown::Answer(AcmeAnswer { kind, name, value, expires_at });
        Ok(match challenge {
            Challenge::Http01 => answer(AnswerKind::Http01, asked.token.clone(), right.as_str().to_owned()),
            Challenge::TlsAlpn01 => answer(AnswerKind::TlsAlpn01, host, right.dns_value()),
            Challenge::Dns01 => {
                let name = format!("_acme-challenge.{}", host.trim_start_matches("*."));
                Shown::Text(Text { name, value: right.dns_value() })
            }
        })
    }
}
