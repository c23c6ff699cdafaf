//! Amounts: memory and cores, and the original's grammar for sizes (`512m`, `4g`) and durations (`60s`, `5min`).

use std::fmt;
use std::time::Duration;

/// Why a text is not an amount: names the text and what is allowed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{value:?} is not {wanted}")]
pub struct InvalidAmount {
    /// The text as given.
    pub value: String,
    /// What is allowed.
    pub wanted: &'static str,
}

/// Memory in whole MiB.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Memory(u64);

impl Memory {
    /// None at all.
    pub const ZERO: Memory = Memory(0);

    /// So many MiB.
    pub const fn mib(mib: u64) -> Self {
        Self(mib)
    }

    /// In MiB.
    pub const fn as_mib(self) -> u64 {
        self.0
    }

    /// In bytes; stays at the largest possible.
    pub const fn as_bytes(self) -> u64 {
        self.0.saturating_mul(1 << 20)
    }

    /// The sum; stays at the largest possible.
    #[must_use]
    pub fn plus(self, other: Memory) -> Memory {
        Memory(self.0.saturating_add(other.0))
    }

    /// What is left after taking `other`; never below zero.
    #[must_use]
    pub fn minus(self, other: Memory) -> Memory {
        Memory(self.0.saturating_sub(other.0))
    }

    /// Reads `512m`, `4g`, `1t`, `2048k`, `1073741824b`, with or without a final `b`, in either case. A unit is
    /// required and the result must be at least 1 MiB (CL-02).
    pub fn parse(text: &str) -> Result<Self, InvalidAmount> {
        let wanted = "a memory size of at least 1 MiB with its unit, such as 512m, 4g or 1t (Memory is below 1MB, or missing a M/G at the end of the memory specification?)";
        let refused = || InvalidAmount { value: text.to_owned(), wanted };
        let (number, unit) = split_unit(text).ok_or_else(refused)?;
        in_bytes(number, &unit).and_then(Self::of_bytes).ok_or_else(refused)
    }

    /// The whole MiB of so many bytes, if there is one.
    pub fn of_bytes(bytes: u64) -> Option<Self> {
        Some(bytes >> 20).filter(|mib| *mib > 0).map(Memory)
    }
}

impl fmt::Display for Memory {
    /// The largest unit that fits without a rest: `512m`, `4g`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            mib if mib > 0 && mib.is_multiple_of(1024) => write!(f, "{}g", mib / 1024),
            mib => write!(f, "{mib}m"),
        }
    }
}

/// A number of cores.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Cores(pub u32);

impl Cores {
    /// None at all.
    pub const ZERO: Cores = Cores(0);
    /// More than any cluster has: no limit.
    pub const UNLIMITED: Cores = Cores(u32::MAX);

    /// The sum; stays at the largest possible.
    #[must_use]
    pub fn plus(self, other: Cores) -> Cores {
        Cores(self.0.saturating_add(other.0))
    }

    /// What is left after taking `other`; never below zero.
    #[must_use]
    pub fn minus(self, other: Cores) -> Cores {
        Cores(self.0.saturating_sub(other.0))
    }

    /// Reads a whole number of at least 1.
    pub fn parse(text: &str) -> Result<Self, InvalidAmount> {
        match text.trim().parse::<u32>() {
            Ok(cores) if cores > 0 => Ok(Self(cores)),
            _ => Err(InvalidAmount { value: text.to_owned(), wanted: "a whole number of cores, at least 1" }),
        }
    }
}

