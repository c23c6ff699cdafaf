use std::collections::BTreeMap;
use std::sync::Arc;

use tanist_core::ids::{
    AppId, ClusterId, Epoch, ExecutorId, ExecutorRef, Generation, MasterId, Nonce, ProfileId, Term, WorkerId,
};
use tanist_core::model::{Amounts, ExecutorDescription, ExecutorState, JavaProgram, LeaderInfo, ResourceProfile};
use tanist_core::time::Wall;
use tanist_core::tracking::Following;
use tanist_core::units::Memory;
use tanist_core::worker::RunPhase;

use super::*;

fn gpus(addresses: &[&str]) -> Addresses {
    Addresses::new([("gpu".to_owned(), addresses.iter().map(|&a| a.to_owned()).collect())])
}

fn words(text: &str) -> Vec<String> {
    text.split(' ').map(str::to_owned).collect()
}

pub(in crate::http) fn an_executor(id: u32) -> ExecutorRunView {
    let java = JavaProgram {
        main_class: "org.apache.spark.executor.CoarseGrainedExecutorBackend".to_owned(),
        java_options: words("-Dspark.driver.port=46655 -Dspark.my.password=abc"),
        ..JavaProgram::default()
    };
    let environment = [
        ("JAVA_TOOL_OPTIONS", "-Dspark.ssl.keyPassword=s3cr3t"),
        ("SPARK_USER", "root"),
        ("_SPARK_AUTH_SECRET", "s3cr3t"),
    ];
    let command = Command {
        program: Program::Java(java),
        arguments: words("--driver-url spark://CoarseGrainedScheduler@localhost:46655"),
        environment: environment
            .map(|(name, value)| (name.to_owned(), value.to_owned()))
            .into_iter()
            .collect::<BTreeMap<_, _>>(),
    };
    let app = ApplicationDescription {
        name: "probe app".to_owned(),
        user: "root".to_owned(),
        max_cores: Some(Cores(1)),
        command,
        default_profile: ResourceProfile {
            memory: Some(Memory::mib(512)),
            resources: Amounts::new([("gpu".to_owned(), 1)]),
            ..ResourceProfile::default()
        },
        ..ApplicationDescription::default()
    };
    ExecutorRunView {
        description: ExecutorDescription {
            executor: ExecutorRef { app: AppId::new("app-20261120111210-0000").unwrap(), id: ExecutorId(id) },
            profile: ProfileId(0),
            cores: Cores(1),
            memory: Memory::mib(512),
            resources: gpus(&["0"]),
            state: ExecutorState::Running,
        },
        app: Arc::new(app),
        phase: RunPhase::Running,
        pid: Some(1),
        launched_at: Wall(0),
        ended_at: None,
        message: None,
        exit_status: None,
    }
}

pub(in crate::http) fn a_status() -> WorkerStatus {
    let term = Term { generation: Generation(0), epoch: Epoch(7), nonce: Nonce::new("n").unwrap() };
    let leader = LeaderInfo {
        cluster: ClusterId::new("c").unwrap(),
        term: term.clone(),
        master: MasterId::new("m1").unwrap(),
        address: "127.0.0.1:17077".to_owned(),
        ui_url: "http://localhost:17080".to_owned(),
    };
    WorkerStatus {
        id: WorkerId::new("worker-20261120111019-127.0.0.1-17090").unwrap(),
        host: "127.0.0.1".to_owned(),
        port: 17090,
        ui_url: "http://127.0.0.1:17091".to_owned(),
        following: Following::Connected(leader),
        heard: Some(term),
        taken_at: Wall(0),
        cores: Cores(2),
        cores_used: Cores(1),
        memory: Memory::mib(2048),
        memory_used: Memory::mib(512),
        resources: gpus(&["0", "1"]),
        resources_used: gpus(&["0"]),
        accepts_work: true,
        decommissioned: false,
        unacknowledged: 0,
        refused_commands: 0,
        executors: vec![an_executor(0)],
        ended_executors: Vec::new(),
        drivers: Vec::new(),
        ended_drivers: Vec::new(),
    }
}

/// As captured from a 4.1.4, but for the texts inside `command`.
const CAPTURED: &str = r#"{
  "id" : "worker-20261120111019-127.0.0.1-17090",
  "masterurl" : "spark://127.0.0.1:17077",
  "masterwebuiurl" : "http://localhost:17080",
  "cores" : 2,
  "coresused" : 1,
  "memory" : 2048,
  "memoryused" : 512,
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
  "executors" : [ {
    "id" : 0,
    "memory" : 512,
    "resources" : {
      "gpu" : {
        "name" : "gpu",
        "addresses" : [ "0" ]
      }
    },
    "appid" : "app-20261120111210-0000",
    "appdesc" : {
      "name" : "probe app",
      "cores" : 1,
      "memoryperexecutor" : 512,
      "resourcesperexecutor" : [ {
        "name" : "gpu",
        "amount" : 1
      } ],
      "memoryperslave" : 512,
      "resourcesperslave" : [ {
        "name" : "gpu",
        "amount" : 1
      } ],
      "user" : "root",
      "command" : "Command(org.apache.spark.executor.CoarseGrainedExecutorBackend,List(--driver-url, spark://CoarseGrainedScheduler@localhost:46655),Map(JAVA_TOOL_OPTIONS -> *********(redacted), SPARK_USER -> root, _SPARK_AUTH_SECRET -> *********(redacted)),List(),List(),ArraySeq(-Dspark.driver.port=46655, -Dspark.my.password=*********(redacted)))"
    }
  } ],
  "finishedexecutors" : [ ]
}"#;

#[test]
fn the_whole_is_as_captured_t_js_03_04_ui_15() {
    assert_eq!(tanist_web::json::to_text(&whole(&a_status())).unwrap(), CAPTURED);
}

#[test]
fn a_worker_with_ended_executors_t_js_07() {
    let ended = vec![an_executor(3), an_executor(4)];
    let status = WorkerStatus { executors: Vec::new(), ended_executors: ended, ..a_status() };
    let shown: serde_json::Value = serde_json::from_str(&serde_json::to_string(&whole(&status)).unwrap()).unwrap();
    assert_eq!(shown["executors"].as_array().unwrap().len(), 0);
    let ids: Vec<_> = shown["finishedexecutors"].as_array().unwrap().iter().map(|one| one["id"].as_u64()).collect();
    assert_eq!(ids, [Some(3), Some(4)]);
}

#[test]
fn the_secret_of_an_application_is_never_shown_t_cu_02() {
    assert!(!serde_json::to_string(&whole(&a_status())).unwrap().contains("s3cr3t"));
}

#[test]
fn a_worker_without_a_master_names_none() {
    let alone = WorkerStatus { following: Following::Nobody, ..a_status() };
    let shown = serde_json::to_string(&whole(&alone)).unwrap();
    assert!(shown.contains(r#""masterurl":"","masterwebuiurl":"""#), "{shown}");
}
