//! Signing keys: made at the first start, kept sealed, published as JSON Web Keys.
//!
//! A private key is opened once, at start. What is published is read from the store each time, so
//! that all replicas publish the same. Rotation is not here yet; the columns that it needs are
//! respected.

use aws_lc_rs::digest::{SHA256, digest};
use aws_lc_rs::encoding::AsDer;
use aws_lc_rs::rsa::{KeyPair, KeySize};
use aws_lc_rs::signature::KeyPair as _;
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use ostiary_model::{Ctx, KeyId, Timestamp};
use ostiary_store::{SigningKeyRecord, Store};
use serde_json::json;

use crate::jws::{ALG, SigningKey};
use crate::seal::{Purpose, Vault};
use crate::{App, Trouble};

/// A key as it is published.
#[derive(Debug, Clone)]
pub struct PublicKey {
    /// Its row.
    pub id: KeyId,
    /// What token headers call it: its RFC 7638 thumbprint.
    pub kid: String,
    /// The algorithm it signs by.
    pub alg: String,
    /// The key as a JSON Web Key, with `use` and `alg`.
    pub jwk: String,
    /// When it was made.
    pub created_at: Timestamp,
    /// When it begins to sign.
    pub active_from: Timestamp,
}

/// The opened keys of this process, newest first.
pub(crate) struct KeyRing(Vec<(Timestamp, SigningKey)>);

impl KeyRing {
    /// Opens the signing keys, and makes the first one where there is none.
    pub(crate) async fn open(ctx: &Ctx, store: &Store, vault: &Vault) -> Result<Self, Trouble> {
        let mut records = store.signing_keys().await?;
        if records.is_empty() {
            // Of two first starts at the same moment one key stays, and both load that one.
            let record = make(ctx, vault, 1)?;
            let mut tx = store.begin().await?;
            tx.signing_key_insert(&record).await?;
            tx.commit(ctx.now).await?;
            records = store.signing_keys().await?;
        }
        records.into_iter().map(|record| open(vault, record)).collect::<Result<_, _>>().map(Self)
    }

    /// The key that signs at `now`. Before all of them, as when a clock was set back, the oldest.
    pub(crate) fn current(&self, now: Timestamp) -> Result<&SigningKey, Trouble> {
        let active = self.0.iter().find(|(active_from, _)| *active_from <= now);
        active.or(self.0.last()).map(|(_, key)| key).ok_or(Trouble::Crypto("there is no signing key"))
    }
}

impl App {
    /// The keys that tokens may be signed with, newest first.
    ///
    /// # Errors
    /// [`Trouble`].
    pub async fn public_keys(&self) -> Result<Vec<PublicKey>, Trouble> {
        let records = self.store().signing_keys().await?;
        Ok(records
            .into_iter()
            .map(|record| PublicKey {
                id: record.id,
                kid: record.kid,
                alg: record.alg,
                jwk: record.public_jwk,
                created_at: record.created_at,
                active_from: record.active_from,
            })
            .collect())
    }
}

fn open(vault: &Vault, record: SigningKeyRecord) -> Result<(Timestamp, SigningKey), Trouble> {
    let pkcs8 = vault.open(Purpose::SigningKey, record.id.uuid(), &record.private_sealed)?;
    let pair = KeyPair::from_pkcs8(&pkcs8).map_err(|_| Trouble::Crypto("a stored signing key is not one"))?;
    Ok((record.active_from, SigningKey { kid: record.kid, pair }))
}

fn make(ctx: &Ctx, vault: &Vault, number: i64) -> Result<SigningKeyRecord, Trouble> {
    const FAILED: Trouble = Trouble::Crypto("a signing key could not be made");
    let pair = KeyPair::generate(KeySize::Rsa2048).map_err(|_| FAILED)?;
    let (modulus, exponent) = public_numbers(pair.public_key().as_ref()).ok_or(FAILED)?;
    let (n, e) = (URL_SAFE_NO_PAD.encode(modulus), URL_SAFE_NO_PAD.encode(exponent));
    let kid = thumbprint(&n, &e);
    let id: KeyId = ctx.id();
    let pkcs8 = pair.as_der().map_err(|_| FAILED)?;
    Ok(SigningKeyRecord {
        id,
        number,
        public_jwk: json!({"kty": "RSA", "use": "sig", "alg": ALG, "kid": kid, "n": n, "e": e}).to_string(),
        kid,
        alg: ALG.to_owned(),
        private_sealed: vault.seal(ctx, Purpose::SigningKey, id.uuid(), pkcs8.as_ref())?,
        created_at: ctx.now,
        active_from: ctx.now,
    })
}

