#![no_main]

libfuzzer_sys::fuzz_target!(|input: &[u8]| sealgate_fuzz::evidence(input));
