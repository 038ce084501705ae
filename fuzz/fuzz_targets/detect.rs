#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| avrope_fuzz::detect(data));
