//! How to speak to one driver or worker: which build of Spark it is, by the numbers of its classes, and how it describes
//! them.
//!
//! Java takes an object only if its class has the number (`serialVersionUID`) that its own class has. Most follow from
//! the build, the others are read off what the other side has sent: its registration holds a reference to an endpoint,
//! and a master hands out one like it. So the payload of a registration is all that is needed, also for a master that
//! takes over.
//!
//! | module | holds |
//! |---|---|
//! | `classes` | the classes, and their numbers in the builds that are known |
//! | `said` | what is said to drivers and to programs that submit them |
//! | `order` | what is said to workers |
//! | `compose` | how that becomes objects |

mod classes;
mod compose;
mod order;
mod said;

use std::collections::BTreeSet;

pub use order::{ApplicationDescription, ToWorker};
pub use said::{Answer, DriverState, DriverWorker, ExecutorState, ToDriver};

use self::classes::Shape;
use self::compose::Composer;
use crate::java::{self, Tree, Value};
use crate::message::DEPLOY_MESSAGES;
use crate::uids::Uids;
use crate::{Error, scala};

/// What a reference of a driver may take, about; Spark's takes one kB.
const MAX_REFERENCE_BYTES: usize = 8 * 1024;

const RESOURCE_PROFILE: &str = "org.apache.spark.resource.ResourceProfile";
const RPC_ENDPOINT_REF: &str = "org.apache.spark.rpc.RpcEndpointRef";

/// Messages that show a build: who sends them, their class, and its numbers for both versions of Scala.
const FINGERPRINTS: [(Speaker, &str, u64, u64); 5] = [
    (Speaker::Driver, "RegisterApplication", 0xb3bd_8dd3_0609_1fef, 0x123d_8ca9_6b2c_1b0c),
    (Speaker::Worker, "RegisterWorker", 0x207b_f9e0_df01_427f, 0x2ad2_f845_9b44_4977),
    (Speaker::Submitter, "RequestSubmitDriver", 0x1cf5_7769_5e68_69a4, 0xbe71_a47a_04c1_3858),
    (Speaker::Submitter, "RequestDriverStatus", 0xaedb_7795_cfc8_49a1, 0xe624_5396_6e3e_f5c1),
    (Speaker::Submitter, "RequestKillDriver", 0x6bbc_2fda_5cb5_ee2a, 0xac98_5546_fb36_6cb3),
];

/// Who shows a build.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Speaker {
    /// The driver of an application.
    Driver,
    /// A worker of Spark's own.
    Worker,
    /// A program that submits drivers.
    Submitter,
}

impl Speaker {
    /// The field of its message that holds its reference to itself.
    fn reference(self) -> Option<&'static str> {
        match self {
            Self::Driver => Some("driver"),
            Self::Worker => Some("worker"),
            Self::Submitter => None,
        }
    }

    /// The classes it is told something with.
    fn classes(self) -> &'static [&'static Shape] {
        match self {
            Self::Driver => classes::FOR_APPLICATIONS,
            Self::Worker => classes::FOR_WORKERS,
            Self::Submitter => classes::FOR_SUBMISSION,
        }
    }

    /// Which of the releases for Scala 2.13 it is of. Their classes have the same numbers, but for two.
    fn family_of_4(self, message: &Tree) -> Family {
        let uid = |class| message.class_named(class).map(|class| class.uid.cast_unsigned());
        match self {
            Self::Driver => match uid(RESOURCE_PROFILE) {
                Some(0xa79a_a8c0_4cf2_8dd3) => Family::Spark4_0,
                Some(0xdd0e_5369_1f01_92fc) => Family::Spark4_1,
                Some(0xe602_aa26_b378_b78b) => Family::Spark4_3,
                _ => Family::Unknown,
            },
            Self::Worker => match uid(RPC_ENDPOINT_REF) {
                Some(0x3619_828d_141e_d26e) => Family::Spark4_0,
                Some(0xabdf_2be7_8a22_e2ee) => Family::Spark4_1To4_3,
                _ => Family::Unknown,
            },
            Self::Submitter => Family::Spark4,
        }
    }
}

