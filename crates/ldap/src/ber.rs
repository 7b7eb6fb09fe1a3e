//! As much of BER as LDAP allows (RFC 4511 section 5.1): elements with tags of one byte and definite
//! lengths. Everything is checked against the bytes that are there before it is handed out; nothing
//! is copied and nothing recurses.
//!
//! Whole messages are decoded by the codec after `frame` has checked them. What the codec does not
//! know, values of controls and of extended operations, is read and written here.

/// BOOLEAN.
pub(crate) const BOOLEAN: u8 = 0x01;
/// INTEGER.
pub(crate) const INTEGER: u8 = 0x02;
/// OCTET STRING.
pub(crate) const OCTET_STRING: u8 = 0x04;
/// ENUMERATED.
pub(crate) const ENUMERATED: u8 = 0x0a;
/// SEQUENCE and SEQUENCE OF.
pub(crate) const SEQUENCE: u8 = 0x30;
/// SET OF.
pub(crate) const SET: u8 = 0x31;
/// The bit of a tag that says that its content is elements.
pub(crate) const CONSTRUCTED: u8 = 0x20;

/// The tag of a simple element of a kind that only its place tells: `[number]`.
pub(crate) const fn context(number: u8) -> u8 {
    0x80 | number
}

/// Bytes that are no elements.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Bad {
    /// A tag or length of a form that LDAP does not use, or content that is not there.
    Encoding,
    /// An end beyond what was allowed.
    TooLarge,
}

/// Where an element lies: its tag, where its content begins, and where it ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Element {
    pub(crate) tag: u8,
    pub(crate) start: usize,
    pub(crate) end: usize,
}

impl Element {
    /// The element at the front of `bytes`. `None` when more bytes must come to tell. An end beyond
    /// `most` is refused at once; one beyond `bytes` is not.
    pub(crate) fn read(bytes: &[u8], most: usize) -> Result<Option<Self>, Bad> {
        let Some((tag, rest)) = bytes.split_first() else { return Ok(None) };
        // Tags of several bytes are not used by LDAP.
        if tag & 0x1f == 0x1f {
            return Err(Bad::Encoding);
        }
        let Some((first, rest)) = rest.split_first() else { return Ok(None) };
        let (start, length) = match first {
            0x00..=0x7f => (2, usize::from(*first)),
            // 0x80 is the indefinite form, which LDAP forbids; more than four bytes are too many.
            0x81..=0x84 => {
                let count = usize::from(first & 0x7f);
                let Some(digits) = rest.get(..count) else { return Ok(None) };
                (2 + count, digits.iter().fold(0, |length, digit| length << 8 | usize::from(*digit)))
            }
            _ => return Err(Bad::Encoding),
        };
        let end = start + length;
        if end > most { Err(Bad::TooLarge) } else { Ok(Some(Self { tag: *tag, start, end })) }
    }

    /// Tag and content of the element at the front of `bytes`, which hold it whole, and what comes
    /// after it.
    pub(crate) fn split(bytes: &[u8]) -> Result<(u8, &[u8], &[u8]), Bad> {
        let read = Self::read(bytes, bytes.len()).map_err(|_| Bad::Encoding)?;
        let Self { tag, start, end } = read.ok_or(Bad::Encoding)?;
        match (bytes.get(start..end), bytes.get(end..)) {
            (Some(content), Some(rest)) => Ok((tag, content, rest)),
            _ => Err(Bad::Encoding),
        }
    }
}

/// Reads one element after another. Whatever is not as expected gives `None`.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Reader<'a> {
    rest: &'a [u8],
}

impl<'a> Reader<'a> {
    pub(crate) const fn new(bytes: &'a [u8]) -> Self {
        Self { rest: bytes }
    }

    /// The elements in the one SEQUENCE that `bytes` are.
    pub(crate) fn of_sequence(bytes: &'a [u8]) -> Option<Self> {
        let mut whole = Self::new(bytes);
        let content = whole.take(SEQUENCE)?;
        whole.is_empty().then_some(Self::new(content))
    }

    /// Whether everything was read.
    pub(crate) const fn is_empty(&self) -> bool {
        self.rest.is_empty()
    }

    /// Tag and content of the next element, whatever it is.
    pub(crate) fn any(&mut self) -> Option<(u8, &'a [u8])> {
        let (tag, content, rest) = Element::split(self.rest).ok()?;
        self.rest = rest;
        Some((tag, content))
    }

    /// The next element as it is, with its tag and length.
    pub(crate) fn element(&mut self) -> Option<&'a [u8]> {
        let before = self.rest;
        self.any()?;
        before.get(..before.len() - self.rest.len())
    }

    /// The content of the next element, which must have this tag.
    pub(crate) fn take(&mut self, wanted: u8) -> Option<&'a [u8]> {
        let (tag, content, rest) = Element::split(self.rest).ok()?;
        if tag != wanted {
            return None;
        }
        self.rest = rest;
        Some(content)
    }

    /// The content of the next element if it has this tag; nothing is read if it has not.
    pub(crate) fn take_if(&mut self, wanted: u8) -> Option<&'a [u8]> {
        if self.rest.first() == Some(&wanted) { self.take(wanted) } else { None }
    }

    /// The next element as text.
    pub(crate) fn text(&mut self, wanted: u8) -> Option<&'a str> {
        std::str::from_utf8(self.take(wanted)?).ok()
    }

    /// The next element as a number of 32 bits.
    pub(crate) fn integer(&mut self) -> Option<i32> {
        number(self.take(INTEGER)?)
    }
}

