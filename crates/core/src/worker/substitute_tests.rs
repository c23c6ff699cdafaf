//! Tables of substitution: T-ER-01, T-WK-01, T-WK-02.

use super::*;
use crate::ids::{AppId, ExecutorId, ExecutorRef, ProfileId};
use crate::model::{Addresses, ExecutorState, JavaProgram};
use crate::units::{Cores, Memory};

fn around() -> Surroundings {
    Surroundings {
        worker_url: "spark://Worker@h:1".to_owned(),
        host: "h".to_owned(),
        log_pages: Some("http://h:8081".to_owned()),
        ssl_settings: SslSettings::default(),
    }
}

fn executor() -> ExecutorDescription {
    ExecutorDescription {
        executor: ExecutorRef { app: AppId::new("app&1").unwrap(), id: ExecutorId(7) },
        profile: ProfileId(2),
        cores: Cores(4),
        memory: Memory::mib(1),
        resources: Addresses::default(),
        state: ExecutorState::Launching,
    }
}

fn words(words: &[&str]) -> Vec<String> {
    words.iter().map(|&word| word.to_owned()).collect()
}

#[test]
fn ern_02_whole_arguments_are_replaced_and_parts_are_not() {
    let arguments = words(&[
        "{{WORKER_URL}}",
        "{{EXECUTOR_ID}}",
        "{{HOSTNAME}}",
        "{{CORES}}",
        "{{APP_ID}}",
        "{{RESOURCE_PROFILE_ID}}",
        "--id={{EXECUTOR_ID}}",
        "{{USER_JAR}}",
        "app&1",
    ]);
    let command = Command { arguments, ..Command::default() };
    let built = executor_command(&command, &executor(), &around(), &Ready::default());
    let expected = ["spark://Worker@h:1", "7", "h", "4", "app&1", "2", "--id={{EXECUTOR_ID}}", "{{USER_JAR}}", "app&1"];
    assert_eq!(built.arguments, expected, "T-ER-01: an argument that looks like the id stays as it is");
    let url = &built.environment["SPARK_LOG_URL_STDERR"];
    assert_eq!(url, "http://h:8081/logPage/?appId=app%261&executorId=7&logType=stderr");
}

#[test]
fn ern_02_java_options_are_replaced_anywhere() {
    let java_options = words(&["-Dname={{APP_ID}}-{{EXECUTOR_ID}}", "-Dhost={{HOSTNAME}}"]);
    let program = Program::Java(JavaProgram { java_options, ..JavaProgram::default() });
    let command = Command { program, ..Command::default() };
    let built = executor_command(&command, &executor(), &around(), &Ready::default());
    let Program::Java(java) = built.program else { panic!() };
    assert_eq!(java.java_options, ["-Dname=app&1-7", "-Dhost={{HOSTNAME}}"]);
}

#[test]
fn drn_03_the_fetched_file_is_named() {
    let ready = Ready { artifact: Some("/w/d/a.jar".to_owned()), ..Ready::default() };
    let command = Command {
        program: Program::Executable("{{USER_JAR}}".to_owned()),
        arguments: words(&["{{USER_JAR}}", "{{WORKER_URL}}", "x{{USER_JAR}}", "{{CORES}}"]),
        ..Command::default()
    };
    let built = driver_command(&command, "driver-1", &around(), &ready);
    assert_eq!(built.program.name(), "/w/d/a.jar");
    assert_eq!(built.arguments, ["/w/d/a.jar", "spark://Worker@h:1", "x{{USER_JAR}}", "{{CORES}}"]);
    let unfetched = driver_command(&command, "driver-1", &around(), &Ready::default());
    assert_eq!(unfetched.arguments[0], "{{USER_JAR}}", "without a file there is nothing to name");
}

#[test]
fn rs_03_the_resources_file_is_handed_on() {
    let ready = Ready { resources_file: Some("/w/r.json".to_owned()), ..Ready::default() };
    let plain = Command::default();
    assert_eq!(executor_command(&plain, &executor(), &around(), &ready).arguments, ["--resourcesFile", "/w/r.json"]);
    assert_eq!(driver_command(&plain, "d", &around(), &ready).environment["TANIST_RESOURCES_FILE"], "/w/r.json");
    let java = Command { program: Program::Java(JavaProgram::default()), ..Command::default() };
    let Program::Java(java) = driver_command(&java, "d", &around(), &ready).program else { panic!() };
    assert_eq!(java.java_options, ["-Dspark.driver.resourcesFile=/w/r.json"]);
}

