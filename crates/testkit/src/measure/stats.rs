//! Figures out of many measurements, and how they are shown.

use std::io::{self, Write as _};
use std::time::Duration;

/// Measurements of one kind in milliseconds, in ascending order.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Sample(Vec<f64>);

impl FromIterator<f64> for Sample {
    fn from_iter<I: IntoIterator<Item = f64>>(values: I) -> Self {
        let mut values: Vec<f64> = values.into_iter().collect();
        values.sort_by(f64::total_cmp);
        Self(values)
    }
}

impl FromIterator<Duration> for Sample {
    fn from_iter<I: IntoIterator<Item = Duration>>(values: I) -> Self {
        values.into_iter().map(|value| value.as_secs_f64() * 1000.0).collect()
    }
}

impl Sample {
    /// How many there are.
    pub fn count(&self) -> usize {
        self.0.len()
    }

    /// The smallest measurement that at least `percent` of all do not exceed (nearest rank): 0 = the least, 100 = the
    /// largest. None of an empty sample.
    pub fn percentile(&self, percent: u32) -> Option<f64> {
        let rank = (self.0.len() * percent.min(100) as usize).div_ceil(100).max(1);
        self.0.get(rank - 1).copied()
    }

    /// These percentiles as cells of a table.
    pub fn cells(&self, percents: &[u32]) -> Vec<String> {
        percents.iter().map(|percent| millis(self.percentile(*percent))).collect()
    }
}

/// A time in a table: with as many digits as it deserves.
pub fn millis(value: Option<f64>) -> String {
    match value {
        None => "–".to_owned(),
        Some(value) if value.abs() < 10.0 => format!("{value:.2}"),
        Some(value) if value.abs() < 100.0 => format!("{value:.1}"),
        Some(value) => format!("{value:.0}"),
    }
}

/// Prints a line on standard output. Whoever does not want to read it any more is not worth an error.
pub fn say(line: &str) {
    let _ = writeln!(io::stdout(), "{line}");
}

/// Prints a table that can be taken over into a page as it is. All columns but the first are figures.
pub fn table(head: &[&str], rows: &[Vec<String>]) {
    say(&format!("| {} |", head.join(" | ")));
    say(&format!("|---|{}", "---:|".repeat(head.len().saturating_sub(1))));
    for row in rows {
        say(&format!("| {} |", row.join(" | ")));
    }
    say("");
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn percentiles_are_measurements_by_nearest_rank() {
        let sample: Sample = (1..=30).rev().map(f64::from).collect();
        assert_eq!(sample.cells(&[0, 50, 90, 99, 100]), ["1.00", "15.0", "27.0", "30.0", "30.0"]);
        let one: Sample = [7.0].into_iter().collect();
        assert_eq!((one.percentile(0), one.percentile(50), one.percentile(100)), (Some(7.0), Some(7.0), Some(7.0)));
        assert_eq!(Sample::default().percentile(50), None);
    }

    #[test]
    fn figures_have_as_many_digits_as_they_deserve() {
        let shown: Vec<String> = [0.126, 9.99, 12.34, 1234.5].into_iter().map(|value| millis(Some(value))).collect();
        assert_eq!(shown, ["0.13", "9.99", "12.3", "1234"]);
        assert_eq!(millis(None), "–");
        let sample: Sample = [Duration::from_micros(1500)].into_iter().collect();
        assert_eq!(sample.cells(&[0, 100]), ["1.50", "1.50"]);
    }
}
