//! Proof Key for Code Exchange (RFC 7636): what ties a code to whoever began the request.
//!
//! `S256` is the only method. Comparing is left to `app`, which has the hash.

use std::fmt;

use crate::secret::Secret;

/// A `code_challenge`: 43 characters of base64url, a SHA-256 (RFC 7636 section 4.2).
#[derive(Clone, PartialEq, Eq)]
pub struct CodeChallenge(String);

impl CodeChallenge {
    /// Takes `text` if it can be the hash of a verifier.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let sized = text.len() == 43 && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-_".contains(&byte));
        // 256 bits leave two bits of the last character at zero: its value is a multiple of four.
        let whole = text.ends_with(|last| "AEIMQUYcgkosw048".contains(last));
        (sized && whole).then(|| Self(text.to_owned()))
    }

    /// As it came.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for CodeChallenge {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// A `code_verifier`: 43 to 128 unreserved characters (RFC 7636 section 4.1).
#[derive(Debug, Clone)]
pub struct CodeVerifier(Secret);

impl CodeVerifier {
    /// Takes `text` if it is in the form of one.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let fits = (43..=128).contains(&text.len())
            && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-._~".contains(&byte));
        fits.then(|| Self(Secret::new(text.to_owned())))
    }

    /// Shows it, to be hashed.
    #[must_use]
    pub fn expose(&self) -> &str {
        self.0.expose()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn challenges_are_whole_hashes() {
        // RFC 7636 appendix B.
        assert!(CodeChallenge::parse("E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM").is_some());
        for bad in [
            "",
            "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-c",
            "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cMA",
            "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-c=",
            "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw+cM",
            "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cN",
        ] {
            assert!(CodeChallenge::parse(bad).is_none(), "{bad}");
        }
    }

    #[test]
    fn verifiers_have_43_to_128_unreserved_characters() {
        for good in ["dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk".to_owned(), "~.-_".repeat(32)] {
            assert!(CodeVerifier::parse(&good).is_some(), "{good}");
        }
        for bad in ["x".repeat(42), "x".repeat(129), format!("{}!", "x".repeat(43)), format!("{}é", "x".repeat(43))] {
            assert!(CodeVerifier::parse(&bad).is_none(), "{bad}");
        }
    }
}
