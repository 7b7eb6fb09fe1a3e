//! Messages in the stream: found by their first bytes, checked as a whole, then decoded.
//!
//! The decoder is lenient: it waits for a message of any length, drops what is left of a broken
//! element, and cuts message ids. So everything is checked here first: definite lengths within the
//! limit, elements that fill what holds them, depth, their number, message id and operation (RFC
//! 4511 sections 4.1.1 and 5.1). Controls are taken off, since the decoder forgets whether some of
//! them are critical. Searches, which are most requests, are read without it, see `request`: it
//! copies everything, and refuses filters with values that are no UTF-8.

use bytes::BytesMut;
use ldap3_proto::LdapCodec;
use ldap3_proto::proto::LdapMsg;
use thiserror::Error;
use tokio_util::codec::Decoder as _;
use tracing::dispatcher::{Dispatch, with_default};

use crate::ber::{BOOLEAN, Bad, CONSTRUCTED, Element, INTEGER, OCTET_STRING, Reader, SEQUENCE};
use crate::request::SearchRequest;
use crate::shape;

/// How deep elements may be nested: a filter of the deepest kind that is evaluated, and more, so
/// that a filter that is too deep still gets an answer.
const MAX_DEPTH: usize = 100;
/// How many elements a message may have. Each costs the decoder far more than its two bytes.
const MAX_ELEMENTS: usize = 20_000;

const CONTROLS: u8 = 0xa0;

/// Bytes that are no LDAP message. The connection cannot go on.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
pub(crate) enum Malformed {
    /// Not the beginning of a message, or elements that do not fit together.
    #[error("this is not an LDAP message")]
    Encoding,
    /// Longer than is read at this stage, or of more or deeper elements.
    #[error("the message is too large")]
    TooLarge,
    /// The message id is missing, zero or out of range.
    #[error("the message id is not between 1 and 2147483647")]
    MessageId,
    /// No operation that a client asks for.
    #[error("the operation is unknown")]
    Operation,
}

impl From<Bad> for Malformed {
    fn from(bad: Bad) -> Self {
        match bad {
            Bad::Encoding => Self::Encoding,
            Bad::TooLarge => Self::TooLarge,
        }
    }
}

/// A control as it came (RFC 4511 section 4.1.11).
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct RawControl {
    /// Its object identifier.
    pub(crate) oid: String,
    /// Whether the request must not be done without it.
    pub(crate) is_critical: bool,
    /// What it says, in an encoding of its own.
    pub(crate) value: Option<Vec<u8>>,
}

/// What a request asks for (RFC 4511 section 4.1.1), by its tag.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Operation {
    Bind,
    Unbind,
    Search,
    Modify,
    Add,
    Delete,
    ModifyDn,
    Compare,
    Abandon,
    Extended,
}

impl Operation {
    const fn from_tag(tag: u8) -> Option<Self> {
        Some(match tag {
            0x60 => Self::Bind,
            0x42 => Self::Unbind,
            0x63 => Self::Search,
            0x66 => Self::Modify,
            0x68 => Self::Add,
            0x4a => Self::Delete,
            0x6c => Self::ModifyDn,
            0x6e => Self::Compare,
            0x50 => Self::Abandon,
            0x77 => Self::Extended,
            _ => return None,
        })
    }
}

/// A whole message that is well formed.
#[derive(Debug)]
pub(crate) struct Frame {
    pub(crate) id: i32,
    pub(crate) operation: Operation,
    /// The controls in their order.
    pub(crate) controls: Vec<RawControl>,
    /// The message without them.
    bytes: BytesMut,
}

impl Frame {
    /// Takes the message at the front of `bytes`, if it is there as a whole. One that is longer
    /// than `most` bytes is refused as soon as its length can be read.
    ///
    /// # Errors
    /// [`Malformed`].
    pub(crate) fn take(bytes: &mut BytesMut, most: usize) -> Result<Option<Self>, Malformed> {
        if bytes.first().is_some_and(|tag| *tag != SEQUENCE) {
            return Err(Malformed::Encoding);
        }
        let Some(Element { start, end, .. }) = Element::read(bytes, most)? else { return Ok(None) };
        let Some(content) = bytes.get(start..end) else { return Ok(None) };
        let mut left = MAX_ELEMENTS;
        check(content, MAX_DEPTH, &mut left)?;
        let (id, rest) = message_id(content)?;
        let (tag, _, rest) = Element::split(rest)?;
        let operation = Operation::from_tag(tag).ok_or(Malformed::Operation)?;
        let (controls, length) = (controls(rest)?, rest.len());
        let mut bytes = bytes.split_to(end);
        shorten(&mut bytes, start, length);
        Ok(Some(Self { id, operation, controls, bytes }))
    }

