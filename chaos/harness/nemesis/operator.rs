//! What operators do, from the clients' host, with the tools that operators have.

use std::process::{Command, Stdio};
use std::time::Duration;

use anyhow::{Context as _, Result, bail, ensure};
use tanist_client::{MasterList, Masters, SubmissionClient};

use super::Nemesis;
use super::targets::Targets;
use crate::cluster::CLIENTS;
use crate::net::RUN_VARIABLE;
use crate::scenario::{Fault, time};

/// A command that takes longer hangs.
const COMMAND_WITHIN: Duration = Duration::from_secs(90);

impl Nemesis<'_> {
    /// What is refused is told, and is no failure: that is what operators get while nobody leads.
    pub(super) fn operate(&self, fault: &Fault, targets: &Targets) -> Result<()> {
        let target = targets.first.first().map(|host| host.name.as_str());
        match fault {
            Fault::Switchover { .. } => {
                let to = target.into_iter().flat_map(|target| ["--to", target]);
                self.ctl(&["switchover"].into_iter().chain(to).collect::<Vec<_>>())
            }
            Fault::StepDown => self.ctl(&["step-down"]),
            Fault::Pause { lasts } => self.ctl(&["pause", "--for", &time(*lasts), "--why", "chaos"]),
            Fault::Resume => self.ctl(&["resume"]),
            _ => self.drain(targets),
        }
    }

    fn ctl(&self, arguments: &[&str]) -> Result<()> {
        let host = self.cluster.network.host(CLIENTS)?;
        let mut child = host.inside(|| {
            Command::new(tanist_testkit::binary())
                .arg("ctl")
                .args(arguments)
                .env("TANIST_MASTERS", &self.cluster.masters)
                .env(RUN_VARIABLE, self.run)
                .stdin(Stdio::null())
                .stdout(Stdio::null())
                .stderr(Stdio::piped())
                .spawn()
                .context("starting tanist ctl")
        })??;
        let ended = self.stop.wait_for(COMMAND_WITHIN, || child.try_wait().ok().flatten());
        if !matches!(ended, Ok(Some(_))) {
            drop(child.kill());
        }
        let output = child.wait_with_output().context("tanist ctl")?;
        if ended?.is_none() {
            bail!("tanist ctl {} has not ended after {COMMAND_WITHIN:?}", arguments.join(" "));
        }
        if !output.status.success() {
            let said = String::from_utf8_lossy(&output.stderr).trim().to_owned();
            self.story.say(&format!("tanist ctl {}: {}: {said}", arguments.join(" "), output.status));
        }
        Ok(())
    }

    /// Workers are decommissioned by host.
    fn drain(&self, targets: &Targets) -> Result<()> {
        let hosts: Vec<String> = targets.first.iter().map(|host| host.ip.to_string()).collect();
        let list = MasterList::parse("masters", &self.cluster.masters)?;
        let (send, answer) = std::sync::mpsc::channel();
        let wanted = hosts.len();
        self.cluster.network.host(CLIENTS)?.runtime()?.spawn(async move {
            let client = SubmissionClient::new(Masters::new(list));
            send.send(client.decommission(&hosts).await)
        });
        let matched = answer.recv().context("the clients' runtime has ended")??;
        ensure!(usize::try_from(matched) == Ok(wanted), "{matched} workers are decommissioned, not {wanted}");
        Ok(())
    }
}
