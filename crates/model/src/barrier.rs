//! The commit loop of a leader, told anew: what its machine wants goes into a batch, one transaction is under way at
//! a time, and what is said leaves when the transaction is known to be applied (protocol 3).

use crate::master::{Decision, Happening};
use crate::protocol::World;
use crate::scope::Mutant;
use crate::state::{Batch, Commit, Leader, Memory, Says, State, Transaction, Write};

impl Leader {
    /// The transaction that is under way.
    pub(crate) fn transaction(&self) -> Option<Transaction> {
        let Commit { batch: Batch { writes, excuses, .. }, resignation, .. } = self.commit?;
        Some(Transaction { epoch: self.epoch, writes, ledger: self.ledger, resignation, excuses })
    }

    /// The office is being left: nothing new is begun.
    pub(crate) fn is_leaving(&self) -> bool {
        self.commit.is_some_and(|commit| commit.resignation.is_some())
    }
}

impl Batch {
    fn join(&mut self, later: Self) {
        let Self { writes, says, excuses } = later;
        self.writes.driver = writes.driver.or(self.writes.driver);
        self.writes.request |= writes.request;
        for (write, later) in self.writes.workers.iter_mut().zip(writes.workers) {
            if later != Write::Keep {
                *write = later;
            }
        }
        self.says.join(says);
        self.excuses |= excuses;
    }
}

impl Says {
    /// Of what is said to one worker only its latest session is kept: a message may be lost with its session anyway.
    fn join(&mut self, later: Self) {
        self.acknowledge |= later.acknowledge;
        for (saying, later) in self.to.iter_mut().zip(later.to) {
            if later.number == 0 {
                continue;
            }
            if saying.number == later.number {
                saying.registered |= later.registered;
                saying.launch |= later.launch;
                saying.kill |= later.kill;
            } else {
                *saying = later;
            }
        }
    }
}

