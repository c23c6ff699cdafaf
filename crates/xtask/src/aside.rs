//! A task beside the one that was asked for, with what that leaves of the processors.

use std::env;
use std::fs::File;
use std::io;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};

use anyhow::{Context, Result, bail};

use crate::target;

/// The task. What it prints is shown once it is over.
pub(crate) struct Aside {
    task: &'static str,
    child: Child,
    printed: PathBuf,
}

impl Aside {
    /// Starts this program once more. It gives way to whatever else wants to run, at once.
    pub(crate) fn start(task: &'static str) -> Result<Self> {
        let path = target()?.join(format!("xtask-{task}.log"));
        let printed = File::create(&path).with_context(|| format!("creating {}", path.display()))?;
        let mut command = Command::new("chrt");
        command.args(["--idle", "0"]).arg(env::current_exe().context("the path of this program")?).arg(task);
        command.stdin(Stdio::null()).stdout(printed.try_clone()?).stderr(printed);
        eprintln!("+ {command:?} > {}", path.display());
        let child = command.spawn().with_context(|| format!("starting {command:?}"))?;
        Ok(Self { task, child, printed: path })
    }

    /// Waits for its end.
    pub(crate) fn finish(mut self) -> Result<()> {
        let status = self.child.wait().with_context(|| format!("waiting for {}", self.task))?;
        let mut printed = File::open(&self.printed).with_context(|| format!("opening {}", self.printed.display()))?;
        io::copy(&mut printed, &mut io::stderr()).context("showing what it has printed")?;
        if !status.success() {
            bail!("xtask {} ended with {status}", self.task);
        }
        Ok(())
    }
}
