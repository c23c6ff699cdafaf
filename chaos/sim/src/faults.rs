//! What each fault of the plan does, and how it ends.

use std::time::Duration;

use tanist_core::model::{DriverDescription, OnIsolation};
use tanist_core::units::{Cores, Memory};
use tanist_core::worker::Event;
use tanist_etcd_sim::api::{CompactionRequest, DeleteRangeRequest, LeaseRevokeRequest};
use tanist_store::etcd::default_prefix;
use tanist_store::simulated::Order;

use crate::agenda::millis;
use crate::etcd::MEMBERS;
use crate::net::Party;
use crate::operator::Question;
use crate::plan::{Disk, Fault, Kind, Member, Which};
use crate::settings::{CLUSTER, MASTERS, SMALL, command, host_name};
use crate::world::{Ending, Happening, World};

/// A worker that is to take no more work is replaced after so many milliseconds.
const REPLACED_AFTER: u64 = 60_000;
/// How long an operator waits before he asks etcd again for what it did not take, in milliseconds.
const ASKED_AGAIN: u64 = 500;

impl World {
    /// Does what the plan says.
    pub fn fault(&mut self, number: usize, fault: Fault) {
        self.trace.fact(self.agenda.now(), format_args!("──── {number}: {fault:?}"));
        match fault {
            Fault::Submit { .. }
            | Fault::Storm { .. }
            | Fault::Repeat { .. }
            | Fault::KillDriver { .. }
            | Fault::ProgramExits { .. }
            | Fault::Want { .. }
            | Fault::EndExecutor { .. }
            | Fault::Clear { .. }
            | Fault::StopApp { .. }
            | Fault::KillApp { .. } => self.work(fault),
            Fault::CrashApp { .. }
            | Fault::CrashWorker { .. }
            | Fault::StopWorker { .. }
            | Fault::StillWorker { .. }
            | Fault::Decommission { .. }
            | Fault::DecommissionHost { .. }
            | Fault::LowDisk { .. } => self.fault_of_peers(fault),
            Fault::CrashMaster { .. }
            | Fault::StopMaster { .. }
            | Fault::SuspendMaster { .. }
            | Fault::HangMaster { .. }
            | Fault::FailPoint { .. }
            | Fault::RestartAll { .. } => self.fault_of_masters(fault),
            Fault::Switchover { .. } | Fault::TwoSwitchovers { .. } | Fault::Pause { .. } | Fault::Resume { .. } => {
                self.order(fault);
            }
            Fault::Cut { .. }
            | Fault::Isolate { .. }
            | Fault::LeaderCutOff { .. }
            | Fault::Slow { .. }
            | Fault::Break { .. } => self.fault_of_the_net(fault),
            Fault::Rate { .. } | Fault::Wall { .. } => self.fault_of_clocks(fault),
            _ => self.fault_of_etcd(fault),
        }
    }

    fn later(&mut self, length: u64, ending: Ending) {
        self.agenda.after(millis(length), Happening::Ends(ending));
    }

    /// The one in office, else the first.
    fn which(&self, which: Which) -> usize {
        match which {
            Which::Number(master) => master,
            Which::Leader => self.leader().unwrap_or(0),
        }
    }

    /// Who is in office.
    pub fn leader(&self) -> Option<usize> {
        let lead = self.ledger.lead.as_ref()?;
        (0..MASTERS).find(|master| crate::settings::master_id(*master) == lead.master)
    }

    fn member(&self, member: Member) -> usize {
        match member {
            Member::Number(member) => member,
            Member::Leader => self.etcd.cluster.leader().unwrap_or(0),
        }
    }

    fn work(&mut self, fault: Fault) {
        match fault {
            Fault::Submit { master, cores, supervise, once } => self.submits(driver(cores, supervise, once), master),
            Fault::Storm { master, drivers } => {
                (0..drivers).for_each(|_| self.submits(driver(1, false, false), master));
            }
            Fault::Repeat { pick, master } => self.repeats(pick, master),
            Fault::KillDriver { pick, master } => self.kills_driver(pick, master),
            Fault::ProgramExits { pick, code } => self.some_program_exits(pick, code),
            Fault::Want { client, total } => self.app_wants(client, total),
            Fault::EndExecutor { client, pick } => self.app_ends_executor(client, pick),
            Fault::Clear { master } => {
                self.ledger.cleared = true;
                self.orders(master, Question::Clear);
            }
            Fault::StopApp { client, back } => {
                self.app_stops(client);
                self.later(10_000 + back, Ending::AppStarts(client));
            }
            Fault::KillApp { client, master } => {
                if let Some(app) = self.clients[client].id().cloned() {
                    self.orders(master, Question::KillApp(app));
                }
            }
            _ => {}
        }
    }

