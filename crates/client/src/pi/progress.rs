//! What is told while the estimate is under way, and what is counted for the report.

use std::io::Write;
use std::time::{Duration, Instant};

use tokio::sync::{mpsc, watch};
use tokio::time::timeout;

use tanist_core::ids::{AppId, Term};

use super::PiReport;
use crate::app::{Loss, Notice};
use crate::application::Application;
use crate::error::ClientError;
use crate::scheduler::Counts;

/// Lines about finished tasks, at most, over the whole run.
const PROGRESS_LINES: u64 = 10;

/// See the module.
pub(super) struct Progress<'a> {
    told: mpsc::Receiver<Notice>,
    counts: watch::Receiver<Counts>,
    slices: u64,
    out: &'a mut (dyn Write + Send),
    lines: u64,
    added: u64,
    lost: u64,
    leaders: u64,
    term: Option<Term>,
}

impl<'a> Progress<'a> {
    pub(super) fn new(
        app: &Application,
        told: mpsc::Receiver<Notice>,
        slices: u32,
        out: &'a mut (dyn Write + Send),
    ) -> Self {
        let counts = app.counts();
        Self { told, counts, slices: slices.into(), out, lines: 0, added: 0, lost: 0, leaders: 0, term: None }
    }

    pub(super) fn say(&mut self, line: &str) -> Result<(), ClientError> {
        writeln!(self.out, "{line}").and_then(|()| self.out.flush()).map_err(|source| ClientError::Output { source })
    }

    pub(super) fn registered(&mut self, app: &AppId) -> Result<(), ClientError> {
        self.say(&format!("registered as {app}"))
    }

    /// Tells what happens until `work` is done.
    pub(super) async fn during<T>(&mut self, work: impl Future<Output = T>) -> Result<T, ClientError> {
        tokio::pin!(work);
        loop {
            tokio::select! {
                biased;
                // What has happened is told before the end of the work that it may have caused.
                Some(notice) = self.told.recv() => self.notice(&notice)?,
                done = &mut work => {
                    self.counted()?;
                    return Ok(done);
                }
                Ok(()) = self.counts.changed() => self.counted()?,
            }
        }
    }

    /// Waits until so many executors have registered. Fewer are no error; it is said.
    pub(super) async fn wait_for_executors(&mut self, wanted: u32, patience: Duration) -> Result<(), ClientError> {
        let mut counts = self.counts.clone();
        let enough = timeout(patience, async move {
            // An error = the scheduler has ended, which whoever runs tasks next will be told.
            let _: Result<_, _> = counts.wait_for(|counts| counts.executors >= wanted as usize).await.map(drop);
        });
        if self.during(enough).await?.is_err() {
            let there = self.counts.borrow().executors;
            self.say(&format!("going on with {there} of {wanted} executors"))?;
        }
        Ok(())
    }

    fn notice(&mut self, notice: &Notice) -> Result<(), ClientError> {
        match notice {
            Notice::Connected { leader, .. } => {
                if self.term.as_ref() == Some(&leader.term) {
                    return self.say(&format!("connected again with {}", leader.address));
                }
                self.term = Some(leader.term.clone());
                self.leaders += 1;
                self.say(&format!("leader is {} in term {}", leader.address, leader.term))
            }
            Notice::Disconnected => self.say("no leader for the moment; executors go on"),
            Notice::Dead { reason } => self.say(&format!("the application is over: {reason}")),
            Notice::ExecutorAdded { executor, worker, cores, .. } => {
                self.added += 1;
                let plural = if cores.0 == 1 { "" } else { "s" };
                self.say(&format!("executor {} on {worker} with {cores} core{plural}", executor.id))
            }
            Notice::ExecutorRemoved { executor, message, loss } => {
                self.lost += u64::from(*loss != Loss::Requested);
                let how = if *loss == Loss::Requested { "ended as asked" } else { "lost" };
                self.say(&format!("executor {} {how}: {message}", executor.id))
            }
            Notice::ExecutorDecommissioned { executor, message, .. } => {
                self.say(&format!("executor {} is leaving: {message}", executor.id))
            }
            Notice::WorkerRemoved { worker, message, .. } => self.say(&format!("worker {worker} is gone: {message}")),
            Notice::ExecutorChanged { .. } => Ok(()),
        }
    }

    /// A line for each further tenth of the tasks.
    fn counted(&mut self) -> Result<(), ClientError> {
        let Counts { finished, executors, running, .. } = *self.counts.borrow_and_update();
        let lines = finished * PROGRESS_LINES / self.slices.max(1);
        if lines <= self.lines {
            return Ok(());
        }
        self.lines = lines;
        self.say(&format!("{finished} of {} tasks done; {running} running on {executors} executors", self.slices))
    }

    /// The result, told and returned.
    pub(super) fn report(&mut self, hits: u64, samples: u64, began: Instant) -> Result<PiReport, ClientError> {
        while let Ok(notice) = self.told.try_recv() {
            self.notice(&notice)?;
        }
        let counts = *self.counts.borrow();
        let part = hits as f64 / samples as f64;
        let report = PiReport {
            pi: 4.0 * part,
            standard_error: 4.0 * (part * (1.0 - part) / samples as f64).sqrt(),
            samples,
            tasks_finished: counts.finished,
            tasks_retried: counts.retried,
            // The scheduler may know before the master's word is here.
            executors_added: self.added.max(counts.registered),
            executors_lost: self.lost.max(counts.lost),
            leaders: self.leaders,
            elapsed: began.elapsed(),
        };
        self.say(&format!(
            "π is {:.6} ± {:.6} ({} samples; tasks: {} run, {} retried; executors: {} added, {} lost; leaders: {}; {:.1} s)",
            report.pi,
            report.standard_error,
            report.samples,
            report.tasks_finished,
            report.tasks_retried,
            report.executors_added,
            report.executors_lost,
            report.leaders,
            report.elapsed.as_secs_f64(),
        ))?;
        Ok(report)
    }
}
