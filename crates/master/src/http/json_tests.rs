use std::sync::Arc;

use proptest::collection::vec;
use proptest::option;
use proptest::prelude::*;
use proptest::sample::select;
use serde_json::Value;

use tanist_core::ids::{AppId, Attempt, DriverId, WorkerId};
use tanist_core::model::{Amounts, ApplicationDescription, Command, DriverDescription, JavaProgram, ResourceProfile};

use super::*;

fn gpus(addresses: &[&str]) -> Addresses {
    Addresses::new([("gpu".to_owned(), addresses.iter().map(|&a| a.to_owned()).collect())])
}

fn a_worker(id: &str) -> WorkerView {
    WorkerView {
        id: WorkerId::new(id).unwrap(),
        host: "127.0.0.1".to_owned(),
        port: 17090,
        ui_url: "http://127.0.0.1:17091".to_owned(),
        state: WorkerState::Alive,
        connected: true,
        accepts_work: true,
        cores: Cores(2),
        cores_used: Cores(1),
        memory: Memory::mib(2048),
        memory_used: Memory::mib(512),
        resources: gpus(&["0", "1"]),
        resources_used: gpus(&["0"]),
        last_heartbeat: Wall(1_795_173_124_627),
        executors: 1,
        drivers: Vec::new(),
        refused_commands: 0,
    }
}

fn an_app() -> AppView {
    let description = ApplicationDescription {
        name: "probe app".to_owned(),
        user: "root".to_owned(),
        max_cores: Some(Cores(1)),
        default_profile: ResourceProfile {
            memory: Some(Memory::mib(512)),
            resources: Amounts::new([("gpu".to_owned(), 1)]),
            ..ResourceProfile::default()
        },
        ..ApplicationDescription::default()
    };
    AppView {
        id: AppId::new("app-20261120111210-0000").unwrap(),
        description: Arc::new(description),
        state: ApplicationState::Running,
        connected: true,
        registered_at: Wall(1_795_173_130_549),
        ended_at: None,
        message: None,
        cores_granted: Cores(1),
        max_cores: Cores(1),
        executor_limit: None,
        executors: Vec::new(),
        ended_executors: Vec::new(),
    }
}

fn a_driver(state: DriverState, worker: Option<&str>) -> DriverView {
    let java = JavaProgram { main_class: DRIVER_WRAPPER.to_owned(), ..JavaProgram::default() };
    let arguments = ["{{WORKER_URL}}", "{{USER_JAR}}", "ProbeDriver", "6"].map(str::to_owned).to_vec();
    let command = Command { program: Program::Java(java), arguments, ..Command::default() };
    let description =
        DriverDescription { memory: Memory::mib(200), cores: Cores(1), command, ..DriverDescription::default() };
    DriverView {
        id: DriverId::new("driver-20261120111022-0003").unwrap(),
        description: Arc::new(description),
        state,
        attempt: Attempt(1),
        worker: worker.map(|id| WorkerId::new(id).unwrap()),
        worker_address: worker.map(|_| "127.0.0.1:17090".to_owned()),
        resources: Addresses::default(),
        submitted_at: Wall(1_795_173_022_938),
        ended_at: None,
        exit_code: None,
        message: None,
    }
}

fn a_view() -> MasterView {
    MasterView {
        role: MasterRole::Alive,
        taken_at: Wall(1_795_173_130_549 + 5_050),
        workers: vec![a_worker("worker-20261120111019-127.0.0.1-17090")],
        apps: vec![an_app()],
        ended_drivers: vec![a_driver(DriverState::Failed, Some("worker-20261120111019-127.0.0.1-17090"))],
        ..MasterView::default()
    }
}

/// The text of an answer, dates in UTC.
fn text(view: &MasterView, rest: &str) -> String {
    let shown = Shown { address: "127.0.0.1:17077", role: view.role, view, zone: &TimeZone::UTC };
    tanist_web::json::to_text(&answer(&shown, rest)).unwrap()
}

fn value(view: &MasterView, rest: &str) -> Value {
    serde_json::from_str(&text(view, rest)).unwrap()
}

