//! From a command to a command line (CMD-01 … CMD-03).

use std::collections::BTreeMap;

use tanist_core::model::{Command, JavaProgram, Program};
use tanist_core::units::Memory;

/// Where the platform looks for native libraries (CMD-02).
const LIBRARY_PATH: &str = "LD_LIBRARY_PATH";
/// Between the entries of a path of several (CMD-01).
const SEPARATOR: &str = ":";
/// Switches authentication on (CMD-03).
const AUTHENTICATE: &str = "-Dspark.authenticate=true";
/// What gives the secret away to everybody who can list processes (CMD-03).
const SECRET_OPTION: &str = "-Dspark.authenticate.secret";
/// Where the secret goes instead.
const SECRET_VARIABLE: &str = "_SPARK_AUTH_SECRET";

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

/// The command line of a command. `memory` is for the heap of a Java program; `inherited` reads the worker's own
/// environment.
pub(crate) fn command_line(
    command: Command,
    memory: Memory,
    inherited: impl Fn(&str) -> Option<String>,
) -> CommandLine {
    let Command { program, arguments, environment } = command;
    match program {
        Program::Executable(program) => CommandLine { program, arguments, environment },
        Program::Java(java) => java_command_line(java, arguments, environment, memory, inherited),
    }
}

fn java_command_line(
    java: JavaProgram,
    arguments: Vec<String>,
    mut environment: BTreeMap<String, String>,
    memory: Memory,
    inherited: impl Fn(&str) -> Option<String>,
) -> CommandLine {
    let variable = |environment: &BTreeMap<String, String>, name: &str| {
        environment.get(name).cloned().or_else(|| inherited(name)).filter(|value| !value.is_empty())
    };
    let home = variable(&environment, "JAVA_HOME");
    let program = home.map_or_else(|| "java".to_owned(), |home| format!("{}/bin/java", home.trim_end_matches('/')));
    let (secrets, options): (Vec<String>, Vec<String>) =
        java.java_options.into_iter().partition(|option| option.starts_with(SECRET_OPTION));
    if options.iter().any(|option| option == AUTHENTICATE)
        && let Some((_, secret)) = secrets.iter().find_map(|option| option.split_once('='))
    {
        environment.insert(SECRET_VARIABLE.to_owned(), secret.to_owned());
    }
    if !java.library_path.is_empty() {
        let own = [environment.get(LIBRARY_PATH).cloned(), inherited(LIBRARY_PATH)];
        let own = own.into_iter().flatten().filter(|path| !path.is_empty());
        let path: Vec<String> = java.library_path.into_iter().chain(own).collect();
        environment.insert(LIBRARY_PATH.to_owned(), path.join(SEPARATOR));
    }
    let mut line = Vec::new();
    if !java.class_path.is_empty() {
        line.extend(["-cp".to_owned(), java.class_path.join(SEPARATOR)]);
    }
    line.push(format!("-Xmx{}m", memory.as_mib()));
    line.extend(options);
    line.push(java.main_class);
    line.extend(arguments);
    CommandLine { program, arguments: line, environment }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn strings(texts: &[&str]) -> Vec<String> {
        texts.iter().map(|&text| text.to_owned()).collect()
    }

    fn java(options: &[&str], library_path: &[&str], environment: &[(&str, &str)]) -> Command {
        Command {
            program: Program::Java(JavaProgram {
                main_class: "com.example.Main".to_owned(),
                class_path: strings(&["/jars/a.jar", "/jars/*"]),
                library_path: strings(library_path),
                java_options: strings(options),
            }),
            arguments: strings(&["1", "two words"]),
            environment: environment.iter().map(|&(k, v)| (k.to_owned(), v.to_owned())).collect(),
        }
    }

    fn line(command: Command, inherited: &[(&str, &str)]) -> CommandLine {
        let inherited = |name: &str| inherited.iter().find(|(k, _)| *k == name).map(|(_, v)| (*v).to_owned());
        command_line(command, Memory::mib(512), inherited)
    }

    #[test]
    fn cmd_01_java() {
        let built = line(java(&["-Dx=y"], &[], &[]), &[]);
        assert_eq!(built.program, "java");
        let expected = ["-cp", "/jars/a.jar:/jars/*", "-Xmx512m", "-Dx=y", "com.example.Main", "1", "two words"];
        assert_eq!(built.arguments, expected);
        assert_eq!(line(java(&[], &[], &[]), &[("JAVA_HOME", "/worker/java/")]).program, "/worker/java/bin/java");
        let own = line(java(&[], &[], &[("JAVA_HOME", "/own")]), &[("JAVA_HOME", "/worker")]);
        assert_eq!(own.program, "/own/bin/java", "the command's environment goes first");
    }

    #[test]
    fn cmd_02_library_path() {
        let path = |command, inherited| line(command, inherited).environment.get(LIBRARY_PATH).cloned();
        let both = path(java(&[], &["/a", "/b"], &[(LIBRARY_PATH, "/own")]), &[(LIBRARY_PATH, "/worker")]);
        assert_eq!(both.as_deref(), Some("/a:/b:/own:/worker"));
        assert_eq!(path(java(&[], &["/a"], &[]), &[]).as_deref(), Some("/a"));
        assert_eq!(path(java(&[], &[], &[]), &[(LIBRARY_PATH, "/worker")]), None, "inherited as it is");
    }

    #[test]
    fn cmd_03_the_secret_is_never_an_argument() {
        let secret = "-Dspark.authenticate.secret=s3cr3t";
        let built = line(java(&[AUTHENTICATE, secret], &[], &[]), &[]);
        assert!(!built.arguments.iter().any(|argument| argument.contains("s3cr3t")), "{built:?}");
        assert_eq!(built.environment[SECRET_VARIABLE], "s3cr3t");
        let off = line(java(&[secret], &[], &[]), &[]);
        assert!(!format!("{off:?}").contains("s3cr3t"), "stripped without authentication as well");
    }
}
