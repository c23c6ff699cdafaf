//! What runs beside a worker process and goes on while that stands still: programs, and the keepers that know until
//! when each of them may run.

use tanist_core::time::Mono;
use tanist_core::worker::{Event, Limit, RunId, SIGKILL_HELPS_WITHIN};

use crate::net::{Process, Who};
use crate::world::{Happening, World, millis};

/// What a keeper does at a limit.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum AtLimit {
    Terminate,
    Kill,
}

impl World {
    /// A worker process stops running, and is continued later. What it would have heard waits for it.
    pub(crate) fn stands_still(&mut self, host: usize, length: u64) {
        let until = self.agenda.now().mono + millis(length);
        let still_until = &mut self.hosts[host].still_until;
        *still_until = until.max(*still_until);
    }

    pub(crate) fn is_still(&self, host: usize) -> bool {
        self.agenda.now().mono < self.hosts[host].still_until
    }

    /// A keeper is told of a limit.
    pub(crate) fn keeper_hears(&mut self, process: Process, run: RunId, limit: Option<Limit>) {
        let Who::Worker(host) = process.0 else { return };
        let Some(known) = self.hosts[host].runs.get_mut(&run) else { return };
        known.limit = limit;
        if let Some(Limit { terminate_at, kill_at }) = limit {
            for (at, what) in [(terminate_at, AtLimit::Terminate), (kill_at, AtLimit::Kill)] {
                self.agenda.at(at, Happening::Limit { process, run, what });
            }
        }
    }

    pub(crate) fn limit_comes(&mut self, process: Process, run: RunId, what: AtLimit) {
        let (Who::Worker(host), life) = process else { return };
        let now = self.agenda.now().mono;
        if self.hosts[host].life != life {
            return;
        }
        let Some(known) = self.hosts[host].runs.get_mut(&run) else { return };
        let at = |limit: Limit| if what == AtLimit::Kill { limit.kill_at } else { limit.terminate_at };
        let Some(program) = known.program.as_mut().filter(|_| known.limit.is_some_and(|limit| at(limit) <= now)) else {
            return;
        };
        program.at_limit = true;
        let (serial, heeds_sigterm) = (program.serial, program.heeds_sigterm);
        match what {
            AtLimit::Terminate if heeds_sigterm => {
                let wait = self.moment(2000);
                self.agenda.after(wait, Happening::Exits { process, run, serial, code: 143 });
            }
            AtLimit::Terminate => {}
            AtLimit::Kill => self.is_killed(process, run, serial),
        }
    }

    pub(crate) fn is_killed(&mut self, process: Process, run: RunId, serial: u64) {
        let wait = self.moment(20).min(SIGKILL_HELPS_WITHIN / 2);
        self.agenda.after(wait, Happening::Exits { process, run, serial, code: 137 });
    }

    /// A program whose limit has passed is not started any more.
    pub(crate) fn is_too_late(&self, limit: Option<Limit>) -> bool {
        let now: Mono = self.agenda.now().mono;
        limit.is_some_and(|limit| limit.terminate_at <= now)
    }

    /// The end of a program is told; first that it was its limit, if it was.
    pub(crate) fn tells_end(&mut self, host: usize, run: RunId, at_limit: bool, code: i32) {
        if at_limit {
            self.worker_handles(host, Event::LimitReached { run });
        }
        self.worker_handles(host, Event::Exited { run, code });
    }
}
