//! From a command as it was asked for to the one that is started: substituted arguments and what is laid over the
//! worker's environment (DRN-03, DRN-04, ERN-02 … ERN-04, RS-03, WL-04).

use std::collections::BTreeMap;
use std::fmt::Write as _;

use super::SslSettings;
use super::event::Ready;
use crate::model::{Command, ExecutorDescription, Program};

/// Variable that names the resources file to a driver that is no Java program.
const RESOURCES_FILE_VARIABLE: &str = "TANIST_RESOURCES_FILE";

/// The option that asks for the node's own SSL settings (WL-04).
const NODE_LOCAL_SSL: &str = "-Dspark.ssl.useNodeLocalConf=true";

/// Start of an option that sets something about SSL.
const SSL_OPTION: &str = "-Dspark.ssl.";

/// What substitution must know of this worker.
#[derive(Debug, Clone)]
pub struct Surroundings {
    /// The worker's own address as programs are told it: `spark://Worker@host:port`.
    pub worker_url: String,
    /// Its host.
    pub host: String,
    /// Start of the addresses of its log pages, up to and without `/logPage/`; none = it has no pages.
    pub log_pages: Option<String>,
    /// Its own `spark.ssl.*` settings.
    pub ssl_settings: SslSettings,
}

/// The command of a driver.
#[must_use]
pub fn driver_command(command: &Command, driver: &str, around: &Surroundings, ready: &Ready) -> Command {
    let mut built = command.clone();
    let variables = [("{{WORKER_URL}}", Some(&around.worker_url)), ("{{USER_JAR}}", ready.artifact.as_ref())];
    substitute_arguments(&mut built.arguments, &variables);
    match &mut built.program {
        // Beyond the original: the fetched file may be the program itself.
        Program::Executable(path) => substitute_arguments(std::slice::from_mut(path), &variables),
        Program::Java(java) => {
            let options = with_node_local_ssl(std::mem::take(&mut java.java_options), &around.ssl_settings);
            let file = ready.resources_file.iter();
            java.java_options =
                options.into_iter().chain(file.map(|file| format!("-Dspark.driver.resourcesFile={file}"))).collect();
        }
    }
    if let (Program::Executable(_), Some(file)) = (&built.program, &ready.resources_file) {
        built.environment.insert(RESOURCES_FILE_VARIABLE.to_owned(), file.clone());
    }
    let query = format!("driverId={}", encoded(driver));
    add_log_addresses(&mut built.environment, "SPARK_DRIVER_LOG_URL", around, &query);
    built
}

/// The command of an executor.
#[must_use]
pub fn executor_command(
    command: &Command,
    executor: &ExecutorDescription,
    around: &Surroundings,
    ready: &Ready,
) -> Command {
    let mut built = command.clone();
    let (app, id) = (executor.executor.app.to_string(), executor.executor.id.to_string());
    let (cores, profile) = (executor.cores.to_string(), executor.profile.to_string());
    let variables = [
        ("{{WORKER_URL}}", Some(&around.worker_url)),
        ("{{EXECUTOR_ID}}", Some(&id)),
        ("{{HOSTNAME}}", Some(&around.host)),
        ("{{CORES}}", Some(&cores)),
        ("{{APP_ID}}", Some(&app)),
        ("{{RESOURCE_PROFILE_ID}}", Some(&profile)),
    ];
    substitute_arguments(&mut built.arguments, &variables);
    if let Some(file) = &ready.resources_file {
        built.arguments.extend(["--resourcesFile".to_owned(), file.clone()]);
    }
    if let Program::Java(java) = &mut built.program {
        for option in &mut java.java_options {
            *option = option.replace("{{APP_ID}}", &app).replace("{{EXECUTOR_ID}}", &id);
        }
        java.java_options = with_node_local_ssl(std::mem::take(&mut java.java_options), &around.ssl_settings);
    }
    if !ready.scratch.is_empty() {
        built.environment.insert("SPARK_EXECUTOR_DIRS".to_owned(), ready.scratch.join(":"));
    }
    built.environment.insert("SPARK_LAUNCH_WITH_SCALA".to_owned(), "0".to_owned());
    let query = format!("appId={}&executorId={id}", encoded(&app));
    add_log_addresses(&mut built.environment, "SPARK_LOG_URL", around, &query);
    built
}

/// Replaces arguments that are a variable and nothing else. One without a value here stays as it is.
fn substitute_arguments(arguments: &mut [String], variables: &[(&str, Option<&String>)]) {
    for argument in arguments {
        let known = variables.iter().find(|(name, _)| argument == name);
        if let Some((_, Some(value))) = known {
            argument.clone_from(value);
        }
    }
}

fn add_log_addresses(environment: &mut BTreeMap<String, String>, prefix: &str, around: &Surroundings, query: &str) {
    let Some(pages) = &around.log_pages else { return };
    for stream in ["stdout", "stderr"] {
        let variable = format!("{prefix}_{}", stream.to_uppercase());
        environment.insert(variable, format!("{pages}/logPage/?{query}&logType={stream}"));
    }
}

/// WL-04: where the options ask for it, their SSL settings are replaced by those of this node.
#[must_use]
pub fn with_node_local_ssl(options: Vec<String>, settings: &SslSettings) -> Vec<String> {
    if !wants_node_local_ssl(&options) {
        return options;
    }
    let kept = options.into_iter().filter(|option| !option.starts_with(SSL_OPTION) || option == NODE_LOCAL_SSL);
    let own = settings.0.iter().filter(|(name, _)| name.starts_with("spark.ssl."));
    kept.chain(own.map(|(name, value)| format!("-D{name}={value}"))).collect()
}

/// Whether the options ask for the SSL settings of the node (T-WK-01).
pub fn wants_node_local_ssl(options: &[String]) -> bool {
    options.iter().any(|option| option == NODE_LOCAL_SSL)
}

/// A text as a part of a query: everything but letters, digits and `-._~` as `%` and two digits.
pub fn encoded(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for byte in text.bytes() {
        if byte.is_ascii_alphanumeric() || b"-._~".contains(&byte) {
            out.push(char::from(byte));
        } else {
            // Writing into a text cannot fail.
            let _ = write!(out, "%{byte:02X}");
        }
    }
    out
}

#[cfg(test)]
#[path = "substitute_tests.rs"]
mod tests;
