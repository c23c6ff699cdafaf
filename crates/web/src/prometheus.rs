//! Prometheus' text form, version 0.0.4: families of series, each family once, with its type and its help.

use std::fmt::{Display, Write as _};

/// Content type of the text.
pub const CONTENT_TYPE: &str = "text/plain;version=0.0.4;charset=utf-8";

/// What the numbers of a family mean.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// Goes up and down.
    Gauge,
    /// Only grows, from 0 at the start of the process.
    Counter,
    /// Counted by upper bounds.
    Histogram,
}

/// The text so far.
#[derive(Debug, Default)]
pub struct Exposition(String);

/// One family, to which series are added. Each has other labels than all before.
#[derive(Debug)]
pub struct Family<'a> {
    name: &'a str,
    text: &'a mut String,
}

/// Lengths of time, counted by upper bounds, as one moment shows them.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Buckets {
    /// Upper bound in seconds, and how many were at most so long: both rising.
    pub at_most: Vec<(f64, u64)>,
    /// All of them.
    pub count: u64,
    /// Their sum in seconds.
    pub sum: f64,
}

impl Exposition {
    /// Begins a family. Its name is used once; it carries its unit, and `_total` where it is a counter.
    pub fn family<'a>(&'a mut self, kind: Kind, name: &'a str, help: &str) -> Family<'a> {
        let kind = match kind {
            Kind::Gauge => "gauge",
            Kind::Counter => "counter",
            Kind::Histogram => "histogram",
        };
        let help = help.replace('\\', "\\\\").replace('\n', "\\n");
        // Writing to a String cannot fail.
        let _ = writeln!(self.0, "# HELP {name} {help}\n# TYPE {name} {kind}");
        Family { name, text: &mut self.0 }
    }

    /// A family of one gauge.
    pub fn gauge(&mut self, name: &str, help: &str, value: impl Display) {
        self.family(Kind::Gauge, name, help).series(&[], value);
    }

    /// A family of one counter.
    pub fn counter(&mut self, name: &str, help: &str, value: u64) {
        self.family(Kind::Counter, name, help).series(&[], value);
    }

    /// A family of one gauge per label value: all that there can be, so that none comes and goes.
    pub fn gauges<'a>(
        &mut self,
        (name, label): (&str, &str),
        help: &str,
        values: impl IntoIterator<Item = (&'a str, usize)>,
    ) {
        let mut family = self.family(Kind::Gauge, name, help);
        for (of, value) in values {
            family.series(&[(label, of)], value);
        }
    }

    /// A family of one histogram.
    pub fn histogram(&mut self, name: &str, help: &str, buckets: &Buckets) {
        let mut family = self.family(Kind::Histogram, name, help);
        for (bound, count) in &buckets.at_most {
            family.part("_bucket", &[("le", &bound.to_string())], count);
        }
        family.part("_bucket", &[("le", "+Inf")], buckets.count);
        family.part("_sum", &[], buckets.sum);
        family.part("_count", &[], buckets.count);
    }

    /// The original's two gauges of one value (ME-05), in the form of its own sink.
    pub fn original(&mut self, name: &str, help: &str, value: u64) {
        let name = format!("metrics_{}", name.replace(|c: char| !c.is_ascii_alphanumeric(), "_"));
        for suffix in ["Number", "Value"] {
            let name = format!("{name}_{suffix}");
            self.family(Kind::Gauge, &name, help).series(&[("type", "gauges")], value);
        }
    }

    /// The whole text.
    pub fn finish(self) -> String {
        self.0
    }
}

impl Family<'_> {
    /// Adds a series.
    pub fn series(&mut self, labels: &[(&str, &str)], value: impl Display) {
        self.part("", labels, value);
    }

    fn part(&mut self, suffix: &str, labels: &[(&str, &str)], value: impl Display) {
        let escaped = |text: &str| text.replace('\\', "\\\\").replace('"', "\\\"").replace('\n', "\\n");
        let labels: Vec<String> = labels.iter().map(|(name, value)| format!("{name}=\"{}\"", escaped(value))).collect();
        let labels = if labels.is_empty() { String::new() } else { format!("{{{}}}", labels.join(",")) };
        let _ = writeln!(self.text, "{}{suffix}{labels} {value}", self.name);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn me_05_a_text_as_prometheus_reads_it() {
        let mut text = Exposition::default();
        text.gauge("a_seconds", "how\nlong", 0.5);
        text.gauges(("b", "state"), "by state", [("ALIVE", 1), ("say \"no\"", 0)]);
        text.original("master.aliveWorkers", "workers", 3);
        text.histogram("c_seconds", "times", &Buckets { at_most: vec![(0.001, 1), (1.0, 2)], count: 3, sum: 7.5 });
        let expected = r#"# HELP a_seconds how\nlong
# TYPE a_seconds gauge
a_seconds 0.5
# HELP b by state
# TYPE b gauge
b{state="ALIVE"} 1
b{state="say \"no\""} 0
# HELP metrics_master_aliveWorkers_Number workers
# TYPE metrics_master_aliveWorkers_Number gauge
metrics_master_aliveWorkers_Number{type="gauges"} 3
# HELP metrics_master_aliveWorkers_Value workers
# TYPE metrics_master_aliveWorkers_Value gauge
metrics_master_aliveWorkers_Value{type="gauges"} 3
# HELP c_seconds times
# TYPE c_seconds histogram
c_seconds_bucket{le="0.001"} 1
c_seconds_bucket{le="1"} 2
c_seconds_bucket{le="+Inf"} 3
c_seconds_sum 7.5
c_seconds_count 3
"#;
        assert_eq!(text.finish(), expected);
    }
}
