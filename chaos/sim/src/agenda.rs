//! Virtual time: what happens next, and when. Nothing here ever waits.

use std::collections::BTreeMap;
use std::time::Duration;

use tanist_core::time::{Mono, Now, Wall};

/// 2026-11-20T14:00:00Z, when every run begins.
pub const FIRST_DAY: u64 = 1_795_183_200_000;

/// So many milliseconds.
pub const fn millis(millis: u64) -> Duration {
    Duration::from_millis(millis)
}

/// What is going to happen, in the order of time; at one moment in the order in which it was entered.
#[derive(Debug)]
pub struct Agenda<T> {
    now: Mono,
    entered: u64,
    entries: BTreeMap<(Mono, u64), T>,
}

impl<T> Default for Agenda<T> {
    /// Empty, some time after the hosts were switched on.
    fn default() -> Self {
        Self { now: Mono(1_000_000), entered: 0, entries: BTreeMap::new() }
    }
}

impl<T> Agenda<T> {
    /// The true time.
    pub fn now(&self) -> Mono {
        self.now
    }

    /// Enters something for a moment; one that has passed counts as now.
    pub fn at(&mut self, at: Mono, what: T) {
        self.entered += 1;
        self.entries.insert((at.max(self.now), self.entered), what);
    }

    /// Enters something for so much later.
    pub fn after(&mut self, wait: Duration, what: T) {
        self.at(self.now + wait, what);
    }

    /// When something happens next.
    pub fn next_at(&self) -> Option<Mono> {
        self.entries.first_key_value().map(|((at, _), _)| *at)
    }

    /// Takes out what is due now.
    pub fn due(&mut self) -> Option<T> {
        let first = self.entries.first_entry().filter(|first| first.key().0 <= self.now)?;
        Some(first.remove())
    }

    /// Lets the time pass, up to what happens next at most.
    pub fn pass_to(&mut self, at: Mono) {
        debug_assert!(self.next_at().is_none_or(|next| next >= at));
        self.now = self.now.max(at);
    }
}

/// The clocks of one host: they may run fast or slow, and the wall clock may show anything.
#[derive(Debug, Clone, Copy)]
pub struct Clock {
    since: Mono,
    shown: Mono,
    /// Milliseconds that it shows for a thousand true ones.
    rate: u64,
    wall_ahead: i64,
}

impl Clock {
    /// A clock that is right.
    pub fn right(now: Mono) -> Self {
        Self { since: now, shown: now, rate: 1000, wall_ahead: 0 }
    }

    /// From now on it shows so many milliseconds for a thousand true ones.
    pub fn run_at(&mut self, now: Mono, rate: u64) {
        *self = Self { since: now, shown: self.mono(now), rate, ..*self };
    }

    /// The wall clock is set.
    pub fn set_wall(&mut self, ahead: i64) {
        self.wall_ahead = ahead;
    }

    /// Time since boot, as it shows it.
    pub fn mono(&self, now: Mono) -> Mono {
        Mono(self.shown.0 + now.0.saturating_sub(self.since.0) * self.rate / 1000)
    }

    /// The wall clock.
    pub fn wall(&self, now: Mono) -> Wall {
        wall(self.mono(now), self.wall_ahead)
    }

    /// How far the wall clock is ahead.
    pub fn wall_ahead(&self) -> i64 {
        self.wall_ahead
    }

    /// Both.
    pub fn now(&self, now: Mono) -> Now {
        Now { mono: self.mono(now), wall: self.wall(now) }
    }

    /// When it will show this.
    pub fn when(&self, shown: Mono) -> Mono {
        Mono(self.since.0 + (shown.0.saturating_sub(self.shown.0) * 1000).div_ceil(self.rate))
    }
}

/// The wall clock of a host that was booted so long ago.
pub fn wall(mono: Mono, ahead: i64) -> Wall {
    Wall((FIRST_DAY + mono.0).saturating_add_signed(ahead))
}
