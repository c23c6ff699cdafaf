//! Ending drivers of a worker that is cut off, before a master may start them elsewhere (`on_isolation = kill`).
//!
//! **The arithmetic.** Let *s* be when this worker sent the latest message that a leader has answered. The leader had heard of
//! the worker at or after *s*, so it does not give it up before *s* + `worker_timeout`. A later leader counts from its own
//! announcement, which comes after its predecessor's last word, with one exception: a leader that was deposed by mistake may
//! not know it yet, and answers heartbeats until its own deadline, less than `lease_ttl` − 1 s after its term has ended. Hence
//!
//! ```text
//! s ──────────────── start ─────────────── kill ─────────────────── s + worker_timeout − (lease_ttl − 1 s)
//!                      SIGTERM               SIGKILL                  a master may relaunch from here on
//!                        └───── grace ─────────┘└── what is left of the margin ──┘
//! margin = worker_timeout / 4, at most the larger of 5 s and worker_timeout / 12
//! grace  = min(terminate time-out, worker_timeout / 4)
//! ```
//!
//! Of the margin, [`SIGKILL_HELPS_WITHIN`] is for SIGKILL to have helped and for clocks of different speed, so a lease may be as
//! long as the margin ([`isolation_margin`]); masters that can be deposed check that as they start. Ending never starts before
//! half of the time-out, which is two heartbeats without an answer. With the defaults (60 s, 10 s) it starts at 45 s and is
//! complete at 55 s. Heartbeat answers count because a leader past its own deadline does not give them in this form (it
//! answers as a standby), and because that deadline is not put off any more once its term has ended.
//!
//! **Who does it.** This machine at its alarms, and before anything else when it wakes up late. And the keeper of the
//! program, which is told the limit beforehand ([`Limit`]): a worker that stands still (stopped, swapped out, waiting for a
//! disk) keeps the promise too. Where all processes of a host stand still together, the program does as well.
//!
//! **What is reported.** Nothing: the driver did not end by itself and nobody asked for it, so no final state would be true. The
//! worker registers again without it, and the master decides as for a lost worker: supervised → next attempt.

use std::time::Duration;

use super::context::Ctx;
use super::driver::{DriverKey, DriverRun};
use super::effect::{Effect, Limit, Trouble};
use super::event::{Event, RunId, Timer};
use super::process::Cause;
use super::{Target, Worker};

/// What of the margin is not for a leader that was deposed and does not know it: within this SIGKILL must have helped.
pub const SIGKILL_HELPS_WITHIN: Duration = Duration::from_secs(1);

/// Margin of all but the shortest and the longest time-outs.
const USUAL_MARGIN: Duration = Duration::from_secs(5);

/// Grace and margin take at most this part of the time-out each.
const LARGEST_PART: u32 = 4;

/// The margin of long time-outs is this part of them, so that longer leases can be had with them.
const LEAST_PART: u32 = 12;

/// When to begin and when to be done.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Deadlines {
    /// SIGTERM, after the last proven word.
    pub(super) start: Duration,
    /// SIGKILL, after the last proven word.
    pub(super) kill: Duration,
}

/// From SIGKILL to the moment a master may act, for a worker that is given up after this time-out (`on_isolation = kill`).
/// The lease of a master that can be deposed must not be longer than this.
pub fn isolation_margin(worker_timeout: Duration) -> Duration {
    USUAL_MARGIN.max(worker_timeout / LEAST_PART).min(worker_timeout / LARGEST_PART)
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
        let Some(Limit { terminate_at, .. }) = self.limit else { return };
        if self.to_isolate().next().is_some() && self.isolation_alarm.is_none_or(|alarm| terminate_at < alarm) {
            self.isolation_alarm = Some(terminate_at);
            ctx.effects.push(Effect::Arm { timer: Timer::Isolation, at: terminate_at });
        }
    }

    /// Whatever has happened, what must end by now ends first. Except a program whose end is just being told: if it was ended
    /// by its keeper, that has said so.
    pub(super) fn isolate_first(&mut self, event: &Event, ctx: &mut Ctx<'_>) {
        let over = match event {
            Event::LimitReached { run }
            | Event::Exited { run, .. }
            | Event::StartFailed { run, .. }
            | Event::TooLate { run }
            | Event::Unsuited { run, .. } => Some(*run),
            _ => None,
        };
        self.isolate(over, ctx);
    }

    pub(super) fn isolation_due(&mut self, ctx: &mut Ctx<'_>) {
        self.isolate(None, ctx);
    }

    fn isolate(&mut self, over: Option<RunId>, ctx: &mut Ctx<'_>) {
        if self.isolation_alarm.is_none_or(|alarm| ctx.now.mono < alarm) {
            return;
        }
        self.isolation_alarm = None;
        let Some(Limit { terminate_at, kill_at }) = self.limit else { return };
        if ctx.now.mono >= terminate_at {
            let cut_off = self.to_isolate().filter(|(_, known)| Some(known.process.run) != over);
            let cut_off: Vec<DriverKey> = cut_off.map(|(key, _)| key.clone()).collect();
            for (driver, attempt) in cut_off {
                ctx.warn(Trouble::Isolated { driver: driver.clone(), attempt });
                self.end_driver(&(driver, attempt), Cause::Isolation, kill_at, ctx);
            }
        }
        self.watch_isolation(ctx);
    }

    /// The keeper of a program ends it, or has ended it, because of its limit.
    pub(super) fn limit_reached(&mut self, run: RunId, ctx: &mut Ctx<'_>) {
        let Some(Target::Driver(key)) = self.runs.get(&run) else { return };
        let Some(known) = self.drivers.get_mut(key).filter(|known| known.asks_to_isolate()) else { return };
        ctx.warn(Trouble::Isolated { driver: key.0.clone(), attempt: key.1 });
        known.isolated = true;
        known.process.ended_without_us(Cause::Isolation, ctx.now.mono);
    }

    /// Works out the limit anew after a word of the leader, and passes it on.
    pub(super) fn renew_limit(&mut self, ctx: &mut Ctx<'_>) {
        let (Some(timeout), Some(proven)) = (self.worker_timeout, self.tracker.proven_at()) else { return };
        let Deadlines { start, kill } = deadlines(timeout, self.config.behaviour.driver_terminate_timeout);
        let limit = Limit { terminate_at: proven + start, kill_at: proven + kill };
        if self.limit.replace(limit) != Some(limit) {
            let live = self.drivers.values().filter(|known| known.asks_to_isolate() && known.process.is_live());
            ctx.effects.extend(live.map(|known| Effect::Limit { run: known.process.run, limit }));
            self.watch_isolation(ctx);
        }
    }

    fn to_isolate(&self) -> impl Iterator<Item = (&DriverKey, &DriverRun)> {
        self.drivers.iter().filter(|(_, run)| run.asks_to_isolate())
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
            (secs(20), secs(10), 10_000, 15_000),
            (secs(600), secs(10), 540_000, 550_000),
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
