use std::collections::BTreeMap;

use tanist_core::model::{DriverDescription, JavaProgram, Program};
use tanist_core::units::{Cores, Memory};

use super::Variables;
use super::describe::{Here, WRAPPED_CLASS, describe};
use super::request::Submission;

fn here() -> Here {
    let variables = Variables(BTreeMap::from([("SPARK_SCALA_VERSION".to_owned(), "2.13".to_owned())]));
    Here { rpc: "127.0.0.1:17077".to_owned(), rest_port: 17066, variables }
}

fn texts(pairs: &[(&str, &str)]) -> BTreeMap<String, String> {
    pairs.iter().map(|&(name, value)| (name.to_owned(), value.to_owned())).collect()
}

fn submission(properties: &[(&str, &str)]) -> Submission {
    Submission {
        app_resource: "file:/jars/probe.jar".to_owned(),
        main_class: "ProbeDriver".to_owned(),
        app_args: vec!["6".to_owned(), "0".to_owned()],
        properties: texts(properties),
        ..Submission::default()
    }
}

fn described(properties: &[(&str, &str)]) -> DriverDescription {
    describe(&submission(properties), &here()).unwrap()
}

fn java(description: &DriverDescription) -> &JavaProgram {
    let Program::Java(java) = &description.command.program else { panic!("no Java program: {description:?}") };
    java
}

fn option<'a>(description: &'a DriverDescription, name: &str) -> Option<&'a str> {
    let start = format!("-D{name}=");
    java(description).java_options.iter().find_map(|option| option.strip_prefix(&start))
}

#[test]
fn the_captured_submission_becomes_the_original_s_command_re_11() {
    let description = described(&[
        ("spark.app.name", "probe"),
        ("spark.master", "spark://127.0.0.1:17066,127.0.0.1:17067"),
        ("spark.driver.memory", "200m"),
        ("spark.driver.cores", "2"),
        ("spark.driver.supervise", "TRUE"),
        ("spark.driver.resource.gpu.amount", "1"),
        ("spark.driver.extraJavaOptions", "-Dmy.opt='1 2' -XX:+UseSerialGC"),
        ("spark.driver.defaultJavaOptions", "-Dfirst=1"),
        ("spark.driver.extraClassPath", "/a:/b"),
        ("spark.driver.extraLibraryPath", "/lib"),
    ]);
    assert_eq!(description.artifact.as_deref(), Some("file:/jars/probe.jar"));
    assert_eq!((description.memory, description.cores, description.supervise), (Memory::mib(200), Cores(2), true));
    assert_eq!(description.resources.of("gpu"), 1);
    assert_eq!(description.command.arguments, ["{{WORKER_URL}}", "{{USER_JAR}}", "ProbeDriver", "6", "0"]);
    assert_eq!(description.command.arguments[WRAPPED_CLASS], "ProbeDriver");
    let java = java(&description);
    assert_eq!(java.main_class, "org.apache.spark.deploy.worker.DriverWrapper");
    assert_eq!(
        (java.class_path.as_slice(), java.library_path.as_slice()),
        (["/a".to_owned(), "/b".to_owned()].as_slice(), ["/lib".to_owned()].as_slice())
    );
    assert_eq!(java.java_options[0], "-XX:+IgnoreUnrecognizedVMOptions", "module options come first (CMD-04)");
    let end = java.java_options.len() - 3;
    assert_eq!(java.java_options[end..], ["-Dfirst=1", "-Dmy.opt=1 2", "-XX:+UseSerialGC"], "a user's own come last");
    assert_eq!(option(&description, "spark.driver.extraJavaOptions"), Some("-Dmy.opt='1 2' -XX:+UseSerialGC"));
    assert_eq!(option(&description, "spark.driver.resource.gpu.amount"), Some("1"), "every property is an option");
}