/// The SHA-256 thumbprint of an RSA key (RFC 7638 section 3): its required members in the order
/// of their names.
fn thumbprint(n: &str, e: &str) -> String {
    let members = format!(r#"{{"e":"{e}","kty":"RSA","n":"{n}"}}"#);
    URL_SAFE_NO_PAD.encode(digest(&SHA256, members.as_bytes()))
}

/// Modulus and exponent of a public key in DER (`RSAPublicKey`, RFC 8017 appendix A.1.1), without
/// leading zeros as RFC 7518 section 6.3.1 wants them.
fn public_numbers(der: &[u8]) -> Option<(&[u8], &[u8])> {
    const INTEGER: u8 = 0x02;
    const SEQUENCE: u8 = 0x30;
    let (body, after) = der_value(SEQUENCE, der)?;
    let (modulus, rest) = der_value(INTEGER, body)?;
    let (exponent, end) = der_value(INTEGER, rest)?;
    let positive = |number: &'_ [u8]| number.iter().position(|byte| *byte != 0);
    let modulus = modulus.get(positive(modulus)?..)?;
    let exponent = exponent.get(positive(exponent)?..)?;
    (after.is_empty() && end.is_empty()).then_some((modulus, exponent))
}

/// The value behind `tag`, and what follows it.
fn der_value(tag: u8, der: &[u8]) -> Option<(&[u8], &[u8])> {
    let (&[found, first], rest) = der.split_first_chunk::<2>()?;
    let (length, rest) = match first {
        0..=0x7f => (usize::from(first), rest),
        0x81..=0x84 => {
            let (bytes, rest) = rest.split_at_checked(usize::from(first & 0x7f))?;
            (bytes.iter().fold(0, |length, byte| length << 8 | usize::from(*byte)), rest)
        }
        _ => return None,
    };
    if found == tag { rest.split_at_checked(length) } else { None }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The example of RFC 7638 section 3.1.
    #[test]
    fn thumbprints_are_as_rfc_7638_shows_them() {
        let n = "0vx7agoebGcQSuuPiLJXZptN9nndrQmbXEps2aiAFbWhM78LhWx4cbbfAAtVT86zwu1RK7aPFFxuhDR1L6tSoc_BJECPebWKRXjBZCiFV4n3o\
                 knjhMstn64tZ_2W-5JsGY4Hc5n9yBXArwl93lqt7_RN5w6Cf0h4QyQ5v-65YGjQR0_FDW2QvzqY368QQMicAtaSqzs8KJZgnYb9c7d0zgdAZHzu\
                 6qMQvRL5hajrn1n91CbOpbISD08qNLyrdkt-bFTWhAI4vMQFh6WeZu0fM4lFd2NcRwr3XPksINHaQ-G_xBniIqbw0Ls1jF44-csFCur-kEgU8aw\
                 apJzKnqDKgw";
        assert_eq!(thumbprint(n, "AQAB"), "NzbLsXh8uDCcd-6MNwXF4W_7noWXFZAfHkxZsRGC9Xs");
    }

    #[test]
    fn a_public_key_is_read_from_its_der() {
        let pair = KeyPair::generate(KeySize::Rsa2048).unwrap();
        let der = pair.public_key().as_ref();
        let (modulus, exponent) = public_numbers(der).unwrap();
        assert_eq!((modulus.len(), exponent), (256, &[1, 0, 1][..]));
        for end in 0..der.len() {
            assert!(public_numbers(&der[..end]).is_none(), "cut at {end}");
        }
        assert!(public_numbers(&[der, &[0]].concat()).is_none());
        for bad in
            [&[][..], &[0x30], &[0x30, 0x80], &[0x30, 0x85, 0, 0, 0, 0, 0], &[0x30, 0x84, 0xff, 0xff, 0xff, 0xff]]
        {
            assert!(public_numbers(bad).is_none());
        }
    }
}
