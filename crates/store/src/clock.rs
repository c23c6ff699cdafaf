//! The two clocks of [`tanist_core::time`], read from the operating system.

use rustix::time::{ClockId, clock_gettime};

use tanist_core::time::{Mono, Wall};

/// Milliseconds since boot, suspend included: what deadlines are measured by. The standard library's monotonic clock
/// stands still while the host sleeps, and a lease does not.
pub fn mono() -> Mono {
    #[cfg(feature = "simulated")]
    if let Some(host) = crate::simulated::host() {
        return host.mono();
    }
    Mono(milliseconds(ClockId::Boottime))
}

/// Milliseconds since 1970-01-01 UTC, for display only.
pub fn wall() -> Wall {
    #[cfg(feature = "simulated")]
    if let Some(host) = crate::simulated::host() {
        return host.wall();
    }
    Wall(milliseconds(ClockId::Realtime))
}

fn milliseconds(clock: ClockId) -> u64 {
    let now = clock_gettime(clock);
    let seconds = u64::try_from(now.tv_sec).unwrap_or(0);
    let milliseconds = u64::try_from(now.tv_nsec / 1_000_000).unwrap_or(0);
    seconds.saturating_mul(1000).saturating_add(milliseconds)
}
