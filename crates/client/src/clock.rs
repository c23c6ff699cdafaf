//! What time it is for the core's machines.

use std::time::{Duration, SystemTime};

use rustix::time::{ClockId, clock_gettime};

use tanist_core::time::{Mono, Now, Wall, millis};

/// Both clocks as they stand.
pub(crate) fn now() -> Now {
    // A system clock before 1970 is shown as 1970; nothing is decided by it.
    let wall = SystemTime::UNIX_EPOCH.elapsed().unwrap_or(Duration::ZERO);
    Now { mono: mono(), wall: Wall(millis(wall)) }
}

/// Time since boot, suspend included.
pub(crate) fn mono() -> Mono {
    let now = clock_gettime(ClockId::Boottime);
    let seconds = Duration::from_secs(u64::try_from(now.tv_sec).unwrap_or(0));
    Mono(millis(seconds + Duration::from_nanos(u64::try_from(now.tv_nsec).unwrap_or(0))))
}
