//! Calls: how a member gets to its answer.

use crate::api::{
    LeaseKeepAliveResponse, LeaseLeasesResponse, LeaseStatus, LeaseTimeToLiveResponse, MemberListResponse,
    StatusResponse, alarm_request::AlarmAction,
};
use crate::check;
use crate::failure::Failure;
use crate::message::{Request, Response};
use crate::txn;

use super::log::Proposal;
use super::member::{Heard, Process};
use super::{CallId, Effect, Etcd, Output, Timer, TimerKey, Told};

/// A member's patience with a call that needs a quorum: 5 s, and twice an election, in milliseconds.
const PATIENCE_MS: u64 = 7000;

/// How long a call may go on being asked for a leader that has come: the member looks once a second.
const LOOK_MS: u64 = 1000;

/// A call under way at a member.
#[derive(Debug)]
pub(super) struct Call {
    pub(super) member: usize,
    pub(super) since: u64,
    pub(super) waits: Waits,
    /// When the member's patience is over, in the queue of timers.
    pub(super) patience: TimerKey,
}

/// What a call waits for.
#[derive(Debug, Clone)]
pub(super) enum Waits {
    /// For any leader, to pass a proposal on.
    Leader(Request),
    /// For the leader that answers it: renewals.
    Lessor(Request),
    /// For its proposal to be carried out here. It may be lost, too.
    Outcome,
    /// For a quorum to confirm the leader.
    Confirmation(Request),
    /// For this member to have carried out so much of the log.
    Content(Request, u64),
    /// For an expired lease to be ended.
    End(i64),
}

impl Etcd {
    /// Asks a member something. The answer comes as [`Output::Answer`], from a member that is down never.
    pub fn request(
        &mut self,
        now: u64,
        member: usize,
        call: CallId,
        request: impl Into<Request>,
        require_leader: bool,
    ) {
        self.advance(now);
        self.hear(member, Heard::Call { call, request: request.into(), require_leader });
        self.advance(now);
    }

    /// Nobody waits for a call any more. What it has begun goes on.
    pub fn forget(&mut self, call: CallId) {
        self.end_call(call);
    }

    fn end_call(&mut self, call: CallId) {
        if let Some(call) = self.calls.remove(&call) {
            self.timers.remove(&call.patience);
        }
    }

    pub(super) fn hear(&mut self, member: usize, heard: Heard) {
        match (&mut self.members[member].process, heard) {
            (Process::Down, _) => {}
            (Process::Frozen(frozen), heard) => frozen.heard.push(heard),
            (Process::Up, Heard::Call { call, request, require_leader }) => {
                if let Some(result) = self.begin(member, call, request, require_leader) {
                    self.answer(member, call, result);
                }
            }
            (Process::Up, Heard::Open { stream, require_leader }) => self.open(member, stream, require_leader),
            (Process::Up, Heard::Stream { stream, request }) => self.stream_request(member, stream, &request),
        }
    }

    /// The answer, if it can be given at once.
    fn begin(
        &mut self,
        member: usize,
        call: CallId,
        request: Request,
        require_leader: bool,
    ) -> Option<Result<Response, Failure>> {
        if require_leader && self.members[member].knows_no_leader(self.now) {
            return Some(Err(Failure::NoLeader));
        }
        if let Err(failure) = check::check(&request).and_then(|()| check::check_proposal(&request)) {
            return Some(Err(failure));
        }
        let alone = match &request {
            Request::Range(range) => range.serializable,
            Request::Txn(txn) => txn::is_read(txn) && txn::is_serializable(txn),
            _ => false,
        };
        match request {
            read @ (Request::Range(_) | Request::Txn(_)) if alone => self.members[member].replica.read(&read),
            Request::Txn(txn) if !txn::is_read(&txn) => self.propose(member, call, Request::Txn(txn)),
            read @ (Request::Range(_) | Request::Txn(_)) => self.ask_quorum(member, call, read),
            Request::Leases(_) => Some(Ok(self.leases(member).into())),
            Request::Status(_) => Some(Ok(self.status(member).into())),
            Request::Members(_) => Some(Ok(self.member_list().into())),
            renewal @ (Request::KeepAlive(_) | Request::TimeToLive(_)) => self.ask_lessor(member, call, renewal),
            Request::Grant(mut grant) => {
                if grant.id == 0 {
                    grant.id = self.rng.id();
                }
                self.propose(member, call, grant.into())
            }
            proposal => self.propose(member, call, proposal),
        }
    }

    fn wait(&mut self, member: usize, call: CallId, waits: Waits) {
        let patience = self.after(PATIENCE_MS, Timer::TimeOut(call));
        self.calls.insert(call, Call { member, since: self.now, waits, patience });
    }

