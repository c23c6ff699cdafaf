//! What happened in a run: a number that is the same whenever it happens again, and words if they are wanted.

use std::fmt;
use std::hash::{DefaultHasher, Hash as _, Hasher as _};

use tanist_core::time::Mono;

use crate::net::{Cargo, Side};
use crate::port::{ConnId, Frame};

/// Told by the simulator, about everything that moves.
pub struct Trace {
    hasher: DefaultHasher,
    words: bool,
    lines: Vec<String>,
}

impl Trace {
    /// With or without words.
    pub fn new(words: bool) -> Self {
        // Of fixed keys: the same everywhere.
        Self { hasher: DefaultHasher::new(), words, lines: Vec::new() }
    }

    /// Whether words are wanted.
    pub fn has_words(&self) -> bool {
        self.words
    }

    /// Something was handed over by the network.
    pub fn cargo(&mut self, now: Mono, conn: ConnId, to: Side, cargo: &Cargo) {
        (now.0, conn, to as u8).hash(&mut self.hasher);
        match cargo {
            Cargo::Syn => 0u8.hash(&mut self.hasher),
            Cargo::Accept => 1u8.hash(&mut self.hasher),
            Cargo::Refuse => 2u8.hash(&mut self.hasher),
            Cargo::Fin => 3u8.hash(&mut self.hasher),
            Cargo::Frame(call, frame) => {
                call.hash(&mut self.hasher);
                match frame {
                    Frame::Open(open) => open.path.hash(&mut self.hasher),
                    Frame::Data(data) => data.hash(&mut self.hasher),
                    Frame::Head(_) => 4u8.hash(&mut self.hasher),
                    Frame::End(_) => 5u8.hash(&mut self.hasher),
                    Frame::Reset => 6u8.hash(&mut self.hasher),
                }
            }
        }
    }

    /// Something else happened that decides how it goes on.
    pub fn fact(&mut self, now: Mono, fact: impl fmt::Display) {
        let fact = fact.to_string();
        (now.0, &fact).hash(&mut self.hasher);
        self.note(now, format_args!("{fact}"));
    }

    /// Something for the reader.
    pub fn note(&mut self, now: Mono, what: fmt::Arguments<'_>) {
        if self.words {
            let seconds = now.0.saturating_sub(1_000_000);
            self.lines.push(format!("{:>5}.{:03} {what}", seconds / 1000, seconds % 1000));
        }
    }

    /// The number of everything so far.
    pub fn number(&self) -> u64 {
        self.hasher.finish()
    }

    /// The words.
    pub fn lines(&self) -> &[String] {
        &self.lines
    }
}
