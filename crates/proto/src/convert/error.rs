//! Why a message cannot be read: which field, and what is wrong with it.

use tanist_core::ids::InvalidId;

/// A message that cannot be read, e.g. `register.memory_mib: …`.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{path}: {problem}")]
pub struct DecodeError {
    /// From the outermost message to the field, in the names of the `.proto` files: `inventory.executors[3].state`.
    pub path: String,
    /// What is wrong there.
    pub problem: Problem,
}

/// What is wrong with one field.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Problem {
    /// A required message or oneof is not there.
    #[error("is missing, but required")]
    Missing,
    /// A text that cannot be an id.
    #[error(transparent)]
    Id(#[from] InvalidId),
    /// An enumeration's zero value, or one that this version does not know.
    #[error("value {value} is not allowed, but only {}", names(.allowed))]
    NotOneOf {
        /// The number as sent.
        value: i32,
        /// What is allowed, as identifiers of the core's type.
        allowed: &'static [&'static str],
    },
    /// A number that is too large.
    #[error("{value} is too large; at most {max} is allowed")]
    TooLarge {
        /// As sent.
        value: u64,
        /// The largest allowed.
        max: u64,
    },
    /// A text, or an encoded message, that is too long.
    #[error("{bytes} bytes are too long; at most {max} bytes are allowed")]
    TooLong {
        /// As sent.
        bytes: usize,
        /// The most allowed.
        max: usize,
    },
    /// A list or map with too many entries.
    #[error("{count} entries are too many; at most {max} are allowed")]
    TooMany {
        /// As sent.
        count: usize,
        /// The most allowed.
        max: usize,
    },
}

fn names(allowed: &[&str]) -> String {
    allowed.join(", ").to_uppercase()
}

impl DecodeError {
    pub(super) fn new(field: &str, problem: impl Into<Problem>) -> Self {
        Self { path: field.to_owned(), problem: problem.into() }
    }

    /// The same, seen from the message that holds the field `parent`.
    pub(super) fn within(mut self, parent: &str) -> Self {
        self.path = format!("{parent}.{}", self.path);
        self
    }
}

impl From<DecodeError> for tonic::Status {
    /// `INVALID_ARGUMENT`: sending the same again is useless.
    fn from(error: DecodeError) -> Self {
        Self::invalid_argument(error.to_string())
    }
}
