//! The `spark.ssl.*` settings of a worker's own host, which go in place of those a program was sent with (WL-04).

use tanist_core::worker::SslSettings;
use tanist_worker::runner::redact::{REDACTED, is_secret};

use super::value::{Refused, Value};

/// What every name begins with in Spark's own words; here it may be left out.
const PREFIX: &str = "spark.ssl.";

impl Value for SslSettings {
    const LIST: bool = true;
    const SECRET: bool = true;

    fn allowed() -> String {
        format!(
            "name=value, several separated by commas, each name one of {PREFIX}*, such as keyStore, with \\, for a comma \
             and \\\\ for a backslash in a value"
        )
    }

    /// A value may have commas in it, as lists of ciphers do: what has no name belongs to the entry before it, and so
    /// does what stands after a comma with a backslash before it.
    fn read(texts: &[String]) -> Result<Self, Refused> {
        let mut entries: Vec<(String, String)> = Vec::new();
        for text in texts.iter().filter(|text| !text.trim().is_empty()) {
            let mut is_first = true;
            for part in parts(text) {
                let entry = part.split_once('=');
                if let Some((name, value)) = entry.and_then(|(name, value)| Some((full_name(name.trim())?, value))) {
                    entries.push((name, value.to_owned()));
                } else if let (false, Some((_, value))) = (is_first, entries.last_mut()) {
                    value.push(',');
                    value.push_str(&part);
                } else {
                    // Only what stands before an equals sign is no secret.
                    return Err(refused(entry.map_or("an entry without '='", |(name, _)| name)));
                }
                is_first = false;
            }
        }
        match entries.iter().find(|(_, value)| value == REDACTED) {
            Some((name, _)) => Err(Refused {
                value: format!("{name}={REDACTED}"),
                allowed: "the secret itself, where this stands in its place".to_owned(),
            }),
            None => Ok(Self(entries.into_iter().collect())),
        }
    }

    fn show(&self) -> String {
        let shown = |(name, value): (&String, &String)| {
            let value = if is_secret(name) { REDACTED.to_owned() } else { one_entry(value) };
            format!("{name}={value}")
        };
        self.0.iter().map(shown).collect::<Vec<_>>().join(",")
    }
}

/// A value so that it is read as one, whatever commas and names are in it.
pub(super) fn one_entry(value: &str) -> String {
    value.replace('\\', r"\\").replace(',', r"\,")
}

/// What stands between commas, with `\,` and `\\` as what they stand for. Any other backslash is one.
fn parts(text: &str) -> Vec<String> {
    let (mut parts, mut part) = (Vec::new(), String::new());
    let mut chars = text.chars().peekable();
    while let Some(c) = chars.next() {
        match c {
            '\\' => part.push(chars.next_if(|next| matches!(*next, ',' | '\\')).unwrap_or(c)),
            ',' => parts.push(std::mem::take(&mut part)),
            c => part.push(c),
        }
    }
    parts.push(part);
    parts
}

fn full_name(name: &str) -> Option<String> {
    let name = name.strip_prefix(PREFIX).unwrap_or(name);
    let allowed = |c: char| c.is_ascii_alphanumeric() || ".-_".contains(c);
    let is_one = !name.is_empty() && !name.starts_with("spark.") && name.chars().all(allowed);
    is_one.then(|| format!("{PREFIX}{name}"))
}

fn refused(what: &str) -> Refused {
    Refused { value: what.to_owned(), allowed: SslSettings::allowed() }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(texts: &[&str]) -> Result<SslSettings, Refused> {
        SslSettings::read(&texts.iter().map(|&text| text.to_owned()).collect::<Vec<_>>())
    }

    #[test]
    fn wl_04_values_may_have_commas_and_passwords_are_not_shown() {
        let settings = read(&["spark.ssl.enabledAlgorithms=A,B,keyPassword=x=y, rpc.enabled=true"]).unwrap();
        assert_eq!(settings.0["spark.ssl.enabledAlgorithms"], "A,B");
        assert_eq!(settings.0["spark.ssl.keyPassword"], "x=y");
        assert_eq!(
            settings,
            read(&["enabledAlgorithms=A,B", "keyPassword=x=y", "spark.ssl.rpc.enabled=true"]).unwrap()
        );
        let shown = settings.show();
        assert!(!shown.contains("x=y") && shown.contains("spark.ssl.rpc.enabled=true"), "{shown}");
        assert_eq!(read(&[""]).unwrap(), SslSettings::default());
    }

    #[test]
    fn any_value_can_be_one_entry() {
        for value in ["a,b=c", r"a\,b=c", r"a\", r"a\\", ",", r"\n"] {
            let text = format!("keyStore={},enabled=true", one_entry(value));
            let settings = read(&[&text]).unwrap();
            assert_eq!((settings.0["spark.ssl.keyStore"].as_str(), settings.0.len()), (value, 2), "{text}");
            assert_eq!(read(&[&settings.show()]).unwrap(), settings, "{text}");
        }
        assert_eq!(read(&[r"keyPassword=a\b"]).unwrap().0["spark.ssl.keyPassword"], r"a\b");
    }

    #[test]
    fn what_stands_in_place_of_a_secret_is_refused_and_debug_output_has_none() {
        let settings = read(&["enabled=true,keyPassword=s3cr3t"]).unwrap();
        assert!(!format!("{settings:?}").contains("s3cr3t"));
        let refused = read(&[&settings.show()]).unwrap_err();
        assert!(refused.value.contains("spark.ssl.keyPassword") && refused.allowed.contains("itself"), "{refused:?}");
    }

    #[test]
    fn other_names_are_refused_without_their_values() {
        for text in ["spark.master=s3cr3t", "spark.ssl.=s3cr3t", "a b=s3cr3t", "s3cr3t"] {
            let refused = read(&["spark.ssl.a=b", text]).unwrap_err();
            assert!(!refused.value.contains("s3cr3t") && refused.allowed.contains("spark.ssl."), "{refused:?}");
        }
    }
}
