//! The office as operators are shown it: what the masters answered, put together, and what follows from it.
//!
//! | file | holds |
//! |---|---|
//! | `view` | what is shown, and the JSON of it |
//! | `picture` | the masters' answers put together into one picture |
//! | `books` | what the leader's books add: who works, who is missing |
//! | `explain` | from the picture to findings in plain sentences; a pure function |
//! | `words` | times and lists in words |

mod books;
mod explain;
mod picture;
#[cfg(test)]
mod tests;
mod view;
mod words;

pub(crate) use books::Books;
pub(crate) use explain::{Explanation, Verdict, explain};
pub(crate) use picture::{Picture, Said};
#[cfg(test)]
pub(crate) use view::{Count, Mirror};
pub(crate) use view::{Member, Office, Pause, TermView};
pub(crate) use words::{length, span};
