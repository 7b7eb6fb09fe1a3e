//! How a client wants the person to be asked: the `prompt` of OpenID Connect Core section 3.1.2.1.

/// What a client said of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Prompt {
    /// `none`: not at all, or else an error.
    Silent,
    /// What needs to be asked, and these even when it is known.
    Ask {
        /// `login` or `select_account`: to sign in.
        sign_in: bool,
        /// `consent`: whether they agree.
        consent: bool,
    },
}

impl Prompt {
    /// Reads `prompt`. `None` for a value that is not known, and for `none` together with others.
    ///
    /// `select_account` is `login`: a browser holds one session here, and signing in is how
    /// another account is chosen.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let (mut none, mut sign_in, mut consent) = (false, false, false);
        for word in text.split(' ').filter(|word| !word.is_empty()) {
            match word {
                "none" => none = true,
                "login" | "select_account" => sign_in = true,
                "consent" => consent = true,
                _ => return None,
            }
        }
        match (none, sign_in || consent) {
            (true, true) => None,
            (true, false) => Some(Self::Silent),
            (false, _) => Some(Self::Ask { sign_in, consent }),
        }
    }

    /// The stored form, which [`Prompt::parse`] reads.
    #[must_use]
    pub const fn to_stored(self) -> &'static str {
        match self {
            Self::Silent => "none",
            Self::Ask { sign_in: false, consent: false } => "",
            Self::Ask { sign_in: true, consent: false } => "login",
            Self::Ask { sign_in: false, consent: true } => "consent",
            Self::Ask { sign_in: true, consent: true } => "login consent",
        }
    }

    pub(crate) const fn asks_to_sign_in(self) -> bool {
        matches!(self, Self::Ask { sign_in: true, .. })
    }

    pub(crate) const fn asks_for_consent(self) -> bool {
        matches!(self, Self::Ask { consent: true, .. })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn prompts_are_words_and_none_stands_alone() {
        for (text, stored) in [
            ("", ""),
            ("none", "none"),
            ("login", "login"),
            ("select_account", "login"),
            ("consent", "consent"),
            ("consent login select_account", "login consent"),
        ] {
            let prompt = Prompt::parse(text).unwrap();
            assert_eq!(prompt.to_stored(), stored);
            assert_eq!(Prompt::parse(stored), Some(prompt));
        }
        for bad in ["none login", "login none", "create", "Login", "login,consent"] {
            assert_eq!(Prompt::parse(bad), None, "{bad}");
        }
    }
}
