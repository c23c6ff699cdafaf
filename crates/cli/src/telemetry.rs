//! Logging, always to standard error: standard output belongs to results.

use std::io;

use tracing_subscriber::EnvFilter;

use crate::config::{LogFormat, Resolved, SharedSettings};
use crate::exit::Failure;

/// Starts logging with these settings; `unset` is the filter if none was given.
///
/// # Errors
/// If the filter is none.
pub(crate) fn start(shared: &Resolved<SharedSettings>, unset: &str) -> Result<(), Failure> {
    let directives = shared.settings.log.as_deref().unwrap_or(unset);
    let filter = EnvFilter::try_new(directives).map_err(|error| {
        shared.problem(
            "log",
            format!("off, error, warn, info, debug or trace, also per target as in info,tanist_master=debug ({error})"),
        )
    })?;
    // A log that cannot be written (disk full, reader gone) is not worth a process: by default its own complaint about
    // that goes to the same place, and panics there.
    let lines = tracing_subscriber::fmt().with_env_filter(filter).with_writer(io::stderr).log_internal_errors(false);
    match shared.settings.log_format {
        LogFormat::Text => lines.with_ansi(crate::output::colour(&io::stderr())).init(),
        LogFormat::Json => lines.json().init(),
    }
    Ok(())
}