    fn fault_of_peers(&mut self, fault: Fault) {
        match fault {
            Fault::CrashApp { client, back } => {
                self.app_dies(client);
                self.later(back, Ending::AppStarts(client));
            }
            Fault::CrashWorker { host, back, disk } => {
                self.worker_dies(host);
                if disk == Disk::Old {
                    let known = &mut self.hosts[host];
                    known.saved = known.old_disk.clone().or(known.saved.take());
                }
                self.later(back, Ending::WorkerStarts(host, disk != Disk::Lost));
            }
            Fault::StopWorker { host, back } => {
                self.worker_is_told(host, Event::Stop);
                self.later(30_000 + back, Ending::WorkerStarts(host, false));
            }
            Fault::StillWorker { host, length } => self.worker_stands_still(host, length),
            Fault::Decommission { host } => {
                self.worker_is_told(host, Event::Decommission);
                self.later(REPLACED_AFTER, Ending::WorkerReplaced(host));
            }
            Fault::DecommissionHost { host, master } => {
                self.orders(master, Question::Decommission(host_name(host)));
                self.later(REPLACED_AFTER, Ending::WorkerReplaced(host));
            }
            Fault::LowDisk { host, low } => self.disk(host, low),
            _ => {}
        }
    }

    /// The disk of a worker is full, or not.
    pub fn disk(&mut self, host: usize, low: bool) {
        self.worker_is_told(host, Event::DiskFree(Memory::mib(if low { 0 } else { 100_000 })));
    }

    fn fault_of_masters(&mut self, fault: Fault) {
        match fault {
            Fault::CrashMaster { master, back } => {
                let master = self.which(master);
                self.master_crashes(master);
                self.later(back, Ending::MasterStarts(master));
            }
            Fault::StopMaster { master, back } => {
                let master = self.which(master);
                self.masters[master].stop();
                self.later(4_000 + back, Ending::MasterStarts(master));
            }
            Fault::SuspendMaster { master, length } => {
                let master = self.which(master);
                if self.masters[master].is_up() && !std::mem::replace(&mut self.masters[master].still, true) {
                    let party = Party::Master(master);
                    self.agenda.after(millis(length), Happening::GoesOn { party });
                    self.keep_alives(party);
                }
            }
            Fault::HangMaster { master, length } => {
                let master = self.which(master);
                let length = millis(length).min(self.faults_until - self.agenda.now());
                self.masters[master].order("master.loop.turn", Order::Wait(length), 1);
            }
            Fault::FailPoint { master, point, wait, times } => {
                let left = self.faults_until - self.agenda.now();
                let order = wait.map_or(Order::Error, |wait| Order::Wait(millis(wait).min(left)));
                let master = self.which(master);
                self.masters[master].order(point, order, times);
            }
            Fault::RestartAll { back } => {
                for master in 0..MASTERS {
                    self.master_crashes(master);
                    let wait = self.rng.between(0, back + 1);
                    self.later(wait, Ending::MasterStarts(master));
                }
            }
            _ => {}
        }
    }

    /// The process is gone without a word.
    pub fn master_crashes(&mut self, master: usize) {
        if self.masters[master].is_up() {
            let process = (Party::Master(master), self.masters[master].life);
            self.masters[master].crash();
            self.process_ended(process);
        }
    }

    fn order(&mut self, fault: Fault) {
        match fault {
            Fault::Switchover { at, target } => {
                let master = self.which(at);
                self.orders(master, Question::Switchover(target));
            }
            Fault::TwoSwitchovers { target } => {
                let leader = self.which(Which::Leader);
                self.orders(leader, Question::Switchover(Some(target)));
                self.orders(leader, Question::Switchover(Some((target + 1) % MASTERS)));
            }
            Fault::Pause { at, length } => self.orders(at, Question::Pause(length)),
            Fault::Resume { at } => self.orders(at, Question::Resume),
            _ => {}
        }
    }

