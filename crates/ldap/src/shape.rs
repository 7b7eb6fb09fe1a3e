//! Whether an operation has the fields that RFC 4511 gives it, with their tags, in their order, and
//! no more.
//!
//! The decoder guesses where it should refuse: it renames in place where it cannot read the new
//! superior, takes the last two of three values that are to be compared, cuts a version to 32 bits.
//! What is refused here never gets to it. Searches, extended requests and abandons never do: they
//! are read in `request`.

use crate::ber::{BOOLEAN, ENUMERATED, OCTET_STRING, Reader, SEQUENCE, SET, context};
use crate::frame::Operation;

/// The authentication of a bind by name and secret, and by SASL (section 4.2).
const SIMPLE: u8 = context(0);
const SASL: u8 = 0xa3;

/// Whether `content`, that of the operation's element, is well formed.
pub(crate) fn fits(operation: Operation, content: &[u8]) -> bool {
    let mut fields = Reader::new(content);
    let fits = match operation {
        Operation::Bind => bind(&mut fields),
        Operation::Unbind => return true,
        Operation::Search | Operation::Extended | Operation::Abandon => return false,
        Operation::Modify => entry(&mut fields, modification),
        Operation::Add => entry(&mut fields, attribute),
        Operation::Delete => return str::from_utf8(content).is_ok(),
        Operation::ModifyDn => modify_dn(&mut fields),
        Operation::Compare => compare(&mut fields),
    };
    fits.is_some() && fields.is_empty()
}

/// A version, a name, and how it is proved.
fn bind(fields: &mut Reader<'_>) -> Option<()> {
    fields.integer()?;
    fields.text(OCTET_STRING)?;
    match fields.any()? {
        (SIMPLE, _) => Some(()),
        (SASL, sasl) => {
            let mut sasl = Reader::new(sasl);
            sasl.text(OCTET_STRING)?;
            sasl.take_if(OCTET_STRING);
            sasl.is_empty().then_some(())
        }
        _ => None,
    }
}

/// A name, and a list.
fn entry(fields: &mut Reader<'_>, each: fn(&mut Reader<'_>) -> Option<()>) -> Option<()> {
    fields.text(OCTET_STRING)?;
    let mut list = Reader::new(fields.take(SEQUENCE)?);
    while !list.is_empty() {
        each(&mut list)?;
    }
    Some(())
}

/// A description, and values.
fn attribute(list: &mut Reader<'_>) -> Option<()> {
    let mut fields = Reader::new(list.take(SEQUENCE)?);
    fields.text(OCTET_STRING)?;
    let mut values = Reader::new(fields.take(SET)?);
    while !values.is_empty() {
        values.take(OCTET_STRING)?;
    }
    fields.is_empty().then_some(())
}

/// What is done, and with which attribute.
fn modification(list: &mut Reader<'_>) -> Option<()> {
    let mut fields = Reader::new(list.take(SEQUENCE)?);
    let [_] = fields.take(ENUMERATED)? else { return None };
    attribute(&mut fields)?;
    fields.is_empty().then_some(())
}

/// A name, a new one, whether the old one is deleted, and a new superior or none.
fn modify_dn(fields: &mut Reader<'_>) -> Option<()> {
    fields.text(OCTET_STRING)?;
    fields.text(OCTET_STRING)?;
    let [_] = fields.take(BOOLEAN)? else { return None };
    if fields.is_empty() { Some(()) } else { fields.text(context(0)).map(|_| ()) }
}

/// A name, and an attribute with a value.
fn compare(fields: &mut Reader<'_>) -> Option<()> {
    fields.text(OCTET_STRING)?;
    let mut assertion = Reader::new(fields.take(SEQUENCE)?);
    assertion.text(OCTET_STRING)?;
    assertion.take(OCTET_STRING)?;
    assertion.is_empty().then_some(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_as_it_must_be_fits() {
        for (operation, content) in [
            (Operation::Bind, &b"\x02\x01\x03\x04\x00\x80\x00"[..]),
            (Operation::Bind, b"\x02\x01\x03\x04\x00\xa3\x0a\x04\x08EXTERNAL"),
            (Operation::Bind, b"\x02\x01\x03\x04\x00\xa3\x0c\x04\x08EXTERNAL\x04\x00"),
            (Operation::Unbind, b""),
            (Operation::Modify, b"\x04\x01a\x30\x00"),
            (Operation::Modify, b"\x04\x01a\x30\x0c\x30\x0a\x0a\x01\x00\x30\x05\x04\x01a\x31\x00"),
            (Operation::Add, b"\x04\x01a\x30\x0a\x30\x08\x04\x01a\x31\x03\x04\x01\xff"),
            (Operation::Delete, b"a"),
            (Operation::ModifyDn, b"\x04\x01a\x04\x01b\x01\x01\xff"),
            (Operation::ModifyDn, b"\x04\x01a\x04\x01b\x01\x01\x00\x80\x01c"),
            (Operation::Compare, b"\x04\x01a\x30\x06\x04\x01b\x04\x01\xff"),
        ] {
            assert!(fits(operation, content), "{operation:?} {content:02x?}");
        }
    }

    #[test]
    fn what_the_decoder_would_guess_at_is_refused() {
        for (operation, content) in [
            // A new superior that is no text, and one in another tag.
            (Operation::ModifyDn, &b"\x04\x01a\x04\x01b\x01\x01\xff\x80\x01\xff"[..]),
            (Operation::ModifyDn, b"\x04\x01a\x04\x01b\x01\x01\xff\x04\x01c"),
            (Operation::ModifyDn, b"\x04\x01a\x04\x01b\x01\x02\xff\xff"),
            // Three values to compare.
            (Operation::Compare, b"\x04\x01a\x30\x09\x04\x01b\x04\x01c\x04\x01d"),
            (Operation::Compare, b"\x04\x01a\x30\x06\x04\x01b\x02\x01\x01"),
            (Operation::Bind, b"\x02\x05\x01\x00\x00\x00\x03\x04\x00\x80\x00"),
            (Operation::Bind, b"\x02\x01\x03\x04\x00\x80\x00\x80\x00"),
            (Operation::Bind, b"\x02\x01\x03\x04\x00\x04\x00"),
            (Operation::Add, b"\x04\x01a\x30\x07\x30\x05\x04\x01a\x30\x00"),
            (Operation::Modify, b"\x04\x01a\x30\x0d\x30\x0b\x0a\x02\x00\x00\x30\x05\x04\x01a\x31\x00"),
            (Operation::Modify, b"\x04\x01a\x30\x00\x30\x00"),
            (Operation::Delete, b"\xff"),
        ] {
            assert!(!fits(operation, content), "{operation:?} {content:02x?}");
        }
    }
}
