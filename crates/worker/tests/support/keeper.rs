//! A binary with nothing but the hidden subcommands of the real one, for the tests of the runner, and `hold`: a
//! stand-in for a worker, which starts one program, with a limit or without, prints its process id and waits to be killed.

use std::{
    env,
    io::{self, Write as _},
    path::PathBuf,
    process::ExitCode,
};

use tanist_worker::runner::{
    keeper::{EXEC_SUBCOMMAND, KEEP_SUBCOMMAND, main_exec, main_keep},
    logs::{LogMode, LogSink},
    process::{KeeperProgram, Limit, Process, ProcessSpec},
};

/// Usage error, as everywhere in the product.
const USAGE: u8 = 2;

fn main() -> ExitCode {
    let args: Vec<String> = env::args().skip(1).collect();
    match args.iter().map(String::as_str).collect::<Vec<_>>().as_slice() {
        [KEEP_SUBCOMMAND] => main_keep(),
        [EXEC_SUBCOMMAND] => main_exec(),
        ["hold", dir, script, limit @ ..] => match hold(dir, script, limit) {
            Ok(()) => ExitCode::SUCCESS,
            Err(_) => ExitCode::FAILURE,
        },
        _ => ExitCode::from(USAGE),
    }
}

fn hold(dir: &str, script: &str, limit: &[&str]) -> io::Result<()> {
    let at = |text: &str| text.parse().map_err(io::Error::other);
    let limit = match limit {
        [terminate_at, kill_at] => Some(Limit { terminate_at: at(terminate_at)?, kill_at: at(kill_at)? }),
        _ => None,
    };
    let sink = |name| LogSink { path: PathBuf::from(dir).join(name), mode: LogMode::Append, rolling: None };
    let spec = ProcessSpec {
        program: "sh".to_owned(),
        args: vec!["-c".to_owned(), script.to_owned()],
        env: [("DIR".to_owned(), dir.to_owned())].into(),
        clear_env: false,
        cwd: PathBuf::from(dir),
        stdout: sink("stdout"),
        stderr: sink("stderr"),
        header: None,
        limit,
    };
    tokio::runtime::Runtime::new()?.block_on(async {
        let mut process = Process::start(&spec, &KeeperProgram::this_binary()).await.map_err(io::Error::other)?;
        writeln!(io::stdout(), "{}", process.pid())?;
        process.wait().await;
        Ok(())
    })
}