/// As captured from a 4.1.4 with one worker, one running application and one failed driver.
const CAPTURED: &str = r#"{
  "url" : "spark://127.0.0.1:17077",
  "workers" : [ {
    "id" : "worker-20261120111019-127.0.0.1-17090",
    "host" : "127.0.0.1",
    "port" : 17090,
    "webuiaddress" : "http://127.0.0.1:17091",
    "cores" : 2,
    "coresused" : 1,
    "coresfree" : 1,
    "memory" : 2048,
    "memoryused" : 512,
    "memoryfree" : 1536,
    "resources" : {
      "gpu" : {
        "name" : "gpu",
        "addresses" : [ "0", "1" ]
      }
    },
    "resourcesused" : {
      "gpu" : {
        "name" : "gpu",
        "addresses" : [ "0" ]
      }
    },
    "resourcesfree" : {
      "gpu" : {
        "name" : "gpu",
        "addresses" : [ "1" ]
      }
    },
    "state" : "ALIVE",
    "lastheartbeat" : 1795173124627
  } ],
  "aliveworkers" : 1,
  "cores" : 2,
  "coresused" : 1,
  "memory" : 2048,
  "memoryused" : 512,
  "resources" : [ {
    "gpu" : {
      "name" : "gpu",
      "addresses" : [ "0", "1" ]
    }
  } ],
  "resourcesused" : [ {
    "gpu" : {
      "name" : "gpu",
      "addresses" : [ "0" ]
    }
  } ],
  "activeapps" : [ {
    "id" : "app-20261120111210-0000",
    "starttime" : 1795173130549,
    "name" : "probe app",
    "cores" : 1,
    "user" : "root",
    "memoryperexecutor" : 512,
    "memoryperslave" : 512,
    "resourcesperexecutor" : [ {
      "name" : "gpu",
      "amount" : 1
    } ],
    "resourcesperslave" : [ {
      "name" : "gpu",
      "amount" : 1
    } ],
    "submitdate" : "Fri Nov 20 11:12:10 UTC 2026",
    "state" : "RUNNING",
    "duration" : 5050
  } ],
  "completedapps" : [ ],
  "activedrivers" : [ ],
  "completeddrivers" : [ {
    "id" : "driver-20261120111022-0003",
    "starttime" : "1795173022938",
    "state" : "FAILED",
    "cores" : 1,
    "memory" : 200,
    "resources" : { },
    "submitdate" : "Fri Nov 20 11:10:22 UTC 2026",
    "worker" : "worker-20261120111019-127.0.0.1-17090",
    "mainclass" : "ProbeDriver"
  } ],
  "status" : "ALIVE"
}"#;

#[test]
fn the_whole_is_as_captured_t_js_01_02_05_06_ui_11() {
    assert_eq!(text(&a_view(), ""), CAPTURED);
    assert_eq!(text(&a_view(), "7"), CAPTURED, "no letter, no field");
}

#[test]
fn one_field_is_as_captured_ui_10() {
    let one = "{\n  \"aliveworkers\" : 1\n}";
    for path in ["aliveworkers", "aliveworkers/extra", "aliveworkers7"] {
        assert_eq!(text(&a_view(), path), one, "{path}");
    }
    assert_eq!(text(&a_view(), "foo"), "{\n  \"foo\" : \"\"\n}");
}

#[test]
fn the_use_of_the_cluster_is_as_captured_ui_16() {
    let captured = r#"{
  "waitingDrivers" : 0,
  "cores" : 2,
  "coresused" : 1,
  "coresutilization" : 50,
  "memory" : 2048,
  "memoryused" : 512,
  "memoryutilization" : 25
}"#;
    assert_eq!(text(&a_view(), "clusterutilization"), captured);
    let idle = MasterView { drivers: vec![a_driver(DriverState::Submitted, None)], ..MasterView::default() };
    let shown = value(&idle, "clusterutilization");
    assert_eq!((&shown["coresutilization"], &shown["memoryutilization"]), (&100.into(), &100.into()));
    assert_eq!(shown["waitingDrivers"], 1);
}

#[test]
fn only_workers_that_are_alive_count_ui_11() {
    let dead = WorkerView { state: WorkerState::Dead, ..a_worker("w-dead") };
    let both = [a_worker("w1"), a_worker("w2"), dead].map(|worker| WorkerView { cores_used: Cores(0), ..worker });
    let shown = value(&MasterView { workers: both.to_vec(), ..a_view() }, "");
    assert_eq!(shown["workers"].as_array().unwrap().len(), 3);
    assert_eq!((&shown["aliveworkers"], &shown["cores"], &shown["coresused"]), (&2.into(), &4.into(), &0.into()));
    assert_eq!(shown["memory"], 4096);
}

