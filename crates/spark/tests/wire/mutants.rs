//! Thousands of damaged messages, the same ones in every run: whatever was done to what Spark has said, it is read as
//! something or refused, what follows from it can be written, and it takes no more memory than is allowed.

use std::fs;

use crate::captured::{Written, all, payload};
use crate::damage::{Numbers, mutant};
use crate::taken::{take, take_frame};

/// How many mutants are made of each original.
const MUTANTS: usize = 60;
/// What the whole test may take at its peak, in kB, with everything that runs beside it.
const MEMORY_KB: u64 = 128 * 1024;

#[test]
fn no_mutant_of_a_message_does_harm() {
    let frames: Vec<Vec<u8>> = all().into_iter().map(|(_, bytes, _)| bytes).collect();
    let mut payloads: Vec<Vec<u8>> = frames.iter().filter_map(|bytes| payload(bytes)).collect();
    for version in ["3.5.9", "4.1.4"] {
        for file in ["payloads-by-spark.txt", "payloads-compact.txt", "payloads-of-workers.txt", "collections.txt"] {
            payloads.extend(Written::read(version, file).0.into_iter().map(|(_, payload)| payload));
        }
    }
    let numbers = &mut Numbers(0x5eed_0f5a_11b0_4a75);
    let (mut read, mut refused) = (0, 0);
    for original in &payloads {
        for _ in 0..MUTANTS {
            if take(&mutant(original, &payloads, numbers)) { read += 1 } else { refused += 1 }
        }
    }
    for original in &frames {
        for _ in 0..MUTANTS {
            match take_frame(&mutant(original, &frames, numbers)) {
                Some(true) => read += 1,
                Some(false) => refused += 1,
                None => {}
            }
        }
    }
    // Both happen often, or nothing was tried.
    assert!(read > 2_000 && refused > 10_000, "{read} read, {refused} refused");
    let status = fs::read_to_string("/proc/self/status").unwrap();
    let peak = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).unwrap();
    let peak: u64 = peak.trim().trim_end_matches(" kB").parse().unwrap();
    assert!(peak < MEMORY_KB, "{peak} kB at the peak");
}
