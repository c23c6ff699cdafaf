//! How many drivers can be submitted per second over REST: to a master of its own, or to any other server of that
//! protocol, so that Spark's master is measured by the same client.

use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, ensure};
use serde_json::{Value, json};
use tanist_testkit::measure::{Sample, say, table};
use tokio::io::{AsyncBufReadExt as _, AsyncReadExt as _, AsyncWriteExt as _, BufReader};
use tokio::net::TcpStream;
use tokio::task::JoinSet;
use tokio::time::{sleep, timeout};
use tokio_util::task::AbortOnDropHandle;

use crate::fleet::{Fleet, Plan, StoreKind};
use crate::machine;

/// Not counted: connections are opened, caches filled, and a Java server is compiled.
const WARM_UP: Duration = Duration::from_secs(3);

/// A client that has waited so long counts its request as failed.
const ANSWER_WITHIN: Duration = Duration::from_secs(30);

/// How often a queue that is cleared is cleared.
const CLEARED_EVERY: Duration = Duration::from_millis(500);

/// Pause of a client after a failure: a server that refuses is not to be measured by how fast it refuses.
const AFTER_FAILURE: Duration = Duration::from_millis(50);

/// What a master says once its REST server listens.
const SERVED: &str = "REST submissions are served";

/// Measure submissions of drivers per second over REST
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// `host:port` of a REST server that runs already; unset: a master of its own
    #[arg(long, value_name = "HOST:PORT")]
    endpoint: Option<String>,
    /// Clients at a time, each with a connection of its own and one submission under way
    #[arg(long, value_name = "N", value_delimiter = ',', default_value = "256")]
    clients: Vec<usize>,
    /// How long each of them is measured, in seconds
    #[arg(long, value_name = "SECONDS", default_value_t = 60)]
    seconds: u64,
    /// End what waits all the time (`killall`, Spark 4.0 and later); else the queue grows
    #[arg(long)]
    clear: bool,
    /// Where records of a master of its own are kept
    #[arg(long, value_enum, default_value = "etcd")]
    store: StoreKind,
    /// Members of etcd, 1 or 3
    #[arg(long, value_name = "N", default_value_t = 1)]
    etcd_members: usize,
}

pub(crate) async fn run(args: Args) -> Result<()> {
    say(&machine::describe());
    say("there is no worker; clients, master and store share this machine\n");
    let length = Duration::from_secs(args.seconds);
    let mut rows = Vec::new();
    for &clients in &args.clients {
        let run = if let Some(endpoint) = &args.endpoint {
            measure(endpoint, clients, length, args.clear).await?
        } else {
            // One for each number of clients, so that nobody finds the queue of the one before.
            let (store, etcd_members) = (args.store, args.etcd_members);
            let plan = Plan { store, etcd_members, masters: 1, workers: 0, cores: 0, rest: true };
            let fleet = Fleet::start(&plan).await?;
            measure(&endpoint(&fleet)?, clients, length, args.clear).await?
        };
        let name = format!("{clients} clients, queue {}", if args.clear { "cleared" } else { "grows" });
        let figures = vec![name, format!("{:.0}", run.per_second()), run.failed.to_string()];
        rows.push([figures, run.latency.cells(&[50, 99, 100])].concat());
    }
    table(&["", "submissions/s", "failed", "p50 ms", "p99 ms", "max ms"], &rows);
    say(&machine::load());
    Ok(())
}

/// Where the master of this cluster serves REST, by its own words.
fn endpoint(fleet: &Fleet) -> Result<String> {
    let said = fleet.cluster.masters.first().context("a master")?.said();
    let line =
        said.lines().find(|line| line.contains(SERVED)).context("the master does not say that it serves REST")?;
    let line: Value = serde_json::from_str(line).with_context(|| format!("reading {line}"))?;
    Ok(line["fields"]["bound"].as_str().with_context(|| format!("no address in {line}"))?.to_owned())
}

/// What came of one number of clients.
#[derive(Debug, Default)]
struct Run {
    latency: Sample,
    failed: usize,
    took: Duration,
}

impl Run {
    fn per_second(&self) -> f64 {
        self.latency.count() as f64 / self.took.as_secs_f64()
    }
}

async fn measure(endpoint: &str, clients: usize, length: Duration, clear: bool) -> Result<Run> {
    let create = request(endpoint, "create", &submission(endpoint).to_string());
    // One that works, or the reason why none would.
    Client::connect(endpoint).await?.ask(&create).await.with_context(|| format!("submitting to {endpoint}"))?;
    let begin = Instant::now() + WARM_UP;
    let end = begin + length;
    let mut running = JoinSet::new();
    for _ in 0..clients {
        running.spawn(submit(endpoint.to_owned(), create.clone(), begin, end));
    }
    let _clearing = clear.then(|| AbortOnDropHandle::new(tokio::spawn(clear_all(endpoint.to_owned()))));
    let (mut latencies, mut failed) = (Vec::new(), 0);
    while let Some(ended) = running.join_next().await {
        let (answered, refused) = ended.context("a client")?;
        latencies.extend(answered);
        failed += refused;
    }
    Ok(Run { latency: latencies.into_iter().collect(), failed, took: length })
}

