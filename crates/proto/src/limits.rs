//! How much a peer may send, and for how long it may be silent: numbers that both ends must know. Beyond the limits a message
//! is refused with the name of the field, never cut silently.

use std::time::Duration;

/// A silent connection is asked this often, at either end, whether it still stands. gRPC servers object to more.
pub const KEEPALIVE_EVERY: Duration = Duration::from_secs(10);

/// A connection that does not answer within this time is closed.
pub const KEEPALIVE_DEADLINE: Duration = Duration::from_secs(10);

/// Calls that one connection may have open at a time.
pub const CALLS_PER_CONNECTION: u32 = 256;

/// Largest description of a driver or an application, in bytes of its encoded form: 1 MiB. It is stored and sent on
/// to workers, so that it must leave room in a store transaction and in a message.
pub const MAX_SUBMISSION_BYTES: usize = 1 << 20;

/// Largest message of any service but the one below, in bytes: 4 MiB, to be set at both ends of every service.
pub const MAX_MESSAGE_BYTES: usize = 4 << 20;

/// Largest `ClusterState`, in bytes: 64 MiB, room for 10 000 workers and 100 000 drivers and executors. Set it as the
/// decoding limit of operators' clients.
pub const MAX_STATE_BYTES: usize = 64 << 20;

/// Largest `LogChunk.data`, in bytes: 64 KiB, so that one reader never occupies a connection for long.
pub const MAX_LOG_CHUNK_BYTES: usize = 64 << 10;

/// Longest name, host, address, URL or path outside of commands, in bytes: 8 KiB, above what the platform lets a path be.
pub const MAX_NAME_BYTES: usize = 8 << 10;

/// Longest text for people (a message, a reason), in bytes: 64 KiB. Longer ones are cut by the sender.
pub const MAX_MESSAGE_TEXT_BYTES: usize = 64 << 10;

/// Most custom resources named in one place: far above what a host has.
pub const MAX_RESOURCES: usize = 100;

/// Most addresses of one custom resource: far above what a host has.
pub const MAX_RESOURCE_ADDRESSES: usize = 1_000;

/// Longest name or address of a custom resource, in bytes.
pub const MAX_RESOURCE_TEXT_BYTES: usize = 256;

/// Most resource profiles, and most per-profile targets, that one application names.
pub const MAX_PROFILES: usize = 1_000;

/// Most executors that one application names in a message.
pub const MAX_APP_EXECUTORS: usize = 100_000;

/// Most executors, and most driver attempts, that one worker reports.
pub const MAX_INVENTORY: usize = 10_000;

/// Most hosts in one request to decommission.
pub const MAX_HOSTS: usize = 10_000;

/// Longest name of the operator who asks for a change of the office, in bytes.
pub const MAX_BY_BYTES: usize = 256;

/// Longest reason for one, in bytes: 1 KiB.
pub const MAX_WHY_BYTES: usize = 1 << 10;

/// Shortest pause of failover.
pub const SHORTEST_PAUSE: Duration = Duration::from_secs(1);

/// Longest pause of failover: one that everybody has forgotten ends by itself.
pub const LONGEST_PAUSE: Duration = Duration::from_hours(7 * 24);
