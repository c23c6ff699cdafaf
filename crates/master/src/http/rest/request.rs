//! The body of a submission, read field by field, so that what is wrong with it can be named (RE-07 … RE-10).

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use serde::Deserialize;
use serde::de::{Deserializer, IgnoredAny, MapAccess, Visitor};
use serde_json::value::RawValue;

use tanist_core::secrets::is_secret;

const ACTION: &str = "CreateSubmissionRequest";

/// Characters of a wrong value that its refusal shows.
const MOST_SHOWN: usize = 40;

/// The protocol's other messages: known by name, and not taken here.
const OTHER_MESSAGES: [&str; 8] = [
    "CreateSubmissionResponse",
    "KillSubmissionResponse",
    "KillAllSubmissionResponse",
    "SubmissionStatusResponse",
    "ClearResponse",
    "ReadyzResponse",
    "ErrorResponse",
    "SubmitRestProtocolMessage",
];

/// A submission as it was asked for.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Submission {
    pub(super) app_resource: String,
    pub(super) main_class: String,
    /// Of the program that submits.
    pub(super) spark_version: String,
    pub(super) app_args: Vec<String>,
    pub(super) properties: BTreeMap<String, String>,
    pub(super) environment: BTreeMap<String, String>,
    /// Fields that the protocol does not have, as they came.
    pub(super) unknown: Vec<String>,
}

/// Why a body is no submission.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(super) enum Malformed {
    /// There is none.
    #[error("Malformed request: the body is empty; a JSON object with an action is needed")]
    Empty,
    /// It is no JSON object.
    #[error("Malformed request: the body is not a JSON object: {0}")]
    Json(String),
    /// A field is missing or wrong.
    #[error("Malformed request: {field}: {what}")]
    Field {
        /// Which, with the way to it.
        field: String,
        /// What is wrong, and what is allowed.
        what: String,
    },
    /// A message of the protocol, but none for a server.
    #[error("Received message of unexpected type {0}.")]
    UnexpectedType(String),
}

impl Malformed {
    pub(super) fn field(field: impl Into<String>, what: impl Into<String>) -> Self {
        Self::Field { field: field.into(), what: what.into() }
    }

    fn missing(field: &str, wanted: &str) -> Self {
        Self::field(field, format!("it is missing; {wanted} is needed"))
    }

    fn kind(field: &str, value: &RawValue, wanted: &str) -> Self {
        Self::field(field, format!("{} was given; {wanted} is needed", shown(field, value)))
    }
}

impl Submission {
    /// Reads a body.
    ///
    /// # Errors
    /// The first thing that is wrong with it.
    pub(super) fn read(body: &[u8]) -> Result<Self, Malformed> {
        if body.trim_ascii().is_empty() {
            return Err(Malformed::Empty);
        }
        let mut fields: Fields<'_> =
            serde_json::from_slice(body).map_err(|error| Malformed::Json(error.to_string()))?;
        fields.check_action()?;
        let spark_version = fields.text("clientSparkVersion")?;
        let missing = |field: &'static str, wanted| move || Malformed::missing(field, wanted);
        let spark_version = spark_version.ok_or_else(missing("clientSparkVersion", "a release such as 4.1.4"))?;
        let properties = fields.take("sparkProperties");
        let properties = properties.ok_or_else(missing("sparkProperties", "an object of texts, be it empty,"))?;
        let properties = texts_by_name("sparkProperties", properties)?;
        let app_resource = fields.text("appResource")?;
        let app_resource =
            app_resource.ok_or_else(missing("appResource", "a path or URL, or an empty text for none,"))?;
        let main_class = fields.text("mainClass")?.filter(|class| !class.trim().is_empty());
        let main_class = main_class.ok_or_else(|| Malformed::field("mainClass", "Main class is missing."))?;
        let app_args = fields.take("appArgs").map(|args| texts("appArgs", args)).transpose()?.unwrap_or_default();
        let environment = fields.take("environmentVariables").map(|all| texts_by_name("environmentVariables", all));
        let environment = environment.transpose()?.unwrap_or_default();
        check_variables(&environment)?;
        fields.text("message")?;
        let unknown = fields.unknown;
        Ok(Self { app_resource, main_class, spark_version, app_args, properties, environment, unknown })
    }
}

/// The fields of a submission.
const FIELDS: [&str; 8] = [
    "action",
    "appArgs",
    "appResource",
    "clientSparkVersion",
    "environmentVariables",
    "mainClass",
    "message",
    "sparkProperties",
];

/// The fields of a body. Of a name that comes twice the last value counts, as with the original.
#[derive(Default)]
struct Fields<'a> {
    known: BTreeMap<String, &'a RawValue>,
    /// The names of others, in their order; values that nobody looks at take no memory.
    unknown: Vec<String>,
}

