//! The settings of a section as flags of a command.

use std::collections::BTreeMap;
use std::marker::PhantomData;

use clap::{Arg, ArgAction, ArgMatches, Args, Command, FromArgMatches};

use super::Section;
use super::section::{flag, full_key, variable};

/// One-letter flags, the original's (CL-01, CL-02).
const SHORT: [(&str, char); 4] = [("port", 'p'), ("cores", 'c'), ("memory", 'm'), ("work_dir", 'd')];

/// Where flags are listed that many commands have.
pub(crate) const GENERAL: &str = "General options";

/// The settings of one section as given on the command line, not yet read.
#[derive(Debug, Clone)]
pub(crate) struct Flags<S> {
    given: BTreeMap<&'static str, Vec<String>>,
    section: PhantomData<S>,
}

impl<S> Default for Flags<S> {
    fn default() -> Self {
        Self { given: BTreeMap::new(), section: PhantomData }
    }
}

impl<S: Section> Flags<S> {
    /// What was given for a key.
    pub(crate) fn get(&self, key: &str) -> Option<&[String]> {
        self.given.get(key).map(Vec::as_slice)
    }

    /// These flags with one more.
    #[cfg(test)]
    pub(crate) fn with(mut self, key: &'static str, text: &str) -> Self {
        self.given.insert(key, vec![text.to_owned()]);
        self
    }
}

impl<S: Section> Args for Flags<S> {
    fn augment_args(command: Command) -> Command {
        let defaults = S::defaults();
        S::SETTINGS.iter().filter(|setting| setting.flag).fold(command, |command, setting| {
            let about: String = setting.help.lines().map(str::trim).collect::<Vec<_>>().join(" ");
            let default = (setting.show)(&defaults);
            let help = format!("{about} [default: {default}] [env: {}]", variable::<S>(setting.key));
            let short =
                SHORT.iter().find(|(key, _)| S::FLAGS.is_empty() && *key == setting.key).map(|(_, short)| *short);
            let action = if setting.list { ArgAction::Append } else { ArgAction::Set };
            let heading = S::NAME.is_empty().then_some(GENERAL);
            let arg = Arg::new(full_key::<S>(setting.key))
                .long(flag::<S>(setting.key))
                .help(help)
                .action(action)
                .help_heading(heading);
            command.arg(arg.short(short).value_name("VALUE").allow_hyphen_values(true).global(S::NAME.is_empty()))
        })
    }

    fn augment_args_for_update(command: Command) -> Command {
        Self::augment_args(command)
    }
}

impl<S: Section> FromArgMatches for Flags<S> {
    fn from_arg_matches(matches: &ArgMatches) -> Result<Self, clap::Error> {
        let mut flags = Self::default();
        flags.update_from_arg_matches(matches)?;
        Ok(flags)
    }

    fn update_from_arg_matches(&mut self, matches: &ArgMatches) -> Result<(), clap::Error> {
        for setting in S::SETTINGS.iter().filter(|setting| setting.flag) {
            if let Some(texts) = matches.get_many::<String>(&full_key::<S>(setting.key)) {
                self.given.insert(setting.key, texts.cloned().collect());
            }
        }
        Ok(())
    }
}
