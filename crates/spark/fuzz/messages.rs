//! Any bytes, as a frame and as an object stream.
#![no_main]

#[path = "../tests/wire/taken.rs"]
mod taken;

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| {
    taken::take_frame(bytes);
    taken::take(bytes);
});
