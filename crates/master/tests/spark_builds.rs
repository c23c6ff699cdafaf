//! Drivers of a build of Spark that nobody has described: the numbers of its classes come from an installation, or else from the
//! driver itself, for itself alone.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod support;

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io::Write as _;
use std::path::Path;
use std::time::Duration;

use tokio::time::timeout;
use zip::ZipWriter;
use zip::write::SimpleFileOptions;

use tanist_core::model::Program;
use tanist_core::msg::WorkerCommand;
use tanist_master::SparkOptions;
use tanist_spark::Dialect;
use tanist_testkit::captured::{ACKNOWLEDGEMENT, UNREGISTRATION};

use support::peers::{WorkerSession, registration};
use support::spark::{Driver, Heard, Line, OTHER_UID};
use support::{Node, Setup};

const MESSAGES: &str = "org.apache.spark.deploy.DeployMessages$";
/// As it is in the captured registration, and in no other build.
const PROFILE: (&str, i64) = ("org.apache.spark.resource.ResourceProfile", 0xdd0e_5369_1f01_92fc_u64.cast_signed());

/// Numbers of classes.
type Numbers = BTreeMap<String, i64>;

/// Answers questions about classes, by numbers from this one on, up to the first thing that is none.
async fn answers(line: &mut Line, first: i64) -> (Numbers, Heard) {
    let mut numbers = Numbers::new();
    loop {
        match line.hear().await.unwrap() {
            Heard::Question(id, asked) => {
                let class = asked.root().unwrap().class().to_owned();
                let number = first + i64::try_from(numbers.len()).unwrap();
                let failure = format!(
                    "java.io.InvalidClassException: {class}; local class incompatible: stream classdesc \
                     serialVersionUID = 1, local class serialVersionUID = {number}\n\tat java.base/java.io"
                );
                line.fails(id, &failure).await;
                assert_eq!(numbers.insert(class, number), None, "asked once");
            }
            other => return (numbers, other),
        }
    }
}

/// The number that the class of a message came with.
fn number(heard: &Heard) -> (String, i64) {
    let Heard::Told(tree) = heard else { panic!("{heard:?}") };
    let name = tree.root().unwrap().class().to_owned();
    let number = tree.class_named(&name).unwrap().uid;
    (name, number)
}

fn assert_known(heard: &Heard, numbers: &Numbers) {
    let (class, number) = number(heard);
    assert_eq!(numbers.get(&class), Some(&number), "{class}");
}

async fn node(homes: BTreeMap<String, std::path::PathBuf>) -> (tempfile::TempDir, Node) {
    let directory = tempfile::tempdir().unwrap();
    let spark = SparkOptions { homes, ..SparkOptions::default() };
    let node = Node::set_up(directory.path(), "m1", Setup { spark, ..Setup::default() }).await;
    node.alive().await;
    (directory, node)
}

