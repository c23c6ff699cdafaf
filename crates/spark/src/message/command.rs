//! A program of Java that somebody else shall start.

use crate::Error;
use crate::fields::Fields;

/// What is to be run (`Command`). Words in double braces are for the worker to replace; nothing is ever split again.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Command {
    /// The class whose `main` is called.
    pub main_class: String,
    /// What it is told.
    pub arguments: Vec<String>,
    /// Variables, in the order they came. Of a submitted driver: all of who submitted it.
    pub environment: Vec<(String, String)>,
    /// Jars and folders that stand before all others.
    pub class_path: Vec<String>,
    /// Folders of native libraries.
    pub library_path: Vec<String>,
    /// Options of the JVM.
    pub java_options: Vec<String>,
}

impl Command {
    pub(super) fn read(command: Fields<'_>) -> Result<Self, Error> {
        Ok(Self {
            main_class: command.text("mainClass")?,
            arguments: command.texts("arguments")?,
            environment: command.text_entries("environment")?,
            class_path: command.texts("classPathEntries")?,
            library_path: command.texts("libraryPathEntries")?,
            java_options: command.texts("javaOpts")?,
        })
    }
}
