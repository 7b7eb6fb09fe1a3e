//! What the targets ask of the parsers.
//!
//! The doors' parsers are compiled from their files alone, so that nothing of database, hashing or TLS
//! is built with them. A file that begins to need more of its crate does not compile here.

#[path = "../../crates/ldap/src/ber.rs"]
#[expect(dead_code, reason = "the door uses all of it")]
mod ber;
#[path = "../../crates/ldap/src/controls.rs"]
#[expect(dead_code, reason = "the door uses all of it")]
mod controls;
#[path = "../../crates/ldap/src/filter.rs"]
#[expect(dead_code, reason = "the door uses all of it")]
mod filter;
#[path = "../../crates/ldap/src/frame.rs"]
#[expect(dead_code, reason = "the door uses all of it")]
mod frame;
#[path = "../../crates/edge/src/proxy_header.rs"]
mod proxy_header;
#[path = "../../crates/ldap/src/request.rs"]
#[expect(dead_code, reason = "the door uses all of it")]
mod request;
#[path = "../../crates/ldap/src/shape.rs"]
mod shape;

mod entry;

use std::net::{IpAddr, SocketAddr};
use std::pin::pin;
use std::task::{Context, Poll, Waker};

use bytes::BytesMut;
use ostiary_model::{
    AttributeDef, AttributeKind, AttributeName, AttributeValue, Dn, FIRST_CUSTOM, Filter, InvalidFilter, MAX_TERMS,
    Schema, Truth,
};

use ber::{OCTET_STRING, Reader, SEQUENCE, Writer, context};
use controls::Controls;
use entry::Sample;
use frame::{Frame, Operation, RawControl};

/// Bytes of a message after a bind, unless the configuration says otherwise.
const MAX_MESSAGE: usize = 64 * 1024;

/// A schema with an attribute of each kind.
fn schema() -> Schema {
    let def = |(number, kind): (u32, AttributeKind)| AttributeDef {
        number: FIRST_CUSTOM + number,
        name: AttributeName::from_stored(format!("x-{}", kind.as_str().replace('_', "-"))),
        kind,
        is_list: true,
        on_users: true,
        on_groups: true,
        is_visible: true,
        is_editable: true,
    };
    Schema::new((0..).zip(AttributeKind::ALL).map(def).collect(), Vec::new())
}

/// A name is read or refused, and what was read is written and read back the same.
pub fn dn(text: &str) {
    if let Ok(dn) = Dn::parse(text) {
        assert_eq!(Dn::parse(&dn.to_string()), Ok(dn));
    }
}

/// A filter is read or refused within its limits, and what was read is written and read back the
/// same, unless folding has made the text longer than is read.
pub fn filter(text: &str) {
    let schema = schema();
    let Ok(filter) = Filter::parse(text, &schema) else { return };
    assert!(filter.size() <= MAX_TERMS);
    evaluated(&filter);
    match Filter::parse(&filter.to_string(), &schema) {
        Err(InvalidFilter::TooLarge) => {}
        again => assert_eq!(again, Ok(filter)),
    }
}

/// A filter says something about an entry, and its opposite the opposite.
fn evaluated(filter: &Filter) {
    let truth = filter.evaluate(&Sample);
    let opposite = Filter::Not(Box::new(filter.clone())).evaluate(&Sample);
    let expected = match truth {
        Truth::True => Truth::False,
        Truth::False => Truth::True,
        Truth::Undefined => Truth::Undefined,
    };
    // One level more may be one too many.
    assert!(opposite == expected || opposite == Truth::Undefined, "{filter:?}");
}

/// A value is read by its kind or refused, and what was read is written and read back the same.
pub fn value(bytes: &[u8]) {
    let Some((kind, bytes)) = bytes.split_first() else { return };
    let kind = AttributeKind::ALL[usize::from(*kind) % AttributeKind::ALL.len()];
    if let Ok(value) = AttributeValue::parse(kind, bytes)
        && kind != AttributeKind::Jpeg
    {
        assert_eq!(AttributeValue::parse(kind, value.to_text().as_bytes()), Ok(value));
    }
}

/// A filter on the wire is read within its limits or refused, and says something about an entry.
fn asked(schema: &Schema, filter: &[u8]) {
    if let Ok(filter) = filter::read(schema, filter) {
        assert!(filter.size() <= MAX_TERMS);
        evaluated(&filter);
    }
}