#[test]
fn a_driver_without_a_worker_says_none_ui_14() {
    let view = MasterView { drivers: vec![a_driver(DriverState::Submitted, None)], ..a_view() };
    assert_eq!(value(&view, "activedrivers")["activedrivers"][0]["worker"], "None");
    let mut native = a_driver(DriverState::Running, Some("w1"));
    let command = Command { program: Program::Executable("/bin/sh".to_owned()), ..Command::default() };
    native.description = Arc::new(DriverDescription { command, ..DriverDescription::clone(&native.description) });
    let view = MasterView { drivers: vec![native], ..a_view() };
    assert_eq!(value(&view, "activedrivers")["activedrivers"][0]["mainclass"], "/bin/sh");
}

#[test]
fn a_resource_that_is_used_up_is_still_listed_ui_12() {
    let worker = WorkerView { resources_used: gpus(&["0", "1"]), ..a_worker("w1") };
    let shown = value(&MasterView { workers: vec![worker], ..a_view() }, "workers");
    assert_eq!(shown["workers"][0]["resourcesfree"]["gpu"]["addresses"], Value::Array(Vec::new()));
}

#[test]
fn a_standby_shows_an_empty_cluster() {
    let standby = MasterView::default();
    let shown = value(&standby, "");
    assert_eq!((&shown["status"], &shown["aliveworkers"]), (&"STANDBY".into(), &0.into()));
    assert!(text(&standby, "").contains("\"resources\" : [ ]"));
}

#[test]
fn states_that_the_original_does_not_know_are_told_in_its_words() {
    let app = AppView { state: ApplicationState::Unreachable, ..an_app() };
    let view = MasterView { role: MasterRole::Suspended, apps: vec![app], ..a_view() };
    assert_eq!(value(&view, "status")["status"], "RECOVERING");
    assert_eq!(value(&view, "activeapps")["activeapps"][0]["state"], "UNKNOWN");
}

#[test]
fn dates_are_given_in_the_master_s_zone() {
    let zone = TimeZone::fixed(jiff::tz::offset(-8));
    assert_eq!(date(Wall(1_795_173_130_549), &TimeZone::UTC), "Fri Nov 20 11:12:10 UTC 2026");
    assert!(date(Wall(1_795_173_130_549), &zone).starts_with("Fri Nov 20 03:12:10 "));
    assert_eq!(date(Wall(u64::MAX), &TimeZone::UTC), u64::MAX.to_string());
}

/// Anything that can be shown, with texts that JSON must escape.
fn any_view() -> impl Strategy<Value = MasterView> {
    let roles = vec![MasterRole::Standby, MasterRole::Recovering, MasterRole::Alive, MasterRole::Suspended];
    let states = vec![WorkerState::Alive, WorkerState::Dead, WorkerState::Unknown, WorkerState::Decommissioned];
    let worker = (any::<u32>(), any::<u32>(), any::<u64>(), any::<String>(), select(states)).prop_map(
        |(cores, used, memory, text, state)| WorkerView {
            cores: Cores(cores),
            cores_used: Cores(used),
            memory: Memory::mib(memory),
            host: text.clone(),
            resources: Addresses::new([(text.clone(), vec![text])]),
            state,
            ..a_worker("w")
        },
    );
    let app = (any::<String>(), any::<u64>(), option::of(any::<u64>())).prop_map(|(name, at, ended)| {
        let app = an_app();
        let description = ApplicationDescription { name, ..ApplicationDescription::clone(&app.description) };
        AppView { description: Arc::new(description), registered_at: Wall(at), ended_at: ended.map(Wall), ..app }
    });
    let driver = (select(DriverState::ALL.to_vec()), any::<u64>())
        .prop_map(|(state, at)| DriverView { submitted_at: Wall(at), ..a_driver(state, None) });
    (select(roles), any::<u64>(), vec(worker, 0..4), vec(app, 0..3), vec(driver, 0..3)).prop_map(
        |(role, at, workers, apps, drivers)| MasterView {
            role,
            taken_at: Wall(at),
            workers,
            ended_apps: apps.clone(),
            apps,
            ended_drivers: drivers.clone(),
            drivers,
            ..MasterView::default()
        },
    )
}

proptest! {
    #[test]
    fn every_field_alone_is_the_field_of_the_whole(view in any_view()) {
        let whole = value(&view, "");
        let fields = whole.as_object().unwrap();
        prop_assert_eq!(fields.len(), FIELDS.len());
        for (name, field) in fields {
            let alone = value(&view, name);
            prop_assert_eq!(alone.as_object().unwrap().len(), 1);
            prop_assert_eq!(&alone[name], field);
        }
        value(&view, "clusterutilization");
    }
}