#[test]
fn drn_04_own_variables_win_over_those_of_the_command_and_no_pages_mean_no_address() {
    let environment = [("SPARK_LAUNCH_WITH_SCALA".to_owned(), "1".to_owned()), ("X".to_owned(), "y".to_owned())];
    let command = Command { environment: environment.into(), ..Command::default() };
    let without_pages = Surroundings { log_pages: None, ..around() };
    let built = executor_command(&command, &executor(), &without_pages, &Ready::default());
    assert_eq!(
        built.environment.into_iter().collect::<Vec<_>>(),
        [("SPARK_LAUNCH_WITH_SCALA".to_owned(), "0".to_owned()), ("X".to_owned(), "y".to_owned()),]
    );
}

#[test]
fn t_wk_01_only_the_exact_option_asks_for_node_local_ssl() {
    assert!(wants_node_local_ssl(&words(&["-Dx=y", "-Dspark.ssl.useNodeLocalConf=true"])));
    for other in ["-Dspark.ssl.useNodeLocalConf=false", "-Dspark.ssl.useNodeLocalConf=", "-Dspark.ssl.opt1=x"] {
        assert!(!wants_node_local_ssl(&words(&[other])), "{other}");
    }
}

#[test]
fn t_wk_02_node_local_ssl_replaces_the_settings_sent_along() {
    let own = [("spark.ssl.opt1", "y"), ("spark.ssl.opt2", "z"), ("spark.other", "no")];
    let own = own.map(|(name, value)| (name.to_owned(), value.to_owned()));
    let own = SslSettings(own.into());
    for unasked in [&["-Dspark.ssl.opt1=x"][..], &["-Dspark.ssl.useNodeLocalConf=false", "-Dspark.ssl.opt1=x"][..]] {
        assert_eq!(with_node_local_ssl(words(unasked), &own), words(unasked));
    }
    let asked = words(&["-Dspark.ssl.useNodeLocalConf=true", "-Dspark.ssl.opt1=x", "-Da=b"]);
    assert_eq!(
        with_node_local_ssl(asked, &own),
        ["-Dspark.ssl.useNodeLocalConf=true", "-Da=b", "-Dspark.ssl.opt1=y", "-Dspark.ssl.opt2=z",]
    );
}

#[test]
fn wl_04_drivers_and_executors_get_the_node_s_ssl_settings_before_anything_else_is_added() {
    let ssl_settings = SslSettings([("spark.ssl.a".to_owned(), "s3cr3t".to_owned())].into());
    let around = Surroundings { ssl_settings, ..around() };
    assert!(!format!("{around:?}").contains("s3cr3t"), "passwords are not shown");
    let java_options = words(&["-Dspark.ssl.useNodeLocalConf=true", "-Dspark.ssl.a=x", "-Dz={{APP_ID}}"]);
    let program = Program::Java(JavaProgram { java_options, ..JavaProgram::default() });
    let command = Command { program, ..Command::default() };
    let ready = Ready { resources_file: Some("/r.json".to_owned()), ..Ready::default() };
    let options = |command: Command| match command.program {
        Program::Java(java) => java.java_options,
        Program::Executable(path) => panic!("{path}"),
    };
    let driver = options(driver_command(&command, "d", &around, &ready));
    assert_eq!(
        driver,
        [
            "-Dspark.ssl.useNodeLocalConf=true",
            "-Dz={{APP_ID}}",
            "-Dspark.ssl.a=s3cr3t",
            "-Dspark.driver.resourcesFile=/r.json"
        ]
    );
    let executor = options(executor_command(&command, &executor(), &around, &ready));
    assert_eq!(executor, ["-Dspark.ssl.useNodeLocalConf=true", "-Dz=app&1", "-Dspark.ssl.a=s3cr3t"]);
}
