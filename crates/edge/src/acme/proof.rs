//! Proving that names are ours (RFC 8555 section 7.5.1): something is shown where the authority
//! looks, is given time to be seen everywhere, and is taken back afterwards.

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

/// An answer is forgotten after this, whatever happens.
const ANSWERED: Span = Span::from_hours(1);

/// What is shown to the authority.
#[derive(Debug, Clone)]
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
    /// calls the authority. Leaves in `shown` what has to be taken back, also when it fails.
    pub(super) async fn prove(
        &self,
        order: &mut Order,
        set: &NameSet,
        (challenge, shown): (Challenge, &mut Vec<Shown>),
    ) -> Result<(), Refusal> {
        self.read_authorizations(order).await?;
        let wanted = self.wanted(order, set, challenge).await?;
        if wanted.is_empty() {
            return Ok(());
        }
        self.show(wanted, shown).await?;
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

    async fn show(&self, wanted: Vec<Shown>, shown: &mut Vec<Shown>) -> Result<(), Refusal> {
        // Noted before it is done: what is half done has to be taken back as well.
        shown.extend(wanted);
        let mut tx = self.begin().await?;
        for one in &*shown {
            if let Shown::Answer(answer) = one {
                tx.answer_put(answer).await?;
            }
        }
        self.commit(tx).await?;
        self.inner.refresh().await?;
        for one in &*shown {
            if let (Shown::Text(text), Some(dns)) = (one, &self.inner.settings.dns) {
                let refused = |error: DnsError| Failure::of_names(Ladder::Looked, format!("{}: {error}", text.name));
                dns.put(text, self.inner.now()).await.map_err(|error| refused(error).at_its_end())?;
            }
        }
        Ok(())
    }

    /// Takes back what was shown.
    pub(super) async fn take_back(&self, shown: &[Shown]) -> Result<(), Refusal> {
        if shown.is_empty() {
            return Ok(());
        }
        for one in shown {
            if let (Shown::Text(text), Some(dns)) = (one, &self.inner.settings.dns)
                && let Err(error) = dns.take_back(text, self.inner.now()).await
            {
                tracing::warn!(name = text.name, %error, "a text stays behind in the DNS");
            }
        }
        let mut tx = self.begin().await?;
        for one in shown {
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
        let unheard_of = |told| Failure::of_names(Ladder::Permanent, told).at_its_end();
        let host = own_name(set, authorization);
        let host = host.ok_or_else(|| unheard_of("the authority asks about a name that was not ordered"))?.to_owned();
        match authorization.status {
            AuthorizationStatus::Pending => {}
            // The authority has seen it before.
            AuthorizationStatus::Valid => return Ok(None),
            _ => {
                let told = format!("{host}: the authority has given up looking");
                return Err(Failure::of_names(Ladder::Looked, told).at_its_end());
            }
        }
        let Some(asked) = authorization.challenge(kind_of(challenge)) else {
            let told = format!("{host}: the authority does not offer {}", challenge.name());
            return Err(Failure::of_names(Ladder::Looked, told).at_its_end());
        };
        if !is_token(&asked.token) {
            return Err(unheard_of("the authority asks with a token that is none"));
        }
        let (right, expires_at) = (asked.key_authorization(), self.inner.now() + ANSWERED);
        let answer = |kind, name, value| Shown::Answer(AcmeAnswer { kind, name, value, expires_at });
        Ok(Some(match challenge {
            Challenge::Http01 => answer(AnswerKind::Http01, asked.token.clone(), right.as_str().to_owned()),
            Challenge::TlsAlpn01 => answer(AnswerKind::TlsAlpn01, host, right.dns_value()),
            Challenge::Dns01 => {
                let name = format!("_acme-challenge.{}", host.trim_start_matches("*."));
                Shown::Text(Text { name, value: right.dns_value() })
            }
        }))
    }
}
