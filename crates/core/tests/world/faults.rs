//! What users, operators and bad luck do to a world.

use proptest::prelude::*;
use tanist_core::model::{DriverDescription, OnIsolation};
use tanist_core::msg::ClientRequest;
use tanist_core::units::{Cores, Memory};
use tanist_core::worker::Event;

use crate::clients::CLIENTS;
use crate::hosts::HOSTS;
use crate::masters::MASTERS;
use crate::net::Who;
use crate::settings::{SMALL, command, host_name};
use crate::world::{Happening, World, millis};

/// One thing that is done to the world.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Act {
    Submit { master: usize, cores: u32, supervise: bool, once: bool },
    Repeat { pick: usize, master: usize },
    KillDriver { pick: usize, master: usize },
    ProgramExits { pick: usize, code: i32 },
    Want { client: usize, total: u32 },
    EndExecutor { client: usize, pick: usize },
    Clear { master: usize },
    StopApp { client: usize },
    KillApp { client: usize, master: usize },
    CrashApp { client: usize, back: u64 },
    CrashWorker { host: usize, back: u64, same_id: bool },
    StopWorker { host: usize, back: u64 },
    StandStill { host: usize, length: u64 },
    Decommission { host: usize },
    DecommissionHost { host: usize, master: usize },
    Disk { host: usize, low: bool },
    Depose,
    CrashMaster { master: usize, back: u64 },
    Suspend { master: usize },
    Renew { master: usize },
    Break { pick: usize },
    Isolate { who: Who },
    Cut { who: Who, master: usize },
    Mend { who: Who, master: usize },
}

/// An act, and for how many milliseconds the world goes on after it.
pub(crate) type Step = (Act, u64);

pub(crate) fn step() -> impl Strategy<Value = Step> {
    let wait = prop_oneof![5 => 0u64..40, 4 => 40u64..2000, 2 => 2000u64..20_000, 1 => 20_000u64..90_000];
    (act(), wait)
}

fn act() -> impl Strategy<Value = Act> {
    prop_oneof![4 => work(), 3 => faults_of_peers(), 3 => faults_of_masters(), 3 => faults_of_the_net()]
}

fn work() -> impl Strategy<Value = Act> {
    let (master, client, pick) = (0..MASTERS, 0..CLIENTS, 0..100usize);
    prop_oneof![
        6 => (master.clone(), 1..3u32, any::<bool>(), any::<bool>())
            .prop_map(|(master, cores, supervise, once)| Act::Submit { master, cores, supervise, once }),
        2 => (pick.clone(), master.clone()).prop_map(|(pick, master)| Act::Repeat { pick, master }),
        2 => (pick.clone(), master.clone()).prop_map(|(pick, master)| Act::KillDriver { pick, master }),
        6 => (pick.clone(), 0..2i32).prop_map(|(pick, code)| Act::ProgramExits { pick, code }),
        3 => (client.clone(), 0..5u32).prop_map(|(client, total)| Act::Want { client, total }),
        2 => (client.clone(), pick).prop_map(|(client, pick)| Act::EndExecutor { client, pick }),
        1 => client.clone().prop_map(|client| Act::StopApp { client }),
        1 => master.clone().prop_map(|master| Act::Clear { master }),
        1 => (client, master).prop_map(|(client, master)| Act::KillApp { client, master }),
    ]
}

fn faults_of_peers() -> impl Strategy<Value = Act> {
    let (master, client, host, back) = (0..MASTERS, 0..CLIENTS, 0..HOSTS, 1..70_000u64);
    prop_oneof![
        2 => (client, back.clone()).prop_map(|(client, back)| Act::CrashApp { client, back }),
        4 => (host.clone(), back.clone(), any::<bool>())
            .prop_map(|(host, back, same_id)| Act::CrashWorker { host, back, same_id }),
        1 => (host.clone(), back.clone()).prop_map(|(host, back)| Act::StopWorker { host, back }),
        2 => (host.clone(), back).prop_map(|(host, length)| Act::StandStill { host, length }),
        1 => host.clone().prop_map(|host| Act::Decommission { host }),
        1 => (host.clone(), master).prop_map(|(host, master)| Act::DecommissionHost { host, master }),
        1 => (host, any::<bool>()).prop_map(|(host, low)| Act::Disk { host, low }),
    ]
}

