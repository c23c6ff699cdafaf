//! What may befall bytes on their way, for tests here and of whole masters.

/// The same numbers every time (xorshift).
pub(crate) struct Numbers(pub(crate) u64);

impl Numbers {
    fn next(&mut self) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0
    }

    pub(crate) fn below(&mut self, limit: usize) -> usize {
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

/// One of these originals after some damage, with parts of the others.
pub(crate) fn mutant(original: &[u8], originals: &[Vec<u8>], numbers: &mut Numbers) -> Vec<u8> {
    let mut mutant = original.to_vec();
    for _ in 0..=numbers.below(3) {
        let other = numbers.below(originals.len());
        mutate(&mut mutant, &originals[other], numbers);
    }
    mutant
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
