//! Numbers from the jars of an installation of Spark: those of its own classes, whatever build it is.

use std::io::{Read, Seek};

use zip::ZipArchive;

use super::{Uids, class_file};
use crate::Error;

/// Longest class file that is read, in bytes. Those of messages have some thousand.
const MAX_CLASS_BYTES: u64 = 4 << 20;

/// The numbers of these classes, from the jar they are in: `jars/spark-core_*.jar`.
///
/// # Errors
/// It is no jar, or a class is not in it, or its class file is broken.
pub fn read<'c>(jar: impl Read + Seek, classes: impl IntoIterator<Item = &'c str>) -> Result<Uids, Error> {
    let mut jar =
        ZipArchive::new(jar).map_err(|error| Error::Jar { entry: "index".to_owned(), problem: error.to_string() })?;
    classes.into_iter().map(|class| Ok((class.to_owned(), uid(&mut jar, class)?))).collect()
}

fn uid(jar: &mut ZipArchive<impl Read + Seek>, class: &str) -> Result<i64, Error> {
    let entry = format!("{}.class", class.replace('.', "/"));
    let wrong = |problem: String| Error::Jar { entry: entry.clone(), problem };
    let file = jar.by_name(&entry).map_err(|error| wrong(error.to_string()))?;
    let mut bytes = Vec::new();
    file.take(MAX_CLASS_BYTES).read_to_end(&mut bytes).map_err(|error| wrong(error.to_string()))?;
    class_file::uid(&bytes).map_err(|error| wrong(error.to_string()))
}
