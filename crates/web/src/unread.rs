//! Answers on their way to their peers: so many bytes at a time for all connections of a face. What is beyond costs those
//! their connections who have been reading longest.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use axum::body::Bytes;
use tokio_util::sync::CancellationToken;

/// The answers of a face that have not been read yet.
#[derive(Debug)]
pub(crate) struct Unread {
    most: usize,
    answers: Mutex<Answers>,
}

#[derive(Debug, Default)]
struct Answers {
    bytes: usize,
    last: u64,
    /// Size and connection of each, in the order in which they were begun.
    begun: BTreeMap<u64, (usize, CancellationToken)>,
}

impl Unread {
    /// None yet, and at most so many bytes of them, unless a single one has more.
    pub(crate) fn new(most: usize) -> Self {
        Self { most, answers: Mutex::default() }
    }

    /// The same bytes, which count for as long as anybody holds them. `connection` is cut where others need the room.
    pub(crate) fn keep(self: &Arc<Self>, bytes: Bytes, connection: CancellationToken) -> Bytes {
        let (number, cut) = self.answers().add(bytes.len(), connection, self.most);
        for (bytes, connection) in cut {
            tracing::debug!(bytes, "a connection is cut: others need the room that its answer takes");
            connection.cancel();
        }
        Bytes::from_owner(Kept { bytes, number, unread: self.clone() })
    }

    /// What it guards is whole between any two statements.
    fn answers(&self) -> MutexGuard<'_, Answers> {
        self.answers.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Answers {
    /// The number of the new one, and those that make room for it.
    fn add(
        &mut self,
        bytes: usize,
        connection: CancellationToken,
        most: usize,
    ) -> (u64, Vec<(usize, CancellationToken)>) {
        let mut cut = Vec::new();
        while self.bytes.saturating_add(bytes) > most
            && let Some((_, oldest)) = self.begun.pop_first()
        {
            self.bytes -= oldest.0;
            cut.push(oldest);
        }
        self.last += 1;
        self.bytes += bytes;
        self.begun.insert(self.last, (bytes, connection));
        (self.last, cut)
    }

    fn remove(&mut self, number: u64) {
        if let Some((bytes, _)) = self.begun.remove(&number) {
            self.bytes -= bytes;
        }
    }
}

/// The bytes of an answer.
struct Kept {
    bytes: Bytes,
    number: u64,
    unread: Arc<Unread>,
}

impl AsRef<[u8]> for Kept {
    fn as_ref(&self) -> &[u8] {
        &self.bytes
    }
}

impl Drop for Kept {
    fn drop(&mut self) {
        self.unread.answers().remove(self.number);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_oldest_make_room_and_what_was_read_takes_none() {
        let unread = Arc::new(Unread::new(10));
        let connections: Vec<_> = (0..4).map(|_| CancellationToken::new()).collect();
        let keep = |n: usize, bytes: &'static [u8]| unread.keep(Bytes::from_static(bytes), connections[n].clone());
        let is_cut = || connections.iter().map(CancellationToken::is_cancelled).collect::<Vec<_>>();
        let first = keep(0, b"four");
        let second = keep(1, b"four");
        drop(keep(2, b"2!"));
        assert_eq!(is_cut(), [false; 4], "ten bytes are allowed");
        let third = keep(2, b"more");
        assert_eq!(is_cut(), [true, false, false, false], "the oldest");
        drop((first, second));
        let huge = keep(3, b"more than all of them may have");
        assert_eq!(is_cut(), [true, false, true, false], "a large one goes alone");
        assert_eq!(&third[..], b"more", "whoever is cut is so by its own task");
        drop((third, huge));
        assert_eq!(unread.answers().bytes, 0);
    }
}
