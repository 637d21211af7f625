//! Fuzzes [`devgate_fuzz::edits::check`].

#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| devgate_fuzz::edits::check(data));