/// The number of 32 bits that is the content of an INTEGER.
pub(crate) fn number(digits: &[u8]) -> Option<i32> {
    let (first, rest) = digits.split_first().filter(|(_, rest)| rest.len() < 4)?;
    let sign = i32::from(i8::from_be_bytes([*first]));
    Some(rest.iter().fold(sign, |number, digit| number << 8 | i32::from(*digit)))
}

/// Writes elements one after another.
#[derive(Debug, Default)]
pub(crate) struct Writer(Vec<u8>);

impl Writer {
    /// Writes an element.
    pub(crate) fn put(mut self, tag: u8, content: &[u8]) -> Self {
        self.0.push(tag);
        let length = content.len();
        match u8::try_from(length) {
            Ok(short @ 0..=0x7f) => self.0.push(short),
            _ => {
                let digits = length.to_be_bytes();
                let zeros = digits.iter().take_while(|digit| **digit == 0).count();
                let digits = digits.get(zeros..).unwrap_or_default();
                self.0.push(0x80 | u8::try_from(digits.len()).unwrap_or(0x7f));
                self.0.extend_from_slice(digits);
            }
        }
        self.0.extend_from_slice(content);
        self
    }

    /// Writes an element whose content is what `inner` has written.
    pub(crate) fn put_all(self, tag: u8, inner: &Self) -> Self {
        self.put(tag, &inner.0)
    }

    /// What was written.
    pub(crate) fn into_bytes(self) -> Vec<u8> {
        self.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_written_is_read_back() {
        for length in [0, 1, 127, 128, 255, 256, 65_535, 65_536, 70_000] {
            let content = vec![b'x'; length];
            let inner = Writer::default().put(OCTET_STRING, &content).put(BOOLEAN, &[0xff]);
            let bytes = Writer::default().put_all(SEQUENCE, &inner).into_bytes();
            let mut reader = Reader::of_sequence(&bytes).unwrap();
            assert_eq!(reader.take(OCTET_STRING), Some(content.as_slice()));
            assert_eq!(reader.take_if(INTEGER), None);
            assert_eq!(reader.take_if(BOOLEAN), Some(&[0xff][..]));
            assert!(reader.is_empty());
        }
    }

    #[test]
    fn numbers_have_a_sign_and_four_bytes_at_most() {
        for (bytes, number) in [
            (&[0x02, 0x01, 0x00][..], Some(0)),
            (&[0x02, 0x01, 0xff], Some(-1)),
            (&[0x02, 0x02, 0x01, 0x00], Some(256)),
            (&[0x02, 0x02, 0xff, 0x00], Some(-256)),
            (&[0x02, 0x04, 0x7f, 0xff, 0xff, 0xff], Some(i32::MAX)),
            (&[0x02, 0x04, 0x80, 0x00, 0x00, 0x00], Some(i32::MIN)),
            (&[0x02, 0x05, 0x00, 0x00, 0x00, 0x00, 0x01], None),
            (&[0x02, 0x00], None),
            (&[0x04, 0x01, 0x00], None),
        ] {
            assert_eq!(Reader::new(bytes).integer(), number, "{bytes:02x?}");
        }
    }

    #[test]
    fn what_is_no_element_is_refused() {
        for bytes in [
            &[][..],
            &[0x30],
            &[0x30, 0x01],
            &[0x30, 0x80, 0x00, 0x00],
            &[0x30, 0x85, 0, 0, 0, 0, 0],
            &[0x3f, 0x01, 0x00],
            &[0x30, 0x84, 0xff, 0xff, 0xff, 0xff],
            &[0x30, 0x00, 0x00],
            &[0x04, 0x00],
        ] {
            assert!(Reader::of_sequence(bytes).is_none(), "{bytes:02x?}");
        }
        assert_eq!(Element::read(&[0x30, 0x82, 0x10, 0x00], 100), Err(Bad::TooLarge));
        assert_eq!(Element::read(&[0x30, 0x82, 0x10], 100), Ok(None));
        assert_eq!(Reader::new(&[0x04, 0x01, 0xff]).text(OCTET_STRING), None);
    }

    #[test]
    fn any_bytes_are_read_to_an_end() {
        let mut state = 7_u64;
        for _ in 0..100_000 {
            let mut bytes = [0; 12];
            for byte in &mut bytes {
                state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
                *byte = u8::try_from(state >> 56).unwrap();
            }
            bytes[0] = SEQUENCE;
            bytes[1] &= 0x0f;
            let mut reader = Reader::new(&bytes);
            let mut left = bytes.len();
            while let Some(tag) = reader.rest.first().copied() {
                if reader.take(tag).is_none() {
                    break;
                }
                assert!(reader.rest.len() < left);
                left = reader.rest.len();
            }
        }
    }
}