fn faults_of_masters() -> impl Strategy<Value = Act> {
    let (master, back) = (0..MASTERS, 1..30_000u64);
    prop_oneof![
        3 => Just(Act::Depose),
        2 => (master.clone(), back).prop_map(|(master, back)| Act::CrashMaster { master, back }),
        2 => master.clone().prop_map(|master| Act::Suspend { master }),
        3 => master.prop_map(|master| Act::Renew { master }),
    ]
}

fn faults_of_the_net() -> impl Strategy<Value = Act> {
    let who = prop_oneof![3 => (0..HOSTS).prop_map(Who::Worker), 1 => (0..CLIENTS).prop_map(Who::App)].boxed();
    let pair = (who.clone(), 0..MASTERS);
    prop_oneof![
        1 => who.prop_map(|who| Act::Isolate { who }),
        3 => (0..100usize).prop_map(|pick| Act::Break { pick }),
        2 => pair.clone().prop_map(|(who, master)| Act::Cut { who, master }),
        3 => pair.prop_map(|(who, master)| Act::Mend { who, master }),
    ]
}

impl World {
    pub(crate) fn step(&mut self, (act, wait): Step) {
        self.note(format_args!("──── {act:?}"));
        self.act(act);
        self.pass(millis(wait));
    }

    fn act(&mut self, act: Act) {
        match act {
            Act::Submit { master, cores, supervise, once } => self.submits(driver(cores, supervise, once), master),
            Act::Repeat { pick, master } => {
                let known = self.submitter.submissions.len();
                self.repeats(pick % known.max(1), master);
            }
            Act::KillDriver { pick, master } => self.kills_driver(pick, master),
            Act::ProgramExits { pick, code } => self.some_program_exits(pick, code),
            Act::Want { client, total } => self.app_wants(client, total),
            Act::EndExecutor { client, pick } => self.app_ends_executor(client, pick),
            Act::Clear { master } => drop(self.asks(master, ClientRequest::ClearCompleted)),
            Act::StopApp { client } => {
                self.app_handles(client, tanist_core::app::Event::Stop);
                self.agenda.after(millis(10_000), Happening::AppStarts { client });
            }
            Act::KillApp { client, master } => {
                if let Some(app) = self.clients[client].id().cloned() {
                    self.asks(master, ClientRequest::KillApplication { app });
                }
            }
            Act::CrashApp { client, back } => {
                self.app_dies(client);
                self.agenda.after(millis(back), Happening::AppStarts { client });
            }
            Act::CrashWorker { host, back, same_id } => {
                self.worker_dies(host);
                self.agenda.after(millis(back), Happening::WorkerStarts { host, same_id });
            }
            Act::StopWorker { host, back } => {
                self.worker_is_told(host, Event::Stop);
                self.agenda.after(millis(30_000 + back), Happening::WorkerStarts { host, same_id: false });
            }
            Act::StandStill { host, length } => self.stands_still(host, length),
            Act::Decommission { host } => self.worker_is_told(host, Event::Decommission),
            Act::DecommissionHost { host, master } => {
                self.asks(master, ClientRequest::DecommissionHosts { hosts: vec![host_name(host)] });
            }
            Act::Disk { host, low } => {
                self.worker_is_told(host, Event::DiskFree(Memory::mib(if low { 0 } else { 100_000 })));
            }
            Act::Depose => {
                if let Some(lead) = self.store.lead.clone() {
                    self.lead_ends(&lead.term);
                }
            }
            Act::CrashMaster { master, back } => {
                self.master_crashes(master);
                self.agenda.after(millis(back), Happening::MasterStarts { master });
            }
            Act::Suspend { master } => self.suspends(master),
            Act::Renew { master } => self.renews(master),
            Act::Break { pick } => {
                let standing = self.net.standing();
                if let Some(session) = standing.get(pick % standing.len().max(1)) {
                    self.break_session(*session);
                }
            }
            Act::Isolate { who } => (0..MASTERS).for_each(|master| self.cut(who, master)),
            Act::Cut { who, master } => self.cut(who, master),
            Act::Mend { who, master } => self.mend(who, master),
        }
    }
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
