//! What one member holds, and how it changes: by the same proposals in the same order at every member.

use std::collections::BTreeSet;

use crate::api::alarm_request::AlarmAction;
use crate::api::{
    AlarmMember, AlarmRequest, AlarmResponse, AlarmType, CompactionResponse, LeaseGrantRequest, LeaseGrantResponse,
    LeaseRevokeResponse, PutRequest, PutResponse,
};
use crate::check::check_ttl;
use crate::failure::Failure;
use crate::message::{Request, Response};
use crate::store::Store;
use crate::txn;

/// Shortest life of a lease, in seconds: one and a half election time-outs, rounded up.
const MIN_TTL: i64 = 2;

/// A member's content.
#[derive(Debug, Clone)]
pub(crate) struct Replica {
    pub(crate) store: Store,
    alarms: BTreeSet<(u64, i32)>,
}

impl Replica {
    pub(crate) fn new() -> Self {
        Self { store: Store::new(), alarms: BTreeSet::new() }
    }

    pub(crate) fn has_space(&self) -> bool {
        !self.alarms.iter().any(|(_, alarm)| *alarm == i32::from(AlarmType::Nospace))
    }

    pub(crate) fn alarms(&self) -> impl Iterator<Item = AlarmMember> {
        self.alarms.iter().map(|(member_id, alarm)| AlarmMember { member_id: *member_id, alarm: *alarm })
    }

    /// A read of this member alone; None for what is no read.
    pub(crate) fn read(&self, request: &Request) -> Option<Result<Response, Failure>> {
        match request {
            Request::Range(range) => Some(self.store.range(range, self.store.revision()).map(Response::from)),
            Request::Txn(request) => Some(txn::read(&self.store, request).map(Response::from)),
            _ => None,
        }
    }

    /// Carries out a proposal; None for what is never proposed.
    pub(crate) fn apply(&mut self, request: &Request) -> Option<Result<Response, Failure>> {
        Some(match request {
            Request::Put(_) | Request::Grant(_) if !self.has_space() => Err(Failure::NoSpace),
            Request::Txn(request) if !self.has_space() && txn::has_puts(request) => Err(Failure::NoSpace),
            Request::Put(put) => self.put(put).map(Response::from),
            Request::DeleteRange(delete) => {
                let mut write = self.store.write();
                let response = txn::delete(&mut write, delete);
                write.finish();
                Ok(response.into())
            }
            Request::Txn(request) => txn::apply(&mut self.store, request).map(Response::from),
            Request::Compact(compact) => {
                self.store.compact(compact.revision).map(|()| CompactionResponse::default().into())
            }
            Request::Grant(grant) => self.grant(grant).map(Response::from),
            Request::Revoke(revoke) => {
                let done = self.store.revoke(revoke.id).ok_or(Failure::LeaseNotFound);
                done.map(|()| LeaseRevokeResponse::default().into())
            }
            Request::Alarm(alarm) => Ok(self.alarm(*alarm).into()),
            _ => return None,
        })
    }

    /// By itself, a put is refused for its lease first.
    fn put(&mut self, put: &PutRequest) -> Result<PutResponse, Failure> {
        txn::check_lease(&self.store, put)?;
        txn::check_kept(&self.store, put)?;
        let mut write = self.store.write();
        let response = txn::put(&mut write, put);
        write.finish();
        Ok(response)
    }

    fn grant(&mut self, grant: &LeaseGrantRequest) -> Result<LeaseGrantResponse, Failure> {
        check_ttl(grant.ttl)?;
        if self.store.lease(grant.id).is_some() {
            return Err(Failure::LeaseExists);
        }
        let ttl = grant.ttl.max(MIN_TTL);
        self.store.grant(grant.id, ttl);
        Ok(LeaseGrantResponse { header: None, id: grant.id, ttl, error: String::new() })
    }

    /// Answers with those that are raised, or with the one that was.
    fn alarm(&mut self, request: AlarmRequest) -> AlarmResponse {
        let alarm = (request.member_id, request.alarm);
        let any = request.alarm == i32::from(AlarmType::None);
        let alarms = match request.action() {
            AlarmAction::Get => self.alarms().filter(|raised| any || raised.alarm == request.alarm).collect(),
            AlarmAction::Activate => {
                self.alarms.insert(alarm);
                vec![AlarmMember { member_id: alarm.0, alarm: alarm.1 }]
            }
            AlarmAction::Deactivate => {
                let raised = self.alarms.remove(&alarm);
                raised.then_some(AlarmMember { member_id: alarm.0, alarm: alarm.1 }).into_iter().collect()
            }
        };
        AlarmResponse { header: None, alarms }
    }
}
