//! What an executor's exit code means. The driver reads it back as the master reports it (AC-07).

/// The driver said so.
pub const STOPPED: i32 = 0;
/// The driver could not be reached within the time for it.
pub const UNREACHABLE: i32 = 1;
/// The arguments, or the resources file, are wrong.
pub const USAGE: i32 = 2;
/// The driver does not want this executor, e.g. because its id is taken.
pub const REFUSED: i32 = 3;
/// A directory could not be made (the original's code). Not the application's fault.
pub const DISK_FAILURE: i32 = 53;
/// The driver is gone or does not answer any more (the original's code for failed heartbeats). Not the application's
/// fault.
pub const DRIVER_GONE: i32 = 56;
