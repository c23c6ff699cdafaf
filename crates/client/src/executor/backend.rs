//! The life of an executor: register, run what is sent, end with the driver.

use std::any::Any;
use std::collections::BTreeMap;
use std::fmt;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::time::Duration;

use tokio::sync::mpsc;
use tokio::task::JoinSet;
use tokio::time::{MissedTickBehavior, interval, timeout};
use tokio_stream::wrappers::ReceiverStream;
use tonic::Streaming;

use tanist_proto::limits::MAX_MESSAGE_BYTES;
use tanist_proto::v1;
use tanist_proto::v1::driver_service_client::DriverServiceClient;
use tanist_proto::v1::driver_to_executor as down;
use tanist_proto::v1::executor_to_driver as up;

use super::args::ExecutorArgs;
use super::exit;
use super::functions::{Functions, TaskContext};
use crate::net::{self, is_passing, status_reason};
use crate::retry;
use crate::scheduler::MAX_PAYLOAD_BYTES;

/// How long the driver is tried for at the start. It listens before it asks for executors, so that only a network in
/// trouble needs more than one try.
const REACH_DEADLINE: Duration = Duration::from_secs(20);

/// How long the driver may take to answer a registration.
const REGISTER_DEADLINE: Duration = Duration::from_secs(10);

/// How often the driver is told that this executor lives.
const HEARTBEAT_EVERY: Duration = Duration::from_secs(10);

/// Messages to the driver that may wait to be sent. A driver that leaves more than this unread does not live.
const OUTBOX_CAPACITY: usize = 1024;

/// Environment variables by which the worker tells the addresses of the log pages (ERN-03).
const LOG_ADDRESSES: [(&str, &str); 2] = [("SPARK_LOG_URL_STDOUT", "stdout"), ("SPARK_LOG_URL_STDERR", "stderr")];

/// How an executor ended: what its process exits with, and why.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Exit {
    /// One of [`exit`].
    pub code: i32,
    /// For the log.
    pub why: String,
}

impl fmt::Display for Exit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} (exit code {})", self.why, self.code)
    }
}

/// Registers at the driver and runs tasks until the driver says stop or is gone.
///
/// Tasks may still run on their threads when this returns, told to stop; whoever owns the runtime ends it without
/// waiting for them.
pub async fn run(args: &ExecutorArgs, functions: &Functions) -> Exit {
    let connected = retry::until(REACH_DEADLINE, || connect(args)).await;
    let mut session = match connected {
        Ok(session) => session,
        Err(exit) => return exit,
    };
    match timeout(REGISTER_DEADLINE, session.incoming.message()).await {
        Ok(Ok(Some(v1::DriverToExecutor { body: Some(down::Body::Registered(_)) }))) => {}
        Ok(Ok(Some(v1::DriverToExecutor { body: Some(down::Body::RegistrationRefused(refused)) }))) => {
            return Exit { code: exit::REFUSED, why: format!("the driver refuses this executor: {}", refused.reason) };
        }
        Ok(Ok(Some(v1::DriverToExecutor { body: Some(down::Body::Stop(_)) }))) => {
            return Exit { code: exit::STOPPED, why: "the driver has stopped this executor".to_owned() };
        }
        Ok(Ok(other)) => return gone(args, &format!("it answered the registration with {other:?}")),
        Ok(Err(status)) => return gone(args, &status_reason(&status)),
        Err(_) => return gone(args, &format!("no answer to the registration within {REGISTER_DEADLINE:?}")),
    }
    tracing::info!(executor = %args.id, driver = args.driver, "registered with the driver");
    Backend { args, functions, outbox: session.outbox, tasks: JoinSet::new(), running: BTreeMap::new() }
        .serve(session.incoming)
        .await
}

fn gone(args: &ExecutorArgs, why: &str) -> Exit {
    Exit { code: exit::DRIVER_GONE, why: format!("driver at {} is gone: {why}", args.driver) }
}

struct Session {
    outbox: mpsc::Sender<v1::ExecutorToDriver>,
    incoming: Streaming<v1::DriverToExecutor>,
}

async fn connect(args: &ExecutorArgs) -> Result<Session, backoff::Error<Exit>> {
    let unreachable = |why: String| Exit {
        code: exit::UNREACHABLE,
        why: format!("driver at {} cannot be reached: {why}", args.driver),
    };
    let endpoint =
        net::endpoint(&args.driver).map_err(|error| backoff::Error::permanent(unreachable(error.to_string())))?;
    let channel =
        endpoint.connect().await.map_err(|error| backoff::Error::transient(unreachable(net::reason(&error))))?;
    let (outbox, outgoing) = mpsc::channel(OUTBOX_CAPACITY);
    let register = up::Body::Register(hello(args));
    // A fresh outbox has room.
    let _: Result<(), _> = outbox.try_send(v1::ExecutorToDriver { body: Some(register) });
    let mut client = DriverServiceClient::new(channel)
        .max_decoding_message_size(MAX_MESSAGE_BYTES)
        .max_encoding_message_size(MAX_MESSAGE_BYTES);
    match client.session(ReceiverStream::new(outgoing)).await {
        Ok(answer) => Ok(Session { outbox, incoming: answer.into_inner() }),
        Err(status) if is_passing(status.code()) => Err(backoff::Error::transient(unreachable(status_reason(&status)))),
        Err(status) => Err(backoff::Error::permanent(unreachable(status_reason(&status)))),
    }
}

