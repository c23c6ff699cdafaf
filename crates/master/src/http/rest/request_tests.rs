use serde_json::{Value, json};

use super::request::{Malformed, Submission};

/// The body that the capture of the original began with.
fn complete() -> Value {
    json!({
        "action": "CreateSubmissionRequest",
        "appArgs": ["6", "0"],
        "appResource": "file:/jars/probe.jar",
        "clientSparkVersion": "4.1.4",
        "environmentVariables": { "SPARK_X": "1" },
        "mainClass": "ProbeDriver",
        "sparkProperties": { "spark.app.name": "probe", "spark.driver.memory": "200m" },
    })
}

fn with(field: &str, value: Value) -> Value {
    let mut body = complete();
    body[field] = value;
    body
}

fn without(field: &str) -> Value {
    let mut body = complete();
    body.as_object_mut().unwrap().remove(field);
    body
}

fn read(body: &Value) -> Result<Submission, String> {
    Submission::read(body.to_string().as_bytes()).map_err(|error| error.to_string())
}

#[test]
fn a_complete_request_is_read_as_it_was_sent_t_rs_01_t_pr_04() {
    let read = read(&complete()).unwrap();
    assert_eq!((read.app_resource.as_str(), read.main_class.as_str()), ("file:/jars/probe.jar", "ProbeDriver"));
    assert_eq!(
        (read.spark_version.as_str(), read.app_args.as_slice()),
        ("4.1.4", ["6".to_owned(), "0".to_owned()].as_slice())
    );
    assert_eq!(read.properties["spark.driver.memory"], "200m");
    assert_eq!(read.properties.len(), 2);
    assert_eq!(read.environment["SPARK_X"], "1");
    assert!(read.unknown.is_empty());
}

#[test]
fn what_is_needed_is_asked_for_by_name_re_07_t_pr_01() {
    for (field, wanted) in [
        ("clientSparkVersion", "a release such as 4.1.4"),
        ("sparkProperties", "an object of texts, be it empty,"),
        ("appResource", "a path or URL, or an empty text for none,"),
    ] {
        let told = format!("Malformed request: {field}: it is missing; {wanted} is needed");
        assert_eq!(read(&without(field)).unwrap_err(), told);
        assert_eq!(read(&with(field, Value::Null)), read(&without(field)), "null is as good as none");
    }
    for body in [without("mainClass"), with("mainClass", json!(" "))] {
        assert_eq!(read(&body).unwrap_err(), "Malformed request: mainClass: Main class is missing.");
    }
    let action = read(&without("action")).unwrap_err();
    assert!(action.starts_with("Malformed request: action: Action field not found in JSON"), "{action}");
    for field in ["appArgs", "environmentVariables"] {
        assert!(read(&without(field)).is_ok(), "{field} may be missing");
    }
    assert!(read(&with("sparkProperties", json!({}))).is_ok());
}

#[test]
fn unknown_fields_are_listed_in_their_order_and_message_is_none_re_08_t_rs_18() {
    let body = r#"{"tomato": 1, "action":"CreateSubmissionRequest", "potato": {"x": []}, "message": "m", "appResource":"",
        "clientSparkVersion":"", "mainClass":"M", "sparkProperties":{}, "tomato": 2}"#;
    let read = Submission::read(body.as_bytes()).unwrap();
    assert_eq!(read.unknown, ["tomato", "potato"], "each once");
}

#[test]
fn actions_of_others_and_of_nobody_are_refused_re_09() {
    let other = read(&with("action", json!("KillSubmissionResponse"))).unwrap_err();
    assert_eq!(other, "Received message of unexpected type KillSubmissionResponse.");
    let unknown = read(&with("action", json!("FooRequest"))).unwrap_err();
    assert_eq!(unknown, "Malformed request: action: \"FooRequest\" is unknown; CreateSubmissionRequest is needed");
}

#[test]
fn what_is_no_json_object_is_told_so_re_10_t_rs_16() {
    assert_eq!(Submission::read(b" \n").unwrap_err(), Malformed::Empty);
    let deep = format!("{{\"action\":{}", "[".repeat(100_000));
    for (body, says) in [
        (b"{\"action\":".as_slice(), "EOF while parsing"),
        (b"\"hello, world\"", "expected an object with the field action"),
        (b"[1]", "expected an object with the field action"),
        (b"{\"action\": \"\xff\xfe\"}", "invalid unicode code point"),
        (b"\x00\x01", "expected value"),
        (b"{} {}", "trailing characters"),
        (b"{\"action\": 1.}", "invalid number"),
        (deep.as_bytes(), "EOF while parsing"),
    ] {
        let error = Submission::read(body).unwrap_err().to_string();
        assert!(error.starts_with("Malformed request: the body is not a JSON object: "), "{error}");
        assert!(error.contains(says) && error.contains("line 1"), "{error}");
    }
}

