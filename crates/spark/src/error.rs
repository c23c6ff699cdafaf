//! What can be wrong with bytes that claim to be Spark's, and with answers to them.

/// Why bytes cannot be read, or written. Positions count from the first byte of what was to be read.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    /// The first eight bytes of a frame.
    #[error("a frame of {length} bytes; allowed are {least} to {limit}")]
    FrameLength {
        /// What they say.
        length: u64,
        /// The shortest frame there is.
        least: usize,
        /// The longest one that is taken.
        limit: usize,
    },
    /// The ninth byte of a frame.
    #[error("a frame of type {kind}; allowed are 3 (request), 4 (response), 5 (failure) and 9 (one-way message)")]
    FrameType {
        /// What it says.
        kind: u8,
    },
    /// The bytes end too early.
    #[error("the bytes end in the middle of {what}: {wanted} wanted at {at}, {left} left")]
    Truncated {
        /// What was being read.
        what: &'static str,
        /// Where.
        at: usize,
        /// How many bytes it has.
        wanted: usize,
        /// How many there are.
        left: usize,
    },
    /// A text that is not in Java's modified UTF-8.
    #[error("the {what} at {at} is no text in modified UTF-8")]
    Text {
        /// Which text.
        what: &'static str,
        /// Where it begins.
        at: usize,
    },
    /// A number that cannot be.
    #[error("{what} {value} at {at} is not allowed, but only {allowed}")]
    Number {
        /// Which one.
        what: &'static str,
        /// What it is.
        value: i64,
        /// Where it is.
        at: usize,
        /// What is allowed.
        allowed: &'static str,
    },
    /// The object stream breaks its own grammar, or uses a part of it that Spark does not.
    #[error("the object stream is broken at {at}: {problem}")]
    Stream {
        /// Where.
        at: usize,
        /// How.
        problem: &'static str,
    },
    /// The object stream is sound, and too much.
    #[error("the object stream has too many {what} at {at}; allowed are {limit}")]
    Limit {
        /// Of what.
        what: &'static str,
        /// Where.
        at: usize,
        /// How many.
        limit: usize,
    },
    /// A message that is none of those expected.
    #[error("{found} is not allowed here, but only {wanted}")]
    Unexpected {
        /// What came.
        found: String,
        /// What was expected.
        wanted: &'static str,
    },
    /// A field of a message.
    #[error("{field} is {found}; allowed is {allowed}")]
    Field {
        /// Its class and its name.
        field: String,
        /// What it holds.
        found: String,
        /// What it may hold.
        allowed: &'static str,
    },
    /// A text that has no room where it is to be written.
    #[error("the {what} has {bytes} bytes; allowed are {limit}")]
    TooLong {
        /// Which one.
        what: &'static str,
        /// How long it is.
        bytes: usize,
        /// How long it may be.
        limit: usize,
    },
    /// A class file breaks its own grammar.
    #[error("the class file is broken at {at}: {problem}")]
    ClassFile {
        /// Where.
        at: usize,
        /// How.
        problem: &'static str,
    },
    /// A jar does not have what it should.
    #[error("the {entry} of the jar cannot be read: {problem}")]
    Jar {
        /// What was looked for.
        entry: String,
        /// What went wrong.
        problem: String,
    },
    /// A build of Spark nobody has described: what it is told must have the numbers of its own classes.
    #[error(
        "a build of Spark that is not known, by the serialVersionUID {uid:016x} of {class}; known are those of \
         Spark 3.4, 3.5 and 4.0 to 4.3"
    )]
    UnknownBuild {
        /// Which class tells.
        class: &'static str,
        /// Its number.
        uid: i64,
    },
    /// The proof of the other end.
    #[error("the {who} does not know the secret of this cluster")]
    Secret {
        /// Which end that is.
        who: &'static str,
    },
    /// The other end does not want this one.
    #[error("the other end refused to authenticate: {text}")]
    Rejected {
        /// In its words.
        text: String,
    },
    /// The first eight bytes of a sealed message.
    #[error("a sealed message of {length} bytes; allowed are {least} to {limit}")]
    SealedLength {
        /// What they say.
        length: u64,
        /// The shortest one there is.
        least: usize,
        /// The longest one that is taken.
        limit: usize,
    },
    /// What else is in a sealed message.
    #[error("a sealed message was changed on its way, or sealed with another key than this connection's")]
    Sealed,
    /// The machine's cryptography does not work, or the other end has sent a key that nothing can be done with.
    #[error("cannot {action}")]
    Crypto {
        /// What was tried.
        action: &'static str,
    },
}