fn hello(args: &ExecutorArgs) -> up::Register {
    let logs =
        LOG_ADDRESSES.iter().filter_map(|(variable, name)| Some(((*name).to_owned(), std::env::var(variable).ok()?)));
    let worker = args.worker_url.iter().map(|url| ("worker".to_owned(), url.clone()));
    let profile = ("profile".to_owned(), args.profile.to_string());
    let resources = args.resources.iter();
    up::Register {
        app_id: args.app.to_string(),
        executor_id: args.id.0,
        host: args.host.clone(),
        cores: args.cores.0,
        attributes: logs.chain(worker).chain([profile]).collect(),
        resources: resources
            .map(|(name, addresses)| (name.to_owned(), v1::AddressList { addresses: addresses.to_vec() }))
            .collect(),
    }
}

type Outcome = Result<Vec<u8>, String>;

/// A registered executor.
struct Backend<'a> {
    args: &'a ExecutorArgs,
    functions: &'a Functions,
    outbox: mpsc::Sender<v1::ExecutorToDriver>,
    tasks: JoinSet<(u64, Outcome)>,
    running: BTreeMap<u64, TaskContext>,
}

impl Backend<'_> {
    async fn serve(mut self, mut incoming: Streaming<v1::DriverToExecutor>) -> Exit {
        let mut heartbeat = interval(HEARTBEAT_EVERY);
        heartbeat.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let exit = loop {
            let step = tokio::select! {
                biased;
                // The driver's word first: what it stops need not be reported. It sends no more than there are cores.
                message = incoming.message() => match message {
                    Ok(Some(message)) => self.obey(message),
                    Ok(None) => Err(gone(self.args, "it closed the session")),
                    Err(status) => Err(gone(self.args, &status_reason(&status))),
                },
                Some(ended) = self.tasks.join_next() => match ended {
                    Ok((task, outcome)) => self.report(task, outcome),
                    // Panics are caught inside, and nothing here is ever aborted.
                    Err(error) => Err(gone(self.args, &error.to_string())),
                },
                _ = heartbeat.tick() => self.say(up::Body::Heartbeat(up::Heartbeat {})),
            };
            if let Err(exit) = step {
                break exit;
            }
        };
        for context in self.running.values() {
            context.cancel();
        }
        self.tasks.detach_all();
        exit
    }

    fn obey(&mut self, message: v1::DriverToExecutor) -> Result<(), Exit> {
        match message.body {
            Some(down::Body::LaunchTask(task)) => self.launch(task),
            Some(down::Body::KillTask(task)) => {
                if let Some(context) = self.running.get(&task.task_id) {
                    context.cancel();
                }
                Ok(())
            }
            Some(down::Body::Stop(_)) => {
                Err(Exit { code: exit::STOPPED, why: "the driver has stopped this executor".to_owned() })
            }
            other => Err(gone(self.args, &format!("it said what it may not say now: {other:?}"))),
        }
    }

    fn launch(&mut self, task: down::LaunchTask) -> Result<(), Exit> {
        let id = task.task_id;
        if self.running.len() >= self.args.cores.0 as usize {
            return self.say(finished(id, Err(format!("executor {} has no free core", self.args.id))));
        }
        let function = match self.functions.get(&task.name) {
            Ok(function) => function,
            Err(reason) => return self.say(finished(id, Err(reason))),
        };
        let context = TaskContext::default();
        self.running.insert(id, context.clone());
        self.tasks.spawn_blocking(move || {
            let outcome = catch_unwind(AssertUnwindSafe(|| function(&task.payload, &context)));
            (id, outcome.unwrap_or_else(|panic| Err(format!("the function panicked: {}", words(panic.as_ref())))))
        });
        Ok(())
    }

    fn report(&mut self, task: u64, outcome: Outcome) -> Result<(), Exit> {
        self.running.remove(&task);
        let outcome = outcome.and_then(|result| match result.len() {
            bytes if bytes > MAX_PAYLOAD_BYTES => {
                Err(format!("its result has {bytes} bytes, but at most {MAX_PAYLOAD_BYTES} are allowed"))
            }
            _ => Ok(result),
        });
        self.say(finished(task, outcome))
    }

    fn say(&self, body: up::Body) -> Result<(), Exit> {
        let message = v1::ExecutorToDriver { body: Some(body) };
        self.outbox.try_send(message).map_err(|_| gone(self.args, "it does not read what it is sent"))
    }
}

fn finished(task_id: u64, outcome: Outcome) -> up::Body {
    use up::task_finished::Outcome as Wire;
    let outcome = match outcome {
        Ok(result) => Wire::Ok(result.into()),
        Err(reason) => Wire::Error(reason),
    };
    up::Body::TaskFinished(up::TaskFinished { task_id, outcome: Some(outcome) })
}

/// What a panic said, where it said something.
fn words(panic: &(dyn Any + Send)) -> &str {
    let text = panic.downcast_ref::<&str>().copied();
    text.or_else(|| panic.downcast_ref::<String>().map(String::as_str)).unwrap_or("without a message")
}
