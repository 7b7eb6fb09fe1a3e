//! The form under which names are compared and kept unique: one account has one identity,
//! whatever spelling it came under.
//!
//! Follows the preparation of RFC 4518: compatibility normalisation (NFKC), case folding, white
//! space trimmed at the ends and collapsed inside. Done here so that no engine's notion of case
//! matters.

use std::borrow::Borrow;
use std::fmt;

use unicode_normalization::UnicodeNormalization;

/// A text prepared for comparison. Two spellings of one name have the same folded form.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Folded(Box<str>);

impl Folded {
    /// Prepares `text` for comparison.
    #[must_use]
    pub fn new(text: &str) -> Self {
        if is_plain(text) {
            return Self(text.to_ascii_lowercase().into());
        }
        Self::of_words(&text.nfkc().flat_map(char::to_lowercase).nfkc().collect::<String>())
    }

    /// Prepares `text` for comparison where case counts.
    #[must_use]
    pub fn exact(text: &str) -> Self {
        Self::of_words(&text.nfkc().collect::<String>())
    }

    fn of_words(text: &str) -> Self {
        let mut folded = String::with_capacity(text.len());
        for word in text.split_whitespace() {
            if !folded.is_empty() {
                folded.push(' ');
            }
            folded.push_str(word);
        }
        Self(folded.into())
    }

    /// The folded text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The folded text itself.
    #[must_use]
    pub fn into_string(self) -> String {
        self.0.into()
    }
}

/// Whether nothing but the case of `text` can change: letters and signs of ASCII with single spaces
/// between words, as nearly all names are.
fn is_plain(text: &str) -> bool {
    text.bytes().all(|byte| byte.is_ascii_graphic() || byte == b' ')
        && !text.starts_with(' ')
        && !text.ends_with(' ')
        && !text.contains("  ")
}

/// So that maps of folded names can be asked for a text that is known to be folded.
impl Borrow<str> for Folded {
    fn borrow(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for Folded {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn spellings_of_one_name_fold_alike() {
        for (left, right) in [
            ("Ada", "ada"),
            ("ÉLODIE", "e\u{301}lodie"),
            ("  Ada   Okafor ", "ada okafor"),
            ("ﬁn", "FIN"),
            ("Ａda", "ada"),
        ] {
            assert_eq!(Folded::new(left), Folded::new(right), "{left} and {right}");
        }
        assert_ne!(Folded::new("ada"), Folded::new("adá"));
    }

    #[test]
    fn plain_texts_fold_as_all_others_do() {
        for text in
            ["", " ", "Ada", "ADA OKAFOR", "a  b", " a", "a ", "A\tB", "a\u{b}b", "x\0Y", "A-b_c.D@E \"F\"", "Å b"]
        {
            let slowly = text.nfkc().flat_map(char::to_lowercase).nfkc().collect::<String>();
            assert_eq!(Folded::new(text), Folded::of_words(&slowly), "{text:?}");
        }
    }

    #[test]
    fn folding_twice_changes_nothing() {
        for text in ["İstanbul", "Straße", "ẞ", "ΑΣ", "Ǆ", "\u{1e9e}x", "K"] {
            let once = Folded::new(text);
            assert_eq!(Folded::new(once.as_str()), once, "{text}");
        }
    }
}