impl fmt::Display for Cores {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// Reads a duration in the original's grammar: `250ms`, `60s`, `5m`, `5min`, `2h`, `1d`; a bare number is seconds.
pub fn parse_duration(text: &str) -> Result<Duration, InvalidAmount> {
    let refused = || InvalidAmount { value: text.to_owned(), wanted: "a duration such as 250ms, 60s, 5min, 2h or 1d" };
    if let Ok(seconds) = text.trim().parse::<u64>() {
        return Ok(Duration::from_secs(seconds));
    }
    let (number, unit) = split_unit(text).ok_or_else(refused)?;
    let millis = match unit.as_str() {
        "us" => return Ok(Duration::from_micros(number)),
        "ms" => 1,
        "s" => 1000,
        "m" | "min" => 60_000,
        "h" => 3_600_000,
        "d" => 86_400_000,
        _ => return Err(refused()),
    };
    number.checked_mul(millis).map(Duration::from_millis).ok_or_else(refused)
}

/// Reads a size in bytes in the original's grammar: `512m`, `4g`, `1t`, however small; a bare number is bytes.
pub fn parse_size(text: &str) -> Result<u64, InvalidAmount> {
    let refused = || InvalidAmount { value: text.to_owned(), wanted: "a size such as 512m, 4g, or 1048576 for bytes" };
    if let Ok(bytes) = text.trim().parse::<u64>() {
        return Ok(bytes);
    }
    split_unit(text).and_then(|(number, unit)| in_bytes(number, &unit)).ok_or_else(refused)
}

/// So many of a unit of sizes.
fn in_bytes(number: u64, unit: &str) -> Option<u64> {
    let shift = match unit {
        "b" => 0,
        "k" | "kb" => 10,
        "m" | "mb" => 20,
        "g" | "gb" => 30,
        "t" | "tb" => 40,
        "p" | "pb" => 50,
        _ => return None,
    };
    number.checked_mul(1 << shift)
}

/// `"512 m"` → (512, "m"): digits, then letters, nothing else.
fn split_unit(text: &str) -> Option<(u64, String)> {
    let text = text.trim();
    let end = text.find(|c: char| !c.is_ascii_digit())?;
    let unit = text[end..].trim();
    let letters = !unit.is_empty() && unit.chars().all(|c| c.is_ascii_alphabetic());
    let number = text[..end].parse().ok()?;
    letters.then(|| (number, unit.to_ascii_lowercase()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn memory_needs_a_unit_and_at_least_one_mib() {
        assert_eq!(Memory::parse("5G"), Ok(Memory::mib(5120)), "T-WA-03");
        assert_eq!(Memory::parse("10000M"), Ok(Memory::mib(10_000)), "T-WA-04");
        assert_eq!(Memory::parse("1024k"), Ok(Memory::mib(1)));
        assert_eq!(Memory::parse("1048576b"), Ok(Memory::mib(1)));
        assert_eq!(Memory::parse("2tb"), Ok(Memory::mib(2 * 1024 * 1024)));
        for bad in ["10000", "50000", "1023k", "0m", "", "m", "-1g", "1.5g", "1g1", "4x", "99999999999999999t"] {
            let error = Memory::parse(bad).unwrap_err();
            assert!(error.to_string().contains("missing a M/G"), "T-WA-01/02 {bad}: {error}");
        }
        assert_eq!(Memory::mib(4096).to_string(), "4g");
        assert_eq!(Memory::mib(1500).to_string(), "1500m");
    }

    #[test]
    fn sizes_need_neither_a_unit_nor_a_mib() {
        for (text, bytes) in [("1024", 1024), ("0", 0), (" 5K ", 5 << 10), ("1b", 1), ("2tb", 2 << 40), ("3p", 3 << 50)]
        {
            assert_eq!(parse_size(text), Ok(bytes), "{text}");
        }
        for bad in ["", "m", "-1", "1.5g", "1g1", "4x", "99999999999999999t", "99999999999999999999"] {
            let error = parse_size(bad).unwrap_err();
            assert_eq!(error.to_string(), format!("{bad:?} is not a size such as 512m, 4g, or 1048576 for bytes"));
        }
    }

    #[test]
    fn cores_are_whole_and_positive() {
        assert_eq!(Cores::parse("8"), Ok(Cores(8)));
        for bad in ["0", "-1", "two", "1.5", ""] {
            assert!(Cores::parse(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn durations() {
        assert_eq!(parse_duration("250ms"), Ok(Duration::from_millis(250)));
        assert_eq!(parse_duration("60"), Ok(Duration::from_secs(60)));
        assert_eq!(parse_duration("5min"), Ok(Duration::from_secs(300)));
        assert_eq!(parse_duration("2 h"), Ok(Duration::from_secs(7200)));
        for bad in ["", "s", "1y", "1.5s", "-1s"] {
            assert!(parse_duration(bad).is_err(), "{bad}");
        }
    }
}
