//! Fuzzes [`devgate_fuzz::programs::check`].

#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| devgate_fuzz::programs::check(data));
