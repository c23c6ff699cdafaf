//! The classes of what is written here: their fields, and the numbers Java knows their versions by.
//!
//! A class that declares its `serialVersionUID` has it in every build. The others have one that is computed from what
//! they are made of; it is the same in all of Spark 3.4 and 3.5 for Scala 2.12, and in all of 4.0 to 4.3.

mod worker;

pub(crate) use worker::{
    APPLICATION_FINISHED, COMMAND, DECOMMISSION_WORKER, DRIVER_DESCRIPTION, EMPTY_MAP, FOR_WORKERS, HASH_MAP,
    KILL_DRIVER, KILL_EXECUTOR, LAUNCH_DRIVER, LAUNCH_EXECUTOR, LIST, LIST_END_2_12, LIST_FACTORY, LIST_PROXY_2_12,
    MAP_FACTORY, MAP_PROXY_2_12, MASTER_IN_STANDBY, PROXY, RECONNECT_WORKER, REGISTER_WORKER_FAILED, REGISTERED_WORKER,
    RESOURCE_INFORMATION, RESOURCE_REQUIREMENT, STRINGS, TUPLE,
};

use super::Scala;
use crate::scala::MODULE_PROXY;

const STRING: &str = "Ljava/lang/String;";
const OPTION: &str = "Lscala/Option;";
const REFERENCE: &str = "Lorg/apache/spark/rpc/RpcEndpointRef;";
const ENUMERATION: &str = "Lscala/Enumeration;";
const SEQ: &str = "Lscala/collection/Seq;";
const IMMUTABLE_SEQ: &str = "Lscala/collection/immutable/Seq;";

const SERIALIZABLE: u8 = 2;
const SERIALIZABLE_AND_WRITES_MORE: u8 = 3;

/// A class.
#[derive(Debug)]
pub(crate) struct Shape {
    pub(crate) name: &'static str,
    /// Names and types, in the order of the stream: primitive ones first, each kind by name.
    pub(crate) fields: &'static [(&'static str, &'static str)],
    pub(crate) parent: Option<&'static Shape>,
    pub(crate) flags: u8,
    pub(crate) uid: Uid,
}

impl Shape {
    /// Its fields as a version of Scala has them: what it calls a `Seq` is not the same.
    pub(crate) fn fields_in(&self, scala: Scala) -> Vec<(&'static str, &'static str)> {
        let of = |of| if (of, scala) == (SEQ, Scala::V2_13) { IMMUTABLE_SEQ } else { of };
        self.fields.iter().map(|(name, kind)| (*name, of(*kind))).collect()
    }
}

/// Where its `serialVersionUID` comes from.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Uid {
    /// It stands in the class.
    Declared(u64),
    /// It follows from the class.
    Computed { scala_2_12: u64, scala_2_13: u64 },
}

impl Uid {
    /// In the builds that are known.
    pub(crate) fn of(self, scala: Scala) -> i64 {
        match (self, scala) {
            (Self::Declared(uid), _)
            | (Self::Computed { scala_2_12: uid, .. }, Scala::V2_12)
            | (Self::Computed { scala_2_13: uid, .. }, Scala::V2_13) => uid.cast_signed(),
        }
    }
}

type Fields = &'static [(&'static str, &'static str)];

const fn computed(name: &'static str, fields: Fields, scala_2_12: u64, scala_2_13: u64) -> Shape {
    Shape { name, fields, parent: None, flags: SERIALIZABLE, uid: Uid::Computed { scala_2_12, scala_2_13 } }
}

const fn declared(name: &'static str, fields: Fields, uid: u64, parent: Option<&'static Shape>) -> Shape {
    Shape { name, fields, parent, flags: SERIALIZABLE, uid: Uid::Declared(uid) }
}

macro_rules! message {
    ($name:literal) => {
        concat!("org.apache.spark.deploy.DeployMessages$", $name)
    };
}
use message;

// What an application is told.

pub(crate) static REGISTERED_APPLICATION: Shape = computed(
    message!("RegisteredApplication"),
    &[("appId", STRING), ("master", REFERENCE)],
    0x4941_7ee2_6ac9_609f,
    0xa038_0f8e_0488_b21d,
);
pub(crate) static EXECUTOR_ADDED: Shape = computed(
    message!("ExecutorAdded"),
    &[("cores", "I"), ("id", "I"), ("memory", "I"), ("hostPort", STRING), ("workerId", STRING)],
    0xade3_3d15_1bc7_c2bb,
    0xfc8a_707f_59ee_e692,
);
pub(crate) static EXECUTOR_UPDATED: Shape = computed(
    message!("ExecutorUpdated"),
    &[
        ("id", "I"),
        ("exitStatus", OPTION),
        ("message", OPTION),
        ("state", "Lscala/Enumeration$Value;"),
        ("workerHost", OPTION),
    ],
    0xe4a2_93e3_6610_41af,
    0x663b_823c_8dee_7b37,
);
pub(crate) static WORKER_REMOVED: Shape = computed(
    message!("WorkerRemoved"),
    &[("host", STRING), ("id", STRING), ("message", STRING)],
    0xeef9_19a3_b25d_9a0d,
    0x426e_a5df_0e58_a43b,
);
pub(crate) static MASTER_CHANGED: Shape = computed(
    message!("MasterChanged"),
    &[("master", REFERENCE), ("masterWebUiUrl", STRING)],
    0x2e0f_dd0b_33a7_f5d1,
    0x05e6_9bf4_13c4_4a1d,
);
pub(crate) static APPLICATION_REMOVED: Shape =
    computed(message!("ApplicationRemoved"), &[("message", STRING)], 0xe18d_c62f_28e7_61dc, 0xf856_ef30_164c_9d22);
