//! The election's own requests, in etcd's words: small reads of one revision, and transactions under leases.

use std::time::Duration;

use etcd_client::{
    Compare, CompareOp, GetOptions, GetResponse, KeyValue, PutOptions, SortOrder, SortTarget, Txn, TxnOp,
    TxnOpResponse, TxnResponse,
};
use tokio::time::sleep;

use tanist_core::ids::MasterId;

use crate::engine::{Expect, Revision, Versioned};
use crate::error::StoreError;
use crate::key::{Family, Key, KeyPrefix, Name};

use super::fault::{Fault, Kind};
use super::pool::{Call, Pool, number, revision_of};
use super::proposal::{Condition, LeaseId, Proposal, Verdict, Write};
use super::term::{Leased, Situation};

/// How often a transaction of unknown outcome is sent again before its caller is told that it is unknown.
const RESENDS: usize = 3;

/// Between two sendings of a transaction whose outcome is not known.
pub(super) const RESEND_PAUSE: Duration = Duration::from_millis(100);

/// Keys of one folder with their values, as of one revision.
#[derive(Debug)]
pub(super) struct Reading {
    /// In the order of the names.
    pub(super) found: Vec<Option<Versioned>>,
    pub(super) at: Revision,
}

impl Pool {
    /// Sends a transaction once.
    ///
    /// # Errors
    /// What came of it.
    pub(super) async fn propose(&self, proposal: &Proposal) -> Result<Verdict, Fault> {
        let txn = self.in_words(proposal);
        let answer = self.write(Call::ELECTION, |mut client| {
            let txn = txn.clone();
            async move { client.txn(txn).await }
        });
        // Boxed: the client library's futures are large.
        let answer = Box::pin(answer).await?;
        let at = revision_of(&answer)?;
        if answer.succeeded() {
            return Ok(Verdict::Applied(at));
        }
        let found = gets(&answer).into_iter().map(|mut found| self.first(&mut found)).collect();
        Ok(Verdict::Refused { found, at })
    }

    /// Sends a transaction until its outcome is known, as it is: its conditions let at most one of the sendings be
    /// applied, so that a later answer speaks of the earlier ones, too. The caller looks whether a refusal means that
    /// one of them was.
    ///
    /// # Errors
    /// What came of it in the end.
    pub(super) async fn settle(&self, proposal: &Proposal) -> Result<Verdict, Fault> {
        let mut resends = RESENDS;
        loop {
            match self.propose(proposal).await {
                Err(fault) if *fault.kind() == Kind::Ambiguous && resends > 0 => {
                    tracing::warn!(%fault, "outcome of a transaction of the election unknown, asking again");
                    resends -= 1;
                    sleep(RESEND_PAUSE).await;
                }
                result => return result,
            }
        }
    }

    /// Some keys as they are now, all of one revision.
    ///
    /// # Errors
    /// What went wrong.
    pub(super) async fn read_now(&self, action: &str, names: &[Name]) -> Result<Reading, StoreError> {
        let asked = names.iter().map(|name| self.get(name)).collect();
        let (found, at) = self.look(action, asked).await?;
        let found = found.into_iter().map(|mut found| self.first(&mut found)).collect();
        Ok(Reading { found, at })
    }

    /// One key as it is now, with its lease.
    ///
    /// # Errors
    /// What went wrong.
    pub(super) async fn read_leased(&self, name: &Name) -> Result<Option<Leased>, StoreError> {
        let (mut found, _) = self.look(&format!("reading {name}"), vec![self.get(name)]).await?;
        Ok(found.first_mut().and_then(|found| self.first_leased(found)))
    }

    /// A small folder as it is now.
    ///
    /// # Errors
    /// What went wrong.
    pub(super) async fn list_now(&self, family: Family) -> Result<Vec<Versioned>, StoreError> {
        let folder = KeyPrefix::from(family);
        let asked = vec![self.get_all(family, GetOptions::new())];
        let (mut found, _) = self.look(&format!("reading {folder}"), asked).await?;
        let items = found.iter_mut().flat_map(GetResponse::take_kvs);
        Ok(items.filter_map(|item| self.keys().versioned(item)).collect())
    }

