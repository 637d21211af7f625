//! Fuzzes [`devgate_fuzz::observers::check`].

#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| devgate_fuzz::observers::check(data));
