//! Two clocks, both given from outside: [`Mono`] for decisions, [`Wall`] for people.

use std::fmt;
use std::ops::{Add, Sub};
use std::time::Duration;

/// Milliseconds since boot, suspend included (`CLOCK_BOOTTIME`). Never goes back. Decisions rest on this one.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Mono(pub u64);

impl Add<Duration> for Mono {
    type Output = Mono;
    fn add(self, length: Duration) -> Mono {
        Mono(self.0.saturating_add(millis(length)))
    }
}

impl Sub for Mono {
    type Output = Duration;
    fn sub(self, earlier: Mono) -> Duration {
        Duration::from_millis(self.0.saturating_sub(earlier.0))
    }
}

/// Milliseconds since 1970-01-01 UTC. May jump; shown, stored and put into ids, never compared for a decision.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Wall(pub u64);

impl Add<Duration> for Wall {
    type Output = Wall;
    fn add(self, length: Duration) -> Wall {
        Wall(self.0.saturating_add(millis(length)))
    }
}

/// Whole milliseconds; the largest number stands for all longer times.
pub fn millis(length: Duration) -> u64 {
    u64::try_from(length.as_millis()).unwrap_or(u64::MAX)
}

/// What both clocks say as an event is handled.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Now {
    /// For decisions.
    pub mono: Mono,
    /// For display and ids.
    pub wall: Wall,
}

/// A date and time of day, UTC.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Civil {
    year: u64,
    month: u64,
    day: u64,
    hour: u64,
    minute: u64,
    second: u64,
}

impl Wall {
    /// The calendar date and time of day, UTC.
    pub fn civil(self) -> Civil {
        let seconds = self.0 / 1000;
        let (year, month, day) = date_of(seconds / 86_400);
        let of_day = seconds % 86_400;
        Civil { year, month, day, hour: of_day / 3600, minute: of_day / 60 % 60, second: of_day % 60 }
    }
}

/// Day number since 1970-01-01 → proleptic Gregorian date, counted in years that begin in March, so that the leap
/// day comes last.
fn date_of(days: u64) -> (u64, u64, u64) {
    let shifted = days + 719_468;
    let era = shifted / 146_097;
    let day_of_era = shifted % 146_097;
    let year_of_era = (day_of_era - day_of_era / 1460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let month_from_march = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * month_from_march + 2) / 5 + 1;
    let month = if month_from_march < 10 { month_from_march + 3 } else { month_from_march - 9 };
    (year_of_era + era * 400 + u64::from(month <= 2), month, day)
}

impl Civil {
    /// `yyyyMMddHHmmss`, the form inside ids.
    pub fn compact(&self) -> String {
        let Civil { year, month, day, hour, minute, second } = self;
        format!("{year:04}{month:02}{day:02}{hour:02}{minute:02}{second:02}")
    }
}

impl fmt::Display for Civil {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Civil { year, month, day, hour, minute, second } = self;
        write!(f, "{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}Z")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn civil_dates() {
        let at = |seconds: u64| Wall(seconds * 1000).civil().to_string();
        assert_eq!(at(0), "1970-01-01T00:00:00Z");
        assert_eq!(at(951_782_400), "2000-02-29T00:00:00Z");
        assert_eq!(at(4_107_542_399), "2100-02-28T23:59:59Z");
        assert_eq!(Wall(1_795_183_200_999).civil().compact(), "20261120140000");
    }

    #[test]
    fn differences_never_go_below_zero() {
        assert_eq!(Mono(5) - Mono(9), Duration::ZERO);
        assert_eq!(Mono(5) + Duration::MAX, Mono(u64::MAX));
        assert_eq!((millis(Duration::from_micros(1_999)), millis(Duration::MAX)), (1, u64::MAX));
    }
}