/// The releases that the next executor is to run with.
async fn launched(worker: &mut WorkerSession) -> Option<String> {
    let WorkerCommand::LaunchExecutor { app, .. } = worker.ordered().await else { panic!("no launch") };
    let Program::Java(java) = &app.command.program else { panic!("{:?}", app.command) };
    java.spark_family.clone()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_driver_is_asked_and_told_everything_by_its_own_numbers() {
    let (_directory, node) = node(BTreeMap::new()).await;
    let mut worker = WorkerSession::registered(&node.address, registration("w1", 9)).await;
    let driver = Driver::start().await;
    let mut line = driver.connect(&node.address).await;
    line.registers_as_another_build().await;
    let (numbers, registered) = answers(&mut line, 1_000).await;
    assert_eq!((numbers.len(), registered.name()), (7, "RegisteredApplication"));
    assert_known(&registered, &numbers);
    let id = registered.text("appId");
    assert_known(&line.hears("ExecutorAdded").await, &numbers);
    assert_eq!(launched(&mut worker).await, None, "its worker's own choice");
    // A repetition asks nothing again.
    line.registers_as_another_build().await;
    assert_eq!(line.is_registered().await, id);

    // Of the same build, and a liar: what it says holds for nobody else.
    let liar = Driver::start().await;
    let mut other = liar.connect(&node.address).await;
    other.registers_as_another_build().await;
    let (lies, registered) = answers(&mut other, -1_000).await;
    assert_known(&registered, &lies);
    assert_eq!(lies.len(), 7);

    // Called back, it is asked before it is told who leads.
    drop(line);
    let mut call = driver.is_connected_to().await;
    let (numbers, changed) = answers(&mut call, 5_000).await;
    assert_eq!((numbers.len(), changed.name()), (7, "MasterChanged"));
    assert_known(&changed, &numbers);
    call.say(ACKNOWLEDGEMENT, &id).await;
    assert_known(&call.hears("ExecutorAdded").await, &numbers);
    call.say(UNREGISTRATION, &id).await;
    node.sees("its end", |view| view.ended_apps.iter().find(|app| app.id.as_str() == id).map(|_| ())).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_driver_that_answers_nonsense_is_no_driver_and_a_standby_asks_nothing() {
    let (directory, node) = node(BTreeMap::new()).await;
    for nonsense in ["java.lang.ClassNotFoundException: what", ""] {
        let driver = Driver::start().await;
        let mut line = driver.connect(&node.address).await;
        line.registers_as_another_build().await;
        let Heard::Question(id, _) = line.hear().await.unwrap() else { panic!("no question") };
        line.fails(id, nonsense).await;
        assert!(line.end().await.iter().all(|heard| heard.name() == "question"));
    }
    assert!(node.handle().view().await.view.apps.is_empty());

    let standby = Node::start(directory.path(), "m2").await;
    let driver = Driver::start().await;
    let mut line = driver.connect(&standby.address).await;
    line.registers_as_another_build().await;
    line.asks().await;
    assert!(line.hear().await.unwrap().is_yes(), "and nothing before");
    // It leads by the time that the driver says so again.
    node.service.stop().await.unwrap();
    standby.alive().await;
    line.registers_as_another_build().await;
    let (numbers, registered) = answers(&mut line, 1_000).await;
    assert_known(&registered, &numbers);
}

/// A class file of this name that declares this number.
fn class_file(name: &str, number: i64) -> Vec<u8> {
    let text = |text: &str| [&[1][..], &u16::try_from(text.len()).unwrap().to_be_bytes(), text.as_bytes()].concat();
    let constants = [
        // 1 and 3: classes; 8: a long, which counts twice.
        vec![7, 0, 2],
        text(&name.replace('.', "/")),
        vec![7, 0, 4],
        text("java/lang/Object"),
        text("serialVersionUID"),
        text("J"),
        text("ConstantValue"),
        [&[5][..], &number.to_be_bytes()].concat(),
    ];
    let field: &[u8] = &[0, 1, 0, 0x1A, 0, 5, 0, 6, 0, 1, 0, 7, 0, 0, 0, 2, 0, 8];
    let start: &[u8] = &[0xCA, 0xFE, 0xBA, 0xBE, 0, 0, 0, 61, 0, 10];
    let class: &[u8] = &[0, 0x21, 0, 1, 0, 3, 0, 0];
    // No methods, and nothing else.
    [start, &constants.concat(), class, field, &[0, 0, 0, 0]].concat()
}

/// An installation of a build whose classes have these numbers.
fn installation(home: &Path, numbers: &Numbers) {
    fs::create_dir_all(home.join("jars")).unwrap();
    let mut jar = ZipWriter::new(File::create(home.join("jars/spark-core_2.13-9.9.0.jar")).unwrap());
    for (class, number) in numbers {
        jar.start_file(format!("{}.class", class.replace('.', "/")), SimpleFileOptions::default()).unwrap();
        jar.write_all(&class_file(class, *number)).unwrap();
    }
    jar.finish().unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_build_that_is_installed_here_is_known_by_its_jars_and_nobody_is_asked() {
    let homes = tempfile::tempdir().unwrap();
    let numbers: Numbers = (7_000..).zip(Dialect::classes()).map(|(number, class)| (class, number)).collect();
    let shown = [(format!("{MESSAGES}RegisterApplication"), OTHER_UID), (PROFILE.0.to_owned(), PROFILE.1)];
    let theirs: Numbers = numbers.clone().into_iter().chain(shown).collect();
    // What is there of another build, of none, and not there at all, is passed over.
    installation(&homes.path().join("other"), &numbers);
    fs::create_dir_all(homes.path().join("none/jars")).unwrap();
    fs::write(homes.path().join("none/jars/spark-core_2.13-4.1.4.jar"), "no jar").unwrap();
    installation(&homes.path().join("theirs"), &theirs);
    let named = [("3.5", "none"), ("4.0", "not there"), ("8.8", "other"), ("9.9", "theirs")];
    let named = named.map(|(release, name)| (release.to_owned(), homes.path().join(name)));
    let (_directory, node) = node(named.into()).await;

    let mut worker = WorkerSession::registered(&node.address, registration("w1", 9)).await;
    let driver = Driver::start().await;
    let mut line = driver.connect(&node.address).await;
    line.registers_as_another_build().await;
    let registered = line.hear().await.unwrap();
    assert_known(&registered, &theirs);
    assert_known(&line.hear().await.unwrap(), &theirs);
    assert_eq!(launched(&mut worker).await.as_deref(), Some("9.9"), "the release it is installed as");
    drop(line);
    let (_call, changed) = timeout(Duration::from_secs(20), async {
        let mut call = driver.is_connected_to().await;
        let heard = call.hear().await.unwrap();
        (call, heard)
    })
    .await
    .unwrap();
    assert_eq!(changed.name(), "MasterChanged");
    assert_known(&changed, &theirs);
}
