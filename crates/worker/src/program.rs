//! From a command to a command line (CMD-01 … CMD-03).

use std::collections::{BTreeMap, BTreeSet};
use std::path::{self, Path, PathBuf};

use tanist_core::model::{Command, JavaProgram, Program};
use tanist_core::units::Memory;
use tanist_core::worker::SslSettings;
use tanist_spark::auth::Secret;

use crate::homes::{Family, Homes, Unsuitable};
use crate::runner::RunnerError;

/// Where the platform looks for native libraries (CMD-02).
const LIBRARY_PATH: &str = "LD_LIBRARY_PATH";
/// Between the entries of a path of several (CMD-01).
const SEPARATOR: &str = ":";
/// Switches authentication on (CMD-03).
pub(crate) const AUTHENTICATE: &str = "spark.authenticate";
/// Options about the secret, which everybody who can list processes would see (CMD-03).
const SECRET_OPTIONS: &str = "-Dspark.authenticate.secret";
/// The one that holds it.
const SECRET: &str = "spark.authenticate.secret";
/// Where the secret goes instead.
const SECRET_VARIABLE: &str = "_SPARK_AUTH_SECRET";
/// Switches TLS between Spark's programs on.
pub(crate) const TLS: &str = "spark.ssl.rpc.enabled";
/// What an option begins with.
const OPTION: &str = "-D";
/// Passwords of TLS between Spark's programs, and where those go instead.
const PASSWORDS: [(&str, &str); 4] = [
    ("spark.ssl.rpc.keyPassword", "_SPARK_SSL_RPC_KEY_PASSWORD"),
    ("spark.ssl.rpc.privateKeyPassword", "_SPARK_SSL_RPC_PRIVATE_KEY_PASSWORD"),
    ("spark.ssl.rpc.keyStorePassword", "_SPARK_SSL_RPC_KEY_STORE_PASSWORD"),
    ("spark.ssl.rpc.trustStorePassword", "_SPARK_SSL_RPC_TRUST_STORE_PASSWORD"),
];
/// Variables by which libraries are put before those of a program (`LD_PRELOAD`, `LD_AUDIT`, ...). Whoever describes a
/// program elsewhere knows nothing of this host's libraries.
const LOADER_VARIABLES: &str = "LD_";
/// Where Spark is installed.
const SPARK_HOME: &str = "SPARK_HOME";
/// What else is on the class path of a program of Spark, after the installation itself (CMD-01).
const CLASS_PATH_VARIABLES: [&str; 3] = ["HADOOP_CONF_DIR", "YARN_CONF_DIR", "SPARK_DIST_CLASSPATH"];

/// What is started.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct CommandLine {
    /// A path, or a name to look up in `PATH`.
    pub(crate) program: String,
    /// Its arguments.
    pub(crate) arguments: Vec<String>,
    /// Laid over the worker's own environment.
    pub(crate) environment: BTreeMap<String, String>,
}

/// What a command line depends on beside the command.
pub(crate) struct Host<'a> {
    /// The installations of Spark that it was told of.
    pub(crate) homes: &'a Homes,
    /// The secret of the cluster, if the worker knows it: it goes before that of a command, as in the original.
    pub(crate) secret: Option<&'a Secret>,
    /// Its own settings of TLS. Applications send no passwords to their executors: those are of the host.
    pub(crate) ssl: &'a SslSettings,
    /// Reads the worker's own environment.
    pub(crate) inherited: &'a dyn Fn(&str) -> Option<String>,
}

/// The command line of a command. The heap is that of a Java program. Blocks: it looks for Java and Spark.
///
/// # Errors
/// A Java program, and there is no Java or no Spark here.
pub(crate) fn command_line(command: Command, heap: Memory, host: &Host<'_>) -> Result<CommandLine, RunnerError> {
    let Command { program, arguments, environment } = command;
    match program {
        Program::Executable(program) => Ok(CommandLine { program, arguments, environment }),
        Program::Java(java) => {
            let installation = Installation::find(&java, &environment, host)?;
            let environment = java_environment(&java, environment, &installation, host);
            let mut line = vec!["-cp".to_owned(), installation.class_path(&java.class_path, &environment, host)];
            line.push(format!("-Xmx{}M", heap.as_mib()));
            line.extend(java.java_options.into_iter().filter(|option| !is_secret(option)));
            line.push(java.main_class);
            line.extend(arguments);
            Ok(CommandLine { program: installation.java, arguments: line, environment })
        }
    }
}

/// Whether an option must not be seen by whoever lists processes.
fn is_secret(option: &str) -> bool {
    option.starts_with(SECRET_OPTIONS) || PASSWORDS.iter().any(|(name, _)| value(option, name).is_some())
}

/// What the options set a property to. Java takes the last of several.
fn told<'a>(java: &'a JavaProgram, name: &str) -> Option<&'a str> {
    java.java_options.iter().rev().find_map(|option| value(option, name))
}

/// Whether the options switch a property on, by Spark's way of reading it.
pub(crate) fn is_on(java: &JavaProgram, name: &str) -> bool {
    told(java, name).is_some_and(|value| value.trim().eq_ignore_ascii_case("true"))
}

