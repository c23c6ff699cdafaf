//! Settings of the commands that ask a cluster.

use std::time::Duration;

use super::section::section;
use super::value::scalar_value;

/// What results look like on standard output.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) enum OutputFormat {
    /// For people.
    #[default]
    Table,
    /// For programs; field names are stable.
    Json,
}

impl OutputFormat {
    const NAMES: [(&'static str, Self); 2] = [("table", Self::Table), ("json", Self::Json)];
}

scalar_value!(
    OutputFormat,
    "table or json",
    |text| OutputFormat::NAMES.into_iter().find(|(name, _)| *name == text).map(|(_, format)| format),
    |format| OutputFormat::NAMES.iter().filter(|(_, named)| named == format).map(|(name, _)| *name).collect()
);

section! {
    /// Settings of the commands that ask a cluster.
    struct ClientSettings in "client", conflicts: |client| {
        let zero = client.timeout.is_zero();
        zero.then(|| ("timeout", "a duration longer than 0".to_owned())).into_iter().collect()
    };

    /// What results look like: table or json.
    output: OutputFormat = OutputFormat::Table;
    /// How long to look for a leader that answers.
    timeout: Duration = Duration::from_secs(30);
}
