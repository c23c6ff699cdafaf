//! What an observer from outside writes down, and what must hold at every moment (protocol 8).
//!
//! It sees every change of the store, the commands that arrive, and the programs that really run. It asks no master.

use std::collections::BTreeSet;

use tanist_core::ids::{AppId, DriverId, Epoch, Nonce, Term};
use tanist_core::msg::WorkerCommand;
use tanist_core::observer::{Observer, Work, is_broken_promise};
use tanist_core::worker::Trouble;
use tanist_etcd_sim::api::{WatchResponse, event::EventType};
use tanist_store::etcd::default_prefix;
use tanist_store::{Key, LeaderRecord, Name, envelope};

use crate::settings;
use crate::world::World;

/// The observer's notes.
#[derive(Debug, Default)]
pub struct Ledger {
    /// Of programs and commands.
    pub observer: Observer,
    /// Somebody wanted to have forgotten what has ended.
    pub cleared: bool,
    /// Drivers that a leader has said to have taken, and that were not looked for in the store yet.
    pub acknowledged: Vec<DriverId>,
    /// Which term is in office, if one is.
    pub lead: Option<LeaderRecord>,
    /// The highest epoch that was ever in office.
    highest: Epoch,
    /// How often the office was taken.
    pub terms: u64,
    /// The live records, by their keys.
    records: BTreeSet<Key>,
    /// Drivers and applications that have ever ended.
    ended: BTreeSet<Key>,
    /// Drivers that were ever stored.
    stored: BTreeSet<DriverId>,
    /// Writes seen.
    pub writes: u64,
}

/// One write of one key.
struct Write<'a> {
    name: Name,
    /// None: it was removed.
    value: Option<&'a [u8]>,
}