/// Releases of Spark that cannot be told from each other by what their programs send.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Family {
    /// 3.4 and 3.5, for Scala 2.12.
    Spark3,
    /// 4.0.
    Spark4_0,
    /// 4.1 and 4.2.
    Spark4_1,
    /// 4.3.
    Spark4_3,
    /// Any of 4.1 to 4.3: a worker shows no more.
    Spark4_1To4_3,
    /// Any of 4.0 to 4.3: a program that submits drivers shows no more.
    Spark4,
    /// Another one.
    Unknown,
}

/// The version of Scala that a build of Spark is for. It decides how collections and singletons are written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[allow(missing_docs, reason = "a number")]
pub enum Scala {
    V2_12,
    V2_13,
}

/// How to speak to one driver, to one worker, or to one program that submits drivers.
#[derive(Debug, Clone, PartialEq)]
pub struct Dialect {
    family: Family,
    scala: Scala,
    /// Of a build that is not known.
    uids: Uids,
    /// Its reference to itself, if it has sent one.
    learnt: Tree,
}

impl Dialect {
    /// The dialect of whoever has sent this registration of an application or a worker, or this request of a program
    /// that submits drivers.
    ///
    /// # Errors
    /// It is another message, a broken one, or of a build that is not known: then [`Self::with`] wants its numbers,
    /// which can be had in the ways of [`uids`](crate::uids).
    pub fn of(payload: &[u8]) -> Result<Self, Error> {
        Self::with(payload, &Uids::default())
    }

    /// As [`Self::of`], where these are the numbers of a build that is not known.
    ///
    /// # Errors
    /// As [`Self::of`]; or a number is wanted and not among them.
    pub fn with(payload: &[u8], uids: &Uids) -> Result<Self, Error> {
        let message = java::read(payload)?;
        let shown = Shown::by(&message)?;
        let number = |shape: &&Shape| Some((shape.name.to_owned(), uids.get(shape.name)?));
        let numbers: Option<Uids> = shown.wanted(&message).iter().map(number).collect();
        let uids = numbers.ok_or(Error::UnknownBuild { class: shown.class, uid: shown.uid })?;
        let learnt = match shown.speaker.reference() {
            Some(field) => reference(&message, shown.class, field)?,
            None => Tree::empty(),
        };
        Ok(Self { family: shown.family, scala: shown.scala, uids, learnt })
    }

    /// The classes whose numbers [`Self::with`] wants for this message; none, if its build is known.
    ///
    /// # Errors
    /// As [`Self::of`], but for builds that are not known.
    pub fn wanted(payload: &[u8]) -> Result<Vec<&'static str>, Error> {
        let message = java::read(payload)?;
        Ok(Shown::by(&message)?.wanted(&message).iter().map(|shape| shape.name).collect())
    }

    /// The classes that show which build has sent this message, and their numbers in it.
    ///
    /// # Errors
    /// As [`Self::of`], but for builds that are not known.
    pub fn shown(payload: &[u8]) -> Result<Vec<(String, i64)>, Error> {
        let message = java::read(payload)?;
        let shown = Shown::by(&message)?;
        let profile = message.class_named(RESOURCE_PROFILE).map(|class| (RESOURCE_PROFILE.to_owned(), class.uid));
        let first = (format!("{DEPLOY_MESSAGES}{}", shown.class), shown.uid);
        Ok([first].into_iter().chain(profile).collect())
    }

    /// All classes whose numbers drivers and submitters can want or show: what there is to be known of a build.
    pub fn classes() -> BTreeSet<String> {
        let wanted = [classes::FOR_APPLICATIONS, classes::FOR_SUBMISSION, classes::FOR_WORKERS].into_iter().flatten();
        let wanted = wanted.map(|shape| shape.name.to_owned());
        let shown = FINGERPRINTS.iter().map(|(_, class, ..)| format!("{DEPLOY_MESSAGES}{class}"));
        wanted.chain(shown).chain([RESOURCE_PROFILE.to_owned()]).collect()
    }

    /// Which releases of Spark it can be.
    pub fn family(&self) -> Family {
        self.family
    }

    /// Its version of Scala.
    pub fn scala(&self) -> Scala {
        self.scala
    }

    /// The payload of a one-way message to the driver.
    pub fn write(&self, message: &ToDriver<'_>) -> Vec<u8> {
        java::write(&Composer::new(self).told(message))
    }

    /// The payload of an answer to a program that submits drivers.
    pub fn answer(&self, answer: &Answer<'_>) -> Vec<u8> {
        java::write(&Composer::new(self).answered(answer))
    }

    /// The payload of a one-way message to the worker.
    pub fn order(&self, message: &ToWorker<'_>) -> Vec<u8> {
        java::write(&Composer::new(self).ordered(message))
    }

    fn uid(&self, shape: &Shape) -> i64 {
        self.uids.get(shape.name).unwrap_or(shape.uid.of(self.scala))
    }
}

