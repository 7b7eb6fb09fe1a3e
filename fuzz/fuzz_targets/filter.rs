//! A filter is read or refused within its limits, and what was read is written and read back the
//! same, unless folding has made the text longer than is read.
#![no_main]

use libfuzzer_sys::fuzz_target;
use ostiary_model::{Filter, InvalidFilter, MAX_TERMS};

fuzz_target!(|text: &str| {
    if let Ok(filter) = Filter::parse(text) {
        assert!(filter.size() <= MAX_TERMS);
        match Filter::parse(&filter.to_string()) {
            Err(InvalidFilter::TooLarge) => {}
            again => assert_eq!(again, Ok(filter)),
        }
    }
});