impl World {
    /// Something was changed in the store, one revision after the other.
    pub fn observe_changes(&mut self, changes: &WatchResponse) {
        let mut at = 0;
        let mut revision: Vec<Write<'_>> = Vec::new();
        for event in &changes.events {
            let Some(kv) = &event.kv else { continue };
            if kv.mod_revision != at {
                self.observe_revision(&revision);
                revision.clear();
                at = kv.mod_revision;
            }
            let Ok(key) = std::str::from_utf8(&kv.key) else { continue };
            let Some(key) = key.strip_prefix(&default_prefix(settings::CLUSTER)) else { continue };
            let Ok(name) = Name::try_from(&Key::raw(key)) else { continue };
            let value = (event.r#type() == EventType::Put).then_some(&kv.value[..]);
            revision.push(Write { name, value });
        }
        self.observe_revision(&revision);
    }

    /// I1: whoever writes records does so in office, under the highest epoch so far. I7, I10.
    fn observe_revision(&mut self, writes: &[Write<'_>]) {
        // Records and their guard are one transaction: what it finds in office is what was there before it.
        for Write { name, value } in writes {
            self.ledger.writes += 1;
            let is_record = matches!(
                name,
                Name::Worker(_)
                    | Name::App(_)
                    | Name::Driver(_)
                    | Name::Request(_)
                    | Name::DoneApp(_)
                    | Name::DoneDriver(_)
            );
            if let (true, Some(value)) = (is_record, value) {
                self.observe_guarded(name, value);
            }
            match (name, value) {
                (Name::Quarantine(key), None) => panic!("I10: quarantine/{key} was deleted"),
                (Name::Worker(id), None) => drop(self.ledger.observer.given_up.insert(id.clone())),
                (Name::Driver(id), Some(_)) => {
                    let ended = self.ledger.ended.contains(&Name::DoneDriver(id.clone()).into());
                    assert!(!ended, "I7: driver {id} has ended, and is written again");
                    self.ledger.stored.insert(id.clone());
                }
                (Name::Driver(id), None) => self.observe_driver_removed(id, writes),
                (Name::App(id), Some(_)) => {
                    let ended = self.ledger.ended.contains(&Name::DoneApp(id.clone()).into());
                    assert!(!ended, "I7: application {id} has ended, and is written again");
                }
                (Name::DoneDriver(id), Some(_)) => {
                    self.ledger.stored.insert(id.clone());
                    let news = self.ledger.ended.insert(name.into());
                    assert!(news, "I7: driver {id} ends twice");
                }
                (Name::DoneApp(id), Some(_)) => {
                    assert!(self.ledger.ended.insert(name.into()), "I7: application {id} ends twice");
                }
                _ => {}
            }
        }
        for Write { name, value } in writes {
            if *name == Name::Leader {
                self.observe_leader(*value);
            }
            match value {
                Some(_) => self.ledger.records.insert(name.into()),
                None => self.ledger.records.remove(&name.into()),
            };
        }
    }

    /// I7: a driver goes with its end, which may be forgotten in the same transaction, if somebody wants that.
    fn observe_driver_removed(&mut self, id: &DriverId, writes: &[Write<'_>]) {
        let done = Name::DoneDriver(id.clone());
        if writes.iter().all(|write| write.name != done) {
            assert!(self.ledger.cleared, "I7: driver {id} is gone without an end");
            self.ledger.ended.insert(done.into());
        }
    }

    fn observe_guarded(&self, name: &Name, value: &[u8]) {
        #[derive(serde::Deserialize)]
        struct Written {
            epoch: u64,
            nonce: String,
        }
        let written: Written = serde_json::from_slice(value).unwrap_or_else(|error| panic!("{name}: {error}"));
        let Some(lead) = &self.ledger.lead else {
            panic!("I1: {name} is written by epoch {} while nobody is in office", written.epoch)
        };
        let same = lead.epoch.0 == written.epoch && Nonce::new(&written.nonce).is_ok_and(|nonce| nonce == lead.nonce);
        assert!(same, "I1: {name} is written by epoch {}, but {} is in office", written.epoch, lead.term());
    }

    fn observe_leader(&mut self, value: Option<&[u8]>) {
        let before = self.ledger.lead.take();
        let Some(value) = value else {
            let before = before.map_or_else(|| "nobody".to_owned(), |lead| lead.term().to_string());
            self.trace.fact(self.agenda.now(), format_args!("the office of {before} is free"));
            return;
        };
        let record: LeaderRecord = envelope::decode(&bytes::Bytes::copy_from_slice(value)).unwrap().record;
        assert!(before.is_none(), "I1: {} takes the office of {before:?}", record.term());
        let above = record.epoch > self.ledger.highest;
        assert!(above, "I1: {} follows epoch {}", record.term(), self.ledger.highest);
        self.ledger.highest = record.epoch;
        self.ledger.terms += 1;
        self.trace.fact(self.agenda.now(), format_args!("{} is in office, term {}", record.master, record.term()));
        self.ledger.lead = Some(record);
    }

    /// I2: what was acknowledged is durable, once the store has told of everything until then.
    pub fn observe_acknowledged(&mut self) {
        for driver in std::mem::take(&mut self.ledger.acknowledged) {
            assert!(self.ledger.stored.contains(&driver), "I2: {driver} is acknowledged and not stored");
        }
    }

    /// A command arrives.
    pub fn observe_command(&self, host: usize, term: &Term, command: &WorkerCommand) {
        let lives = |app: &AppId| self.ledger.records.contains(&Name::App(app.clone()).into());
        let seen = self.ledger.observer.sees_command(&self.hosts[host].id, term, command, lives);
        seen.unwrap_or_else(|wrong| panic!("{wrong}"));
    }

    /// A program starts.
    pub fn observe_program_started(&mut self, host: usize, work: &Work) {
        let worker = &self.hosts[host].id;
        self.trace.fact(self.agenda.now(), format_args!("{worker} starts {work:?}"));
        let ended = matches!(work, Work::Driver(driver, ..) if self.driver_has_ended(driver));
        self.ledger.observer.sees_start(worker, work, ended).unwrap_or_else(|wrong| panic!("{wrong}"));
    }

    /// A program is not there any more.
    pub fn observe_program_ended(&mut self, host: usize, work: &Work) {
        let worker = &self.hosts[host].id;
        self.trace.fact(self.agenda.now(), format_args!("{worker} ended {work:?}"));
        self.ledger.observer.sees_end(worker, work).unwrap_or_else(|wrong| panic!("{wrong}"));
    }

    /// A worker is in trouble.
    pub fn observe_trouble(&self, host: usize, trouble: &Trouble) {
        assert!(!is_broken_promise(trouble), "I5: {}: {trouble}", self.hosts[host].id);
    }

    /// Whether a driver's end is in the store, or was.
    pub fn driver_has_ended(&self, driver: &DriverId) -> bool {
        self.ledger.ended.contains(&Name::DoneDriver(driver.clone()).into())
    }

    /// It has ended, and nobody wants to know how any more (DR-10).
    pub fn is_forgotten(&self, driver: &DriverId) -> bool {
        self.driver_has_ended(driver) && !self.ledger.records.contains(&Name::DoneDriver(driver.clone()).into())
    }
}
