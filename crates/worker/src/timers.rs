//! Alarms that the machine has asked for. Stale ones are the machine's to tell; here they only ring in order.

use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::time::Duration;

use tanist_core::time::Mono;
use tanist_core::worker::Timer;

/// The clock is looked at this often, because a sleep takes no notice of a suspended host.
const LOOK_AT_LEAST_EVERY: Duration = Duration::from_secs(1);

/// Alarms by due time.
#[derive(Debug, Default)]
pub(crate) struct Timers(BinaryHeap<Reverse<(Mono, Timer)>>);

impl Timers {
    /// Adds an alarm.
    pub(crate) fn arm(&mut self, timer: Timer, at: Mono) {
        self.0.push(Reverse((at, timer)));
    }

    /// How long to sleep before looking again.
    pub(crate) fn pause(&self, now: Mono) -> Duration {
        self.0.peek().map_or(LOOK_AT_LEAST_EVERY, |Reverse((at, _))| (*at - now).min(LOOK_AT_LEAST_EVERY))
    }

    /// Takes out one that is due by now.
    pub(crate) fn due(&mut self, now: Mono) -> Option<Timer> {
        self.0.peek().filter(|Reverse((at, _))| *at <= now)?;
        self.0.pop().map(|Reverse((_, timer))| timer)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn alarms_ring_in_order_and_not_before_their_time() {
        let mut timers = Timers::default();
        assert_eq!(timers.pause(Mono(0)), LOOK_AT_LEAST_EVERY);
        timers.arm(Timer::Cleanup, Mono(30));
        timers.arm(Timer::Reports, Mono(10));
        assert_eq!((timers.pause(Mono(4)), timers.due(Mono(9))), (Duration::from_millis(6), None));
        let rung: Vec<Timer> = std::iter::from_fn(|| timers.due(Mono(30))).collect();
        assert_eq!(rung, [Timer::Reports, Timer::Cleanup]);
        timers.arm(Timer::Reports, Mono(10));
        assert_eq!(timers.pause(Mono(20)), Duration::ZERO, "one that is overdue rings at once");
    }
}
