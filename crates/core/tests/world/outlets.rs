//! Where the effects of a master go once they may leave: to its sessions, to its alarms, to endpoints that it dials.

use std::time::Duration;

use tanist_core::ids::{Epoch, SessionId};
use tanist_core::master::{Effect, Event, Finding, Peer};
use tanist_core::msg::{MasterToApp, MasterToWorker};

use crate::masters::leader_info;
use crate::net::{Cargo, Side, Who};
use crate::settings;
use crate::world::{Happening, World, millis};

/// A peer's own endpoint that is to be dialled.
#[derive(Debug, Clone)]
pub(crate) struct Dial {
    master: usize,
    epoch: Epoch,
    peer: Peer,
    endpoint: String,
    purpose: Purpose,
}

/// Why an endpoint is dialled.
#[derive(Debug, Clone, Copy)]
enum Purpose {
    /// It is told who leads, again and again.
    Announce,
    /// It is only asked, once, after this session.
    Probe(Option<SessionId>),
}

impl World {
    pub(crate) fn master_carries_out(&mut self, master: usize, effect: Effect) {
        match effect {
            Effect::ToWorker { session, message } => {
                if let (MasterToWorker::Registered(_), Some((Who::Worker(host), _))) =
                    (&message, self.net.peer(session))
                {
                    self.no_announcement(master, &Peer::Worker(self.hosts[host].id.clone()));
                }
                self.send_down(session, Cargo::ToWorker(message));
            }
            Effect::ToApp { session, message } => {
                if let MasterToApp::Registered(registered) = &message {
                    self.no_announcement(master, &Peer::App(registered.app.clone()));
                }
                self.send_down(session, Cargo::ToApp(message));
            }
            Effect::Reply { to, reply } => self.replied(to, reply),
            Effect::CloseSession { session } if self.net.peer(session).is_some() => {
                self.end_session(session, Side::Master);
                self.master_later(master, Duration::ZERO, Event::SessionClosed { session });
            }
            Effect::CloseSession { .. } => {}
            Effect::Announce { peer, endpoint } => self.begins_to_dial(master, peer, endpoint, Purpose::Announce),
            Effect::Probe { peer, endpoint, session } => {
                self.begins_to_dial(master, peer, endpoint, Purpose::Probe(session));
            }
            Effect::Recall { .. } => panic!("all clients of this world are our own"),
            Effect::Arm { timer, at } => {
                let wait = at - self.agenda.now().mono;
                self.master_later(master, wait, Event::Timer(timer));
            }
            Effect::Persist(_) | Effect::StepDown { .. } => panic!("{effect:?} has left the loop of m{master}"),
        }
    }

    /// Something comes back to the term that m{master} is in.
    fn master_later(&mut self, master: usize, wait: Duration, event: Event) {
        if let Some(term) = self.masters[master].term() {
            let epoch = term.epoch;
            self.agenda.after(wait, Happening::Master { master, epoch, event });
        }
    }

    fn no_announcement(&mut self, master: usize, peer: &Peer) {
        if let Some(office) = &mut self.masters[master].office {
            office.announcing.remove(peer);
        }
    }

    fn begins_to_dial(&mut self, master: usize, peer: Peer, endpoint: String, purpose: Purpose) {
        let Some(office) = &mut self.masters[master].office else { return };
        if let Purpose::Announce = purpose {
            office.announcing.insert(peer.clone());
        }
        let dial = Dial { master, epoch: office.term.epoch, peer, endpoint, purpose };
        let wait = self.moment(30);
        self.agenda.after(wait, Happening::Dials(dial));
    }

    /// An endpoint is refused if its process is dead or another one is there by now, and silent if it is cut off.
    pub(crate) fn dials(&mut self, dial: Dial) {
        let Dial { master, epoch, ref peer, ref endpoint, purpose } = dial;
        let (announcing, session) = match purpose {
            Purpose::Announce => (true, None),
            Purpose::Probe(session) => (false, session),
        };
        let Some(office) = self.masters[master].office(epoch) else { return };
        if announcing && !office.announcing.contains(peer) {
            return;
        }
        let leader = leader_info(master, office.term.clone());
        let who = settings::listens_at(endpoint);
        let still = matches!(who, Who::Worker(host) if self.is_still(host));
        let finding = if still || self.net.is_cut(who, master) {
            Finding::Silent
        } else if self.is_meant(who, peer) {
            Finding::Alive
        } else {
            Finding::Gone
        };
        if announcing && finding == Finding::Silent {
            let wait = millis(1000) + self.moment(4000);
            return self.agenda.after(wait, Happening::Dials(dial));
        }
        if announcing && finding == Finding::Alive && self.announce_to(who, &leader) {
            return self.agenda.after(Duration::ZERO, Happening::EndsTerm { master, epoch });
        }
        let wait = self.moment(30);
        self.master_later(master, wait, Event::Probed { peer: dial.peer, session, finding });
    }
}
