//! Alarms that the machine has asked for. Stale ones are the machine's to tell; here they only ring in order.

use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::time::Duration;

use tanist_core::master::Timer;
use tanist_core::time::Mono;

/// Alarms by due time.
#[derive(Debug, Default)]
pub(crate) struct Timers(BinaryHeap<Reverse<(Mono, Timer)>>);

impl Timers {
    /// Adds an alarm.
    pub(crate) fn arm(&mut self, timer: Timer, at: Mono) {
        self.0.push(Reverse((at, timer)));
    }

    /// When the next one is due.
    pub(crate) fn next(&self) -> Option<Mono> {
        self.0.peek().map(|Reverse((at, _))| *at)
    }

    /// Takes out one that is due by now.
    pub(crate) fn due(&mut self, now: Mono) -> Option<Timer> {
        if self.next()? > now {
            return None;
        }
        self.0.pop().map(|Reverse((_, timer))| timer)
    }

    /// Moves all alarms back by the time in which nobody could be heard, so that nobody is judged for it.
    pub(crate) fn postpone(&mut self, by: Duration) {
        self.0 = self.0.drain().map(|Reverse((at, timer))| Reverse((at + by, timer))).collect();
    }

    /// Forgets all of them: their term has ended.
    pub(crate) fn clear(&mut self) {
        self.0.clear();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn alarms_ring_in_order_and_not_before_their_time() {
        let mut timers = Timers::default();
        timers.arm(Timer::Housekeeping, Mono(30));
        timers.arm(Timer::Recovery, Mono(10));
        timers.arm(Timer::Recovery, Mono(10));
        assert_eq!((timers.next(), timers.due(Mono(9))), (Some(Mono(10)), None));
        let rung: Vec<Timer> = std::iter::from_fn(|| timers.due(Mono(30))).collect();
        assert_eq!(rung, [Timer::Recovery, Timer::Recovery, Timer::Housekeeping], "an alarm armed twice rings twice");
        assert_eq!(timers.next(), None);
        timers.arm(Timer::Housekeeping, Mono(30));
        timers.postpone(Duration::from_secs(1));
        assert_eq!(timers.next(), Some(Mono(1030)));
    }
}
