//! JSON whose objects keep the order they were written in: the original's faces have fixed orders, and `serde_json`'s own
//! objects have none.

use std::borrow::Cow;

use serde::ser::{Serialize, SerializeMap as _, Serializer};

/// A JSON value.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Json {
    /// A whole number. No face has others.
    Number(u64),
    /// A text.
    Text(String),
    /// Values in a row.
    List(Vec<Json>),
    /// Named values, in this order.
    Object(Vec<(Cow<'static, str>, Json)>),
}

impl Json {
    /// An object with these fields.
    pub fn object<const N: usize>(fields: [(&'static str, Json); N]) -> Self {
        Self::Object(fields.into_iter().map(|(name, value)| (Cow::Borrowed(name), value)).collect())
    }

    /// An object whose names are only known now.
    pub fn named(fields: impl IntoIterator<Item = (String, Json)>) -> Self {
        Self::Object(fields.into_iter().map(|(name, value)| (Cow::Owned(name), value)).collect())
    }

    /// A list of these.
    pub fn list(items: impl IntoIterator<Item = impl Into<Json>>) -> Self {
        Self::List(items.into_iter().map(Into::into).collect())
    }
}

impl From<u64> for Json {
    fn from(value: u64) -> Self {
        Self::Number(value)
    }
}

impl From<u32> for Json {
    fn from(value: u32) -> Self {
        Self::Number(value.into())
    }
}

impl From<u16> for Json {
    fn from(value: u16) -> Self {
        Self::Number(value.into())
    }
}

impl From<usize> for Json {
    fn from(value: usize) -> Self {
        Self::Number(u64::try_from(value).unwrap_or(u64::MAX))
    }
}

impl From<&str> for Json {
    fn from(value: &str) -> Self {
        Self::Text(value.to_owned())
    }
}

impl From<&String> for Json {
    fn from(value: &String) -> Self {
        Self::Text(value.clone())
    }
}

impl From<String> for Json {
    fn from(value: String) -> Self {
        Self::Text(value)
    }
}

impl Serialize for Json {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Self::Number(value) => serializer.serialize_u64(*value),
            Self::Text(value) => serializer.serialize_str(value),
            Self::List(items) => serializer.collect_seq(items),
            Self::Object(fields) => {
                let mut map = serializer.serialize_map(Some(fields.len()))?;
                for (name, value) in fields {
                    map.serialize_entry(name, value)?;
                }
                map.end()
            }
        }
    }
}
