//! The classes of what Spark's own workers are told, and of the collections in it.

use super::{Fields, REFERENCE, RPC_ADDRESS, RPC_ENDPOINT_ADDRESS, SERIALIZABLE_AND_WRITES_MORE, STRING};
use super::{MASTER_CHANGED, SEQ, Shape, Uid, computed, declared, message};
use crate::scala;

const MAP: &str = "Lscala/collection/Map;";
const IMMUTABLE_MAP: &str = "Lscala/collection/immutable/Map;";
const OBJECT: &str = "Ljava/lang/Object;";
const ADDRESS: &str = "Lorg/apache/spark/rpc/RpcAddress;";

pub(crate) static REGISTERED_WORKER: Shape = computed(
    message!("RegisteredWorker"),
    &[("duplicate", "Z"), ("master", REFERENCE), ("masterAddress", ADDRESS), ("masterWebUiUrl", STRING)],
    0xa4a1_8e7e_8d5a_56a5,
    0x3e5f_0e67_595a_00cf,
);
pub(crate) static REGISTER_WORKER_FAILED: Shape =
    computed(message!("RegisterWorkerFailed"), &[("message", STRING)], 0x165e_59ca_174c_1bcb, 0xee83_6706_5f43_715c);
pub(crate) static MASTER_IN_STANDBY: Shape =
    computed(message!("MasterInStandby$"), &[], 0x1d34_2919_f1db_bf89, 0xf8ae_3650_c817_19fd);
pub(crate) static RECONNECT_WORKER: Shape =
    computed(message!("ReconnectWorker"), &[("masterUrl", STRING)], 0x8165_76c0_a84b_da57, 0xe41b_8cdc_7deb_3009);
pub(crate) static LAUNCH_EXECUTOR: Shape = computed(
    message!("LaunchExecutor"),
    &[
        ("cores", "I"),
        ("execId", "I"),
        ("memory", "I"),
        ("rpId", "I"),
        ("appDesc", "Lorg/apache/spark/deploy/ApplicationDescription;"),
        ("appId", STRING),
        ("masterUrl", STRING),
        ("resources", IMMUTABLE_MAP),
    ],
    0x9365_4f7a_354c_ab07,
    0xe84a_1f20_27ce_fc71,
);
pub(crate) static KILL_EXECUTOR: Shape = computed(
    message!("KillExecutor"),
    &[("execId", "I"), ("appId", STRING), ("masterUrl", STRING)],
    0xebcf_bc2f_d3da_bd88,
    0x0cde_b1fc_aa50_6e6f,
);
pub(crate) static APPLICATION_FINISHED: Shape =
    computed(message!("ApplicationFinished"), &[("id", STRING)], 0xf095_735e_cc71_108d, 0xc015_ae0e_628c_9821);
pub(crate) static LAUNCH_DRIVER: Shape = computed(
    message!("LaunchDriver"),
    &[
        ("driverDesc", "Lorg/apache/spark/deploy/DriverDescription;"),
        ("driverId", STRING),
        ("resources", IMMUTABLE_MAP),
    ],
    0x840a_407c_0d44_d30c,
    0xeca1_ded8_ba8d_f28c,
);
pub(crate) static KILL_DRIVER: Shape =
    computed(message!("KillDriver"), &[("driverId", STRING)], 0x4b53_a7b7_0a8b_b288, 0x6d5d_0598_0f6d_a076);
pub(crate) static DECOMMISSION_WORKER: Shape =
    computed(message!("DecommissionWorker$"), &[], 0x05e4_f87b_e608_9c23, 0x60ba_0878_b5cd_3119);

// What a driver is.