    /// The content of the operation, as it came.
    pub(crate) fn content(&self) -> Option<&[u8]> {
        let mut message = Reader::of_sequence(&self.bytes)?;
        message.take(INTEGER)?;
        message.any().map(|(_, content)| content)
    }

    /// The search request in the message. `None` when there is none.
    pub(crate) fn search(&self) -> Option<SearchRequest<'_>> {
        SearchRequest::read(self.content().filter(|_| self.operation == Operation::Search)?)
    }

    /// Decodes a message of the others. `None` when its fields are not those of its operation.
    pub(crate) fn decode(mut self) -> Option<LdapMsg> {
        if !shape::fits(self.operation, self.content()?) {
            return None;
        }
        let mut codec = LdapCodec::new(Some(self.bytes.len()), None);
        // The decoder traces raw elements, passwords among them: nothing of it reaches the log.
        with_default(&Dispatch::none(), || codec.decode(&mut self.bytes)).ok().flatten()
    }
}

/// Whether elements fill `bytes` exactly, at every depth.
fn check(mut bytes: &[u8], depth: usize, left: &mut usize) -> Result<(), Malformed> {
    let depth = depth.checked_sub(1).ok_or(Malformed::TooLarge)?;
    while !bytes.is_empty() {
        *left = left.checked_sub(1).ok_or(Malformed::TooLarge)?;
        let (tag, content, rest) = Element::split(bytes)?;
        if tag & CONSTRUCTED != 0 {
            check(content, depth, left)?;
        }
        bytes = rest;
    }
    Ok(())
}

fn message_id(content: &[u8]) -> Result<(i32, &[u8]), Malformed> {
    let (tag, digits, rest) = Element::split(content).map_err(|_| Malformed::MessageId)?;
    if tag != INTEGER || digits.is_empty() || digits.len() > 4 || digits.first().is_some_and(|first| first & 0x80 != 0)
    {
        return Err(Malformed::MessageId);
    }
    match digits.iter().fold(0, |id, digit| id << 8 | i32::from(*digit)) {
        0 => Err(Malformed::MessageId),
        id => Ok((id, rest)),
    }
}

/// The controls (RFC 4511 section 4.1.11), which are all that may follow the operation.
fn controls(bytes: &[u8]) -> Result<Vec<RawControl>, Malformed> {
    let mut list = Vec::new();
    if bytes.is_empty() {
        return Ok(list);
    }
    let (CONTROLS, mut controls, []) = Element::split(bytes)? else { return Err(Malformed::Encoding) };
    while !controls.is_empty() {
        let (SEQUENCE, control, rest) = Element::split(controls)? else { return Err(Malformed::Encoding) };
        let (OCTET_STRING, oid, mut fields) = Element::split(control)? else { return Err(Malformed::Encoding) };
        let oid = str::from_utf8(oid).ok().filter(|oid| oid.is_ascii()).ok_or(Malformed::Encoding)?;
        let mut control = RawControl { oid: oid.to_owned(), is_critical: false, value: None };
        if fields.first() == Some(&BOOLEAN) {
            let (_, &[truth], after) = Element::split(fields)? else { return Err(Malformed::Encoding) };
            control.is_critical = truth != 0;
            fields = after;
        }
        // Then a value and no more: a criticality behind it would be overlooked.
        if !fields.is_empty() {
            let (OCTET_STRING, value, []) = Element::split(fields)? else { return Err(Malformed::Encoding) };
            control.value = Some(value.to_vec());
        }
        list.push(control);
        controls = rest;
    }
    Ok(list)
}

