//! How the core's types look in the store. The core itself knows no serde: what is stored is decided here, with
//! `#[serde(with = "form")]` on each field of a core type, and `form::optional`, `form::list`, `form::shared` where it
//! is wrapped.

use serde::{Deserialize, Deserializer, Serialize, Serializer, de::Error};

use tanist_core::ids::{
    AppId, AppToken, Attempt, ClusterId, DriverId, Epoch, ExecutorId, Generation, Incarnation, MasterId, Nonce,
    ProfileId, RequestId, WorkerId,
};
use tanist_core::time::Wall;
use tanist_core::units::{Cores, Memory};

/// A type of the core with its stored form.
pub(crate) trait Form: Sized {
    fn write<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error>;
    fn read<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error>;
}

/// Ids are stored as their text, and checked again when they are read.
macro_rules! text {
    ($($id:ty),*) => {
        $(impl Form for $id {
            fn write<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                serializer.serialize_str(self.as_str())
            }

            fn read<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                String::deserialize(deserializer)?.parse().map_err(D::Error::custom)
            }
        })*
    };
}

text!(AppId, AppToken, ClusterId, DriverId, MasterId, Nonce, RequestId, WorkerId);

/// Counting words are stored as numbers.
macro_rules! number {
    ($($word:ident: $inner:ty),*) => {
        $(impl Form for $word {
            fn write<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                self.0.serialize(serializer)
            }

            fn read<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                <$inner>::deserialize(deserializer).map($word)
            }
        })*
    };
}

number!(
    Epoch: u64, Generation: u64, Attempt: u32, ExecutorId: u32, ProfileId: u32, Incarnation: u64, Wall: u64, Cores: u32
);

impl Form for Memory {
    fn write<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        self.as_mib().serialize(serializer)
    }

    fn read<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        u64::deserialize(deserializer).map(Memory::mib)
    }
}

pub(crate) fn serialize<T: Form, S: Serializer>(value: &T, serializer: S) -> Result<S::Ok, S::Error> {
    value.write(serializer)
}

pub(crate) fn deserialize<'de, T: Form, D: Deserializer<'de>>(deserializer: D) -> Result<T, D::Error> {
    T::read(deserializer)
}

/// Lets serde write what has a form.
pub(crate) struct Writing<'a, T>(pub(crate) &'a T);

impl<T: Form> Serialize for Writing<'_, T> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        self.0.write(serializer)
    }
}

/// Lets serde read what has a form.
pub(crate) struct Read<T>(pub(crate) T);

impl<'de, T: Form> Deserialize<'de> for Read<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        T::read(deserializer).map(Read)
    }
}

/// A value or null.
pub(crate) mod optional {
    use super::{Deserialize, Deserializer, Form, Read, Serialize, Serializer, Writing};

    #[expect(clippy::ref_option, reason = "serde calls it with a reference to the field")]
    pub(crate) fn serialize<T: Form, S: Serializer>(value: &Option<T>, serializer: S) -> Result<S::Ok, S::Error> {
        value.as_ref().map(Writing).serialize(serializer)
    }

    pub(crate) fn deserialize<'de, T: Form, D: Deserializer<'de>>(deserializer: D) -> Result<Option<T>, D::Error> {
        Ok(Option::<Read<T>>::deserialize(deserializer)?.map(|read| read.0))
    }
}

/// Values in their order.
pub(crate) mod list {
    use super::{Deserialize, Deserializer, Form, Read, Serializer, Writing};

    pub(crate) fn serialize<T: Form, S: Serializer>(values: &[T], serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_seq(values.iter().map(Writing))
    }

    pub(crate) fn deserialize<'de, T: Form, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<T>, D::Error> {
        Ok(Vec::<Read<T>>::deserialize(deserializer)?.into_iter().map(|read| read.0).collect())
    }
}

/// What the core shares is stored by each holder.
pub(crate) mod shared {
    use std::sync::Arc;

    use super::{Deserializer, Form, Serializer};

    pub(crate) fn serialize<T: Form, S: Serializer>(value: &Arc<T>, serializer: S) -> Result<S::Ok, S::Error> {
        value.write(serializer)
    }

    pub(crate) fn deserialize<'de, T: Form, D: Deserializer<'de>>(deserializer: D) -> Result<Arc<T>, D::Error> {
        T::read(deserializer).map(Arc::new)
    }
}
