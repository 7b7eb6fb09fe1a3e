//! Signing: JSON Web Signatures in compact form (RFC 7515 section 7.1), RS256.
//!
//! One function for every kind of token; the `typ` keeps them apart. Signed with aws-lc-rs alone:
//! the `rsa` crate that other libraries bring is not constant in time (RUSTSEC-2023-0071).

use aws_lc_rs::digest::{SHA256, digest};
use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::rsa::KeyPair;
use aws_lc_rs::signature::RSA_PKCS1_SHA256;
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use ostiary_model::Secret;
use serde::Serialize;

use crate::Trouble;

/// The one algorithm (RFC 7518 section 3.3).
pub(crate) const ALG: &str = "RS256";

/// A key that signs, by the name it is published under.
pub(crate) struct SigningKey {
    pub(crate) kid: String,
    pub(crate) pair: KeyPair,
}

#[derive(Serialize)]
struct Header<'a> {
    alg: &'static str,
    kid: &'a str,
    typ: &'a str,
}

/// `claims` as a token of type `typ`, signed with `key`.
pub(crate) fn sign(key: &SigningKey, typ: &str, claims: &impl Serialize) -> Result<Secret, Trouble> {
    let mut token = String::with_capacity(1024);
    encode(&mut token, &Header { alg: ALG, kid: &key.kid, typ })?;
    token.push('.');
    encode(&mut token, claims)?;
    let mut signature = vec![0; key.pair.public_modulus_len()];
    // This padding draws no chance; the parameter is the library's.
    key.pair
        .sign(&RSA_PKCS1_SHA256, &SystemRandom::new(), token.as_bytes(), &mut signature)
        .map_err(|_| Trouble::Crypto("a token could not be signed"))?;
    token.push('.');
    URL_SAFE_NO_PAD.encode_string(signature, &mut token);
    Ok(Secret::new(token))
}

/// `at_hash`: the left half of the access token's hash (OpenID Connect Core section 3.1.3.6).
pub(crate) fn half_hash(token: &Secret) -> String {
    let hash = digest(&SHA256, token.expose().as_bytes());
    let (left, _) = hash.as_ref().split_at(hash.as_ref().len() / 2);
    URL_SAFE_NO_PAD.encode(left)
}

fn encode(into: &mut String, value: &impl Serialize) -> Result<(), Trouble> {
    let json = serde_json::to_vec(value).map_err(|_| Trouble::Crypto("a token could not be written"))?;
    URL_SAFE_NO_PAD.encode_string(json, into);
    Ok(())
}

#[cfg(test)]
mod tests {
    use aws_lc_rs::rsa::KeySize;
    use aws_lc_rs::signature::{KeyPair as _, RSA_PKCS1_2048_8192_SHA256, UnparsedPublicKey};
    use serde_json::{Value, json};

    use super::*;

    #[test]
    fn a_signed_token_verifies_and_an_altered_one_does_not() {
        let key = SigningKey { kid: "k1".into(), pair: KeyPair::generate(KeySize::Rsa2048).unwrap() };
        let token = sign(&key, "JWT", &json!({"sub": "ada", "n": 1})).unwrap();
        let parts: Vec<&str> = token.expose().split('.').collect();
        let [header, claims, signature] = parts.as_slice() else { panic!("three parts") };
        let read = |part: &str| -> Value { serde_json::from_slice(&URL_SAFE_NO_PAD.decode(part).unwrap()).unwrap() };
        assert_eq!(read(header), json!({"alg": "RS256", "kid": "k1", "typ": "JWT"}));
        assert_eq!(read(claims), json!({"sub": "ada", "n": 1}));
        let public = UnparsedPublicKey::new(&RSA_PKCS1_2048_8192_SHA256, key.pair.public_key().as_ref());
        let signature = URL_SAFE_NO_PAD.decode(signature).unwrap();
        public.verify(format!("{header}.{claims}").as_bytes(), &signature).unwrap();
        assert!(public.verify(format!("{header}.{claims}A").as_bytes(), &signature).is_err());
    }

    /// The example of OpenID Connect Core appendix A.3, whose access token hashes to this.
    #[test]
    fn half_hashes_are_as_the_standard_shows_them() {
        let token = Secret::new("jHkWEdUXMU1BwAsC4vtUsZwnNvTIxEl0z9K3vx5KF0Y".into());
        assert_eq!(half_hash(&token), "77QmUPtjPfzWtF2AnpK9RQ");
    }
}
