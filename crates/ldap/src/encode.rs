//! Entries written straight into the answer: a listing of thousands goes from memory to the wire
//! without a copy of each value in between. All other messages are written by the codec.

use bytes::{BufMut as _, BytesMut};

use crate::ber::{INTEGER, OCTET_STRING, SEQUENCE};

/// A length whose size is not known yet: long form, four digits (X.690 section 8.1.3.5).
const OPEN: [u8; 5] = [0x84, 0, 0, 0, 0];

/// Writes elements at the end of a buffer, front to back.
pub(crate) struct Encoder<'a>(&'a mut BytesMut);

/// Where the content of an element that is being written begins.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Mark(usize);

impl<'a> Encoder<'a> {
    pub(crate) fn new(out: &'a mut BytesMut) -> Self {
        Self(out)
    }

    /// Begins an element; what is written until [`Encoder::close`] is in it.
    pub(crate) fn open(&mut self, tag: u8) -> Mark {
        self.0.put_u8(tag);
        self.0.put_slice(&OPEN);
        Mark(self.0.len())
    }

    /// Ends an element. Short ones get a short length: most are.
    pub(crate) fn close(&mut self, mark: Mark) {
        let Mark(start) = mark;
        let length = self.0.len() - start;
        let Some(at) = start.checked_sub(OPEN.len()) else { return };
        match u8::try_from(length) {
            Ok(short @ 0..=0x7f) => {
                self.0.copy_within(start.., at + 1);
                self.0.truncate(at + 1 + length);
                self.patch(at, &[short]);
            }
            // Nothing is as long as four digits can say: the buffer is sent long before.
            _ => self.patch(at + 1, &u32::try_from(length).unwrap_or(u32::MAX).to_be_bytes()),
        }
    }

    fn patch(&mut self, at: usize, bytes: &[u8]) {
        if let Some(place) = self.0.get_mut(at..at + bytes.len()) {
            place.copy_from_slice(bytes);
        }
    }

    /// Where the next element will begin.
    pub(crate) fn len(&self) -> usize {
        self.0.len()
    }

    /// Takes back everything from `len` on.
    pub(crate) fn take_back(&mut self, len: usize) {
        self.0.truncate(len);
    }

    /// An OCTET STRING.
    pub(crate) fn octets(&mut self, content: &[u8]) {
        match u8::try_from(content.len()) {
            Ok(short @ 0..=0x7f) => self.0.put_slice(&[OCTET_STRING, short]),
            _ => {
                self.0.put_slice(&[OCTET_STRING, 0x84]);
                self.0.put_u32(u32::try_from(content.len()).unwrap_or(u32::MAX));
            }
        }
        self.0.put_slice(content);
    }

    /// An INTEGER that is not negative.
    fn integer(&mut self, number: i32) {
        let digits = number.to_be_bytes();
        // A leading zero stays where the next bit would make the number negative.
        let zeros = digits.windows(2).take_while(|pair| matches!(pair, [0, next] if *next < 0x80)).count();
        let digits = digits.get(zeros..).unwrap_or_default();
        self.0.put_slice(&[INTEGER, u8::try_from(digits.len()).unwrap_or(4)]);
        self.0.put_slice(digits);
    }

    /// A message (RFC 4511 section 4.1.1) without controls, whose operation `inner` writes.
    pub(crate) fn message(&mut self, id: i32, inner: impl FnOnce(&mut Self)) {
        let mark = self.open(SEQUENCE);
        self.integer(id);
        inner(self);
        self.close(mark);
    }
}

#[cfg(test)]
mod tests {
    use ldap3_proto::LdapCodec;
    use ldap3_proto::proto::{LdapMsg, LdapOp, LdapPartialAttribute, LdapSearchResultEntry};
    use tokio_util::codec::{Decoder as _, Encoder as _};

    use super::*;
    use crate::ber::SET;

    fn written(id: i32, dn: &str, values: &[Vec<u8>]) -> BytesMut {
        let mut out = BytesMut::from("before");
        Encoder::new(&mut out).message(id, |entry| {
            let mark = entry.open(0x64);
            entry.octets(dn.as_bytes());
            let list = entry.open(SEQUENCE);
            let attribute = entry.open(SEQUENCE);
            entry.octets(b"cn");
            let set = entry.open(SET);
            values.iter().for_each(|value| entry.octets(value));
            entry.close(set);
            entry.close(attribute);
            entry.close(list);
            entry.close(mark);
        });
        out.split_off(6)
    }

    #[test]
    fn what_is_written_is_what_the_codec_reads() {
        for id in [0, 1, 127, 128, 255, 256, 32_767, 32_768, 8_388_608, i32::MAX] {
            for length in [0, 1, 100, 127, 128, 300, 70_000] {
                let values = vec![vec![b'x'; length], b"second".to_vec()];
                let mut bytes = written(id, "cn=a,dc=x", &values);
                let read = LdapCodec::new(Some(1_000_000), None).decode(&mut bytes).unwrap().unwrap();
                let attributes = vec![LdapPartialAttribute { atype: "cn".into(), vals: values }];
                let op = LdapOp::SearchResultEntry(LdapSearchResultEntry { dn: "cn=a,dc=x".into(), attributes });
                assert_eq!((read.msgid, read.op, bytes.len()), (id, op, 0));
            }
        }
    }

    #[test]
    fn short_entries_are_as_short_as_the_codec_writes_them() {
        let values = vec![b"Ada".to_vec()];
        let attributes = vec![LdapPartialAttribute { atype: "cn".into(), vals: values.clone() }];
        let op = LdapOp::SearchResultEntry(LdapSearchResultEntry { dn: "cn=a".into(), attributes });
        let mut codec = BytesMut::new();
        LdapCodec::default().encode(LdapMsg { msgid: 7, op, ctrl: Vec::new() }, &mut codec).unwrap();
        assert_eq!(written(7, "cn=a", &values), codec);
    }
}