/// One client: the next submission begins when the one before is answered. Counts those answered between the two
/// moments, and those that failed between them.
async fn submit(endpoint: String, create: String, begin: Instant, end: Instant) -> (Vec<Duration>, usize) {
    let (mut latencies, mut failed) = (Vec::new(), 0);
    let mut client = None;
    while Instant::now() < end {
        let asked = Instant::now();
        let outcome = async {
            let mut open = match client.take() {
                Some(open) => open,
                None => Client::connect(&endpoint).await?,
            };
            open.ask(&create).await?;
            anyhow::Ok(open)
        };
        let outcome = outcome.await;
        let answered = Instant::now();
        let counts = (begin..end).contains(&answered);
        if let Ok(open) = outcome {
            client = Some(open);
            latencies.extend(counts.then(|| answered - asked));
        } else {
            failed += usize::from(counts);
            sleep(AFTER_FAILURE).await;
        }
    }
    (latencies, failed)
}

/// Ends what waits, again and again. A failure shows as a longer queue, and ends nothing.
async fn clear_all(endpoint: String) {
    let kill = request(&endpoint, "killall", "");
    loop {
        sleep(CLEARED_EVERY).await;
        if let Ok(mut client) = Client::connect(&endpoint).await {
            let _ = client.ask(&kill).await;
        }
    }
}

/// What `spark-submit` sends for a small program. There is no worker that could run it.
fn submission(endpoint: &str) -> Value {
    json!({
        "action": "CreateSubmissionRequest",
        "appArgs": ["100"],
        "appResource": "file:/opt/spark/examples/jars/spark-examples.jar",
        "clientSparkVersion": "4.1.4",
        "environmentVariables": { "SPARK_SCALA_VERSION": "2.13" },
        "mainClass": "org.apache.spark.examples.SparkPi",
        "sparkProperties": {
            "spark.app.name": "SparkPi",
            "spark.driver.cores": "1",
            "spark.driver.memory": "512m",
            "spark.driver.supervise": "false",
            "spark.jars": "file:/opt/spark/examples/jars/spark-examples.jar",
            "spark.master": format!("spark://{endpoint}"),
            "spark.submit.deployMode": "cluster",
        },
    })
}

fn request(endpoint: &str, action: &str, body: &str) -> String {
    format!(
        "POST /v1/submissions/{action} HTTP/1.1\r\nHost: {endpoint}\r\nContent-Type: application/json\r\n\
         charset: utf-8\r\nContent-Length: {}\r\n\r\n{body}",
        body.len()
    )
}

/// A connection that is kept open.
struct Client(BufReader<TcpStream>);

impl Client {
    async fn connect(endpoint: &str) -> Result<Self> {
        let stream = TcpStream::connect(endpoint).await.with_context(|| format!("connecting to {endpoint}"))?;
        stream.set_nodelay(true).context("sending small requests at once")?;
        Ok(Self(BufReader::new(stream)))
    }

    /// Sends a request and waits for success.
    async fn ask(&mut self, request: &str) -> Result<()> {
        let answer = async {
            self.0.get_mut().write_all(request.as_bytes()).await.context("sending")?;
            self.answer().await
        };
        let (status, body) = timeout(ANSWER_WITHIN, answer).await.context("no answer")??;
        let success = serde_json::from_slice::<Value>(&body).ok().and_then(|body| body["success"].as_bool());
        ensure!(success == Some(true), "{}: {}", status.trim_end(), String::from_utf8_lossy(&body));
        Ok(())
    }

    async fn answer(&mut self) -> Result<(String, Vec<u8>)> {
        let mut status = String::new();
        self.0.read_line(&mut status).await.context("reading the status")?;
        let mut length = 0;
        loop {
            let mut header = String::new();
            let read = self.0.read_line(&mut header).await.context("reading headers")?;
            ensure!(read > 0, "the connection was closed after {status:?}");
            let Some((name, value)) = header.trim_end().split_once(':') else { break };
            if name.eq_ignore_ascii_case("content-length") {
                length = value.trim().parse().with_context(|| format!("reading {header:?}"))?;
            }
        }
        let mut body = vec![0; length];
        self.0.read_exact(&mut body).await.context("reading the body")?;
        Ok((status, body))
    }
}