/// Cuts `length` bytes off the end of a message whose content begins at `start`, and says so in its
/// header, which keeps its size.
fn shorten(message: &mut BytesMut, start: usize, length: usize) {
    if length == 0 {
        return;
    }
    let end = message.len().saturating_sub(length);
    message.truncate(end);
    let digits = end.saturating_sub(start).to_be_bytes();
    match message.get_mut(1..start) {
        Some([short]) => *short = digits.last().copied().unwrap_or(0),
        Some([_, long @ ..]) => {
            for (place, digit) in long.iter_mut().rev().zip(digits.iter().rev()) {
                *place = *digit;
            }
        }
        _ => {}
    }
}

#[cfg(test)]
mod tests {
    use ldap3_proto::proto::{
        LdapBindCred, LdapBindRequest, LdapDerefAliases, LdapFilter, LdapOp, LdapSearchRequest, LdapSearchScope,
    };
    use tokio_util::codec::Encoder as _;

    use super::*;
    use crate::ber::Writer;

    const MOST: usize = 8 * 1024;

    fn encoded(id: i32, op: LdapOp) -> BytesMut {
        let mut bytes = BytesMut::new();
        LdapCodec::default().encode(LdapMsg::new(id, op), &mut bytes).unwrap();
        bytes
    }

    fn bind() -> BytesMut {
        let cred = LdapBindCred::Simple("secret".into());
        encoded(7, LdapOp::BindRequest(LdapBindRequest { version: 3, dn: "uid=ada,dc=x".into(), cred }))
    }

    fn search(filter: LdapFilter) -> BytesMut {
        encoded(
            2,
            LdapOp::SearchRequest(LdapSearchRequest {
                base: "dc=x".into(),
                scope: LdapSearchScope::Subtree,
                aliases: LdapDerefAliases::Never,
                sizelimit: 0,
                timelimit: 0,
                typesonly: false,
                filter,
                attrs: vec!["cn".into()],
            }),
        )
    }

    fn refused(bytes: &[u8]) -> Malformed {
        Frame::take(&mut BytesMut::from(bytes), MOST).unwrap_err()
    }

    #[test]
    fn a_message_is_taken_when_it_is_whole() {
        let whole = bind();
        for cut in 0..whole.len() {
            let mut part = BytesMut::from(&whole[..cut]);
            assert!(Frame::take(&mut part, MOST).unwrap().is_none(), "{cut} bytes");
            assert_eq!(part.len(), cut, "nothing is taken");
        }
        let mut two = whole.clone();
        two.extend_from_slice(&whole);
        let frame = Frame::take(&mut two, MOST).unwrap().unwrap();
        assert_eq!((frame.id, frame.operation), (7, Operation::Bind));
        assert_eq!(two, whole);
        assert!(matches!(frame.decode().unwrap().op, LdapOp::BindRequest(_)));
    }

    #[test]
    fn what_is_no_message_is_refused_by_its_first_bytes() {
        assert_eq!(refused(b"G"), Malformed::Encoding);
        assert_eq!(refused(b"GET / HTTP/1.1\r\n"), Malformed::Encoding);
        assert_eq!(refused(b"\x16\x03\x01"), Malformed::Encoding, "TLS");
        assert_eq!(refused(b"\x30\x80"), Malformed::Encoding, "indefinite length");
        assert_eq!(refused(b"\x30\x85"), Malformed::Encoding, "five bytes of length");
        assert_eq!(refused(b"\x30\x84\x7f\xff\xff\xff"), Malformed::TooLarge, "2 GiB");
        assert_eq!(refused(b"\x30\x84\xff\xff\xff\xff"), Malformed::TooLarge, "4 GiB");
        assert_eq!(refused(b"\x30\x82\x20\x00"), Malformed::TooLarge, "one more than may be");
        assert!(Frame::take(&mut BytesMut::from(&b"\x30\x82\x1f\xfc"[..]), MOST).unwrap().is_none());
    }