    fn fault_of_etcd(&mut self, fault: Fault) {
        let now = self.agenda.now().0;
        match fault {
            Fault::StopMember { member, back } => {
                let member = self.member(member);
                self.etcd.cluster.stop(now, member);
                self.later(back, Ending::EtcdStarts(member));
            }
            Fault::FreezeMember { member, length } => {
                let member = self.member(member);
                self.etcd.cluster.freeze(now, member);
                self.later(length, Ending::EtcdThaws(member));
            }
            Fault::CutMember { member, length } => {
                let member = self.member(member);
                self.etcd.cluster.cut_off(now, member);
                self.later(length, Ending::EtcdReconnects(member));
            }
            Fault::LagMember { member, by, length } => {
                self.etcd.cluster.lag(now, member, by);
                self.later(length, Ending::EtcdCatchesUp(member));
            }
            Fault::StaleMember { member, length } => {
                self.etcd.cluster.stale_reads(member, true);
                self.later(length, Ending::EtcdReads(member));
            }
            Fault::LoseQuorum { length } => self.members_stop(2, length),
            Fault::LoseAll { length } => self.members_stop(MEMBERS, length),
            Fault::NoSpace { member, length } => {
                self.etcd.cluster.no_space(now, member, true);
                self.later(length, Ending::EtcdHasRoom(member));
            }
            Fault::Mishaps { mishap, times } => (0..times).for_each(|_| self.etcd.cluster.mishap(mishap)),
            Fault::Compact => {
                let revision = self.etcd.cluster.revision(self.member(Member::Leader));
                self.etcd.order(now, CompactionRequest { revision, physical: false });
            }
            Fault::RevokeLease => {
                if let Some(lease) = self.etcd.lease_of(&leader_key()) {
                    self.etcd.order(now, LeaseRevokeRequest { id: lease });
                }
            }
            Fault::DeleteLeader => {
                let key = leader_key().into();
                self.etcd.order(now, DeleteRangeRequest { key, ..Default::default() });
            }
            _ => {}
        }
    }

    fn members_stop(&mut self, count: usize, length: u64) {
        let now = self.agenda.now().0;
        for member in 0..count {
            self.etcd.cluster.stop(now, member);
            self.later(length, Ending::EtcdStarts(member));
        }
    }

    fn fault_of_the_net(&mut self, fault: Fault) {
        match fault {
            Fault::Cut { one, other, both, length } => {
                self.cut_for(one, other, length);
                if both {
                    self.cut_for(other, one, length);
                }
            }
            Fault::Isolate { party, from, length } => self.isolate(party, from, length),
            Fault::LeaderCutOff { from, length } => {
                let leader = Party::Master(self.which(Which::Leader));
                self.isolate(leader, from, length);
            }
            Fault::Slow { party, by, length } => {
                self.net.slow(party, by);
                self.later(length, Ending::Quick(party));
            }
            Fault::Break { pick } => {
                let standing = self.net.standing();
                if let Some(conn) = standing.get(pick % standing.len().max(1)) {
                    self.break_conn(*conn);
                }
            }
            _ => {}
        }
    }

    fn cut_for(&mut self, from: Party, to: Party, length: u64) {
        self.cut(from, to);
        self.later(length, Ending::Mend(from, to));
    }

    fn isolate(&mut self, party: Party, from: Kind, length: u64) {
        let all = from == Kind::Everybody;
        let mut others = Vec::new();
        if all || from == Kind::Etcd {
            others.extend((0..MEMBERS).map(Party::Etcd));
        }
        if all || from == Kind::Masters {
            others.extend((0..MASTERS).map(Party::Master));
        }
        if all || from == Kind::Workers {
            others.extend((0..self.hosts.len()).map(Party::Worker));
        }
        if all {
            others.extend((0..self.clients.len()).map(Party::App));
        }
        for other in others.into_iter().filter(|other| *other != party) {
            self.cut_for(party, other, length);
            self.cut_for(other, party, length);
        }
    }

