//! Times and lists in words.

use crate::view::time;

const SECOND: u64 = 1_000;
const MINUTE: u64 = 60 * SECOND;
const HOUR: u64 = 60 * MINUTE;
const DAY: u64 = 24 * HOUR;

/// Most names of a list that are told one by one.
const NAMED: usize = 5;

/// A length of time in its two largest units: `350 ms`, `12 s`, `3 min 5 s`, `2 h`, `4 d 1 h`.
pub(crate) fn length(ms: u64) -> String {
    let parts = |large: u64, large_unit: &str, small: u64, small_unit: &str| {
        let (whole, rest) = (ms / large, ms % large / small);
        if rest == 0 { format!("{whole} {large_unit}") } else { format!("{whole} {large_unit} {rest} {small_unit}") }
    };
    match ms {
        0..SECOND => format!("{ms} ms"),
        SECOND..MINUTE => format!("{} s", ms / SECOND),
        MINUTE..HOUR => parts(MINUTE, "min", SECOND, "s"),
        HOUR..DAY => parts(HOUR, "h", MINUTE, "min"),
        DAY.. => parts(DAY, "d", HOUR, "h"),
    }
}

/// From one point in time to another, by two hosts' clocks: nothing if they run the other way round.
pub(crate) fn span(from_ms: u64, to_ms: u64) -> String {
    length(to_ms.saturating_sub(from_ms))
}

/// `since 2026-11-21T12:00:00Z (3 min)`
pub(super) fn since(at_ms: u64, now_ms: u64) -> String {
    format!("since {} ({})", time(at_ms), span(at_ms, now_ms))
}

/// `until 2026-11-21T12:00:00Z (in 3 min)`
pub(super) fn until(at_ms: u64, now_ms: u64) -> String {
    if at_ms <= now_ms {
        return format!("until {}, which is over", time(at_ms));
    }
    format!("until {} (in {})", time(at_ms), span(now_ms, at_ms))
}

/// `1 worker`, `3 workers`
pub(super) fn count(number: usize, one: &str) -> String {
    if number == 1 { format!("1 {one}") } else { format!("{number} {one}s") }
}

/// `2 workers (w1, w2)`; of many only the first are named.
pub(super) fn named(names: &[String], one: &str) -> String {
    format!("{} ({})", count(names.len(), one), few(names))
}

/// `a, b, c`, of many only the first ones.
fn few(names: &[String]) -> String {
    let shown: Vec<&str> = names.iter().take(NAMED).map(String::as_str).collect();
    let rest = names.len() - shown.len();
    if rest == 0 { shown.join(", ") } else { format!("{} and {rest} more", shown.join(", ")) }
}

/// `a`, `a and b`, `a, b and c`
pub(super) fn and(parts: &[String]) -> String {
    match parts {
        [] => String::new(),
        [one] => one.clone(),
        [first @ .., last] => format!("{} and {last}", first.join(", ")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lengths_are_told_in_two_units() {
        let table = [
            (0, "0 ms"),
            (999, "999 ms"),
            (1_999, "1 s"),
            (60_000, "1 min"),
            (185_900, "3 min 5 s"),
            (7_200_000, "2 h"),
            (7_260_000, "2 h 1 min"),
            (86_400_000, "1 d"),
            (90_000_000, "1 d 1 h"),
        ];
        for (ms, words) in table {
            assert_eq!(length(ms), words);
        }
        assert_eq!(span(5_000, 1_000), "0 ms", "clocks of two hosts");
        assert_eq!(until(1_000, 2_000), "until 1970-01-01T00:00:01Z, which is over");
    }

    #[test]
    fn lists_name_the_first_few() {
        let names = |count: usize| (1..=count).map(|n| format!("w{n}")).collect::<Vec<_>>();
        assert_eq!(named(&names(1), "worker"), "1 worker (w1)");
        assert_eq!(named(&names(7), "worker"), "7 workers (w1, w2, w3, w4, w5 and 2 more)");
        assert_eq!((and(&names(1)), and(&names(3))), ("w1".to_owned(), "w1, w2 and w3".to_owned()));
    }
}