/// The value that an option sets, if it is the one of this name.
fn value<'a>(option: &'a str, name: &str) -> Option<&'a str> {
    option.strip_prefix(OPTION)?.strip_prefix(name)?.strip_prefix('=')
}

/// A variable of the program: the command's own value goes before the worker's. One that is empty is none.
fn variable(name: &str, environment: &BTreeMap<String, String>, host: &Host<'_>) -> Option<String> {
    environment.get(name).cloned().or_else(|| (host.inherited)(name)).filter(|value| !value.is_empty())
}

/// The releases that a program can run with.
fn families(java: &JavaProgram) -> Result<Vec<Family>, RunnerError> {
    let texts = java.spark_family.iter().flat_map(|texts| texts.split(','));
    let family = |text: &str| {
        let invalid = |_| RunnerError::NoRelease { main_class: java.main_class.clone(), value: text.to_owned() };
        text.parse().map_err(invalid)
    };
    texts.map(family).collect()
}

/// Where Java and Spark are on this host.
struct Installation {
    java: String,
    spark: PathBuf,
}

impl Installation {
    fn find(
        program: &JavaProgram,
        environment: &BTreeMap<String, String>,
        host: &Host<'_>,
    ) -> Result<Self, RunnerError> {
        let main_class = program.main_class.clone();
        let java: Vec<PathBuf> = if let Some(home) = variable("JAVA_HOME", environment, host) {
            vec![Path::new(&home).join("bin/java")]
        } else {
            let path = variable("PATH", environment, host).unwrap_or_default();
            std::env::split_paths(&path).map(|dir| dir.join("java")).collect()
        };
        // It was found from here, and is run elsewhere.
        let Some(found) = java.iter().find(|java| java.is_file()).and_then(|java| path::absolute(java).ok()) else {
            let tried = java.iter().map(|java| java.display().to_string()).collect::<Vec<_>>().join(", ");
            return Err(RunnerError::NoJava { main_class, tried });
        };
        let named = environment.get(SPARK_HOME).map(String::as_str);
        match host.homes.choose(&families(program)?, named) {
            Ok(spark) => Ok(Self { java: found.display().to_string(), spark }),
            Err(Unsuitable::None(home)) => Err(RunnerError::NoSpark { main_class, home }),
            Err(Unsuitable::Several { fitting }) => Err(RunnerError::SeveralSparks { main_class, fitting }),
            Err(Unsuitable::Others { wanted, installed }) => {
                Err(RunnerError::OtherSpark { main_class, wanted, installed })
            }
        }
    }

    /// The command's entries, then Spark's settings and jars, then what the environment adds. None stands there twice.
    fn class_path(&self, own: &[String], environment: &BTreeMap<String, String>, host: &Host<'_>) -> String {
        let settings = variable("SPARK_CONF_DIR", environment, host)
            .unwrap_or_else(|| self.spark.join("conf").display().to_string());
        let jars = self.spark.join("jars/*").display().to_string();
        let added = CLASS_PATH_VARIABLES.iter().filter_map(|name| variable(name, environment, host));
        let all: Vec<String> = own.iter().cloned().chain([settings, jars]).chain(added).collect();
        let (mut entries, mut seen) = (Vec::new(), BTreeSet::new());
        for entry in all.iter().flat_map(|path| path.split(SEPARATOR)).filter(|entry| !entry.is_empty()) {
            let is_open_dir = !entry.ends_with('/') && Path::new(entry).is_dir();
            let entry = if is_open_dir { format!("{entry}/") } else { entry.to_owned() };
            if seen.insert(entry.clone()) {
                entries.push(entry);
            }
        }
        entries.join(SEPARATOR)
    }
}

/// The command's environment with what Java and Spark are told by it.
fn java_environment(
    java: &JavaProgram,
    mut environment: BTreeMap<String, String>,
    installation: &Installation,
    host: &Host<'_>,
) -> BTreeMap<String, String> {
    environment.retain(|name, _| !name.starts_with(LOADER_VARIABLES) || name == LIBRARY_PATH);
    environment.insert(SPARK_HOME.to_owned(), installation.spark.display().to_string());
    let told = |name| told(java, name);
    if is_on(java, AUTHENTICATE)
        && let Some(secret) = host.secret.map(Secret::expose).or_else(|| told(SECRET))
    {
        environment.insert(SECRET_VARIABLE.to_owned(), secret.to_owned());
    }
    for (name, variable) in PASSWORDS {
        let own = host.ssl.0.get(name).filter(|_| is_on(java, TLS));
        if let Some(password) = told(name).or(own.map(String::as_str)) {
            environment.insert(variable.to_owned(), password.to_owned());
        }
    }
    if !java.library_path.is_empty() {
        let own = [environment.get(LIBRARY_PATH).cloned(), (host.inherited)(LIBRARY_PATH)];
        let own = own.into_iter().flatten().filter(|path| !path.is_empty());
        let path: Vec<String> = java.library_path.iter().cloned().chain(own).collect();
        environment.insert(LIBRARY_PATH.to_owned(), path.join(SEPARATOR));
    }
    environment
}

#[cfg(test)]
#[path = "program_tests.rs"]
mod tests;