    #[test]
    fn elements_must_fit_and_ids_and_operations_must_be_known() {
        assert_eq!(refused(b"\x30\x00"), Malformed::MessageId);
        assert_eq!(refused(b"\x30\x05\x02\x01\x00\x42\x00"), Malformed::MessageId, "zero");
        assert_eq!(refused(b"\x30\x05\x02\x01\xff\x42\x00"), Malformed::MessageId, "negative");
        assert_eq!(refused(b"\x30\x09\x02\x05\x01\x00\x00\x00\x01\x42\x00"), Malformed::MessageId, "too long");
        assert_eq!(refused(b"\x30\x05\x04\x01\x01\x42\x00"), Malformed::MessageId, "no integer");
        assert_eq!(refused(b"\x30\x03\x02\x01\x01"), Malformed::Encoding, "no operation");
        assert_eq!(refused(b"\x30\x05\x02\x01\x01\x61\x00"), Malformed::Operation, "an answer");
        assert_eq!(refused(b"\x30\x05\x02\x01\x01\x7e\x00"), Malformed::Operation);
        assert_eq!(refused(b"\x30\x05\x02\x01\x01\x42\x05"), Malformed::Encoding, "longer than what holds it");
        assert_eq!(refused(b"\x30\x07\x02\x01\x01\x60\x02\x02\x05"), Malformed::Encoding, "deeper down");
        assert_eq!(refused(b"\x30\x07\x02\x01\x01\x60\x02\x3f\x00"), Malformed::Encoding, "a long tag");
        assert_eq!(refused(b"\x30\x07\x02\x01\x01\x42\x00\x04\x00"), Malformed::Encoding, "no controls");
        let unbind = Frame::take(&mut BytesMut::from(&b"\x30\x05\x02\x01\x01\x42\x00"[..]), MOST).unwrap().unwrap();
        assert_eq!((unbind.id, unbind.operation), (1, Operation::Unbind));
    }

    #[test]
    fn depth_and_number_of_elements_are_limited() {
        let nest = |levels: usize| {
            let filter =
                (0..levels).fold(LdapFilter::Present("cn".into()), |inner, _| LdapFilter::Not(Box::new(inner)));
            Frame::take(&mut search(filter), MOST)
        };
        assert!(nest(90).unwrap().is_some());
        assert_eq!(nest(110).unwrap_err(), Malformed::TooLarge);
        let many = LdapFilter::And(vec![LdapFilter::And(Vec::new()); MAX_ELEMENTS]);
        assert_eq!(Frame::take(&mut search(many), 1024 * 1024).unwrap_err(), Malformed::TooLarge);
    }

    #[test]
    fn controls_are_taken_off() {
        let message = b"\x30\x1a\x02\x01\x01\x42\x00\xa0\x13\x30\x08\x04\x03\x31\x2e\x32\x01\x01\xff\x30\x07\x04\x03\x31\x2e\x33\x04\x00";
        let frame = Frame::take(&mut BytesMut::from(&message[..]), MOST).unwrap().unwrap();
        let raw = |oid: &str, is_critical, value| RawControl { oid: oid.to_owned(), is_critical, value };
        assert_eq!(frame.controls, [raw("1.2", true, None), raw("1.3", false, Some(Vec::new()))]);
        assert_eq!(frame.bytes, &b"\x30\x05\x02\x01\x01\x42\x00"[..]);
        assert_eq!(frame.decode().map(|message| message.ctrl), Some(Vec::new()));
        // A long header keeps its size.
        let long = [b"\x30\x82\x00\x1a\x02\x01\x01\x42\x00", &message[7..]].concat();
        let frame = Frame::take(&mut BytesMut::from(&long[..]), MOST).unwrap().unwrap();
        assert_eq!(frame.bytes, &b"\x30\x82\x00\x05\x02\x01\x01\x42\x00"[..]);
        assert!(frame.decode().is_some());
    }

    /// What is no BOOLEAN (X.690 section 8.2.1) must not pass for "not critical".
    #[test]
    fn a_criticality_is_one_byte() {
        let take = |truth: &[u8]| {
            let control = Writer::default().put(OCTET_STRING, b"1.2").put(BOOLEAN, truth);
            let controls = Writer::default().put_all(SEQUENCE, &control);
            let fields = Writer::default().put(INTEGER, b"\x01").put(0x42, b"").put_all(CONTROLS, &controls);
            let mut message = BytesMut::from(&Writer::default().put_all(SEQUENCE, &fields).into_bytes()[..]);
            Frame::take(&mut message, MOST).map(|frame| frame.unwrap().controls[0].is_critical)
        };
        for (truth, is_critical) in [(0x00, false), (0x01, true), (0xff, true)] {
            assert_eq!(take(&[truth]), Ok(is_critical), "{truth:02x}");
        }
        for wrong in [&b""[..], b"\x00\x00", b"\xff\xff", b"\x00\xff"] {
            assert_eq!(take(wrong), Err(Malformed::Encoding), "{wrong:02x?}");
        }
    }