    /// Everything that a candidate has to know.
    ///
    /// # Errors
    /// What went wrong.
    pub(super) async fn situation(&self, me: &MasterId) -> Result<Situation, StoreError> {
        let singles = [Name::Leader, Name::Epoch, Name::Intent, Name::Cluster, Name::Generation];
        let mut asked: Vec<TxnOp> = singles.iter().map(|name| self.get(name)).collect();
        asked.push(self.get(&Name::Member(me.clone())));
        asked.push(self.get_all(Family::History, GetOptions::new().with_keys_only()));
        let newest = GetOptions::new().with_sort(SortTarget::Key, SortOrder::Descend).with_limit(1);
        asked.push(self.get_all(Family::History, newest));
        let (found, revision) = self.look("reading the state of the election", asked).await?;
        let mut found = found.into_iter();
        let mut next = || found.next().map(|mut found| found.take_kvs()).unwrap_or_default();
        let single = |items: Vec<KeyValue>| items.into_iter().next().and_then(|item| self.keys().versioned(item));
        Ok(Situation {
            leader: single(next()),
            epoch: single(next()),
            intent: single(next()),
            cluster: single(next()),
            generation: single(next()),
            namesake: next().into_iter().next().and_then(|item| self.leased(item)),
            history: next().iter().filter_map(|item| self.keys().relative(item.key())).collect(),
            newest: single(next()),
            revision,
        })
    }

    /// Reads of one revision, not older than anything acknowledged before: a transaction that changes nothing.
    async fn look(&self, action: &str, asked: Vec<TxnOp>) -> Result<(Vec<GetResponse>, Revision), StoreError> {
        let txn = Txn::new().and_then(asked);
        let answer = self.read(Call::READ, |mut client| {
            let txn = txn.clone();
            async move { client.txn(txn).await }
        });
        let answer = Box::pin(answer).await.map_err(|fault| fault.reading(action))?;
        let at = revision_of(&answer).map_err(|fault| fault.reading(action))?;
        Ok((gets(&answer), at))
    }

    fn get(&self, name: &Name) -> TxnOp {
        TxnOp::get(self.keys().full(&name.into()), None)
    }

    fn get_all(&self, family: Family, options: GetOptions) -> TxnOp {
        let (start, end) = self.keys().range(&family.into());
        TxnOp::get(start, Some(options.with_range(end)))
    }

    fn first(&self, found: &mut GetResponse) -> Option<Versioned> {
        self.first_leased(found).map(|leased| leased.item)
    }

    fn first_leased(&self, found: &mut GetResponse) -> Option<Leased> {
        found.take_kvs().into_iter().next().and_then(|item| self.leased(item))
    }

    fn leased(&self, item: KeyValue) -> Option<Leased> {
        let lease = LeaseId(item.lease());
        self.keys().versioned(item).map(|item| Leased { item, lease })
    }

    /// Compares, writes, and in case of a refusal reads what was compared.
    fn in_words(&self, proposal: &Proposal) -> Txn {
        let full = |key: &Key| self.keys().full(key);
        let compares = proposal.conditions.iter().flat_map(|(key, condition)| compares(&full(key), condition));
        let writes = proposal.writes.iter().map(|(key, write)| match write {
            Write::Put(value) => TxnOp::put(full(key), value.clone(), None),
            Write::Lease(value, LeaseId(lease)) => {
                TxnOp::put(full(key), value.clone(), Some(PutOptions::new().with_lease(*lease)))
            }
            Write::Delete => TxnOp::delete(full(key), None),
        });
        let reads = proposal.conditions.iter().map(|(key, _)| TxnOp::get(full(key), None));
        Txn::new()
            .when(compares.collect::<Vec<_>>())
            .and_then(writes.collect::<Vec<_>>())
            .or_else(reads.collect::<Vec<_>>())
    }
}

/// A key that does not exist has create and mod revision 0.
fn compares(key: &[u8], condition: &Condition) -> Vec<Compare> {
    match condition {
        Condition::Expect(Expect::Absent) => vec![Compare::create_revision(key, CompareOp::Equal, 0)],
        Condition::Expect(Expect::ModRevision(at)) => vec![Compare::mod_revision(key, CompareOp::Equal, number(*at))],
        Condition::Is(guard) => vec![
            Compare::create_revision(key, CompareOp::Equal, number(guard.create_revision)),
            Compare::value(key, CompareOp::Equal, guard.value.clone()),
        ],
        Condition::Present => vec![Compare::create_revision(key, CompareOp::Greater, 0)],
    }
}

fn gets(answer: &TxnResponse) -> Vec<GetResponse> {
    let gets = answer.op_responses().into_iter().filter_map(|response| match response {
        TxnOpResponse::Get(found) => Some(found),
        _ => None,
    });
    gets.collect()
}
