//! The answers (RE-05): one shape, of which each kind fills its own fields. Fields stand in the order of the alphabet, and
//! those without a value are left out.

use serde::Serialize;

use tanist_web::axum::http::StatusCode;
use tanist_web::axum::response::Response;
use tanist_web::json;

use super::route::VERSION;

const CONTENT_TYPE: &str = "application/json;charset=utf-8";

/// An answer.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Message<'a> {
    pub(super) action: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) driver_state: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) highest_protocol_version: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) message: Option<String>,
    pub(super) server_spark_version: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) submission_id: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) success: Option<bool>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub(super) unknown_fields: Vec<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) worker_host_port: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) worker_id: Option<String>,
}

impl Message<'_> {
    /// As an answer that reports success or failure: 200 either way (RE-06).
    pub(super) fn ok(&self) -> Response {
        json::response(StatusCode::OK, CONTENT_TYPE, self)
    }
}

/// An answer to what could not be dealt with.
pub(super) fn error(version: &str, status: StatusCode, why: &str) -> Response {
    let unknown_version = status.as_u16() == UNKNOWN_VERSION;
    let message = Message {
        action: "ErrorResponse",
        highest_protocol_version: unknown_version.then_some(VERSION),
        message: Some(why.to_owned()),
        server_spark_version: version,
        ..Message::default()
    };
    json::response(status, CONTENT_TYPE, &message)
}

/// The protocol's own status for another version of it.
pub(super) const UNKNOWN_VERSION: u16 = 468;

#[cfg(test)]
mod tests {
    use super::*;

    fn text(message: &Message<'_>) -> String {
        json::to_text(message).unwrap()
    }

    #[test]
    fn each_kind_has_its_fields_in_order_t_pr_05_t_pr_06() {
        let created = Message {
            action: "CreateSubmissionResponse",
            message: Some("Driver successfully submitted as d".to_owned()),
            server_spark_version: "4.1.4",
            submission_id: Some("d".to_owned()),
            success: Some(true),
            unknown_fields: vec!["tomato".to_owned(), "potato".to_owned()],
            ..Message::default()
        };
        let expected = r#"{
  "action" : "CreateSubmissionResponse",
  "message" : "Driver successfully submitted as d",
  "serverSparkVersion" : "4.1.4",
  "submissionId" : "d",
  "success" : true,
  "unknownFields" : [ "tomato", "potato" ]
}"#;
        assert_eq!(text(&created), expected);
        let killed = Message { action: "KillSubmissionResponse", success: Some(false), ..Message::default() };
        let expected =
            "{\n  \"action\" : \"KillSubmissionResponse\",\n  \"serverSparkVersion\" : \"\",\n  \"success\" : false\n}";
        assert_eq!(text(&killed), expected, "what is not set is left out");
    }

    #[test]
    fn an_answer_is_read_back_as_it_was_said_t_pr_02_t_pr_03() {
        let said = Message {
            action: "KillSubmissionResponse",
            message: Some("\"quoted\"\n\u{1F980}".to_owned()),
            server_spark_version: "4.1.4",
            success: Some(false),
            ..Message::default()
        };
        let read: serde_json::Value = serde_json::from_str(&text(&said)).unwrap();
        let whole = serde_json::json!({
            "action": "KillSubmissionResponse",
            "message": "\"quoted\"\n\u{1F980}",
            "serverSparkVersion": "4.1.4",
            "success": false,
        });
        assert_eq!(read, whole, "nothing is added for what is not set");
    }

    #[test]
    fn a_status_has_its_optional_fields_in_order_t_pr_07() {
        let status = Message {
            action: "SubmissionStatusResponse",
            driver_state: Some("RUNNING"),
            server_spark_version: "4.1.4",
            submission_id: Some("d".to_owned()),
            success: Some(true),
            worker_host_port: Some("h:1".to_owned()),
            worker_id: Some("w".to_owned()),
            ..Message::default()
        };
        let expected = r#"{
  "action" : "SubmissionStatusResponse",
  "driverState" : "RUNNING",
  "serverSparkVersion" : "4.1.4",
  "submissionId" : "d",
  "success" : true,
  "workerHostPort" : "h:1",
  "workerId" : "w"
}"#;
        assert_eq!(text(&status), expected);
    }
}
