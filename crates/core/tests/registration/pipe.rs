//! One session between the worker and a master: two channels that keep their order.

use std::collections::VecDeque;
use std::fmt::{Debug, Write};
use std::hash::{DefaultHasher, Hash, Hasher};
use std::rc::Rc;

use tanist_core::msg::{MasterToWorker, WorkerToMaster};

/// Something in flight, with a fingerprint of what it is.
#[derive(Debug)]
pub(crate) struct Flying<T> {
    pub(crate) print: u64,
    pub(crate) what: Rc<T>,
}

impl<T> Clone for Flying<T> {
    fn clone(&self) -> Self {
        Self { print: self.print, what: Rc::clone(&self.what) }
    }
}

impl<T: Debug> Flying<T> {
    pub(crate) fn new(what: T) -> Self {
        Self { print: mix(0, &what), what: Rc::new(what) }
    }
}

/// Adds something to a fingerprint.
pub(crate) fn mix(print: u64, what: &impl Debug) -> u64 {
    let mut hasher = DefaultHasher::new();
    hasher.write_u64(print);
    let mut text = Text(hasher);
    write!(text, "{what:?}").unwrap();
    text.0.finish()
}

/// Text that goes into a fingerprint as it is written.
struct Text(DefaultHasher);

impl Write for Text {
    fn write_str(&mut self, text: &str) -> std::fmt::Result {
        self.0.write(text.as_bytes());
        Ok(())
    }
}

/// A message, or the end of the session as the other side has made it.
#[derive(Debug, Clone)]
pub(crate) enum Said<T> {
    Message(T),
    End,
}

/// What a master knows of a session.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) enum AtMaster {
    Unheard,
    Open,
    Closed,
}

/// See the module.
#[derive(Debug, Clone)]
pub(crate) struct Pipe {
    pub(crate) master: usize,
    /// The worker was told that it is open.
    pub(crate) opened: bool,
    pub(crate) worker_holds: bool,
    pub(crate) at_master: AtMaster,
    pub(crate) up: VecDeque<Flying<Said<WorkerToMaster>>>,
    pub(crate) down: VecDeque<Flying<Said<MasterToWorker>>>,
}

impl Pipe {
    pub(crate) fn new(master: usize) -> Self {
        Self {
            master,
            opened: false,
            worker_holds: true,
            at_master: AtMaster::Unheard,
            up: VecDeque::new(),
            down: VecDeque::new(),
        }
    }

    /// Nobody will say or hear anything on it any more.
    pub(crate) fn is_over(&self) -> bool {
        !self.worker_holds && self.up.is_empty()
    }

    pub(crate) fn key(&self, hasher: &mut impl Hasher) {
        (self.master, self.opened, self.worker_holds, self.at_master).hash(hasher);
        hasher.write_usize(self.up.len());
        for print in self.up.iter().map(|flying| flying.print).chain(self.down.iter().map(|flying| flying.print)) {
            hasher.write_u64(print);
        }
    }
}
