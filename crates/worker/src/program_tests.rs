//! Command lines of Java programs, with an installation of Java and Spark that has no more than names.

use std::fs;

use tempfile::TempDir;

use super::*;

const AUTHENTICATED: &str = "-Dspark.authenticate=true";
const SEALED: &str = "-Dspark.ssl.rpc.enabled=true";

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
            spark_family: None,
        }),
        arguments: strings(&["1", "two words"]),
        environment: environment.iter().map(|&(k, v)| (k.to_owned(), v.to_owned())).collect(),
    }
}

/// A host with Java in `java` and Spark in `spark`.
struct Installed(TempDir);

impl Installed {
    fn new() -> Self {
        let dir = tempfile::tempdir().unwrap();
        for file in ["java/bin/java", "spark/jars/spark.jar", "spark/conf/log4j2.properties"] {
            fs::create_dir_all(dir.path().join(file).parent().unwrap()).unwrap();
            fs::write(dir.path().join(file), "").unwrap();
        }
        Self(dir)
    }

    fn path(&self, name: &str) -> String {
        self.0.path().join(name).display().to_string()
    }

    fn build(&self, command: Command, inherited: &[(&str, &str)]) -> Result<CommandLine, RunnerError> {
        let homes = Homes { usual: Some(self.path("spark").into()), ..Homes::default() };
        self.build_with(command, &homes, inherited)
    }

    fn build_with(
        &self,
        command: Command,
        homes: &Homes,
        inherited: &[(&str, &str)],
    ) -> Result<CommandLine, RunnerError> {
        let own = std::iter::once(("JAVA_HOME", self.path("java")));
        let variables: BTreeMap<&str, String> = own.chain(inherited.iter().map(|&(k, v)| (k, v.to_owned()))).collect();
        let inherited = |name: &str| variables.get(name).cloned();
        command_line(
            command,
            Memory::mib(512),
            &Host { homes, secret: None, ssl: &SslSettings::default(), inherited: &inherited },
        )
    }

    fn line(&self, command: Command, inherited: &[(&str, &str)]) -> CommandLine {
        self.build(command, inherited).unwrap()
    }
}

#[test]
fn cmd_01_java() {
    let host = Installed::new();
    let built = host.line(java(&["-Dx=y", "-Dz=a b"], &[], &[]), &[]);
    assert_eq!(built.program, host.path("java/bin/java"));
    let class_path = format!("/jars/a.jar:/jars/*:{}/:{}", host.path("spark/conf"), host.path("spark/jars/*"));
    let expected = ["-cp", &class_path, "-Xmx512M", "-Dx=y", "-Dz=a b", "com.example.Main", "1", "two words"];
    assert_eq!(built.arguments, expected);
    assert_eq!(built.environment["SPARK_HOME"], host.path("spark"));
}

#[test]
fn cmd_01_the_class_path_ends_with_what_the_environment_adds() {
    let host = Installed::new();
    let own = [("YARN_CONF_DIR", "/yarn"), ("SPARK_CONF_DIR", "/settings"), ("SPARK_DIST_CLASSPATH", "")];
    let inherited =
        [("HADOOP_CONF_DIR", "/hadoop:/jars/*"), ("YARN_CONF_DIR", "/other"), ("SPARK_DIST_CLASSPATH", "/d")];
    let built = host.line(java(&[], &[], &own), &inherited);
    let jars = host.path("spark/jars/*");
    assert_eq!(built.arguments[1], format!("/jars/a.jar:/jars/*:/settings:{jars}:/hadoop:/yarn"));
}

#[test]
fn cmd_01_java_and_spark_are_those_of_the_command_the_setting_and_the_path() {
    let host = Installed::new();
    fs::create_dir_all(host.0.path().join("other/bin")).unwrap();
    fs::write(host.path("other/bin/java"), "").unwrap();
    let own = host.line(java(&[], &[], &[("JAVA_HOME", &host.path("other/"))]), &[]);
    assert_eq!(own.program, host.path("other/bin/java"), "the command's environment goes first");
    let path = format!("/no/such/dir:{}", host.path("other/bin"));
    let found = host.line(java(&[], &[], &[]), &[("JAVA_HOME", ""), ("PATH", &path)]);
    assert_eq!(found.program, host.path("other/bin/java"));

    let command = java(&[], &[], &[("SPARK_HOME", "/of/the/client")]);
    let built = host.line(command, &[("SPARK_HOME", "/elsewhere")]);
    assert_eq!(built.environment["SPARK_HOME"], host.path("spark"), "the installation is this host's");
}