pub(crate) static DRIVER_DESCRIPTION: Shape = computed(
    "org.apache.spark.deploy.DriverDescription",
    &[
        ("cores", "I"),
        ("mem", "I"),
        ("supervise", "Z"),
        ("command", "Lorg/apache/spark/deploy/Command;"),
        ("jarUrl", STRING),
        ("resourceReqs", SEQ),
    ],
    0x5f2b_0c48_e79f_7266,
    0xf4c5_3869_e05f_8f63,
);
pub(crate) static COMMAND: Shape = computed(
    "org.apache.spark.deploy.Command",
    &[
        ("arguments", SEQ),
        ("classPathEntries", SEQ),
        ("environment", MAP),
        ("javaOpts", SEQ),
        ("libraryPathEntries", SEQ),
        ("mainClass", STRING),
    ],
    0x9d7d_bf0d_fd51_6abd,
    0x74a9_f3d0_a6f9_36e8,
);
pub(crate) static RESOURCE_REQUIREMENT: Shape = computed(
    "org.apache.spark.resource.ResourceRequirement",
    &[("amount", "I"), ("numParts", "I"), ("resourceName", STRING)],
    0xfbe8_0258_e1de_d7a3,
    0x77a1_d3c0_da94_fdfd,
);
pub(crate) static RESOURCE_INFORMATION: Shape = computed(
    "org.apache.spark.resource.ResourceInformation",
    &[("addresses", "[Ljava/lang/String;"), ("name", STRING)],
    0xd337_dd82_b2fd_2e4e,
    0x1b3d_f322_9db5_c592,
);
pub(crate) static STRINGS: Shape = declared("[Ljava.lang.String;", &[], 0xadd2_56e7_e91d_7b47, None);

// Collections of Scala 2.12.

pub(crate) static LIST_PROXY_2_12: Shape = writes_more(scala::LIST_PROXY, &[], 1);
pub(crate) static LIST_END_2_12: Shape =
    declared("scala.collection.immutable.ListSerializeEnd$", &[], 0x8a5c_635b_f753_0b6d, None);
pub(crate) static MAP_PROXY_2_12: Shape = writes_more("scala.collection.immutable.HashMap$SerializationProxy", &[], 2);

// Collections of Scala 2.13.

pub(crate) static PROXY: Shape = writes_more(scala::PROXY, &[("factory", "Lscala/collection/Factory;")], 3);
pub(crate) static LIST_FACTORY: Shape = declared(
    "scala.collection.IterableFactory$ToFactory",
    &[("factory", "Lscala/collection/IterableFactory;")],
    3,
    None,
);
pub(crate) static MAP_FACTORY: Shape =
    declared("scala.collection.MapFactory$ToFactory", &[("factory", "Lscala/collection/MapFactory;")], 3, None);
pub(crate) static LIST: Shape = declared("scala.collection.immutable.List$", &[], 3, None);
pub(crate) static HASH_MAP: Shape = declared("scala.collection.immutable.HashMap$", &[], 3, None);
pub(crate) static TUPLE: Shape =
    computed("scala.Tuple2", &[("_1", OBJECT), ("_2", OBJECT)], 0x2e94_667d_5b92_f9f5, 0x01fb_ddcd_22e7_347a);

// Of both.

pub(crate) static EMPTY_MAP: Shape = Shape {
    uid: Uid::Computed { scala_2_12: 0xb1eb_1b85_6e42_80cb, scala_2_13: 3 },
    ..declared(scala::EMPTY_MAP, &[], 0, None)
};

const fn writes_more(name: &'static str, fields: Fields, uid: u64) -> Shape {
    Shape { flags: SERIALIZABLE_AND_WRITES_MORE, ..declared(name, fields, uid, None) }
}

/// What is needed to talk to a worker.
pub(crate) static FOR_WORKERS: &[&Shape] = &[
    &REGISTERED_WORKER,
    &REGISTER_WORKER_FAILED,
    &MASTER_IN_STANDBY,
    &RECONNECT_WORKER,
    &MASTER_CHANGED,
    &LAUNCH_EXECUTOR,
    &KILL_EXECUTOR,
    &APPLICATION_FINISHED,
    &LAUNCH_DRIVER,
    &KILL_DRIVER,
    &DECOMMISSION_WORKER,
    &DRIVER_DESCRIPTION,
    &COMMAND,
    &RESOURCE_REQUIREMENT,
    &RESOURCE_INFORMATION,
    &RPC_ENDPOINT_ADDRESS,
    &RPC_ADDRESS,
];
