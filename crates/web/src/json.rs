//! JSON as Spark's faces write it (RE-05): two spaces for each object, `"key" : value`, lists on one line with a space at
//! either end, no line feed behind the last brace. Keys come in the order in which the type has them.

use std::io::{self, Write};

use axum::http::StatusCode;
use axum::response::Response;
use serde::Serialize;
use serde::ser::Error as _;
use serde_json::Error;
use serde_json::ser::{CharEscape, Formatter, Serializer};

use crate::answer::{plain, text};

/// A value as text.
///
/// # Errors
/// If the type cannot be written as JSON, such as a map with other keys than texts.
pub fn to_text(value: &impl Serialize) -> Result<String, Error> {
    let mut text = Vec::new();
    value.serialize(&mut Serializer::with_formatter(&mut text, SparkForm::default()))?;
    String::from_utf8(text).map_err(Error::custom)
}

/// An answer with a value for its body.
pub fn response(status: StatusCode, content_type: &'static str, value: &impl Serialize) -> Response {
    match to_text(value) {
        Ok(json) => text(status, content_type, json),
        Err(error) => {
            tracing::error!(%error, "an answer cannot be written as JSON");
            plain(StatusCode::INTERNAL_SERVER_ERROR, format!("writing JSON: {error}"))
        }
    }
}

/// The form.
#[derive(Debug, Default)]
struct SparkForm {
    /// Objects around the present place; lists do not indent.
    depth: usize,
    /// Whether the object that ends next has had an entry.
    filled: bool,
}

impl SparkForm {
    fn line<W: ?Sized + Write>(&self, writer: &mut W) -> io::Result<()> {
        writer.write_all(b"\n")?;
        (0..self.depth).try_for_each(|_| writer.write_all(b"  "))
    }
}

impl Formatter for SparkForm {
    fn begin_array_value<W: ?Sized + Write>(&mut self, writer: &mut W, first: bool) -> io::Result<()> {
        writer.write_all(if first { b" " } else { b", " })
    }

    fn end_array<W: ?Sized + Write>(&mut self, writer: &mut W) -> io::Result<()> {
        writer.write_all(b" ]")
    }

    fn begin_object<W: ?Sized + Write>(&mut self, writer: &mut W) -> io::Result<()> {
        self.depth += 1;
        self.filled = false;
        writer.write_all(b"{")
    }

    fn begin_object_key<W: ?Sized + Write>(&mut self, writer: &mut W, first: bool) -> io::Result<()> {
        if !first {
            writer.write_all(b",")?;
        }
        self.line(writer)
    }

    fn begin_object_value<W: ?Sized + Write>(&mut self, writer: &mut W) -> io::Result<()> {
        writer.write_all(b" : ")
    }

    fn end_object_value<W: ?Sized + Write>(&mut self, _: &mut W) -> io::Result<()> {
        self.filled = true;
        Ok(())
    }

    fn end_object<W: ?Sized + Write>(&mut self, writer: &mut W) -> io::Result<()> {
        self.depth -= 1;
        if !self.filled {
            return writer.write_all(b" }");
        }
        self.line(writer)?;
        writer.write_all(b"}")
    }

    fn write_char_escape<W: ?Sized + Write>(&mut self, writer: &mut W, escape: CharEscape) -> io::Result<()> {
        let short: &[u8] = match escape {
            CharEscape::Quote => b"\\\"",
            CharEscape::ReverseSolidus => b"\\\\",
            CharEscape::Solidus => b"/",
            CharEscape::Backspace => b"\\b",
            CharEscape::FormFeed => b"\\f",
            CharEscape::LineFeed => b"\\n",
            CharEscape::CarriageReturn => b"\\r",
            CharEscape::Tab => b"\\t",
            CharEscape::AsciiControl(byte) => return write!(writer, "\\u{byte:04X}"),
        };
        writer.write_all(short)
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use futures_util::FutureExt as _;
    use serde_json::json;

    use super::*;

    #[test]
    fn objects_indent_lists_do_not_re_05() {
        let value = json!({
            "a": [],
            "b": {},
            "c": [ { "id": "w", "resources": { "gpu": { "addresses": ["0", "1"], "name": "gpu" } } }, { "id": 1 } ],
            "d": true,
            "e": [ {} ],
        });
        let expected = r#"{
  "a" : [ ],
  "b" : { },
  "c" : [ {
    "id" : "w",
    "resources" : {
      "gpu" : {
        "addresses" : [ "0", "1" ],
        "name" : "gpu"
      }
    }
  }, {
    "id" : 1
  } ],
  "d" : true,
  "e" : [ { } ]
}"#;
        assert_eq!(to_text(&value).unwrap(), expected);
        assert_eq!(to_text(&json!({})).unwrap(), "{ }");
        assert_eq!(to_text(&json!([])).unwrap(), "[ ]");
    }

    #[test]
    fn what_cannot_be_written_is_an_error_that_says_why() {
        let response = response(StatusCode::OK, "application/json", &BTreeMap::from([(vec![1], 2)]));
        assert_eq!(response.status(), StatusCode::INTERNAL_SERVER_ERROR);
        let body = axum::body::to_bytes(response.into_body(), 1000).now_or_never().unwrap().unwrap();
        assert_eq!(body, "writing JSON: key must be a string\n");
    }

    #[test]
    fn texts_are_escaped_as_the_original_does() {
        let text = "q\" b\\ n\n t\t r\r \u{8}\u{c} \u{1b} / ü";
        assert_eq!(to_text(&text).unwrap(), r#""q\" b\\ n\n t\t r\r \b\f \u001B / ü""#);
        assert_eq!(serde_json::from_str::<String>(&to_text(&text).unwrap()).unwrap(), text);
    }
}
