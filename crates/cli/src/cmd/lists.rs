//! `tanist workers`, `tanist apps` and `tanist drivers`.

use std::process::ExitCode;

use tanist_core::units::Memory;

use super::Context;
use super::client::{Client, ClientFlags, client};
use crate::exit::Failure;
use crate::output::Column;
use crate::view::{App, Driver, Worker, or_dash, share, time};

/// List what there is
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    #[command(flatten)]
    client: ClientFlags,
}

const WORKERS: [Column<Worker>; 8] = [
    Column::new("WORKER", |worker| worker.id.clone()),
    Column::new("ADDRESS", |worker| worker.address.clone()),
    Column::state("STATE", worker_state),
    Column::new("CORES", |worker| share(worker.cores_used, worker.cores)),
    Column::new("MEMORY", |worker| share(Memory::mib(worker.memory_used_mib), Memory::mib(worker.memory_mib))),
    Column::new("RESOURCES", resources),
    Column::new("EXECUTORS", |worker| worker.executors.to_string()),
    Column::new("DRIVERS", |worker| worker.drivers.len().to_string()),
];

const APPS: [Column<App>; 8] = [
    Column::new("APPLICATION", |app| app.id.clone()),
    Column::new("NAME", |app| app.name.clone()),
    Column::new("USER", |app| app.user.clone()),
    Column::state("STATE", |app| app.state.clone()),
    Column::new("CORES", |app| app.max_cores.map_or_else(|| app.cores.to_string(), |max| share(app.cores, max))),
    Column::new("EXECUTORS", |app| app.executors.len().to_string()),
    Column::new("REGISTERED", |app| time(app.registered_at_ms)),
    Column::new("MESSAGE", |app| or_dash(app.message.as_ref())),
];

const DRIVERS: [Column<Driver>; 10] = [
    Column::new("DRIVER", |driver| driver.id.clone()),
    Column::state("STATE", |driver| driver.state.clone()),
    Column::new("ATTEMPT", |driver| driver.attempt.to_string()),
    Column::new("PROGRAM", |driver| driver.program.clone()),
    Column::new("WORKER", |driver| or_dash(driver.worker.as_ref())),
    Column::new("CORES", |driver| driver.cores.to_string()),
    Column::new("MEMORY", |driver| Memory::mib(driver.memory_mib).to_string()),
    Column::new("SUBMITTED", |driver| time(driver.submitted_at_ms)),
    Column::new("EXIT", |driver| or_dash(driver.exit_code.as_ref())),
    Column::new("MESSAGE", |driver| or_dash(driver.message.as_ref())),
];

pub(crate) async fn workers(args: Args, context: &Context) -> Result<ExitCode, Failure> {
    let (client, state) = ask(&args, context).await?;
    let workers: Vec<Worker> = state.workers.into_iter().map(Worker::from).collect();
    client.output.items(&workers, &WORKERS)?;
    Ok(ExitCode::SUCCESS)
}

pub(crate) async fn apps(args: Args, context: &Context) -> Result<ExitCode, Failure> {
    let (client, state) = ask(&args, context).await?;
    let apps: Vec<App> = state.apps.into_iter().chain(state.completed_apps).map(App::from).collect();
    client.output.items(&apps, &APPS)?;
    Ok(ExitCode::SUCCESS)
}

pub(crate) async fn drivers(args: Args, context: &Context) -> Result<ExitCode, Failure> {
    let (client, state) = ask(&args, context).await?;
    let drivers: Vec<Driver> = state.drivers.into_iter().chain(state.completed_drivers).map(Driver::from).collect();
    client.output.items(&drivers, &DRIVERS)?;
    Ok(ExitCode::SUCCESS)
}

async fn ask(args: &Args, context: &Context) -> Result<(Client, tanist_proto::v1::ClusterState), Failure> {
    let client = client(context, &args.client)?;
    let state = client.cluster.state().await?;
    if !matches!(state.role().as_str_name(), "MASTER_ROLE_ALIVE" | "MASTER_ROLE_RECOVERING") {
        return Err(Failure::NoLeader(
            "no master leads at present: what there is in the cluster is known to a leader only".to_owned(),
        ));
    }
    Ok((client, state))
}

/// The state; of a worker that lives, also whether it takes no new work (low on disk space, not connected).
fn worker_state(worker: &Worker) -> String {
    if worker.state == "ALIVE" && !worker.accepts_work {
        return "ALIVE, no new work".to_owned();
    }
    worker.state.clone()
}

/// `gpu=1/2`
fn resources(worker: &Worker) -> String {
    let used = |name: &String| worker.resources_used.get(name).map_or(0, Vec::len);
    let one = |(name, all): (&String, &Vec<String>)| format!("{name}={}", share(used(name), all.len()));
    let all: Vec<String> = worker.resources.iter().map(one).collect();
    if all.is_empty() { "-".to_owned() } else { all.join(",") }
}

#[cfg(test)]
mod tests {
    use tanist_proto::v1;

    use super::*;
    use crate::config::OutputFormat;
    use crate::output::Output;