    #[test]
    fn a_search_is_read_where_it_lies() {
        let frame = Frame::take(&mut search(LdapFilter::Present("cn".into())), MOST).unwrap().unwrap();
        let request = frame.search().unwrap();
        assert_eq!((request.base, &request.scope, request.types_only), ("dc=x", &LdapSearchScope::Subtree, false));
        assert_eq!((request.filter, request.attributes), (&b"\x87\x02cn"[..], vec!["cn"]));
        assert_eq!((request.size_limit, request.time_limit), (0, 0));
        let frame = Frame::take(&mut bind(), MOST).unwrap().unwrap();
        assert!(frame.search().is_none());
    }

    #[test]
    fn a_search_whose_fields_are_not_those_of_a_search_is_refused() {
        // Base, scope, aliases, limits, types only, filter, attributes.
        let good: [&[u8]; 8] = [
            b"\x04\x00",
            b"\x0a\x01\x03",
            b"\x0a\x01\x00",
            b"\x02\x01\x05",
            b"\x02\x02\x01\x00",
            b"\x01\x01\xff",
            b"\xa0\x00",
            b"\x30\x03\x04\x01*",
        ];
        let read = |fields: &[&[u8]]| SearchRequest::read(&fields.concat()).map(|request| request.size_limit);
        assert_eq!(read(&good), Some(5));
        let bad: [(usize, &[u8]); 12] = [
            (0, b"\x04\x01\xff"),
            (1, b"\x0a\x01\x04"),
            (1, b"\x0a\x02\x00\x00"),
            (2, b"\x0a\x01\x04"),
            (3, b"\x02\x01\xff"),
            (3, b"\x02\x05\x00\x00\x00\x00\x01"),
            (4, b"\x02\x00"),
            (5, b"\x01\x00"),
            (5, b"\x01\x02\xff\xff"),
            (6, b""),
            (7, b"\x30\x03\x04\x01\xff"),
            (7, b"\x30\x00\x30\x00"),
        ];
        for (at, field) in bad {
            let mut fields = good;
            fields[at] = field;
            assert_eq!(read(&fields), None, "field {at}: {field:02x?}");
        }
    }

    /// The same inputs at every run (xorshift64*).
    struct Chance(u64);

    impl Chance {
        fn below(&mut self, bound: usize) -> usize {
            self.0 ^= self.0 >> 12;
            self.0 ^= self.0 << 25;
            self.0 ^= self.0 >> 27;
            usize::try_from(self.0.wrapping_mul(0x2545_f491_4f6c_dd1d) >> 33).unwrap() % bound
        }
    }

    #[test]
    fn random_bytes_are_taken_or_refused_and_never_more_than_there_are() {
        let mut chance = Chance(42);
        let samples = [
            bind(),
            search(LdapFilter::Or(vec![
                LdapFilter::Substring("cn".into(), "a*b*c".into()),
                LdapFilter::Not(Box::new(LdapFilter::GreaterOrEqual("sn".into(), "x".into()))),
            ])),
            BytesMut::from(&b"\x30\x1a\x02\x01\x01\x42\x00\xa0\x13\x30\x08\x04\x03\x31\x2e\x32\x01\x01\xff\x30\x07\x04\x03\x31\x2e\x33\x04\x00"[..]),
        ];
        let (mut taken, mut decoded) = (0, 0);
        for _ in 0..200_000 {
            let mut bytes = samples[chance.below(samples.len())].clone();
            for _ in 0..=chance.below(4) {
                let at = chance.below(bytes.len());
                bytes[at] = u8::try_from(chance.below(256)).unwrap();
            }
            if chance.below(4) == 0 {
                bytes.truncate(bytes.len() - chance.below(8));
            }
            let before = bytes.len();
            if let Ok(Some(frame)) = Frame::take(&mut bytes, MOST) {
                taken += 1;
                assert!(frame.id > 0 && frame.bytes.len() + bytes.len() <= before);
                let is_read = frame.search().is_some();
                decoded += usize::from(is_read || frame.decode().is_some());
            }
        }
        assert!(taken > 10_000 && decoded > 5_000, "{taken} taken, {decoded} decoded");
    }
}
