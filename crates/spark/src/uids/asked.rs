//! Numbers that a driver itself tells: it is asked with an object of the class whose number is wrong for certain. It
//! cannot take that, and says so, with the number it would have taken. Each question leaves an error in the driver's
//! log, and nothing else.
//!
//! The questions are requests to the endpoint a driver or a submitting program listens on, before it is told anything.

use crate::Error;
use crate::java::{self, Tree};

/// A number no class of Spark has: they are hashes.
const WRONG: i64 = 1;
const SERIALIZABLE: u8 = 2;

/// The beginning of the text of a failure, up to the class.
const REFUSAL: &str = "java.io.InvalidClassException: ";
/// What stands in it before the number.
const LOCAL: &str = "local class serialVersionUID = ";

/// What is shown of another text, in characters.
const MAX_SHOWN: usize = 200;

/// The payload of the question for the number of a class.
pub fn question(class: &str) -> Vec<u8> {
    let mut tree = Tree::empty();
    let class = tree.add_class(class, WRONG, SERIALIZABLE, &[], None);
    let object = tree.add_object(class, &[]);
    java::write(&tree.with_root(object))
}

/// The number of a class, from the text of the failure that the question was answered with.
///
/// # Errors
/// The text says something else, such as that there is no such class.
pub fn answer(class: &str, failure: &str) -> Result<i64, Error> {
    let line = failure.lines().next().unwrap_or_default();
    let said = line.strip_prefix(REFUSAL).and_then(|line| line.strip_prefix(class)?.strip_prefix("; "));
    let number = said.and_then(|said| said.split_once(LOCAL)?.1.trim_end().parse().ok());
    let unexpected = || Error::Unexpected {
        found: format!("the answer {:?} about {class}", line.chars().take(MAX_SHOWN).collect::<String>()),
        wanted: "an InvalidClassException that names the class and its own serialVersionUID",
    };
    number.ok_or_else(unexpected)
}

#[cfg(test)]
mod tests {
    use super::*;

    const CLASS: &str = "org.apache.spark.deploy.DeployMessages$ExecutorAdded";

    #[test]
    fn the_question_is_an_object_with_a_wrong_number_and_nothing_else() {
        let tree = java::read(&question(CLASS)).unwrap();
        let class = tree.class_named(CLASS).unwrap();
        assert_eq!((tree.root().unwrap().class(), class.uid, class.fields.len()), (CLASS, 1, 0));
    }

    #[test]
    fn the_answer_is_read_with_the_stack_trace_behind_it() {
        let said = |class: &str, number: &str| {
            format!(
                "java.io.InvalidClassException: {class}; local class incompatible: stream classdesc serialVersionUID = \
                 1, local class serialVersionUID = {number}\n\tat java.base/java.io.ObjectStreamClass.initNonProxy\n"
            )
        };
        let number = 0xfc8a_707f_59ee_e692_u64.cast_signed();
        assert_eq!(answer(CLASS, &said(CLASS, "-249263137093654894")), Ok(number));
        assert_eq!(answer(CLASS, said(CLASS, "7").trim_end()), Ok(7));
        for other in [
            &said("org.apache.spark.deploy.DeployMessages$ExecutorUpdated", "7"),
            &said(CLASS, "99999999999999999999"),
            &said(CLASS, ""),
            &format!("java.lang.ClassNotFoundException: {CLASS}"),
            "",
        ] {
            let error = answer(CLASS, other).unwrap_err().to_string();
            assert!(error.contains(CLASS) && error.contains("serialVersionUID"), "{error}");
        }
        let long = answer(CLASS, &"x".repeat(100_000)).unwrap_err().to_string();
        assert!(long.len() < 500, "{}", long.len());
    }
}
