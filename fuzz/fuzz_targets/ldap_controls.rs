//! Controls of LDAP requests.
#![no_main]

use libfuzzer_sys::fuzz_target;

fuzz_target!(|data: &[u8]| ostiary_fuzz::controls(data));
