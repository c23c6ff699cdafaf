//! What a worker is asked to run.

use std::collections::BTreeMap;

/// A program with its arguments and environment (`Command` of MSG-08).
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Command {
    /// What is started.
    pub program: Program,
    /// Its arguments; whole arguments such as `{{WORKER_URL}}` are substituted by the worker (DRN-03, ERN-02).
    pub arguments: Vec<String>,
    /// Laid over the worker's own environment (DRN-04, ERN-03).
    pub environment: BTreeMap<String, String>,
}

/// What is started: any executable, or a Java class as the original does.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Program {
    /// A path, or a name to look up in `PATH`.
    Executable(String),
    /// A main class under a Java virtual machine (CMD-01).
    Java(JavaProgram),
}

impl Default for Program {
    fn default() -> Self {
        Self::Executable(String::new())
    }
}

/// A main class with what the virtual machine is given (MSG-08).
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct JavaProgram {
    /// Fully qualified name.
    pub main_class: String,
    /// Class path entries.
    pub class_path: Vec<String>,
    /// Entries of the platform's library path (CMD-02).
    pub library_path: Vec<String>,
    /// Options of the virtual machine.
    pub java_options: Vec<String>,
    /// The releases of Spark it can run under, e.g. `3.5` or `4.1,4.2`, where that is known; none = its worker's own choice.
    /// Programs of Spark understand each other only within such a family.
    pub spark_family: Option<String>,
}

impl Program {
    /// Short name for lists: the main class, or the executable as given.
    pub fn name(&self) -> &str {
        match self {
            Self::Executable(path) => path,
            Self::Java(java) => &java.main_class,
        }
    }
}