#[test]
fn cmd_01_java_is_run_where_it_was_found() {
    let host = Installed(tempfile::tempdir_in(env!("CARGO_MANIFEST_DIR")).unwrap());
    for file in ["java/bin/java", "spark/jars/spark.jar"] {
        fs::create_dir_all(host.0.path().join(file).parent().unwrap()).unwrap();
        fs::write(host.0.path().join(file), "").unwrap();
    }
    let here = std::env::current_dir().unwrap();
    let relative = host.0.path().strip_prefix(here).unwrap().join("java").display().to_string();
    let built = host.line(java(&[], &[], &[]), &[("JAVA_HOME", &relative)]);
    assert_eq!(built.program, host.path("java/bin/java"), "the program runs in a directory of its own");
}

#[test]
fn cmd_01_without_java_or_spark_the_error_names_the_setting() {
    let host = Installed::new();
    let spark = |home: Option<&str>| Homes { usual: home.map(PathBuf::from), ..Homes::default() };
    let good = host.path("spark");
    let no_variable: &[(&str, &str)] = &[];
    for (home, inherited, expected) in [
        (Some(&*good), &[("JAVA_HOME", "/no/java")][..], &["/no/java/bin/java", "JAVA_HOME"][..]),
        (Some(&*good), &[("JAVA_HOME", ""), ("PATH", "/no/a:/no/b")], &["/no/a/java, /no/b/java", "JAVA_HOME"]),
        (None, no_variable, &["spark.homes", "worker.spark_home", "SPARK_HOME"]),
        (Some("/no/spark"), no_variable, &["/no/spark/jars", "worker.spark_home"]),
    ] {
        let refused = host.build_with(java(&[], &[], &[]), &spark(home), inherited).unwrap_err();
        let error = refused.to_string();
        assert!(error.contains("com.example.Main"), "{error}");
        assert!(expected.iter().all(|part| error.contains(part)), "{expected:?}: {error}");
    }
}

/// A program of these releases.
fn of_release(families: &str) -> Command {
    let mut command = java(&[], &[], &[]);
    if let Program::Java(java) = &mut command.program {
        java.spark_family = Some(families.to_owned());
    }
    command
}

#[test]
fn cmd_01_a_program_runs_with_its_own_release_of_spark() {
    let host = Installed::new();
    for (name, archive) in [("spark", "spark-core_2.13-4.1.4.jar"), ("old", "spark-core_2.12-3.5.9.jar")] {
        fs::create_dir_all(host.0.path().join(name).join("jars")).unwrap();
        fs::write(host.0.path().join(name).join("jars").join(archive), "").unwrap();
    }
    let old: PathBuf = host.path("old").into();
    let homes = Homes { usual: Some(host.path("spark").into()), by_family: [("3.5".parse().unwrap(), old)].into() };
    for (families, home) in [("3.4,3.5", "old"), ("4.1,4.2", "spark")] {
        let built = host.build_with(of_release(families), &homes, &[]).unwrap();
        assert_eq!(built.environment["SPARK_HOME"], host.path(home));
        assert!(built.arguments[1].contains(&host.path(&format!("{home}/jars/*"))), "{}", built.arguments[1]);
    }
    let error = host.build_with(of_release("4.3"), &homes, &[]).unwrap_err().to_string();
    let installed =
        format!("Spark 4.3, and this worker's host has 3.5 in {}, 4.1 in {}", host.path("old"), host.path("spark"));
    assert!(error.contains(&installed) && error.contains("spark.homes") && error.lines().count() == 1, "{error}");
    let error = host.build_with(of_release("new"), &homes, &[]).unwrap_err().to_string();
    assert!(error.contains("\"new\"") && error.contains("such as 3.5"), "{error}");
}

#[test]
fn ern_03_what_the_driver_wants_preloaded_stays_out() {
    let host = Installed::new();
    let own = [("LD_PRELOAD", "/evil.so"), ("LD_AUDIT", "/evil.so"), (LIBRARY_PATH, "/own"), ("OLD_X", "1")];
    let built = host.line(java(&[], &[], &own), &[]);
    let kept: Vec<&str> = built.environment.keys().map(String::as_str).collect();
    assert_eq!(kept, [LIBRARY_PATH, "OLD_X", "SPARK_HOME"]);
}

#[test]
fn t_cu_01_cmd_02_the_library_path_begins_with_the_command_s_entries() {
    let host = Installed::new();
    let path = |command, inherited| host.line(command, inherited).environment.get(LIBRARY_PATH).cloned();
    let both = path(java(&[], &["/a", "/b"], &[(LIBRARY_PATH, "/own")]), &[(LIBRARY_PATH, "/worker")]);
    assert_eq!(both.as_deref(), Some("/a:/b:/own:/worker"));
    assert_eq!(path(java(&[], &["/a"], &[]), &[]).as_deref(), Some("/a"));
    assert_eq!(path(java(&[], &[], &[]), &[(LIBRARY_PATH, "/worker")]), None, "inherited as it is");
}

