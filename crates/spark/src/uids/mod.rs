//! The numbers of the classes of a build of Spark that is not known: where they can come from.
//!
//! | module | takes them from |
//! |---|---|
//! | [`jar`] | an installation of that build |
//! | [`class_file`] | one of its classes |
//! | [`asked`] | the driver itself, the last resort |

pub mod asked;
pub mod class_file;
pub mod jar;

use std::collections::BTreeMap;

/// The `serialVersionUID` of each class, by its full name.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Uids(BTreeMap<String, i64>);

impl Uids {
    /// The number of a class.
    pub fn get(&self, class: &str) -> Option<i64> {
        self.0.get(class).copied()
    }
}

impl FromIterator<(String, i64)> for Uids {
    fn from_iter<T: IntoIterator<Item = (String, i64)>>(uids: T) -> Self {
        Self(uids.into_iter().collect())
    }
}