#[test]
fn a_driver_runs_with_the_release_of_its_client_re_11() {
    for (version, wanted) in [
        ("4.1.4", Some("4.1")),
        ("3.5.9", Some("3.5")),
        ("4.0.0-SNAPSHOT", Some("4.0")),
        ("3.5.0-amzn-1", Some("3.5")),
        // By hand, after an old example, which the original takes.
        ("1.5.0", None),
        ("", None),
        ("4", None),
        ("four.one", None),
        ("4.x", None),
        ("4.99999999", None),
    ] {
        let asked = Submission { spark_version: version.to_owned(), ..submission(&[]) };
        let described = describe(&asked, &here()).unwrap();
        assert_eq!(java(&described).spark_family.as_deref(), wanted, "{version:?}");
    }
}

#[test]
fn what_is_not_said_has_the_original_s_defaults_re_11() {
    let description = described(&[]);
    assert_eq!((description.memory, description.cores, description.supervise), (Memory::mib(1024), Cores(1), false));
    assert!(description.resources.is_empty());
    assert_eq!(option(&description, "spark.master"), Some("spark://127.0.0.1:17077"), "this master (T-RS-02)");
    let python = Submission { app_resource: String::new(), ..submission(&[]) };
    assert_eq!(describe(&python, &here()).unwrap().artifact, None, "nothing to fetch");
}

#[test]
fn rest_ports_of_masters_become_their_others_re_12() {
    for (given, wanted) in [
        ("spark://127.0.0.1:17066,127.0.0.1:17067", "spark://127.0.0.1:17077,127.0.0.1:17067"),
        ("spark://a:17066,b:17066,c:17066", "spark://a:17077,b:17077,c:17077"),
        ("spark://a:170661", "spark://a:170661"),
        ("local[1]", "local[1]"),
    ] {
        assert_eq!(option(&described(&[("spark.master", given)]), "spark.master"), Some(wanted));
    }
}

#[test]
fn a_client_s_own_addresses_are_dropped_and_names_are_filled_in_here_re_13_t_rs_23() {
    let mut submission = submission(&[]);
    submission.environment = texts(&[
        ("SPARK_X", "1"),
        ("SPARK_LOCAL_IP", "9.9.9.9"),
        ("SPARK_LOCAL_HOSTNAME", "laptop"),
        ("SCALA", "{{SPARK_SCALA_VERSION}}"),
        ("UNKNOWN", "{{NOT_SET_HERE}}"),
        ("PART", "x{{SPARK_SCALA_VERSION}}"),
    ]);
    let environment = describe(&submission, &here()).unwrap().command.environment;
    let wanted =
        [("SPARK_X", "1"), ("SCALA", "2.13"), ("UNKNOWN", "{{NOT_SET_HERE}}"), ("PART", "x{{SPARK_SCALA_VERSION}}")];
    assert_eq!(environment, texts(&wanted));
}

#[test]
fn values_of_properties_are_filled_in_as_well_t_rs_24() {
    let description = described(&[("spark.x", "{{SPARK_SCALA_VERSION}}"), ("spark.y", "{{}}")]);
    assert_eq!(option(&description, "spark.x"), Some("2.13"));
    assert_eq!(option(&description, "spark.y"), Some("{{}}"));
}

#[test]
fn what_is_made_of_properties_is_made_of_what_was_filled_in_re_13() {
    let variables = [
        ("MASTERS", "spark://a:17066,b:17066"),
        ("DEFAULTS", "-Dfirst=1 -Dsecond=2"),
        ("EXTRA", "-Dmy.opt='1 2'"),
        ("CLASSES", "/a:/b"),
        ("LIBRARIES", "/lib"),
        ("NAME", "app1"),
    ];
    let here = Here { variables: Variables(texts(&variables)), ..here() };
    let asked = submission(&[
        ("spark.master", "{{MASTERS}}"),
        ("spark.driver.defaultJavaOptions", "{{DEFAULTS}}"),
        ("spark.driver.extraJavaOptions", "{{EXTRA}}"),
        ("spark.driver.extraClassPath", "{{CLASSES}}"),
        ("spark.driver.extraLibraryPath", "{{LIBRARIES}}"),
        ("spark.app.name", "{{NAME}}"),
    ]);
    let submit = Submission { main_class: "org.apache.spark.deploy.SparkSubmit".to_owned(), ..asked };
    let description = describe(&submit, &here).unwrap();
    let java = java(&description);
    assert_eq!(option(&description, "spark.master"), Some("spark://a:17077,b:17077"));
    let end = java.java_options.len() - 3;
    assert_eq!(java.java_options[end..], ["-Dfirst=1", "-Dsecond=2", "-Dmy.opt=1 2"]);
    assert_eq!((java.class_path.join(" "), java.library_path.join(" ")), ("/a /b".to_owned(), "/lib".to_owned()));
    assert_eq!(description.command.arguments[3..5], ["-c", "spark.app.name=app1"]);
}

