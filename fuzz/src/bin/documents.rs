//! Fuzzes [`devgate_fuzz::documents::check`].

#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| devgate_fuzz::documents::check(data));
