//! Settings of every command: what is logged.

use super::section::section;
use super::value::scalar_value;

/// How log lines look.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) enum LogFormat {
    /// For people.
    #[default]
    Text,
    /// One JSON object per line.
    Json,
}

impl LogFormat {
    const NAMES: [(&'static str, Self); 2] = [("text", Self::Text), ("json", Self::Json)];
}

scalar_value!(
    LogFormat,
    "text or json",
    |text| LogFormat::NAMES.into_iter().find(|(name, _)| *name == text).map(|(_, format)| format),
    |format| LogFormat::NAMES.iter().filter(|(_, named)| named == format).map(|(name, _)| *name).collect()
);

section! {
    /// Settings of every command.
    struct SharedSettings in "", conflicts: |_| Vec::new();

    /// What is logged, e.g. debug or info,tanist_master=debug; unset: info for master and worker, else warn.
    log: Option<String> = None;
    /// How log lines look: text or json.
    log_format: LogFormat = LogFormat::Text;
}