    fn table<T>(item: T, columns: &[Column<T>]) -> Vec<String> {
        let text = Output::plain(OutputFormat::Table).table(&[item], columns);
        text.lines().map(str::to_owned).collect()
    }

    fn keys(item: &impl serde::Serialize) -> Vec<String> {
        let value = serde_json::to_value(item).unwrap();
        let mut keys: Vec<String> = value.as_object().unwrap().keys().cloned().collect();
        keys.sort();
        keys
    }

    fn worker() -> Worker {
        let addresses = |all: &[&str]| {
            let addresses = all.iter().map(|&address| address.to_owned()).collect();
            [("gpu".to_owned(), v1::AddressList { addresses })].into_iter().collect()
        };
        Worker::from(v1::WorkerView {
            worker_id: "worker-1".to_owned(),
            host: "h".to_owned(),
            port: 7,
            state: v1::WorkerState::Alive.into(),
            cores: 4,
            cores_used: 3,
            memory_mib: 4096,
            memory_used_mib: 512,
            resources: addresses(&["0", "1"]),
            resources_used: addresses(&["1"]),
            executors: 2,
            driver_ids: vec!["driver-1".to_owned()],
            connected: true,
            accepts_work: true,
            ..v1::WorkerView::default()
        })
    }

    fn app() -> App {
        let executor = v1::ExecutorView { state: v1::ExecutorState::Running.into(), ..v1::ExecutorView::default() };
        App::from(v1::AppView {
            app_id: "app-1".to_owned(),
            name: "pi".to_owned(),
            user: "me".to_owned(),
            state: v1::ApplicationState::Running.into(),
            cores_granted: 2,
            max_cores: Some(4),
            executors: vec![executor],
            ..v1::AppView::default()
        })
    }

    fn driver() -> Driver {
        Driver::from(v1::DriverView {
            driver_id: "driver-1".to_owned(),
            state: v1::DriverState::Failed.into(),
            attempt: 2,
            cores: 1,
            memory_mib: 1024,
            program: "sh".to_owned(),
            exit_code: Some(3),
            message: Some("exit code 3".to_owned()),
            ..v1::DriverView::default()
        })
    }

    #[test]
    fn tables_are_as_people_read_them() {
        assert_eq!(
            table(worker(), &WORKERS),
            [
                "WORKER    ADDRESS  STATE  CORES  MEMORY   RESOURCES  EXECUTORS  DRIVERS",
                "worker-1  h:7      ALIVE  3/4    512m/4g  gpu=1/2    2          1",
            ]
        );
        assert_eq!(
            table(app(), &APPS),
            [
                "APPLICATION  NAME  USER  STATE    CORES  EXECUTORS  REGISTERED            MESSAGE",
                "app-1        pi    me    RUNNING  2/4    1          1970-01-01T00:00:00Z  -",
            ]
        );
        assert_eq!(
            table(driver(), &DRIVERS),
            [
                "DRIVER    STATE   ATTEMPT  PROGRAM  WORKER  CORES  MEMORY  SUBMITTED             EXIT  MESSAGE",
                "driver-1  FAILED  2        sh       -       1      1g      1970-01-01T00:00:00Z  3     exit code 3",
            ]
        );
    }

    #[test]
    fn a_worker_that_lives_and_takes_no_new_work_shows_it() {
        for (state, accepts_work, shown) in [
            ("ALIVE", true, "ALIVE"),
            ("ALIVE", false, "ALIVE, no new work"),
            ("DECOMMISSIONED", false, "DECOMMISSIONED"),
            ("DEAD", false, "DEAD"),
        ] {
            let worker = Worker { state: state.to_owned(), accepts_work, ..worker() };
            let rows = table(worker, &WORKERS);
            let from = rows[0].find("STATE").unwrap();
            let to = rows[0].find("CORES").unwrap();
            assert_eq!(rows[1][from..to].trim_end(), shown);
        }
    }

    /// Programs rely on these names: add to the lists, never change them.
    #[test]
    fn json_field_names_stay() {
        let words = |text: &str| text.split_whitespace().map(str::to_owned).collect::<Vec<_>>();
        let mut worker_keys = words(
            "id address state connected accepts_work cores cores_used memory_mib memory_used_mib resources \
             resources_used executors drivers last_heartbeat_at_ms refused_commands ui_url",
        );
        let mut app_keys = words(
            "id name user state connected cores max_cores cores_per_executor memory_per_executor_mib executor_limit \
             executors ended_executors registered_at_ms ended_at_ms message ui_url",
        );
        let mut driver_keys = words(
            "id state attempt program worker worker_address cores memory_mib supervise submitted_at_ms ended_at_ms \
             exit_code message",
        );
        let mut executor_keys = words("id worker worker_address state cores memory_mib profile");
        for keys in [&mut worker_keys, &mut app_keys, &mut driver_keys, &mut executor_keys] {
            keys.sort();
        }
        assert_eq!(keys(&worker()), worker_keys);
        assert_eq!(keys(&app()), app_keys);
        assert_eq!(keys(&driver()), driver_keys);
        assert_eq!(keys(&app().executors[0]), executor_keys);
    }
}
