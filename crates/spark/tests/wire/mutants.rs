//! Thousands of damaged messages, the same ones in every run: whatever was done to what Spark has said, it is read as
//! something or refused, what follows from it can be written, and it takes no more memory than is allowed.

use std::fs;

use crate::captured::{all, payload};
use crate::rewritten::listed;
use crate::taken::{take, take_frame};

/// How many mutants are made of each original.
const MUTANTS: usize = 60;
/// What the whole test may take at its peak, in kB, with everything that runs beside it.
const MEMORY_KB: u64 = 128 * 1024;

/// The same numbers every time (xorshift).
struct Numbers(u64);

impl Numbers {
    fn next(&mut self) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0
    }

    fn below(&mut self, limit: usize) -> usize {
        usize::try_from(self.next() % u64::try_from(limit.max(1)).unwrap()).unwrap()
    }

    /// One of the numbers that break things.
    fn evil(&mut self) -> u64 {
        const EVIL: [u64; 8] = [0, 1, 0x7F, 0x7FFF_FFFF, 0x8000_0000, 0xFFFF_FFFF, 0x007E_0000, u64::MAX];
        EVIL[self.below(EVIL.len())]
    }

    fn range(&mut self, bytes: &[u8]) -> std::ops::Range<usize> {
        let start = self.below(bytes.len());
        start..(start + 1 + self.below(64)).min(bytes.len())
    }
}

/// Does one thing to the bytes; `other` is another original to take parts from.
fn mutate(bytes: &mut Vec<u8>, other: &[u8], numbers: &mut Numbers) {
    if bytes.is_empty() {
        return;
    }
    let at = numbers.below(bytes.len());
    match numbers.below(9) {
        0 => bytes.truncate(at),
        1 => bytes[at] ^= 1 << numbers.below(8),
        2 => bytes[at] = u8::try_from(0x70 + numbers.below(16)).unwrap(),
        // A part of another message, in the place of a part of this one.
        3 => drop(bytes.splice(numbers.range(bytes), other[numbers.range(other)].to_vec())),
        4 => drop(bytes.drain(numbers.range(bytes))),
        // Lengths and numbers, of every size.
        5 => {
            let size = [1, 2, 4, 8][numbers.below(4)];
            let number = numbers.evil().to_be_bytes();
            let end = (at + size).min(bytes.len());
            drop(bytes.splice(at..end, number[8 - size..].iter().copied()));
        }
        // A reference to something else.
        6 => {
            let handles: Vec<usize> =
                (0..bytes.len()).filter(|at| bytes[*at..].starts_with(&[0x71, 0, 0x7E])).collect();
            if !handles.is_empty() {
                let at = handles[numbers.below(handles.len())];
                if let Some(low) = bytes.get_mut(at + 4) {
                    *low = u8::try_from(numbers.below(256)).unwrap();
                }
            }
        }
        // The same in itself, again and again.
        7 => {
            let part = bytes[numbers.range(bytes)].to_vec();
            let times = 1 + numbers.below(400);
            drop(bytes.splice(at..at, part.repeat(times)));
        }
        _ => {
            let to = numbers.below(bytes.len());
            bytes.swap(at, to);
        }
    }
}

#[test]
fn no_mutant_of_a_message_does_harm() {
    let frames: Vec<Vec<u8>> = all().into_iter().map(|(_, bytes, _)| bytes).collect();
    let mut payloads: Vec<Vec<u8>> = frames.iter().filter_map(|bytes| payload(bytes)).collect();
    for version in ["3.5.9", "4.1.4"] {
        for file in ["payloads-by-spark.txt", "payloads-compact.txt", "payloads-of-workers.txt", "collections.txt"] {
            payloads.extend(listed(version, file).into_iter().map(|(_, payload)| payload));
        }
    }
    let numbers = &mut Numbers(0x5eed_0f5a_11b0_4a75);
    let (mut read, mut refused) = (0, 0);
    for original in &payloads {
        for _ in 0..MUTANTS {
            let mut mutant = original.clone();
            for _ in 0..=numbers.below(3) {
                let other = numbers.below(payloads.len());
                mutate(&mut mutant, &payloads[other], numbers);
            }
            if take(&mutant) { read += 1 } else { refused += 1 }
        }
    }
    for original in &frames {
        for _ in 0..MUTANTS {
            let mut mutant = original.clone();
            mutate(&mut mutant, &frames[0], numbers);
            match take_frame(&mutant) {
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