#[test]
fn what_is_no_text_although_it_is_json_is_told_so() {
    let body = r#"{"action":"\ud800"}"#;
    let error = Submission::read(body.as_bytes()).unwrap_err().to_string();
    assert!(error.starts_with("Malformed request: action: ") && error.contains("hex escape"), "{error}");
}

#[test]
fn types_are_checked_with_the_way_to_the_value_re_07() {
    let long = "é".repeat(39);
    let long = format!("environmentVariables: a text (\"{long}…) was given; an object of texts is needed");
    for (field, value, says) in [
        ("appArgs", json!("notarray"), "appArgs: a text (\"notarray\") was given; a list of texts is needed"),
        ("appArgs", json!("--password x"), "appArgs: a text was given; a list of texts is needed"),
        ("appArgs", json!(["a", ["b"]]), "appArgs[1]: a list ([\"b\"]) was given; a text is needed"),
        ("appArgs", json!([null]), "appArgs[0]: null was given; a text is needed"),
        ("appArgs", json!(["a\u{0}b"]), "appArgs[0]: NUL characters are not allowed"),
        ("sparkProperties", json!([]), "sparkProperties: a list ([]) was given; an object of texts is needed"),
        ("sparkProperties", json!({"k": {}}), "sparkProperties.k: an object ({}) was given; a text is needed"),
        ("sparkProperties", json!({"my.token": [1]}), "sparkProperties.my.token: a list was given; a text is needed"),
        ("environmentVariables", json!("é".repeat(100)), long.as_str()),
        ("sparkProperties", json!({"": "x"}), "sparkProperties: \"\" is no name"),
        ("environmentVariables", json!({"A=B": "x"}), "environmentVariables: \"A=B\" is no name: it has a '='"),
        ("message", json!({}), "message: an object ({}) was given; a text is needed"),
        ("mainClass", json!({}), "mainClass: an object ({}) was given; a text is needed"),
    ] {
        let error = read(&with(field, value)).unwrap_err();
        assert!(error.starts_with(&format!("Malformed request: {says}")), "{error}");
    }
}

#[test]
fn scripts_may_send_numbers_and_truth_values_for_texts() {
    let body = with("sparkProperties", json!({"spark.driver.cores": 2, "spark.driver.supervise": true, "x": null}));
    let read = read(&body).unwrap();
    assert_eq!(read.properties["spark.driver.cores"], "2");
    assert_eq!(read.properties["spark.driver.supervise"], "true");
    assert_eq!(read.properties.get("x"), None);
}

#[test]
fn numbers_are_taken_as_they_are_written() {
    let body = r#"{"action":"CreateSubmissionRequest","appResource":"","clientSparkVersion":3.10,"mainClass":"A",
        "appArgs":[1.50, -0, 1e999999],"sparkProperties":{"spark.x": 12345678901234567890123 , "spark.y":1E+2}}"#;
    let read = Submission::read(body.as_bytes()).unwrap();
    assert_eq!((read.spark_version.as_str(), read.app_args.join(" ").as_str()), ("3.10", "1.50 -0 1e999999"));
    assert_eq!(read.properties["spark.x"], "12345678901234567890123");
    assert_eq!(read.properties["spark.y"], "1E+2");
}

#[test]
fn of_a_name_that_comes_twice_the_last_value_counts() {
    let body = r#"{"action":"FooRequest","action":"CreateSubmissionRequest","appResource":"","clientSparkVersion":"",
        "mainClass":"A","sparkProperties":{"k":"1","k":"2"},"mainClass":"B"}"#;
    let read = Submission::read(body.as_bytes()).unwrap();
    assert_eq!((read.main_class.as_str(), read.properties["k"].as_str()), ("B", "2"));
}

#[test]
fn characters_of_a_shell_are_nothing_special() {
    let arguments = ["$(touch /tmp/x)", "`id`", "a; rm -rf /", "../..", "|", "-Dx='y'", "\u{202e}", ""];
    assert_eq!(read(&with("appArgs", json!(arguments))).unwrap().app_args, arguments);
}
