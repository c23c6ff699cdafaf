//! What a setting can hold: how each type is read from text, shown again, and described to people.

use std::collections::BTreeMap;
use std::fmt::Display;
use std::num::NonZeroU32;
use std::path::PathBuf;
use std::str::FromStr;
use std::time::Duration;

use tanist_client::MasterList;
use tanist_core::ids::{MasterId, WorkerId};
use tanist_core::master::schedule::WorkerSelection;
use tanist_core::units::{Cores, Memory, parse_duration};

/// The word for "not set" of a setting that can be without a value.
pub(crate) const NONE: &str = "none";

/// A text that a setting cannot take.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Refused {
    /// The text.
    pub(crate) value: String,
    /// What is allowed, for people.
    pub(crate) allowed: String,
}

/// A type that a setting can have. Scalars read one text; lists read several, and split each at its commas.
pub(crate) trait Value: Sized {
    /// Whether several texts are one value.
    const LIST: bool = false;
    /// Whether there may be secrets in a text that cannot be read.
    const SECRET: bool = false;
    /// Whether it may be given as a flag. Those are seen by everybody on a host.
    const FLAG: bool = true;

    /// What may be given, as in "allowed: a duration such as …".
    fn allowed() -> String;

    /// Reads the texts of one source: exactly one unless [`Value::LIST`].
    fn read(texts: &[String]) -> Result<Self, Refused>;

    /// A text that reads as this value again.
    fn show(&self) -> String;
}

/// Reads the only text, with a reader that says no more than yes or no.
pub(super) fn scalar<V: Value>(texts: &[String], read: impl FnOnce(&str) -> Option<V>) -> Result<V, Refused> {
    let refused = || Refused { value: texts.join(","), allowed: V::allowed() };
    match texts {
        [text] => read(text).ok_or_else(refused),
        _ => Err(refused()),
    }
}

macro_rules! scalar_value {
    ($type:ty, $allowed:expr, $read:expr, $show:expr) => {
        impl $crate::config::Value for $type {
            fn allowed() -> String {
                String::from($allowed)
            }

            fn read(texts: &[String]) -> Result<Self, $crate::config::Refused> {
                let read: fn(&str) -> Option<$type> = $read;
                $crate::config::value::scalar(texts, read)
            }

            fn show(&self) -> String {
                let show: fn(&$type) -> String = $show;
                show(self)
            }
        }
    };
}

fn parsed<T: FromStr>(text: &str) -> Option<T> {
    text.trim().parse().ok()
}

fn shown<T: Display>(value: &T) -> String {
    value.to_string()
}

/// Where one error type of the core already says what is allowed, it is asked once, with a text that is never right.
fn wanted_duration() -> String {
    parse_duration("").err().map(|error| error.wanted.to_owned()).unwrap_or_default()
}

fn wanted_selection() -> String {
    "".parse::<WorkerSelection>().err().map(|error| error.wanted.to_owned()).unwrap_or_default()
}

const ID_ALLOWED: &str = "1 to 200 bytes without white space, control characters and '/', and not '.' or '..'";

scalar_value!(bool, "true or false", parsed, shown);
scalar_value!(u16, "a port from 0 to 65535, 0 = any free one", parsed, shown);
scalar_value!(u32, "a whole number from 0 to 4294967295", parsed, shown);
scalar_value!(NonZeroU32, "a whole number from 1 to 4294967295", parsed, shown);
scalar_value!(u64, "a whole number, at least 0", parsed, shown);
scalar_value!(usize, "a whole number, at least 0", parsed, shown);
scalar_value!(Cores, "a whole number of cores, at least 1", |text| Cores::parse(text).ok(), shown);
scalar_value!(
    Memory,
    "a memory size of at least 1 MiB with its unit, such as 512m, 4g or 1t",
    |text| Memory::parse(text).ok(),
    shown
);
scalar_value!(Duration, wanted_duration(), |text| parse_duration(text).ok(), |length| show_duration(*length));
scalar_value!(WorkerSelection, wanted_selection(), parsed, shown);
scalar_value!(MasterId, ID_ALLOWED, |text| MasterId::new(text).ok(), shown);
scalar_value!(WorkerId, ID_ALLOWED, |text| WorkerId::new(text).ok(), shown);
scalar_value!(
    String,
    "a text that is not blank",
    |text| Some(text.to_owned()).filter(|text| !text.trim().is_empty()),
    Clone::clone
);
scalar_value!(
    PathBuf,
    "a path that is not blank",
    |text| Some(PathBuf::from(text)).filter(|_| !text.trim().is_empty()),
    |path| path.display().to_string()
);
pub(super) use scalar_value;

impl Value for MasterList {
    const LIST: bool = true;

    fn allowed() -> String {
        "addresses such as host1:7077,host2:7077 or spark://host1:7077,host2:7077, ports from 1 to 65535".to_owned()
    }

    fn read(texts: &[String]) -> Result<Self, Refused> {
        let text = texts.join(",");
        Self::parse("masters", &text).map_err(|_| Refused { value: text, allowed: Self::allowed() })
    }

    fn show(&self) -> String {
        self.to_string()
    }
}

