//! Warnings that a stranger can cause as often as he likes.

use std::time::{Duration, Instant};

/// How long the log is spared after a line.
const PAUSE: Duration = Duration::from_secs(10);

/// One of them: told at once, then at most once in [`PAUSE`] with a count, so that nobody can fill the log.
#[derive(Debug, Default)]
pub(crate) struct Complaint {
    told: Option<Instant>,
    untold: u64,
}

impl Complaint {
    /// It happened again. How many times since the last line, if one is due.
    pub(crate) fn again(&mut self, now: Instant) -> Option<u64> {
        self.untold += 1;
        if self.told.is_some_and(|told| now.saturating_duration_since(told) < PAUSE) {
            return None;
        }
        self.told = Some(now);
        Some(std::mem::take(&mut self.untold))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_flood_is_one_line_in_ten_seconds_with_a_count() {
        let (mut complaint, start) = (Complaint::default(), Instant::now());
        assert_eq!(complaint.again(start), Some(1), "the first is told at once");
        for _ in 0..1000 {
            assert_eq!(complaint.again(start + PAUSE / 2), None);
        }
        assert_eq!(complaint.again(start + PAUSE), Some(1001));
        assert_eq!(complaint.again(start + PAUSE), None);
    }
}
