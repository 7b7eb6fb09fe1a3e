//! Looking through answers without decoding them: where a message ends, what kind it is, and how
//! an operation came out (RFC 4511 section 4.1.1). The generator must cost little, or it measures
//! itself.

use anyhow::{bail, ensure};

/// A search result entry.
pub(crate) const ENTRY: u8 = 0x64;
/// The end of a search.
pub(crate) const SEARCH_DONE: u8 = 0x65;
/// The answer to a bind.
pub(crate) const BIND_DONE: u8 = 0x61;
/// The answer to an add.
pub(crate) const ADD_DONE: u8 = 0x69;

/// A message at the front of what was received.
pub(crate) struct Message<'a> {
    /// Its length in bytes.
    pub(crate) length: usize,
    pub(crate) id: u16,
    /// What it is.
    pub(crate) tag: u8,
    /// What the operation holds.
    content: &'a [u8],
    /// The controls, with their tag; empty when there are none.
    controls: &'a [u8],
}

/// The element at the front of `bytes` (tag, content, rest), or `None` when it is not there as a
/// whole.
fn element(bytes: &[u8]) -> Option<(u8, &[u8], &[u8])> {
    let (tag, rest) = bytes.split_first()?;
    let (first, rest) = rest.split_first()?;
    let (length, rest) = if *first < 0x80 {
        (usize::from(*first), rest)
    } else {
        let (digits, rest) = rest.split_at_checked(usize::from(first & 0x7f))?;
        (digits.iter().fold(0, |length, digit| length << 8 | usize::from(*digit)), rest)
    };
    let (content, rest) = rest.split_at_checked(length)?;
    Some((*tag, content, rest))
}

fn number(digits: &[u8]) -> usize {
    digits.iter().fold(0, |number, digit| number << 8 | usize::from(*digit))
}

impl<'a> Message<'a> {
    /// The message at the front of `bytes`; `None` when it is not there as a whole.
    pub(crate) fn read(bytes: &'a [u8]) -> anyhow::Result<Option<Self>> {
        let Some((tag, message, rest)) = element(bytes) else { return Ok(None) };
        let parts = element(message).and_then(|(_, id, rest)| Some((id, element(rest)?)));
        let (0x30, Some((id, (operation, content, controls)))) = (tag, parts) else { bail!("no LDAP message") };
        let length = bytes.len() - rest.len();
        Ok(Some(Self { length, id: u16::try_from(number(id))?, tag: operation, content, controls }))
    }

    /// The result code of an answer.
    pub(crate) fn code(&self) -> anyhow::Result<usize> {
        match element(self.content) {
            Some((0x0a, code, _)) => Ok(number(code)),
            _ => bail!("an answer without a result code"),
        }
    }

    /// What an answer says about its code, for people.
    pub(crate) fn text(&self) -> String {
        let text = element(self.content).and_then(|(_, _, rest)| element(rest)).and_then(|(_, _, rest)| element(rest));
        text.map_or_else(String::new, |(_, text, _)| String::from_utf8_lossy(text).into_owned())
    }

    /// The name of an entry.
    pub(crate) fn name(&self) -> &'a [u8] {
        element(self.content).map_or(&[], |(_, name, _)| name)
    }

    /// The cookie of the paged results control (RFC 2696), the only control that is asked for.
    pub(crate) fn cookie(&self) -> anyhow::Result<Vec<u8>> {
        let find = || {
            let (_, control, _) = element(element(self.controls)?.1)?;
            let (_, _, rest) = element(control)?;
            // A criticality may stand before the value.
            let (tag, mut value, rest) = element(rest)?;
            if tag == 0x01 {
                value = element(rest)?.1;
            }
            let (_, page, _) = element(value)?;
            let (_, _, rest) = element(page)?;
            Some(element(rest)?.1.to_vec())
        };
        let cookie = find();
        ensure!(cookie.is_some(), "a page without a cookie");
        Ok(cookie.unwrap_or_default())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn messages_are_found_one_after_the_other() {
        let bytes = b"\x30\x0c\x02\x01\x07\x64\x07\x04\x03a=b\x30\x00\x30\x0d\x02\x02\x01\x00\x65\x07\x0a\x01\x00\x04\x00\x04\x00";
        let first = Message::read(bytes).unwrap().unwrap();
        assert_eq!((first.id, first.tag, first.name()), (7, ENTRY, &b"a=b"[..]));
        let second = Message::read(&bytes[first.length..]).unwrap().unwrap();
        assert_eq!((second.id, second.tag, second.code().unwrap()), (256, SEARCH_DONE, 0));
        assert_eq!(first.length + second.length, bytes.len());
        for cut in 0..first.length {
            assert!(Message::read(&bytes[..cut]).unwrap().is_none(), "{cut} bytes");
        }
        assert!(Message::read(b"\x30\x03\x02\x01\x07").is_err());
    }
}
