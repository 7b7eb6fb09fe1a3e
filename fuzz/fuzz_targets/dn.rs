//! A distinguished name is read or refused, and what was read is written and read back the same.
#![no_main]

use libfuzzer_sys::fuzz_target;
use ostiary_model::Dn;

fuzz_target!(|text: &str| {
    if let Ok(dn) = Dn::parse(text) {
        assert_eq!(Dn::parse(&dn.to_string()), Ok(dn));
    }
});