    fn ask_quorum(&mut self, member: usize, call: CallId, read: Request) -> Option<Result<Response, Failure>> {
        if self.members[member].stale_reads {
            return self.members[member].replica.read(&read);
        }
        self.wait(member, call, Waits::Confirmation(read));
        let delay = self.agreement();
        self.after(delay, Timer::Confirm(call));
        None
    }

    /// A quorum has answered, if there is one: what was agreed upon so far has to be in the answer.
    pub(super) fn confirm(&mut self, call: CallId) {
        let Some(Call { member, waits: Waits::Confirmation(read), .. }) = self.calls.get(&call) else { return };
        let (member, read) = (*member, read.clone());
        if self.is_in_touch(member) {
            let end = self.log.end();
            if let Some(call) = self.calls.get_mut(&call) {
                call.waits = Waits::Content(read, end);
            }
            self.answer_reads(member);
        }
    }

    /// Answers the reads whose content is there.
    pub(super) fn answer_reads(&mut self, member: usize) {
        let applied = self.members[member].applied;
        let ready: Vec<(CallId, Request)> = self
            .calls
            .iter()
            .filter_map(|(id, call)| match &call.waits {
                Waits::Content(read, end) if call.member == member && *end <= applied => Some((*id, read.clone())),
                _ => None,
            })
            .collect();
        for (call, read) in ready {
            if let Some(result) = self.members[member].replica.read(&read) {
                self.answer(member, call, result);
            }
        }
    }

    fn propose(&mut self, member: usize, call: CallId, request: Request) -> Option<Result<Response, Failure>> {
        let has_effect = !matches!(&request, Request::Alarm(alarm) if alarm.action() == AlarmAction::Get);
        match has_effect.then(|| self.mishaps.pop_front()).flatten() {
            None => {
                self.wait(member, call, Waits::Outcome);
                self.pass_on(member, Some(call), request, 0);
                None
            }
            Some(mishap) => {
                match mishap.effect {
                    Effect::Applied => self.pass_on(member, None, request, 0),
                    Effect::Late(delay) => self.pass_on(member, None, request, delay),
                    Effect::Never => {}
                }
                (mishap.told == Told::TimedOut).then_some(Err(Failure::TimedOut))
            }
        }
    }

    /// Sends a proposal to whom the member takes for the leader.
    pub(super) fn pass_on(&mut self, member: usize, call: Option<CallId>, request: Request, delay: u64) {
        let in_touch = self.is_in_touch(member);
        let proposal = Proposal { request, origin: call.map(|call| (member, call)), reached: in_touch };
        let is_leader = self.leader == Some(member);
        let leader_is_frozen = self.leader.is_some_and(|leader| self.members[leader].frozen_mut().is_some());
        if in_touch {
            let delay = delay + self.agreement();
            self.after(delay, Timer::Commit(proposal));
        } else if is_leader || leader_is_frozen {
            self.log.stalled.push(proposal);
        } else if self.members[member].knows_no_leader(self.now) {
            // It keeps what it cannot send; what nobody waits for is lost with its sender.
            if let Some(call) = call.and_then(|call| self.calls.get_mut(&call)) {
                call.waits = Waits::Leader(proposal.request);
            }
        }
    }

    fn ask_lessor(&mut self, member: usize, call: CallId, request: Request) -> Option<Result<Response, Failure>> {
        // A leader believes in itself for a while, and so do its leases.
        let believes = self.leader == Some(member) && !self.members[member].knows_no_leader(self.now);
        self.wait(member, call, Waits::Lessor(request));
        if believes {
            self.at_leader(call);
        } else if self.is_in_touch(member) {
            let delay = self.agreement();
            self.after(delay, Timer::AtLeader(call));
        }
        None
    }

    /// A call has arrived at the clock of leases.
    pub(super) fn at_leader(&mut self, id: CallId) {
        let Some(Call { member, waits: Waits::Lessor(request), .. }) = self.calls.get(&id) else { return };
        let (member, request) = (*member, request.clone());
        let believes = self.leader == Some(member);
        let Some(leader) = self.leader.filter(|_| believes || self.is_in_touch(member)) else { return };
        let lease = match &request {
            Request::KeepAlive(renewal) => renewal.id,
            Request::TimeToLive(question) => question.id,
            _ => 0,
        };
        let granted = self.members[leader].replica.store.lease(lease).map(|granted| granted.ttl);
        let Some((ttl, expiry)) = granted.zip(self.lessor.expiry(lease)) else {
            return self.answer(member, id, Ok(no_lease(&request, lease)));
        };
        if let Request::TimeToLive(question) = request {
            let left = expiry.saturating_sub(self.now) / 1000;
            let keys = self.members[leader].replica.store.lease(lease).filter(|_| question.keys);
            let keys = keys.map(|granted| granted.keys.iter().cloned().collect()).unwrap_or_default();
            let ttl_left = i64::try_from(left).unwrap_or(i64::MAX);
            let answer = LeaseTimeToLiveResponse { header: None, id: lease, ttl: ttl_left, granted_ttl: ttl, keys };
            self.answer(member, id, Ok(answer.into()));
        } else if expiry <= self.now {
            if let Some(call) = self.calls.get_mut(&id) {
                call.waits = Waits::End(lease);
            }
        } else {
            self.lessor.restart(self.now, lease, ttl);
            self.answer(member, id, Ok(LeaseKeepAliveResponse { header: None, id: lease, ttl }.into()));
        }
    }