impl World<'_> {
    /// A leader's machine decides about something. None = it cannot happen within the bounds.
    pub(crate) fn decides(&mut self, master: u8, happening: Happening, choice: u8, excuses: u8) -> Option<()> {
        let leader = self.state.leaders[usize::from(master)].as_ref().filter(|leader| !leader.is_leaving())?;
        if !self.protocol.scope.pipelined && leader.commit.is_some() && happening != Happening::Elected {
            return None;
        }
        let (epoch, memory) = (leader.epoch, leader.memory);
        let asked = self.bent(memory, happening);
        let decisions = self.protocol.masters.decide(epoch, asked, happening);
        let decision = *decisions.get(usize::from(choice))?;
        self.takes(master, decision, excuses)
    }

    /// The memory as a mutant has it.
    fn bent(&self, mut memory: Memory, happening: Happening) -> Memory {
        if let (Happening::Registers(worker, _), Some(Mutant::NoOrder)) = (happening, self.protocol.mutant) {
            memory.workers[usize::from(worker)].forget_order();
        }
        memory
    }

    /// A leader does what its machine has decided.
    pub(crate) fn takes(&mut self, master: u8, decision: Decision, excuses: u8) -> Option<()> {
        let Decision { memory, writes, says, steps_down, refuses, unknown } = decision;
        if memory.driver.is_some_and(|driver| driver.attempt > self.protocol.scope.attempts) {
            return None;
        }
        self.state.wrongs.refused |= refuses;
        self.state.wrongs.unknown |= unknown;
        if steps_down {
            self.quits(master);
            return Some(());
        }
        let leader = self.state.leaders[usize::from(master)].as_mut()?;
        leader.memory = memory;
        let mut batch = Batch { writes, says, excuses };
        if self.protocol.mutant == Some(Mutant::NoBarrier) {
            let says = std::mem::take(&mut batch.says);
            leader.pending.join(batch);
            let epoch = leader.epoch;
            self.release(master, epoch, says);
        } else {
            leader.pending.join(batch);
        }
        self.begins(master);
        Some(())
    }

    /// Sends the pending batch if nothing is under way.
    fn begins(&mut self, master: u8) {
        let Some(leader) = self.state.leaders[usize::from(master)].as_mut() else { return };
        if leader.commit.is_some() || leader.pending.is_empty() {
            return;
        }
        let believes = self.protocol.mutant == Some(Mutant::LeaseTrusted);
        if believes && self.state.store.office != Some(leader.epoch) {
            self.state.leaders[usize::from(master)] = None;
            return;
        }
        let batch = std::mem::take(&mut leader.pending);
        leader.commit = Some(Commit { batch, resignation: None, applied: false });
    }

    /// The transaction of a leader is applied.
    pub(crate) fn lands(&mut self, master: u8) -> Option<()> {
        let leader = self.state.leaders[usize::from(master)].as_mut()?;
        let transaction = leader.transaction()?;
        let commit = leader.commit.as_mut().filter(|commit| !commit.applied)?;
        if !transaction.holds(&self.state.store, self.protocol.mutant) {
            return None;
        }
        commit.applied = true;
        transaction.land(&mut self.state);
        if self.protocol.scope.copies {
            self.strays(transaction);
        }
        Some(())
    }

    /// Nobody waits for this transaction any more; it may reach the store nevertheless. The last ones that
    /// may still be applied are remembered.
    pub(crate) fn strays(&mut self, transaction: Transaction) {
        let State { store, strays, .. } = &mut self.state;
        let strays = &mut strays[..self.protocol.scope.strays];
        let lives = |transaction: Transaction| transaction.may_hold(store, self.protocol.mutant);
        if transaction.is_read_only() || !lives(transaction) || strays.contains(&Some(transaction)) {
            return;
        }
        let free = strays.iter().position(|stray| !stray.is_some_and(lives)).unwrap_or_else(|| {
            strays.rotate_left(1);
            strays.len() - 1
        });
        strays[free] = Some(transaction);
    }

    pub(crate) fn stray_lands(&mut self, stray: u8) -> Option<()> {
        let copies = self.protocol.scope.copies;
        let transaction =
            if copies { self.state.strays[usize::from(stray)] } else { self.state.strays[usize::from(stray)].take() }?;
        if !transaction.holds(&self.state.store, self.protocol.mutant) {
            return None;
        }
        transaction.land(&mut self.state);
        Some(())
    }

    /// A leader hears that its transaction was applied, at once or by asking again: what waited for it leaves.
    pub(crate) fn answered(&mut self, master: u8) -> Option<()> {
        let leader = self.state.leaders[usize::from(master)].as_mut()?;
        let transaction = leader.transaction()?;
        let commit = leader.commit.take_if(|commit| commit.applied)?;
        if commit.resignation.is_some() {
            self.state.leaders[usize::from(master)] = None;
            return Some(());
        }
        leader.ledger = transaction.settled();
        let epoch = leader.epoch;
        self.release(master, epoch, commit.batch.says);
        self.begins(master);
        Some(())
    }

    fn release(&mut self, master: u8, epoch: u8, says: Says) {
        self.state.acknowledged |= says.acknowledge;
        for (worker, saying) in self.state.workers.iter_mut().zip(says.to) {
            let link = worker.links[usize::from(master)].as_mut();
            if let Some(link) = link.filter(|link| link.number == saying.number) {
                link.epoch = epoch;
                link.registered |= saying.registered;
                link.launch |= saying.launch;
                link.kill |= saying.kill;
            }
        }
    }

    /// Everything of a term goes at once. Its sessions end, which the workers hear of sooner or later.
    pub(crate) fn quits(&mut self, master: u8) {
        let Some(leader) = self.state.leaders[usize::from(master)].take() else { return };
        let applied = leader.commit.is_some_and(|commit| commit.applied);
        if let Some(transaction) = leader.transaction().filter(|_| !applied || self.protocol.scope.copies) {
            self.strays(transaction);
        }
    }

    /// The client submits; once it has an answer it asks no more.
    pub(crate) fn submits(&mut self, master: u8, choice: u8) -> Option<()> {
        self.decides(master, Happening::Submitted, choice, 0)
    }

    /// A worker's open session ends, as its leader hears.
    pub(crate) fn session_ends(&mut self, master: u8, worker: u8, choice: u8) -> Option<()> {
        self.breaks(master, worker);
        self.decides(master, Happening::Closed(worker), choice, 0)
    }
}