    fn fault_of_clocks(&mut self, fault: Fault) {
        let now = self.agenda.now();
        match fault {
            Fault::Rate { party, rate, length } => {
                if let Some(clock) = self.clock(party) {
                    clock.run_at(now, rate);
                }
                self.later(length, Ending::ClockRight(party));
            }
            Fault::Wall { party: Party::Master(master), ahead } => self.masters[master].set_wall(ahead),
            Fault::Wall { party, ahead } => {
                if let Some(clock) = self.clock(party) {
                    clock.set_wall(ahead);
                }
            }
            _ => {}
        }
    }

    /// A fault is over.
    pub fn ends(&mut self, ending: Ending) {
        let now = self.agenda.now();
        match ending {
            Ending::MasterStarts(master) => {
                let seed = self.rng.bits();
                if !self.masters[master].is_up() {
                    self.masters[master].start(now, seed);
                    self.break_master(master);
                }
            }
            Ending::WorkerStarts(host, same_id) => self.worker_starts(host, same_id),
            Ending::WorkerReplaced(host) => {
                self.worker_dies(host);
                self.worker_starts(host, false);
            }
            Ending::AppStarts(client) => self.app_starts(client),
            Ending::EtcdStarts(member) => {
                if !self.etcd.cluster.is_up(member) {
                    self.etcd_lives[member] += 1;
                    self.etcd.cluster.start(now.0, member);
                    self.etcd.observe(now.0);
                }
            }
            Ending::EtcdThaws(member) => self.etcd.cluster.thaw(now.0, member),
            Ending::EtcdReconnects(member) => self.etcd.cluster.reconnect(now.0, member),
            Ending::EtcdCatchesUp(member) => self.etcd.cluster.lag(now.0, member, 0),
            Ending::EtcdReads(member) => self.etcd.cluster.stale_reads(member, false),
            Ending::EtcdHasRoom(member) => {
                if !self.etcd.cluster.no_space(now.0, member, false) {
                    self.later(ASKED_AGAIN, ending);
                }
            }
            Ending::Mend(from, to) => self.mend(from, to),
            Ending::Quick(party) => self.net.slow(party, 0),
            Ending::ClockRight(party) => {
                if let Some(clock) = self.clock(party) {
                    clock.run_at(now, 1000);
                }
            }
        }
    }

    /// Everything that a fault has left is put right.
    pub fn faults_end(&mut self) {
        let now = self.agenda.now();
        self.mend_all();
        for member in 0..MEMBERS {
            self.ends(Ending::EtcdThaws(member));
            self.ends(Ending::EtcdReconnects(member));
            self.ends(Ending::EtcdCatchesUp(member));
            self.ends(Ending::EtcdReads(member));
            self.ends(Ending::EtcdStarts(member));
            self.ends(Ending::EtcdHasRoom(member));
        }
        let parties = (0..MASTERS).map(Party::Master).chain((0..self.hosts.len()).map(Party::Worker));
        for party in parties.chain((0..self.clients.len()).map(Party::App)).collect::<Vec<_>>() {
            self.ends(Ending::ClockRight(party));
        }
        for master in 0..MASTERS {
            if self.masters[master].still {
                self.masters[master].wake(now);
                self.flows_to(Party::Master(master));
            }
            // A loop that would hang on is killed, as an operator does.
            if self.masters[master].forget_orders() {
                self.master_crashes(master);
            }
            self.break_master(master);
            self.orders(master, Question::Resume);
        }
        for host in 0..self.hosts.len() {
            if !self.is_still(host) {
                continue;
            }
            self.hosts[host].still_until = now;
            self.agenda.after(Duration::ZERO, Happening::GoesOn { party: Party::Worker(host) });
        }
    }
}

fn leader_key() -> Vec<u8> {
    format!("{}ha/leader", default_prefix(CLUSTER)).into_bytes()
}

fn driver(cores: u32, supervise: bool, once: bool) -> DriverDescription {
    DriverDescription {
        memory: SMALL,
        cores: Cores(cores),
        supervise,
        command: command(),
        on_isolation: if once { OnIsolation::Kill } else { OnIsolation::Continue },
        ..DriverDescription::default()
    }
}