pub(crate) static EXECUTOR_STATE: Shape =
    computed("org.apache.spark.deploy.ExecutorState$", &[], 0xaf4b_1457_3cdc_be9b, 0x8931_7d41_b3b1_cd6d);

// What a program that submits drivers is answered.

pub(crate) static SUBMIT_DRIVER_RESPONSE: Shape = computed(
    message!("SubmitDriverResponse"),
    &[("success", "Z"), ("driverId", OPTION), ("master", REFERENCE), ("message", STRING)],
    0xfee1_666a_650f_4e9f,
    0x118d_16cc_7ae9_1c3e,
);
pub(crate) static KILL_DRIVER_RESPONSE: Shape = computed(
    message!("KillDriverResponse"),
    &[("success", "Z"), ("driverId", STRING), ("master", REFERENCE), ("message", STRING)],
    0xb118_c315_8714_e7e4,
    0x660c_b9ff_11a9_2f8b,
);
pub(crate) static DRIVER_STATUS_RESPONSE: Shape = computed(
    message!("DriverStatusResponse"),
    &[("found", "Z"), ("exception", OPTION), ("state", OPTION), ("workerHostPort", OPTION), ("workerId", OPTION)],
    0xcfe6_ff3d_d49b_17d9,
    0xc822_d93e_9ac1_52e4,
);
pub(crate) static DRIVER_STATE: Shape =
    computed("org.apache.spark.deploy.master.DriverState$", &[], 0x81b3_1f73_163f_52ef, 0xef10_903e_71c2_111b);

// References to endpoints.

/// Without the class it extends: the only one whose number differs between 4.0 and 4.1. Java leaves its fields alone then.
pub(crate) static REFERENCE_ALONE: Shape = Shape {
    flags: SERIALIZABLE_AND_WRITES_MORE,
    ..computed(
        "org.apache.spark.rpc.netty.NettyRpcEndpointRef",
        &[("endpointAddress", "Lorg/apache/spark/rpc/RpcEndpointAddress;")],
        0xa520_0a58_1a04_1ff8,
        0xa520_0a58_1a04_1ff8,
    )
};
pub(crate) static RPC_ENDPOINT_ADDRESS: Shape = computed(
    "org.apache.spark.rpc.RpcEndpointAddress",
    &[("name", STRING), ("rpcAddress", "Lorg/apache/spark/rpc/RpcAddress;"), ("toString", STRING)],
    0x1339_6d2c_e391_455d,
    0x9efd_c9fe_a547_a6d2,
);
pub(crate) static RPC_ADDRESS: Shape = computed(
    "org.apache.spark.rpc.RpcAddress",
    &[("port", "I"), ("host", STRING)],
    0xec0a_0950_b549_8bc8,
    0x2b6a_5679_f51c_5dc4,
);

// Values of Scala and Java.

static OPTION_CLASS: Shape = declared("scala.Option", &[], 0xfe69_37fd_db0e_6674, None);
pub(crate) static SOME: Shape =
    declared("scala.Some", &[("value", "Ljava/lang/Object;")], 0x1122_f269_5ea1_8b74, Some(&OPTION_CLASS));
pub(crate) static NONE: Shape = declared("scala.None$", &[], 0x4650_24f6_53ca_94ac, Some(&OPTION_CLASS));
static ENUMERATION_VALUE: Shape = declared(
    "scala.Enumeration$Value",
    &[("$outer", ENUMERATION), ("scala$Enumeration$$outerEnum", ENUMERATION)],
    0x6269_7c2f_ed21_1d51,
    None,
);
pub(crate) static ENUMERATION_VAL: Shape =
    declared("scala.Enumeration$Val", &[("i", "I"), ("name", STRING)], 0xcf69_67af_c9fc_ed4f, Some(&ENUMERATION_VALUE));
pub(crate) static MODULE: Shape = declared(MODULE_PROXY, &[("moduleClass", "Ljava/lang/Class;")], 1, None);
static NUMBER: Shape = declared("java.lang.Number", &[], 0x86ac_951d_0b94_e08b, None);
pub(crate) static INTEGER: Shape =
    declared("java.lang.Integer", &[("value", "I")], 0x12e2_a0a4_f781_8738, Some(&NUMBER));
static THROWABLE: Shape = Shape {
    flags: SERIALIZABLE_AND_WRITES_MORE,
    ..declared(
        "java.lang.Throwable",
        &[
            ("cause", "Ljava/lang/Throwable;"),
            ("detailMessage", STRING),
            ("stackTrace", "[Ljava/lang/StackTraceElement;"),
            ("suppressedExceptions", "Ljava/util/List;"),
        ],
        0xd5c6_3527_3977_b8cb,
        None,
    )
};
pub(crate) static EXCEPTION: Shape = declared("java.lang.Exception", &[], 0xd0fd_1f3e_1a3b_1cc4, Some(&THROWABLE));

/// What is needed to talk to an application.
pub(crate) static FOR_APPLICATIONS: &[&Shape] = &[
    &REGISTERED_APPLICATION,
    &EXECUTOR_ADDED,
    &EXECUTOR_UPDATED,
    &WORKER_REMOVED,
    &MASTER_CHANGED,
    &APPLICATION_REMOVED,
    &EXECUTOR_STATE,
    &RPC_ENDPOINT_ADDRESS,
    &RPC_ADDRESS,
];
/// What is needed to answer a program that submits drivers.
pub(crate) static FOR_SUBMISSION: &[&Shape] = &[
    &SUBMIT_DRIVER_RESPONSE,
    &KILL_DRIVER_RESPONSE,
    &DRIVER_STATUS_RESPONSE,
    &DRIVER_STATE,
    &REFERENCE_ALONE,
    &RPC_ENDPOINT_ADDRESS,
    &RPC_ADDRESS,
];

#[cfg(test)]
mod tests;
