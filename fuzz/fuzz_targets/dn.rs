//! Distinguished names.
#![no_main]

use libfuzzer_sys::fuzz_target;

fuzz_target!(|text: &str| ostiary_fuzz::dn(text));