/// What a message shows of who has sent it.
struct Shown {
    family: Family,
    scala: Scala,
    /// The class that has shown it, and its number.
    class: &'static str,
    uid: i64,
    speaker: Speaker,
}

impl Shown {
    fn by(message: &Tree) -> Result<Self, Error> {
        let name = message.root().map_or("", |root| root.class());
        let known = name.strip_prefix(DEPLOY_MESSAGES);
        let found = FINGERPRINTS.into_iter().find(|(_, class, ..)| known == Some(*class));
        let unexpected = || Error::Unexpected {
            found: "another message".to_owned(),
            wanted: "a registration of an application or a worker, or a request about drivers",
        };
        let (speaker, class, scala_2_12, scala_2_13) = found.ok_or_else(unexpected)?;
        let uid = message.class_named(name).map_or(0, |class| class.uid);
        let (family, scala) = match uid.cast_unsigned() {
            uid if uid == scala_2_12 => (Family::Spark3, Scala::V2_12),
            uid if uid == scala_2_13 => (speaker.family_of_4(message), Scala::V2_13),
            _ => (Family::Unknown, scala_of(message)),
        };
        Ok(Self { family, scala, class, uid, speaker })
    }

    /// The classes whose numbers must be told: nothing is known of the build, and the message has none of them in it.
    fn wanted(&self, message: &Tree) -> Vec<&'static Shape> {
        let wanted = |shape: &&Shape| self.family == Family::Unknown && message.class_named(shape.name).is_none();
        self.speaker.classes().iter().copied().filter(wanted).collect()
    }
}

/// The registration of an application has a list in it, that of a worker a map, whose form tells. A request about a driver
/// has none: Spark is built for nothing but 2.13 any more.
fn scala_of(message: &Tree) -> Scala {
    let resources = message.root().and_then(|root| root.field("resources"));
    let resources = resources.and_then(|resources| message.object(resources));
    let is_plain = resources.is_some_and(|resources| resources.class() == scala::EMPTY_MAP);
    if is_plain || message.class_named(scala::LIST_PROXY).is_some() { Scala::V2_12 } else { Scala::V2_13 }
}

/// The reference to itself that a registration holds.
fn reference(message: &Tree, class: &str, field: &str) -> Result<Tree, Error> {
    let reference = message.root().and_then(|root| root.field(field)).unwrap_or(Value::Null);
    let excerpt = message.excerpt(reference, MAX_REFERENCE_BYTES);
    let has_address = |tree: &Tree| tree.root().is_some_and(|root| root.field("endpointAddress").is_some());
    excerpt.filter(has_address).ok_or_else(|| Error::Field {
        field: format!("{class}.{field}"),
        found: "no reference to an endpoint, or too long a one".to_owned(),
        allowed: "an RpcEndpointRef of at most 8 KiB",
    })
}