#[test]
fn t_cu_02_cmd_03_the_secret_is_never_an_argument() {
    let host = Installed::new();
    let secret = "-Dspark.authenticate.secret=s3cr3t";
    let built = host.line(java(&[AUTHENTICATED, secret], &[], &[]), &[]);
    assert!(!built.arguments.iter().any(|argument| argument.contains("s3cr3t")), "{built:?}");
    assert_eq!(built.environment[SECRET_VARIABLE], "s3cr3t");
    let off = host.line(java(&[secret], &[], &[]), &[]);
    assert!(!format!("{off:?}").contains("s3cr3t"), "stripped without authentication as well");
}

#[test]
fn cmd_03_programs_are_told_the_secrets_that_they_need() {
    let host = Installed::new();
    let secret = Secret::new("s3cr3t".to_owned()).unwrap();
    let ssl = SslSettings([("spark.ssl.rpc.keyPassword".to_owned(), "of this host".to_owned())].into());
    let told = |options: &[&str]| {
        let java_home = host.path("java");
        let inherited = |name: &str| (name == "JAVA_HOME").then(|| java_home.clone());
        let homes = Homes { usual: Some(host.path("spark").into()), ..Homes::default() };
        let around = Host { homes: &homes, secret: Some(&secret), ssl: &ssl, inherited: &inherited };
        command_line(java(options, &[], &[]), Memory::mib(512), &around).unwrap()
    };
    for options in [&[AUTHENTICATED][..], &[AUTHENTICATED, "-Dspark.authenticate.secret=another"]] {
        let built = told(options);
        assert_eq!(built.environment[SECRET_VARIABLE], "s3cr3t");
        assert!(!built.arguments.iter().any(|argument| argument.contains("s3cr3t") || argument.contains("another")));
    }
    let (password, name) = ("_SPARK_SSL_RPC_KEY_PASSWORD", "-Dspark.ssl.rpc.keyPassword=of the application");
    assert_eq!(told(&[SEALED]).environment[password], "of this host");
    assert_eq!(told(&[SEALED, name]).environment[password], "of the application");
    let neither = told(&[]).environment;
    assert_eq!((neither.get(SECRET_VARIABLE), neither.get(password)), (None, None), "others need not know it");
}

#[test]
fn cmd_03_the_file_of_a_secret_is_not_the_secret() {
    let host = Installed::new();
    let (file, secret) = ("-Dspark.authenticate.secret.file=/path", "-Dspark.authenticate.secret=s3cr3t");
    let built = host.line(java(&[AUTHENTICATED, file, secret], &[], &[]), &[]);
    assert_eq!(built.environment[SECRET_VARIABLE], "s3cr3t");
    let alone = host.line(java(&[AUTHENTICATED, file], &[], &[]), &[]);
    assert_eq!(alone.environment.get(SECRET_VARIABLE), None);
    for built in [built, alone] {
        assert!(!built.arguments.iter().any(|argument| argument.contains("/path")), "stripped as well: {built:?}");
    }
}

#[test]
fn wl_04_passwords_of_rpc_are_never_arguments() {
    let host = Installed::new();
    let options = [
        "-Dspark.ssl.rpc.enabled=true",
        "-Dspark.ssl.rpc.keyPassword=s3cr3t-1",
        "-Dspark.ssl.rpc.privateKeyPassword=s3cr3t-2",
        "-Dspark.ssl.rpc.keyStorePassword=s3cr3t-3",
        "-Dspark.ssl.rpc.trustStorePassword=s3cr3t=4",
    ];
    let built = host.line(java(&options, &[], &[("_SPARK_SSL_RPC_KEY_PASSWORD", "of the client")]), &[]);
    assert!(!built.arguments.iter().any(|argument| argument.contains("s3cr3t")), "{built:?}");
    assert!(built.arguments.iter().any(|argument| argument == options[0]), "{built:?}");
    let variables = ["KEY", "PRIVATE_KEY", "KEY_STORE", "TRUST_STORE"];
    let passwords = variables.map(|name| built.environment[&format!("_SPARK_SSL_RPC_{name}_PASSWORD")].as_str());
    assert_eq!(passwords, ["s3cr3t-1", "s3cr3t-2", "s3cr3t-3", "s3cr3t=4"]);
}

#[test]
fn other_programs_need_neither_java_nor_spark() {
    let command = Command { program: Program::Executable("sh".to_owned()), ..Command::default() };
    let nothing = |_: &str| None;
    let (homes, ssl) = (Homes::default(), SslSettings::default());
    let host = Host { homes: &homes, secret: None, ssl: &ssl, inherited: &nothing };
    let built = command_line(command, Memory::mib(1), &host).unwrap();
    assert_eq!((built.program.as_str(), built.environment.len()), ("sh", 0));
}
