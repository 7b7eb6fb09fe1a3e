//! LDAP messages as they come from the wire.
#![no_main]

use libfuzzer_sys::fuzz_target;

fuzz_target!(|data: &[u8]| ostiary_fuzz::frame(data));