#[test]
fn values_with_a_type_are_checked_before_anything_is_filled_in_re_07_re_13() {
    let here = Here { variables: Variables(texts(&[("TWO", "2")])), ..here() };
    let error = describe(&submission(&[("spark.driver.cores", "{{TWO}}")]), &here).unwrap_err().to_string();
    assert!(error.contains("spark.driver.cores: \"{{TWO}}\" was given"), "{error}");
}

#[test]
fn module_options_are_given_t_rs_25() {
    let description = described(&[]);
    assert!(java(&description).java_options.iter().any(|option| option.starts_with("--add-opens=")));
}

#[test]
fn the_name_of_an_application_reaches_spark_submit_only_re_14_t_rs_29() {
    let named = submission(&[("spark.app.name", "app1")]);
    let submit = Submission { main_class: "org.apache.spark.deploy.SparkSubmit".to_owned(), ..named.clone() };
    let arguments = describe(&submit, &here()).unwrap().command.arguments;
    assert_eq!(arguments[3..], ["-c", "spark.app.name=app1", "6", "0"]);
    assert_eq!(describe(&named, &here()).unwrap().command.arguments[3..], ["6", "0"]);
}

#[test]
fn wrong_properties_are_named_with_what_is_needed_re_07_t_pr_04() {
    for (name, value, needed) in [
        ("spark.driver.cores", "one hundred feet", "a whole number of cores, at least 1"),
        ("spark.driver.cores", "0", "at least 1"),
        ("spark.driver.cores", "-1", "at least 1"),
        ("spark.driver.cores", "99999999999999999999", "at least 1"),
        ("spark.driver.supervise", "nope, never", "true or false"),
        ("spark.cores.max", "two men", "a number"),
        ("spark.cores.max", "", "a number"),
        ("spark.driver.memory", "lots", "at least 1 MiB with its unit"),
        ("spark.driver.memory", "1024", "at least 1 MiB with its unit"),
        ("spark.driver.memory", "99999999999999999999g", "at least 1 MiB with its unit"),
        ("spark.executor.memory", "", "a size such as 512m"),
        ("spark.executor.memory", "much", "a size such as 512m"),
        ("spark.driver.resource.gpu.amount", "-1", "a whole number, at least 0"),
    ] {
        let error = describe(&submission(&[(name, value)]), &here()).unwrap_err().to_string();
        assert!(
            error.starts_with(&format!("Malformed request: sparkProperties.{name}: {value:?} was given; ")),
            "{error}"
        );
        assert!(error.contains(needed), "{error}");
    }
    let alone = describe(&submission(&[("spark.driver.resource.gpu.vendor", "nvidia.com")]), &here()).unwrap_err();
    assert!(alone.to_string().contains("sparkProperties.spark.driver.resource.gpu.amount: it is missing"), "{alone}");
}

#[test]
fn what_is_only_checked_is_taken_as_the_original_takes_it_re_07() {
    for (name, value) in [
        // Applications read it as MiB.
        ("spark.executor.memory", "1024"),
        ("spark.executor.memory", "0"),
        ("spark.executor.memory", " 512K "),
        ("spark.cores.max", "0"),
        ("spark.cores.max", "1.5"),
        ("spark.cores.max", "1e3"),
        ("spark.cores.max", "-1"),
    ] {
        assert_eq!(option(&described(&[(name, value)]), name), Some(value));
    }
}

#[test]
fn a_bare_number_of_memory_is_bytes_as_with_the_original() {
    assert_eq!(described(&[("spark.driver.memory", "209715200")]).memory, Memory::mib(200));
}
