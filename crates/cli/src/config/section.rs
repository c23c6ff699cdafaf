//! One component's list of settings.

use super::value::Refused;

/// One setting of a component.
pub(crate) struct Setting<S> {
    /// Its key within the section, e.g. `worker_timeout`.
    pub(crate) key: &'static str,
    /// What it is for, one sentence per line.
    pub(crate) help: &'static str,
    /// Whether several texts are one value.
    pub(crate) list: bool,
    /// Whether there may be secrets in a text that cannot be read.
    pub(crate) secret: bool,
    /// Whether it may be given as a flag.
    pub(crate) flag: bool,
    /// What may be given.
    pub(crate) allowed: fn() -> String,
    /// Takes the texts of one source over into the settings.
    pub(crate) set: fn(&mut S, &[String]) -> Result<(), Refused>,
    /// The value as text that reads the same again.
    pub(crate) show: fn(&S) -> String,
}

/// A value that does not go together with others: the key that is blamed, and what is allowed.
pub(crate) type Conflict = (&'static str, String);

/// The settings of one component, with their defaults.
pub(crate) trait Section: Sized + 'static {
    /// Name of its table in the file; empty = the top of the file.
    const NAME: &'static str;
    /// What its flags begin with, where a command has flags of several sections; ends with a dash.
    const FLAGS: &'static str = "";
    /// Its settings, in the order they are shown.
    const SETTINGS: &'static [Setting<Self>];

    /// The values nobody has set.
    fn defaults() -> Self;

    /// Which values are out of range or do not go together.
    fn conflicts(&self) -> Vec<Conflict> {
        Vec::new()
    }
}

/// `master.worker_timeout`, or the bare key at the top of the file.
pub(crate) fn full_key<S: Section>(key: &str) -> String {
    if S::NAME.is_empty() { key.to_owned() } else { format!("{}.{key}", S::NAME) }
}

/// `TANIST_MASTER_WORKER_TIMEOUT`.
pub(crate) fn variable<S: Section>(key: &str) -> String {
    format!("TANIST_{}", full_key::<S>(key).replace('.', "_").to_ascii_uppercase())
}

/// `worker-timeout`, without the two dashes.
pub(crate) fn flag<S: Section>(key: &str) -> String {
    format!("{}{}", S::FLAGS, key.replace('_', "-"))
}

/// Writes the struct, its defaults and its [`Section::SETTINGS`] from one list. The documentation of a field is the
/// help of its flag.
macro_rules! section {
    (
        $(#[doc = $about:literal])+
        struct $name:ident in $section:literal $(, flags: $flags:literal)?, conflicts: $conflicts:expr;
        $( $(#[doc = $help:literal])+ $field:ident: $type:ty = $default:expr; )+
    ) => {
        $(#[doc = $about])+
        #[derive(Debug, Clone)]
        pub(crate) struct $name {
            $( $(#[doc = $help])+ pub(crate) $field: $type, )+
        }

        impl $crate::config::Section for $name {
            const NAME: &'static str = $section;
            $( const FLAGS: &'static str = $flags; )?
            const SETTINGS: &'static [$crate::config::Setting<Self>] = &[
                $( $crate::config::Setting {
                    key: stringify!($field),
                    help: concat!($($help, "\n"),+),
                    list: <$type as $crate::config::Value>::LIST,
                    secret: <$type as $crate::config::Value>::SECRET,
                    flag: <$type as $crate::config::Value>::FLAG,
                    allowed: <$type as $crate::config::Value>::allowed,
                    set: |settings, texts| {
                        settings.$field = $crate::config::Value::read(texts)?;
                        Ok(())
                    },
                    show: |settings| $crate::config::Value::show(&settings.$field),
                }, )+
            ];

            fn defaults() -> Self {
                Self { $( $field: $default, )+ }
            }

            fn conflicts(&self) -> Vec<$crate::config::section::Conflict> {
                let conflicts: fn(&Self) -> Vec<$crate::config::section::Conflict> = $conflicts;
                conflicts(self)
            }
        }
    };
}

pub(crate) use section;
