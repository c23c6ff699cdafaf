//! Settings of a master's REST submission server.

use std::num::NonZeroU32;
use std::path::PathBuf;
use std::time::Duration;

use tanist_core::units::Memory;
use tanist_master::SPARK_VERSION;

use super::section::{Conflict, section};

/// Where the original's REST servers listen (RE-01).
const DEFAULT_PORT: u16 = 6066;

section! {
    /// Settings of a master's REST submission server, for `spark-submit` and others who speak that protocol.
    struct RestSettings in "rest", flags: "rest-", conflicts: conflicts;

    /// Serve submissions over HTTP.
    enabled: bool = false;
    /// Host name or address by which REST clients reach this master; unset: the master's own.
    host: Option<String> = None;
    /// Port to listen on, 0 = any free one. Unless a port is set, the next 16 are tried while one is taken (RE-01).
    port: u16 = DEFAULT_PORT;
    /// Let everybody who reaches the port run programs on the workers. Without this or a key, only this host is served.
    allow_unauthenticated: bool = false;
    /// File with the key of signed tokens that clients must show, base64url, at least 256 bits (RE-18); read once, at the start.
    jws_key_file: Option<PathBuf> = None;
    /// Largest body of a request.
    max_body: Memory = Memory::mib(1);
    /// Most connections at a time; one more ends the one that waits for its client longest.
    max_connections: NonZeroU32 = MAX_CONNECTIONS;
    /// How long a request may take from its headers to its answer, at most 1h.
    request_timeout: Duration = Duration::from_secs(15);
    /// Version of Spark that is named in answers.
    server_spark_version: String = SPARK_VERSION.to_owned();
}

const MAX_CONNECTIONS: NonZeroU32 = NonZeroU32::MIN.saturating_add(1023);

/// Nobody waits longer for an answer, and times that far ahead could not be reckoned with.
const MAX_REQUEST_TIMEOUT: Duration = Duration::from_hours(1);

fn conflicts(rest: &RestSettings) -> Vec<Conflict> {
    let checks = [
        (rest.request_timeout.is_zero() || rest.request_timeout > MAX_REQUEST_TIMEOUT)
            .then(|| ("request_timeout", "a duration longer than 0 and of at most 1h".to_owned())),
        (rest.allow_unauthenticated && rest.jws_key_file.is_some())
            .then(|| ("allow_unauthenticated", "false, or true without rest.jws_key_file".to_owned())),
    ];
    checks.into_iter().flatten().collect()
}
