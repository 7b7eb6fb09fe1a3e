//! Bytes are messages or are refused; nothing is taken twice, and decoding ends.
#![no_main]

use bytes::BytesMut;
use libfuzzer_sys::fuzz_target;
use ostiary_ldap::Frame;

fuzz_target!(|data: &[u8]| {
    let mut bytes = BytesMut::from(data);
    loop {
        let before = bytes.len();
        match Frame::take(&mut bytes, 64 * 1024) {
            Ok(Some(frame)) => {
                assert!(bytes.len() < before);
                let _ = frame.is_decodable();
            }
            Ok(None) => {
                assert_eq!(bytes.len(), before);
                break;
            }
            Err(_) => break,
        }
    }
});