impl<'a> Fields<'a> {
    /// Takes a field out; null is as good as none.
    fn take(&mut self, name: &str) -> Option<&'a RawValue> {
        self.known.remove(name).filter(|value| !is_null(value))
    }

    fn text(&mut self, name: &str) -> Result<Option<String>, Malformed> {
        self.take(name).map(|value| text(name, value)).transpose()
    }

    fn check_action(&mut self) -> Result<(), Malformed> {
        let Some(action) = self.text("action")? else {
            return Err(Malformed::field("action", format!("Action field not found in JSON; {ACTION} is needed")));
        };
        match action.as_str() {
            ACTION => Ok(()),
            other if OTHER_MESSAGES.contains(&other) => Err(Malformed::UnexpectedType(action)),
            _ => Err(Malformed::field("action", format!("{action:?} is unknown; {ACTION} is needed"))),
        }
    }
}

impl<'de> Deserialize<'de> for Fields<'de> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Body;
        impl<'de> Visitor<'de> for Body {
            type Value = Fields<'de>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an object with the field action")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Fields<'de>, A::Error> {
                let (mut fields, mut seen) = (Fields::default(), BTreeSet::new());
                while let Some(name) = map.next_key::<String>()? {
                    if FIELDS.contains(&name.as_str()) {
                        fields.known.insert(name, map.next_value()?);
                        continue;
                    }
                    map.next_value::<IgnoredAny>()?;
                    if seen.insert(name.clone()) {
                        fields.unknown.push(name);
                    }
                }
                Ok(fields)
            }
        }
        deserializer.deserialize_map(Body)
    }
}

/// A text. Numbers and truth values are taken as they are written: scripts send them for properties.
fn text(field: &str, value: &RawValue) -> Result<String, Malformed> {
    let text = match Kind::of(value) {
        Kind::Text => read(field, value)?,
        Kind::Number | Kind::Truth => value.get().to_owned(),
        _ => return Err(Malformed::kind(field, value, "a text")),
    };
    // No argument, variable or path of a program can have one.
    if text.contains('\0') { Err(Malformed::field(field, "NUL characters are not allowed")) } else { Ok(text) }
}

fn texts(field: &str, value: &RawValue) -> Result<Vec<String>, Malformed> {
    let items: Vec<&RawValue> = match Kind::of(value) {
        Kind::List => read(field, value)?,
        _ => return Err(Malformed::kind(field, value, "a list of texts")),
    };
    items.into_iter().enumerate().map(|(at, item)| text(&format!("{field}[{at}]"), item)).collect()
}

/// A value of null is as good as none.
fn texts_by_name(field: &str, value: &RawValue) -> Result<BTreeMap<String, String>, Malformed> {
    let entries: BTreeMap<String, &RawValue> = match Kind::of(value) {
        Kind::Object => read(field, value)?,
        _ => return Err(Malformed::kind(field, value, "an object of texts")),
    };
    let given = entries.into_iter().filter(|(_, value)| !is_null(value));
    let checked = |(name, value): (String, &RawValue)| {
        let value = text(&format!("{field}.{name}"), value)?;
        if name.is_empty() || name.contains('\0') {
            return Err(Malformed::field(field, format!("{name:?} is no name: it is empty or has a NUL character")));
        }
        Ok((name, value))
    };
    given.map(checked).collect()
}

/// What is JSON may still be no text, such as half a pair of surrogates.
fn read<'a, T: Deserialize<'a>>(field: &str, value: &'a RawValue) -> Result<T, Malformed> {
    serde_json::from_str(value.get()).map_err(|error| Malformed::field(field, error.to_string()))
}

fn check_variables(environment: &BTreeMap<String, String>) -> Result<(), Malformed> {
    match environment.keys().find(|name| name.contains('=')) {
        Some(name) => Err(Malformed::field("environmentVariables", format!("{name:?} is no name: it has a '='"))),
        None => Ok(()),
    }
}

fn is_null(value: &RawValue) -> bool {
    Kind::of(value) == Kind::Null
}

/// What a value is, as its first character tells.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    Null,
    Truth,
    Number,
    Text,
    List,
    Object,
}

impl Kind {
    fn of(value: &RawValue) -> Self {
        match value.get().as_bytes().first() {
            Some(b'"') => Self::Text,
            Some(b'[') => Self::List,
            Some(b'{') => Self::Object,
            Some(b't' | b'f') => Self::Truth,
            Some(b'n') => Self::Null,
            _ => Self::Number,
        }
    }
}

impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Null => "null",
            Self::Truth => "true or false",
            Self::Number => "a number",
            Self::Text => "a text",
            Self::List => "a list",
            Self::Object => "an object",
        })
    }
}

/// What a value is and how it begins as it is written, unless it or its name speaks of a secret.
fn shown(field: &str, value: &RawValue) -> String {
    let kind = Kind::of(value);
    if kind == Kind::Null || is_secret(field) || is_secret(value.get()) {
        return kind.to_string();
    }
    let mut beginning: String = value.get().chars().take(MOST_SHOWN).collect();
    if beginning.len() < value.get().len() {
        beginning.push('…');
    }
    format!("{kind} ({beginning})")
}
