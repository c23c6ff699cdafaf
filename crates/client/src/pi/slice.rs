//! The work itself: one slice of the Monte Carlo estimate, the same wherever and however often it runs.

use std::time::{Duration, Instant};

use serde::{Deserialize, Serialize};

use tanist_core::rng::{Rng, mix};

use crate::executor::TaskContext;

/// Name of the function among an executor's functions.
pub(super) const FUNCTION: &str = "pi-slice";

/// Samples between two looks at the clock and at whether the result is still wanted.
const CHUNK: u64 = 1 << 16;

/// How long a finished slice sleeps at a time until its minimum run time is over.
const NAP: Duration = Duration::from_millis(10);

/// One slice: what a task is given.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Slice {
    /// Which one; its random numbers follow from this alone.
    pub(super) number: u32,
    /// Points to draw.
    pub(super) samples: u64,
    /// It takes at least so many milliseconds.
    pub(super) at_least_ms: u64,
}

impl Slice {
    pub(super) fn encode(&self) -> Result<Vec<u8>, String> {
        serde_json::to_vec(self).map_err(|error| error.to_string())
    }

    /// Points that fell into the circle.
    fn hits(&self, context: &TaskContext) -> Result<u64, String> {
        let began = Instant::now();
        let mut rng = Rng::new(mix(u64::from(self.number)));
        let (mut hits, mut drawn) = (0, 0);
        while drawn < self.samples {
            let chunk = CHUNK.min(self.samples - drawn);
            hits += (0..chunk).map(|_| u64::from(in_circle(&mut rng))).sum::<u64>();
            drawn += chunk;
            wanted(context)?;
        }
        while began.elapsed() < Duration::from_millis(self.at_least_ms) {
            std::thread::sleep(NAP);
            wanted(context)?;
        }
        Ok(hits)
    }
}

fn in_circle(rng: &mut Rng) -> bool {
    let (x, y) = (rng.unit(), rng.unit());
    x * x + y * y < 1.0
}

fn wanted(context: &TaskContext) -> Result<(), String> {
    if context.is_cancelled() { Err("cancelled".to_owned()) } else { Ok(()) }
}

/// The function of the executors: an encoded [`Slice`] in, the number of hits out.
pub(super) fn run(payload: &[u8], context: &TaskContext) -> Result<Vec<u8>, String> {
    let slice: Slice = serde_json::from_slice(payload).map_err(|error| format!("payload is no slice: {error}"))?;
    Ok(slice.hits(context)?.to_le_bytes().to_vec())
}

/// Reads what [`run`] gives.
pub(super) fn decode_hits(result: &[u8]) -> Option<u64> {
    result.try_into().ok().map(u64::from_le_bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_slice_gives_the_same_wherever_it_runs() {
        let slice = |number| Slice { number, samples: 200_000, at_least_ms: 0 };
        let hits = |number| {
            let result = run(&slice(number).encode().unwrap(), &TaskContext::default()).unwrap();
            decode_hits(&result).unwrap()
        };
        assert_eq!(hits(3), hits(3));
        assert_ne!(hits(3), hits(4));
        let estimate = 4.0 * hits(7) as f64 / 200_000.0;
        assert!((estimate - std::f64::consts::PI).abs() < 0.02, "{estimate}");
        assert!(run(b"nonsense", &TaskContext::default()).unwrap_err().contains("no slice"));
    }
}
