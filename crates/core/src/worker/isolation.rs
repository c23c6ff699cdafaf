//! Ending drivers of a worker that is cut off, before a master may start them elsewhere (`on_isolation = kill`).
//!
//! **The arithmetic.** Let *s* be when this worker sent the latest message that a leader has answered. The leader had heard of
//! the worker at or after *s*, so no leader gives it up before *s* + `worker_timeout`: this one counts from what it heard
//! last, and a later one from its own announcement, which comes after its predecessor's last proven word. Hence
//!
//! ```text
//! s ──────────────── start ─────────────── kill ──────── s + worker_timeout
//!                      SIGTERM               SIGKILL        the master may relaunch
//!                        └───── grace ─────────┘└── margin ──┘
//! margin = min(5 s, worker_timeout / 4)           SIGKILL must have helped, and both clocks may differ in speed
//! grace  = min(terminate time-out, worker_timeout / 4)
//! ```
//!
//! So ending never starts before half of the time-out, which is two heartbeats without an answer. With the defaults (60 s, 10 s)
//! it starts at 45 s and is complete at 55 s. Heartbeat answers count because a leader past its own deadline does not give
//! them in this form (it answers as a standby). A host that was suspended as a whole wakes up too late for any rule of its own.
//!
//! **One exception.** A leader that was deposed by mistake may not know it yet, and answers heartbeats after its successor has
//! announced itself: until its own deadline, so for less than its lease. The margin has to cover that too. Masters that can be
//! deposed check it as they start ([`isolation_margin`]).
//!
//! **What is reported.** Nothing: the driver did not end by itself and nobody asked for it, so no final state would be true. The
//! worker registers again without it, and the master decides as for a lost worker: supervised → next attempt.

use std::time::Duration;

use super::Worker;
use super::context::Ctx;
use super::effect::{Effect, Trouble};
use super::event::Timer;
use super::process::Cause;
use crate::ids::{Attempt, DriverId};
use crate::time::Mono;

/// Longest time between SIGKILL and the moment a master may act: for SIGKILL to help and for clocks of different speed.
const SAFETY_MARGIN: Duration = Duration::from_secs(5);

/// Grace and margin take at most this part of the time-out each.
const LARGEST_PART: u32 = 4;

/// When to begin and when to be done.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Deadlines {
    /// SIGTERM, after the last proven word.
    pub(super) start: Duration,
    /// SIGKILL, after the last proven word.
    pub(super) kill: Duration,
}

/// From SIGKILL to the moment a master may act, for a worker that is given up after this time-out (`on_isolation = kill`).
pub fn isolation_margin(worker_timeout: Duration) -> Duration {
    SAFETY_MARGIN.min(worker_timeout / LARGEST_PART)
}

/// See the module.
pub(super) fn deadlines(worker_timeout: Duration, terminate_timeout: Duration) -> Deadlines {
    let part = worker_timeout / LARGEST_PART;
    let kill = worker_timeout.saturating_sub(isolation_margin(worker_timeout));
    Deadlines { start: kill.saturating_sub(terminate_timeout.min(part)), kill }
}

impl Worker {
    /// Sees to it that the end of the drivers that ask for it is looked at in time.
    pub(super) fn watch_isolation(&mut self, ctx: &mut Ctx<'_>) {
        let Some((start, _)) = self.isolation_times() else { return };
        if self.to_isolate().next().is_some() && self.isolation_alarm.is_none_or(|alarm| start < alarm) {
            self.isolation_alarm = Some(start);
            ctx.effects.push(Effect::Arm { timer: Timer::Isolation, at: start });
        }
    }

    pub(super) fn isolation_due(&mut self, ctx: &mut Ctx<'_>) {
        if self.isolation_alarm.is_none_or(|alarm| ctx.now.mono < alarm) {
            return;
        }
        self.isolation_alarm = None;
        let Some((start, kill)) = self.isolation_times() else { return };
        if ctx.now.mono >= start {
            let cut_off: Vec<(DriverId, Attempt)> = self.to_isolate().cloned().collect();
            for (driver, attempt) in cut_off {
                ctx.warn(Trouble::Isolated { driver: driver.clone(), attempt });
                self.end_driver(&(driver, attempt), Cause::Isolation, kill, ctx);
            }
        }
        self.watch_isolation(ctx);
    }

    /// SIGTERM and SIGKILL, by this worker's clock.
    fn isolation_times(&self) -> Option<(Mono, Mono)> {
        let deadlines = deadlines(self.worker_timeout?, self.config.driver_terminate_timeout);
        let proven = self.tracker.proven_at()?;
        Some((proven + deadlines.start, proven + deadlines.kill))
    }

    fn to_isolate(&self) -> impl Iterator<Item = &(DriverId, Attempt)> {
        self.drivers.iter().filter(|(_, run)| run.asks_to_isolate()).map(|(key, _)| key)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_end_fits_into_every_time_out() {
        let secs = Duration::from_secs;
        for (timeout, terminate, start, kill) in [
            (secs(60), secs(10), 45_000, 55_000),
            (secs(60), secs(30), 40_000, 55_000),
            (secs(60), secs(0), 55_000, 55_000),
            (secs(10), secs(10), 5000, 7500),
            (secs(1), secs(10), 500, 750),
            (secs(600), secs(10), 585_000, 595_000),
        ] {
            let deadlines = deadlines(timeout, terminate);
            assert_eq!(
                (deadlines.start.as_millis(), deadlines.kill.as_millis()),
                (start, kill),
                "{timeout:?} {terminate:?}"
            );
            assert!(deadlines.start >= timeout / 2 && deadlines.kill < timeout);
        }
    }
}
