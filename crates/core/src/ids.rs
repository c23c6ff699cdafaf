//! Names of things: text ids in the original's forms, and the numbers that order terms, attempts and commands.
//!
//! Text ids share one rule (not blank, no white space, no `/`, at most [`MAX_ID_BYTES`] bytes), so that an id can be
//! a store key, a directory name and a URL parameter without being escaped anywhere.

use std::fmt::{self, Write as _};
use std::sync::Arc;

use crate::time::Wall;

/// Longest text id, in bytes: fits a file name with room for a suffix.
pub const MAX_ID_BYTES: usize = 200;

/// Why a text cannot be an id.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{kind} {value:?} is not valid: {why}")]
pub struct InvalidId {
    /// What the id was to name, e.g. `worker id`.
    pub kind: &'static str,
    /// The text as given.
    pub value: String,
    /// What is wrong with it.
    pub why: &'static str,
}

fn check_id(kind: &'static str, value: &str) -> Result<(), InvalidId> {
    let why = if value.is_empty() {
        "it must not be blank"
    } else if value.chars().any(char::is_whitespace) {
        "Whitespace is not allowed"
    } else if value.contains('/') {
        "'/' is not allowed"
    } else if value == "." || value == ".." {
        "it must not be '.' or '..'"
    } else if value.chars().any(char::is_control) {
        "control characters are not allowed"
    } else if value.len() > MAX_ID_BYTES {
        "it is longer than 200 bytes"
    } else {
        return Ok(());
    };
    Err(InvalidId { kind, value: value.to_owned(), why })
}

macro_rules! text_id {
    ($(#[$doc:meta])* $name:ident, $kind:literal) => {
        $(#[$doc])*
        #[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub struct $name(Arc<str>);

        impl $name {
            /// Checks and takes a text as an id.
            pub fn new(text: &str) -> Result<Self, InvalidId> {
                check_id($kind, text)?;
                Ok(Self(text.into()))
            }

            /// The id as text.
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }

        impl std::str::FromStr for $name {
            type Err = InvalidId;
            fn from_str(text: &str) -> Result<Self, InvalidId> {
                Self::new(text)
            }
        }
    };
}

text_id!(
    /// An application, `app-<yyyyMMddHHmmss>-<number>` by default (AP-01).
    AppId,
    "application id"
);
text_id!(
    /// A driver, `driver-<yyyyMMddHHmmss>-<number>` by default (DR-02). It keeps its id when it is relaunched; the
    /// [`Attempt`] tells the copies apart (the original gives a new id instead, DR-09).
    DriverId,
    "driver id"
);
text_id!(
    /// A worker process, `worker-<yyyyMMddHHmmss>-<host>-<port>` by default (WR-01).
    WorkerId,
    "worker id"
);
text_id!(
    /// A master process; stays the same over its terms.
    MasterId,
    "master id"
);
text_id!(
    /// The cluster: a UUID made once, at the first opening of a store.
    ClusterId,
    "cluster id"
);
text_id!(
    /// A client's own name for one request; sending the request again with the same id has no second effect.
    RequestId,
    "request id"
);
text_id!(
    /// An application client's secret name for its registration: registering twice with one token is one application.
    AppToken,
    "registration token"
);
text_id!(
    /// Random text of one term; tells two terms apart even where a restored store repeats an epoch.
    Nonce,
    "term nonce"
);

macro_rules! number {
    ($(#[$doc:meta])* $name:ident($inner:ty)) => {
        $(#[$doc])*
        #[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub struct $name(pub $inner);

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                self.0.fmt(f)
            }
        }

        impl $name {
            /// The number after this one; stays at the largest possible.
            #[must_use]
            pub fn next(self) -> Self {
                Self(self.0.saturating_add(1))
            }
        }
    };
}

number!(
    /// Number of a leader's term: the fencing token. Every term has a higher one than all before it.
    Epoch(u64)
);
number!(
    /// How often the store was restored from a backup; orders before the epoch.
    Generation(u64)
);
number!(
    /// Which launch of a driver this is, from 1. 0 = never launched.
    Attempt(u32)
);
number!(
    /// Number of an executor within its application, from 0 (SC-19).
    ExecutorId(u32)
);
number!(
    /// Number of a resource profile within its application; 0 is the default one.
    ProfileId(u32)
);
number!(
    /// Number of a command within its term.
    CommandId(u64)
);
number!(
    /// One connection of a worker or application client with this master process.
    SessionId(u64)
);
number!(
    /// Where a reply goes: one waiting request of the shell.
    ReplyToken(u64)
);
number!(
    /// A final state that its sender keeps and repeats until it is acknowledged, numbered per sender.
    ReportId(u64)
);
number!(
    /// Which worker process at one endpoint, counting up from each to the next: what an earlier one has said is void.
    Incarnation(u64)
);

/// An executor, over all applications.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ExecutorRef {
    /// The application.
    pub app: AppId,
    /// The number within it.
    pub id: ExecutorId,
}

impl fmt::Display for ExecutorRef {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.app, self.id)
    }
}

