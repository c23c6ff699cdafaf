//! Reads Prometheus' text form as strictly as its own parser, and a little more: families are declared once and whole.

use std::collections::{BTreeMap, BTreeSet};

use anyhow::{Context, Result, bail, ensure};

/// All series with their values, by name and labels as they are written.
///
/// # Errors
/// The line that is wrong, and why: not of the form, a family or series twice, a series outside of its family, a counter
/// without `_total`.
pub fn read(text: &str) -> Result<BTreeMap<String, f64>> {
    ensure!(text.ends_with('\n'), "the last line has no end");
    let mut read = Read::default();
    for line in text.lines() {
        read.line(line).with_context(|| format!("line {line:?}"))?;
    }
    ensure!(read.family.is_none_or(|family| family.kind.is_some()), "the last family has no TYPE");
    Ok(read.series)
}

#[derive(Default)]
struct Read {
    families: BTreeSet<String>,
    family: Option<Family>,
    series: BTreeMap<String, f64>,
}

struct Family {
    name: String,
    kind: Option<String>,
}

impl Read {
    fn line(&mut self, line: &str) -> Result<()> {
        if let Some(rest) = line.strip_prefix("# HELP ") {
            let (name, help) = rest.split_once(' ').context("no help")?;
            ensure!(is_name(name) && !help.is_empty(), "neither name nor help");
            ensure!(self.families.insert(name.to_owned()), "declared before");
            self.family = Some(Family { name: name.to_owned(), kind: None });
            return Ok(());
        }
        if let Some(rest) = line.strip_prefix("# TYPE ") {
            let (name, kind) = rest.split_once(' ').context("no type")?;
            let family = self.family.as_mut().filter(|family| family.name == name && family.kind.is_none());
            let family = family.context("not right behind its HELP")?;
            ensure!(["gauge", "counter", "histogram"].contains(&kind), "unknown type");
            ensure!((kind == "counter") == name.ends_with("_total"), "counters, and they alone, end with _total");
            family.kind = Some(kind.to_owned());
            return Ok(());
        }
        let (series, value) = line.rsplit_once(' ').context("no value")?;
        let value: f64 = match value {
            "+Inf" => f64::INFINITY,
            "inf" | "-inf" | "NaN" => bail!("no number"),
            number => number.parse().context("no number")?,
        };
        let (name, labels) = series.split_once('{').map_or((series, None), |(name, labels)| (name, Some(labels)));
        ensure!(is_name(name), "no name");
        if let Some(labels) = labels {
            check_labels(labels)?;
        }
        let family = self.family.as_ref().context("no family")?;
        let suffixes: &[&str] = match family.kind.as_deref() {
            Some("histogram") => &["_bucket", "_sum", "_count"],
            Some(_) => &[""],
            None => bail!("no TYPE before it"),
        };
        let ours = suffixes.iter().any(|suffix| name.strip_suffix(suffix) == Some(family.name.as_str()));
        ensure!(ours, "not of family {}", family.name);
        ensure!(self.series.insert(series.to_owned(), value).is_none(), "twice");
        Ok(())
    }
}

/// `name="value",name="value"}`.
fn check_labels(text: &str) -> Result<()> {
    let mut rest = text;
    let mut names = BTreeSet::new();
    loop {
        let (name, after) = rest.split_once("=\"").context("no label")?;
        ensure!(is_name(name) && !name.contains(':') && names.insert(name), "label {name:?}");
        let mut chars = after.char_indices();
        let end = loop {
            match chars.next().context("label without an end")? {
                (at, '"') => break at,
                (_, '\\') => ensure!(matches!(chars.next(), Some((_, '\\' | '"' | 'n'))), "unknown escape"),
                _ => {}
            }
        };
        match &after[end + 1..] {
            "}" => return Ok(()),
            more => rest = more.strip_prefix(',').context("neither , nor } behind a label")?,
        }
    }
}

fn is_name(text: &str) -> bool {
    let plain = |c: char| c.is_ascii_alphanumeric() || c == '_' || c == ':';
    text.chars().all(plain) && text.chars().next().is_some_and(|first| !first.is_ascii_digit())
}

#[cfg(test)]
mod tests {
    use super::read;

    const GOOD: &str = "# HELP a_total all\n# TYPE a_total counter\na_total{x=\"1\\\"\",y=\"} \"} 3\n";

    #[test]
    fn a_good_text_is_read() {
        let series = read(GOOD).unwrap();
        assert_eq!(series.into_iter().collect::<Vec<_>>(), [("a_total{x=\"1\\\"\",y=\"} \"}".to_owned(), 3.0)]);
    }

    #[test]
    fn everything_else_is_refused() {
        let declared = "# HELP a b\n# TYPE a gauge\n";
        for (bad, why) in [
            (format!("{GOOD}{GOOD}"), "declared before"),
            (format!("{declared}a 1\na 2\n"), "twice"),
            (format!("{declared}b 1\n"), "not of family"),
            (format!("{declared}a one\n"), "no number"),
            (format!("{declared}a{{x=1}} 1\n"), "no label"),
            (format!("{declared}a{{x=\"\\t\"}} 1\n"), "unknown escape"),
            (format!("{declared}a{{x=\"1\",x=\"2\"}} 1\n"), "label"),
            (format!("{declared}a 1"), "no end"),
            ("a 1\n".to_owned(), "no family"),
            ("# HELP a b\na 1\n".to_owned(), "no TYPE"),
            ("# HELP a b\n# TYPE a counter\na 1\n".to_owned(), "_total"),
        ] {
            let error = format!("{:#}", read(&bad).unwrap_err());
            assert!(error.contains(why), "{bad}: {error}");
        }
    }
}
