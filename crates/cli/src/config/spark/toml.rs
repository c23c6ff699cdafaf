//! What `tanist config from-spark` prints: the same settings as TOML, and what was left out as comments.

use std::fmt::Write as _;
use std::path::Path;

use tanist_worker::runner::redact::is_secret;

use super::{Fate, Place, Said, SparkConf};
use crate::config::resolve::{Layers, Problems, Source};
use crate::config::section::{full_key, variable};
use crate::config::{AuthSettings, Flags, MasterSettings, RestSettings, Section, WorkerSettings};

/// The secret of a cluster.
const SECRET: &str = "spark.authenticate.secret";

impl SparkConf {
    /// As TOML that says the same, but for secrets: they are left out.
    ///
    /// # Errors
    /// Every value that is not allowed.
    pub(crate) fn to_toml(&self, path: &Path) -> Result<String, Problems> {
        let layers = Layers { spark: self.without_secrets(), ..Layers::default() };
        let tables = [
            table::<MasterSettings>(&layers),
            table::<RestSettings>(&layers),
            table::<WorkerSettings>(&layers),
            table::<AuthSettings>(&layers),
        ];
        let (tables, problems): (Vec<_>, Vec<_>) = tables.into_iter().partition(Result::is_ok);
        Problems::all(problems.into_iter().filter_map(Result::err))?;
        let mut text = format!("# From {}.\n", path.display());
        tables.into_iter().flatten().for_each(|table| text += &table);
        text += &left_out(
            "Not taken over",
            self.said.iter().filter_map(|said| Some(format!("{}: {}", name(said), self.left_out(said)?))),
        );
        let applications = self.said.iter().filter(|said| self.fate(said) == Fate::Applications);
        text += &left_out("For applications, which go on reading it there", applications.map(name));
        Ok(text)
    }

    pub(super) fn without_secrets(&self) -> Self {
        Self { said: self.said.iter().filter(|said| !is_secret(&said.name)).cloned().collect() }
    }

    /// Why something is not in the tables.
    fn left_out(&self, said: &Said) -> Option<String> {
        match self.fate(said) {
            Fate::Dropped(reason) => Some(reason),
            Fate::Taken if said.name == SECRET => Some(format!(
                "secrets are not printed; put it into a file and name that in {}, or give it in {}",
                full_key::<AuthSettings>("secret_file"),
                variable::<AuthSettings>("secret"),
            )),
            // All other secrets are among these settings.
            Fate::Taken if is_secret(&said.name) => Some(format!(
                "secrets are not printed; give it in {}, together with the rest of {}, in whose place that goes",
                variable::<WorkerSettings>("ssl_settings"),
                full_key::<WorkerSettings>("ssl_settings"),
            )),
            Fate::Taken | Fate::Applications => None,
        }
    }
}

/// One table of the file; nothing where no setting is given.
fn table<S: Section>(layers: &Layers) -> Result<String, Problems> {
    let resolved = layers.resolve::<S>(&Flags::default())?;
    let mut text = String::new();
    for setting in S::SETTINGS {
        if let Source::Spark(said) = resolved.source(setting.key) {
            let value = literal(&(setting.show)(&resolved.settings));
            // Writing into a String cannot fail.
            let _ = writeln!(text, "{} = {value} # {}", setting.key, name(said));
        }
    }
    Ok(if text.is_empty() { text } else { format!("\n[{}]\n{text}", S::NAME) })
}

/// Numbers and truth as they are, all else in quotes.
fn literal(text: &str) -> String {
    let number = text.parse::<i64>().is_ok_and(|number| number.to_string() == text);
    if number || text == "true" || text == "false" { text.to_owned() } else { toml::Value::from(text).to_string() }
}

fn left_out(title: &str, lines: impl Iterator<Item = String>) -> String {
    let mut lines: Vec<String> = lines.collect();
    // They come with the last one first.
    lines.reverse();
    if lines.is_empty() { String::new() } else { format!("\n# {title}:\n#   {}\n", lines.join("\n#   ")) }
}

fn name(said: &Said) -> String {
    let name = said.name.escape_debug();
    match said.place {
        Place::File { line, .. } => format!("{name}, line {line}"),
        Place::Variable | Place::Option(_) => name.to_string(),
    }
}