/// One leader's time in office.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Term {
    /// Restores of the store so far.
    pub generation: Generation,
    /// The fencing token.
    pub epoch: Epoch,
    /// Random text of this term.
    pub nonce: Nonce,
}

impl Term {
    /// What orders terms: generation first, then epoch.
    pub fn rank(&self) -> (Generation, Epoch) {
        (self.generation, self.epoch)
    }
}

impl fmt::Display for Term {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}", self.generation, self.epoch)
    }
}

/// How ids are made from a time and a counter: the printf-like patterns of the original with its arguments
/// `%s` / `%1$s` (time stamp) and `%04d` / `%2$05d` (counter) — AP-01, DR-02.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct IdPattern {
    text: String,
}

/// One argument of an id pattern.
#[derive(Debug, Clone, Copy)]
pub enum PatternArg<'a> {
    /// For `%s`.
    Text(&'a str),
    /// For `%d`, with optional zero padding.
    Number(u64),
}

impl IdPattern {
    /// Arguments of the patterns for driver and application ids: time stamp, number.
    pub const STAMP_COUNTER: &'static [PatternArg<'static>] =
        &[PatternArg::Text("20260101000000"), PatternArg::Number(0)];
    /// Arguments of the pattern for worker ids: time stamp, host, port.
    pub const STAMP_HOST_PORT: &'static [PatternArg<'static>] =
        &[PatternArg::Text("20260101000000"), PatternArg::Text("host"), PatternArg::Number(1)];

    /// Checks a pattern that will be given arguments like the sample's: no white space, only `%s`, `%d`, `%0Nd`, each
    /// optionally with a position (`%2$05d`) within range, and no text for a `%d`.
    pub fn new(field: &'static str, text: &str, sample: &[PatternArg<'_>]) -> Result<Self, InvalidId> {
        check_id(field, text)?;
        let pattern = Self { text: text.to_owned() };
        match pattern.expand(sample) {
            Some(sample) if !sample.is_empty() => Ok(pattern),
            _ => Err(InvalidId {
                kind: field,
                value: text.to_owned(),
                why: "only %s, %d, %0<width>d and their %<position>$ forms are allowed, positions within the arguments",
            }),
        }
    }

    /// The text for these arguments. A number may stand for `%s`; a text never for `%d`.
    pub fn format(&self, args: &[PatternArg<'_>]) -> String {
        self.expand(args).unwrap_or_else(|| self.text.clone())
    }

    fn expand(&self, args: &[PatternArg<'_>]) -> Option<String> {
        let mut out = String::with_capacity(self.text.len() + 16);
        let mut rest = self.text.as_str();
        let mut next = 0usize;
        while let Some(at) = rest.find('%') {
            out.push_str(&rest[..at]);
            rest = &rest[at + 1..];
            if let Some(after) = rest.strip_prefix('%') {
                out.push('%');
                rest = after;
                continue;
            }
            let (spec, kind, after) = split_spec(rest)?;
            rest = after;
            let (index, flags) = if let Some((position, flags)) = spec.split_once('$') {
                (position.parse::<usize>().ok()?.checked_sub(1)?, flags)
            } else {
                next += 1;
                (next - 1, spec)
            };
            push_arg(&mut out, *args.get(index)?, kind, flags)?;
        }
        out.push_str(rest);
        Some(out)
    }
}

/// Splits `2$05d-rest` into (`2$05`, 'd', `-rest`).
fn split_spec(text: &str) -> Option<(&str, char, &str)> {
    let end = text.find(|c: char| c.is_ascii_alphabetic())?;
    let kind = text[end..].chars().next()?;
    Some((&text[..end], kind, &text[end + 1..]))
}

fn push_arg(out: &mut String, arg: PatternArg<'_>, kind: char, flags: &str) -> Option<()> {
    match (kind, arg) {
        ('s', PatternArg::Text(text)) if flags.is_empty() => out.push_str(text),
        ('s', PatternArg::Number(number)) if flags.is_empty() => out.push_str(&number.to_string()),
        ('d', PatternArg::Number(number)) => {
            let width = match flags {
                "" => 0,
                _ => flags.strip_prefix('0')?.parse::<usize>().ok().filter(|width| *width <= 20)?,
            };
            write!(out, "{number:0width$}").ok()?;
        }
        _ => return None,
    }
    Some(())
}

/// A time as ids carry it, to the second: `20260102030405`.
pub fn time_stamp(wall: Wall) -> String {
    wall.civil().compact()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_refuse_what_cannot_be_a_key_or_a_directory() {
        for bad in ["", " ", "a b", "a/b", "..", "a\u{7}", "a\tb"] {
            assert!(WorkerId::new(bad).is_err(), "{bad:?}");
        }
        assert!(WorkerId::new(&"x".repeat(201)).is_err());
        assert_eq!(WorkerId::new("worker-1").unwrap().as_str(), "worker-1");
    }

    #[test]
    fn patterns_take_positions_and_padding() {
        let at = |text: &str, n| {
            IdPattern::new("pattern", text, IdPattern::STAMP_COUNTER)
                .unwrap()
                .format(&[PatternArg::Text("20260102030405"), PatternArg::Number(n)])
        };
        assert_eq!(at("driver-%s-%04d", 7), "driver-20260102030405-0007");
        assert_eq!(at("my-driver-%2$05d", 1), "my-driver-00001", "T-MS-23");
        assert_eq!(at("my-app-%2$05d", 0), "my-app-00000", "T-MS-25");
        assert_eq!(at("%2$d", 1999), "1999");
        assert_eq!(at("100%%-%s", 0), "100%-20260102030405");
    }

    #[test]
    fn patterns_that_cannot_work_are_refused() {
        let error = IdPattern::new("driver id pattern", "my driver", IdPattern::STAMP_COUNTER).unwrap_err();
        assert!(error.to_string().contains("Whitespace is not allowed"), "T-MS-24, T-MS-26: {error}");
        for bad in ["%3$s", "%1$d", "%", "%5d", "%-4d", "%0$s", "%x", "%099d"] {
            assert!(IdPattern::new("p", bad, IdPattern::STAMP_COUNTER).is_err(), "{bad}");
        }
    }

    #[test]
    fn terms_are_ordered_by_generation_then_epoch() {
        let term = |generation, epoch| Term {
            generation: Generation(generation),
            epoch: Epoch(epoch),
            nonce: Nonce::new("n").unwrap(),
        };
        assert!(term(1, 1).rank() > term(0, 9).rank());
        assert!(term(1, 2).rank() > term(1, 1).rank());
    }
}