impl<T: Value> Value for Option<T> {
    const LIST: bool = T::LIST;
    const SECRET: bool = T::SECRET;
    const FLAG: bool = T::FLAG;

    fn allowed() -> String {
        format!("{}, or {NONE}", T::allowed())
    }

    fn read(texts: &[String]) -> Result<Self, Refused> {
        match texts {
            [text] if text.trim() == NONE => Ok(None),
            _ => T::read(texts).map(Some).map_err(|refused| Refused { value: refused.value, allowed: Self::allowed() }),
        }
    }

    fn show(&self) -> String {
        self.as_ref().map_or_else(|| NONE.to_owned(), Value::show)
    }
}

/// The parts of a list: `a,b` and `c` are three.
fn parts(texts: &[String]) -> impl Iterator<Item = String> {
    texts.iter().flat_map(|text| text.split(',')).map(|part| part.trim().to_owned()).filter(|part| !part.is_empty())
}

impl<T: Value> Value for Vec<T> {
    const LIST: bool = true;

    fn allowed() -> String {
        format!("a list of items, separated by commas, each {}", T::allowed())
    }

    fn read(texts: &[String]) -> Result<Self, Refused> {
        parts(texts).map(|part| T::read(&[part])).collect()
    }

    fn show(&self) -> String {
        self.iter().map(Value::show).collect::<Vec<_>>().join(",")
    }
}

impl<T: Value> Value for BTreeMap<String, T> {
    const LIST: bool = true;

    fn allowed() -> String {
        format!("name=value, several separated by commas, each value {}", T::allowed())
    }

    fn read(texts: &[String]) -> Result<Self, Refused> {
        let entry = |part: String| {
            let refused = || Refused { value: part.clone(), allowed: Self::allowed() };
            let (name, value) = part.split_once('=').ok_or_else(refused)?;
            if name.is_empty() || name.contains(|c: char| c.is_whitespace() || c.is_control()) {
                return Err(refused());
            }
            T::read(&[value.to_owned()]).map(|value| (name.to_owned(), value)).map_err(|_| refused())
        };
        parts(texts).map(entry).collect()
    }

    fn show(&self) -> String {
        self.iter().map(|(name, value)| format!("{name}={}", value.show())).collect::<Vec<_>>().join(",")
    }
}

/// The shortest exact form in the grammar of [`parse_duration`].
pub(crate) fn show_duration(length: Duration) -> String {
    let millis = length.as_millis();
    if !millis.is_multiple_of(1000) || (millis == 0 && !length.is_zero()) {
        return format!("{millis}ms");
    }
    let seconds = length.as_secs();
    match seconds {
        0 => "0s".to_owned(),
        s if s.is_multiple_of(86_400) => format!("{}d", s / 86_400),
        s if s.is_multiple_of(3600) => format!("{}h", s / 3600),
        s if s > 60 && s.is_multiple_of(60) => format!("{}min", s / 60),
        s => format!("{s}s"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read<T: Value>(text: &str) -> Result<T, Refused> {
        T::read(&[text.to_owned()])
    }

    fn assert_refused<T: Value + std::fmt::Debug>(texts: &[&str], allowed: &str) {
        for text in texts {
            let refused = read::<T>(text).unwrap_err();
            assert!(refused.allowed.contains(allowed), "{text:?}: {refused:?}");
            assert!(text.contains(&refused.value), "{text:?}: {refused:?}");
        }
    }

    #[test]
    fn what_is_not_allowed_is_refused_with_what_is() {
        assert_refused::<Memory>(&["512", "1023k", "", "-1g"], "at least 1 MiB with its unit");
        assert_refused::<Cores>(&["0", "two", "-1"], "at least 1");
        assert_refused::<u16>(&["65536", "-1", "http"], "0 to 65535");
        assert_refused::<Duration>(&["soon", "1y"], "duration");
        assert_refused::<bool>(&["yes", "1"], "true or false");
        assert_refused::<MasterId>(&["", " ", "a b", "a/b"], "without white space");
        assert_refused::<String>(&["", "  "], "not blank");
        assert_refused::<WorkerSelection>(&["CORES"], "CORES_FREE_DESC");
        assert_refused::<Option<NonZeroU32>>(&["0", "-1"], "or none");
        assert_refused::<MasterList>(&["a:1,b", "a:0", ":7077", "a:70770", "a:-1"], "host1:7077");
        assert_refused::<BTreeMap<String, u32>>(&["gpu", "gpu=x", "=1", "a b=1"], "name=value");
    }

    #[test]
    fn every_value_is_shown_as_it_is_read() {
        fn round<T: Value + PartialEq + std::fmt::Debug>(texts: &[&str]) {
            for text in texts {
                let value = read::<T>(text).unwrap();
                assert_eq!(value.show(), *text);
            }
        }
        round::<Memory>(&["512m", "4g"]);
        round::<Duration>(&["250ms", "60s", "90s", "5min", "2h", "7d", "0s"]);
        round::<Option<u32>>(&["none", "7"]);
        round::<Option<MasterList>>(&["a:1,[::1]:2", "none"]);
        round::<BTreeMap<String, u32>>(&["fpga=1,gpu=2"]);
        round::<WorkerSelection>(&["MEMORY_FREE_ASC"]);
    }
}
