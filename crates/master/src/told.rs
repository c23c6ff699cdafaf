//! Who has been told of a term of ours as the answer to a question that was open: they need not be dialled, unless they
//! stay away.

use std::collections::BTreeSet;
use std::sync::{Mutex, PoisonError};

use tanist_core::ids::Term;
use tanist_core::master::Peer;
use tanist_proto::convert::endpoint::Identity;

/// Of the latest term only.
#[derive(Debug, Default)]
pub(crate) struct Told(Mutex<(Option<Term>, BTreeSet<Peer>)>);

impl Told {
    /// This peer is told of this term. An application that has no id yet is nobody who could be announced to.
    pub(crate) fn note(&self, term: &Term, asker: &Identity) {
        let peer = match asker {
            Identity::Worker { id, .. } => Peer::Worker(id.clone()),
            Identity::App(Some(id)) => Peer::App(id.clone()),
            Identity::App(None) => return,
        };
        let mut told = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if told.0.as_ref() != Some(term) {
            *told = (Some(term.clone()), BTreeSet::new());
        }
        told.1.insert(peer);
    }

    /// Whether this peer was told of this term.
    pub(crate) fn knows(&self, term: &Term, peer: &Peer) -> bool {
        let told = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        told.0.as_ref() == Some(term) && told.1.contains(peer)
    }
}

#[cfg(test)]
mod tests {
    use tanist_core::ids::{AppId, Epoch, Generation, Incarnation, Nonce, WorkerId};

    use super::*;

    fn term(epoch: u64) -> Term {
        Term { generation: Generation(0), epoch: Epoch(epoch), nonce: Nonce::new("n").unwrap() }
    }

    #[test]
    fn whoever_was_told_is_remembered_for_that_term_alone() {
        let (told, worker, app) = (Told::default(), WorkerId::new("w").unwrap(), AppId::new("a").unwrap());
        let (worker, app) = (Peer::Worker(worker.clone()), Peer::App(app.clone()));
        told.note(&term(1), &Identity::App(None));
        told.note(&term(1), &Identity::Worker { id: WorkerId::new("w").unwrap(), incarnation: Incarnation(1) });
        assert!(told.knows(&term(1), &worker) && !told.knows(&term(1), &app) && !told.knows(&term(2), &worker));
        told.note(&term(2), &Identity::App(Some(AppId::new("a").unwrap())));
        assert!(told.knows(&term(2), &app) && !told.knows(&term(2), &worker) && !told.knows(&term(1), &worker));
    }
}