/// Bytes are messages or are refused; nothing is taken twice, and decoding ends. What a search asks
/// for can be asked of an entry.
pub fn frame(data: &[u8]) {
    let schema = schema();
    let mut bytes = BytesMut::from(data);
    loop {
        let before = bytes.len();
        match Frame::take(&mut bytes, MAX_MESSAGE) {
            Ok(Some(mut frame)) => {
                assert!(bytes.len() < before);
                let _ = Controls::read(std::mem::take(&mut frame.controls), frame.operation);
                match frame.search() {
                    Some(search) => asked(&schema, search.filter),
                    None => drop(frame.decode()),
                }
            }
            Ok(None) => {
                assert_eq!(bytes.len(), before);
                break;
            }
            Err(_) => break,
        }
    }
}

/// Elements are read one after another, and never beyond the end. The first bytes say what is
/// expected.
pub fn ber(data: &[u8]) {
    let (script, data) = data.split_at(data.len().min(8));
    let mut readers = vec![Reader::new(data)];
    for step in script {
        let Some(reader) = readers.last_mut() else { break };
        match step % 6 {
            0 => readers.extend(Reader::of_sequence(data)),
            1 => {
                let inner = reader.take(SEQUENCE).map(Reader::new);
                readers.extend(inner);
            }
            2 => drop(reader.text(OCTET_STRING)),
            3 => drop(reader.integer()),
            4 => drop(reader.take_if(context(step / 6 % 4))),
            _ => {
                if let Some(content) = reader.take(OCTET_STRING) {
                    let written = Writer::default().put(OCTET_STRING, content).into_bytes();
                    assert_eq!(Reader::new(&written).take(OCTET_STRING), Some(content));
                }
            }
        }
    }
}

/// Values of controls are read or refused, and a filter in one can be asked of an entry. The first
/// byte says which control it is, the second for which operation.
pub fn controls(data: &[u8]) {
    let [which, operation, value @ ..] = data else { return };
    let oid = controls::SUPPORTED[usize::from(*which) % controls::SUPPORTED.len()];
    let operation = match operation % 6 {
        0 => Operation::Search,
        1 => Operation::Modify,
        2 => Operation::Add,
        3 => Operation::Delete,
        4 => Operation::ModifyDn,
        _ => Operation::Compare,
    };
    let control = RawControl { oid: oid.to_owned(), is_critical: *which >= 128, value: Some(value.to_vec()) };
    if let Ok(controls) = Controls::read(vec![control], operation)
        && let Some(assertion) = controls.assertion
    {
        asked(&schema(), &assertion);
    }
}

/// What is read from bytes that are all there, and how many were.
fn header(mut data: &[u8]) -> (Result<Option<SocketAddr>, ()>, usize) {
    let whole = data.len();
    let read = pin!(proxy_header::read_header(&mut data)).poll(&mut Context::from_waker(Waker::noop()));
    let Poll::Ready(read) = read else { panic!("it waits for what is there") };
    (read.map_err(drop), whole - data.len())
}

/// A header is read or refused, within its limits. What follows it makes no difference, without its
/// last byte it is none, and the client in it is written and read back the same.
pub fn proxy_header(data: &[u8]) {
    let (read, length) = header(data);
    assert!(length <= 16 + 2048);
    let Ok(client) = read else { return };
    let (own, last) = (&data[..length], length - 1);
    assert_eq!(header(own), (Ok(client), length));
    assert!(header(&own[..last]).0.is_err());
    let Some(client) = client else { return };
    assert_eq!(client.ip(), client.ip().to_canonical());
    let (family, to) = if client.is_ipv4() { ("TCP4", "127.0.0.1") } else { ("TCP6", "::1") };
    let line = format!("PROXY {family} {} {to} {} 443\r\n", client.ip(), client.port());
    assert_eq!(header(line.as_bytes()), (Ok(Some(client)), line.len()));
    let (family, from, size) = match client.ip() {
        IpAddr::V4(from) => (0x11, from.octets().to_vec(), 12),
        IpAddr::V6(from) => (0x21, from.octets().to_vec(), 36),
    };
    let block =
        [b"\r\n\r\n\0\r\nQUIT\n", &[0x21, family, 0, size][..], &from, &from, &client.port().to_be_bytes(), &[1, 187]];
    let block = block.concat();
    assert_eq!(header(&block), (Ok(Some(client)), block.len()));
}
