//! How this program ends: one table of exit codes, and the failures that lead to them.
//!
//! | code | means |
//! |---|---|
//! | 0 | done |
//! | 1 | failed |
//! | 2 | wrong usage: a flag, a variable, a key of the file or an argument that is not allowed |
//! | 3 | refused: it cannot be done now, and nothing was changed |
//! | 4 | what was asked for does not exist |
//! | 5 | outcome unknown: the request may or may not have taken effect |
//! | 6 | no master leads, or none could be reached |
//!
//! `submit`, `local -- …` and `pi` end with the exit code of the program they ran instead, 128 + n where signal n ended
//! it; a driver that could not be run at all is a 1. `ctl explain` ends with 0 only where a leader is ALIVE and nothing is
//! missing.

use std::process::ExitCode;

use crate::config::Problems;

/// Failed.
pub(crate) const FAILED: u8 = 1;
/// Wrong usage.
pub(crate) const USAGE: u8 = 2;
/// It cannot be done now, and nothing was changed.
pub(crate) const REFUSED: u8 = 3;
/// What was asked for does not exist.
pub(crate) const NOT_FOUND: u8 = 4;
/// The request may or may not have taken effect.
pub(crate) const OUTCOME_UNKNOWN: u8 = 5;
/// No master leads, or none could be reached.
pub(crate) const NO_LEADER: u8 = 6;

/// Why a command did not do what it was asked to.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Failure {
    /// Settings that are not allowed.
    #[error(transparent)]
    Configuration(#[from] Problems),
    /// An argument that is not allowed: names it, its value and what is.
    #[error("{0}")]
    Usage(String),
    /// It cannot be done now, and nothing was changed.
    #[error("{0}")]
    Refused(String),
    /// What was asked for does not exist.
    #[error("{0}")]
    NotFound(String),
    /// The request may or may not have taken effect.
    #[error("{0}")]
    OutcomeUnknown(String),
    /// No master leads, or none could be reached.
    #[error("{0}")]
    NoLeader(String),
    /// Anything else, with what was tried.
    #[error("{0:#}")]
    Failed(#[from] anyhow::Error),
}

impl Failure {
    /// The exit code it leads to.
    pub(crate) fn code(&self) -> u8 {
        match self {
            Self::Configuration(_) | Self::Usage(_) => USAGE,
            Self::Refused(_) => REFUSED,
            Self::NotFound(_) => NOT_FOUND,
            Self::OutcomeUnknown(_) => OUTCOME_UNKNOWN,
            Self::NoLeader(_) => NO_LEADER,
            Self::Failed(_) => FAILED,
        }
    }
}

/// The exit code of a program that was run, as this process' own. Outside of 0 … 255 only a failure can be told.
pub(crate) fn of_program(code: i32) -> ExitCode {
    ExitCode::from(u8::try_from(code).unwrap_or(FAILED))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn failures_have_the_documented_codes() {
        let text = || "x".to_owned();
        let table = [
            (Failure::Usage(text()), 2),
            (Failure::Refused(text()), 3),
            (Failure::NotFound(text()), 4),
            (Failure::OutcomeUnknown(text()), 5),
            (Failure::NoLeader(text()), 6),
            (Failure::Failed(anyhow::anyhow!("x")), 1),
        ];
        for (failure, code) in table {
            assert_eq!(failure.code(), code, "{failure:?}");
        }
    }

    #[test]
    fn a_program_s_code_is_ours() {
        for code in [0u8, 3, 137, 255] {
            assert_eq!(of_program(i32::from(code)), ExitCode::from(code));
        }
        assert_eq!(of_program(-1), ExitCode::from(FAILED));
        assert_eq!(of_program(256), ExitCode::from(FAILED), "never a false success");
    }
}