    /// Tells those who want to renew a lease that it is over.
    pub(super) fn answer_late_renewals(&mut self, lease: i64) {
        let late = self.calls.iter().filter(|(_, call)| matches!(call.waits, Waits::End(id) if id == lease));
        let late: Vec<(CallId, usize)> = late.map(|(id, call)| (*id, call.member)).collect();
        for (call, member) in late {
            self.answer(member, call, Ok(LeaseKeepAliveResponse { header: None, id: lease, ttl: 0 }.into()));
        }
    }

    /// A member is in touch with a leader again: what waited for that goes on, or fails.
    pub(super) fn resume(&mut self, member: usize, leader_changed: bool) {
        let waiting: Vec<(CallId, Waits)> = self
            .calls
            .iter()
            .filter(|(_, call)| call.member == member)
            .map(|(id, call)| (*id, call.waits.clone()))
            .collect();
        for (id, waits) in waiting {
            match waits {
                Waits::Confirmation(_) if leader_changed => self.answer(member, id, Err(Failure::LeaderChanged)),
                Waits::Confirmation(_) => self.confirm(id),
                Waits::Leader(request) => {
                    if let Some(call) = self.calls.get_mut(&id) {
                        call.waits = Waits::Outcome;
                    }
                    self.pass_on(member, Some(id), request, 0);
                }
                Waits::Lessor(_) => {
                    let delay = self.rng.within(&(0..LOOK_MS));
                    self.after(delay, Timer::AtLeader(id));
                }
                Waits::Outcome | Waits::Content(..) | Waits::End(_) => {}
            }
        }
    }

    pub(super) fn time_out(&mut self, id: CallId) {
        let Some(call) = self.calls.get(&id) else { return };
        let (member, since) = (call.member, call.since);
        let failure = match call.waits {
            Waits::Content(..) => return,
            Waits::Lessor(_) if self.members[member].knows_no_leader(self.now) => Failure::NoLeader,
            Waits::Outcome | Waits::Leader(_) if since < self.elected_at && self.elected_at < since + 2000 => {
                Failure::TimedOutByLeaderFailure
            }
            _ => Failure::TimedOut,
        };
        self.answer(member, id, Err(failure));
    }

    pub(super) fn answer(&mut self, member: usize, call: CallId, mut result: Result<Response, Failure>) {
        self.end_call(call);
        // Answers about alarms do not say who gives them.
        if let Ok(response) = result.as_mut()
            && !matches!(response, Response::Alarm(_))
        {
            self.sign(member, response.header_mut());
        }
        self.say(member, Output::Answer { call, result });
    }

    fn leases(&self, member: usize) -> LeaseLeasesResponse {
        let known = self.members[member].replica.store.leases();
        // Only the leader knows which ends first.
        let ids = if self.leader == Some(member) { self.lessor.in_order() } else { known.keys().copied().collect() };
        let leases = ids.into_iter().map(|id| LeaseStatus { id }).collect();
        LeaseLeasesResponse { header: None, leases }
    }

    fn status(&self, member: usize) -> StatusResponse {
        let asked = &self.members[member];
        let leader = self.leader.filter(|_| asked.headless.is_none()).map_or(0, |leader| self.members[leader].id);
        let size = asked.replica.store.size();
        let mut errors: Vec<String> = asked
            .replica
            .alarms()
            .map(|alarm| format!("memberID:{} alarm:{} ", alarm.member_id, alarm.alarm().as_str_name()))
            .collect();
        if leader == 0 {
            errors.push(Failure::NoLeader.to_string());
        }
        StatusResponse {
            header: None,
            version: self.config.version.clone(),
            db_size: size,
            leader,
            raft_index: asked.received,
            raft_term: self.term,
            raft_applied_index: asked.applied,
            errors,
            db_size_in_use: size,
            is_learner: false,
        }
    }

    fn member_list(&self) -> MemberListResponse {
        let listed = self.members.iter().enumerate().map(|(place, member)| crate::api::Member {
            id: member.id,
            name: format!("m{place}"),
            ..Default::default()
        });
        MemberListResponse { header: None, members: listed.collect() }
    }
}

fn no_lease(request: &Request, id: i64) -> Response {
    match request {
        Request::TimeToLive(_) => LeaseTimeToLiveResponse { id, ttl: -1, ..Default::default() }.into(),
        _ => LeaseKeepAliveResponse { header: None, id, ttl: 0 }.into(),
    }
}
