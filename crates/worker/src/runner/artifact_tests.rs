use std::{
    collections::VecDeque,
    io::{BufRead as _, BufReader, Write as _},
    net::{TcpListener, TcpStream},
    sync::{Arc, Mutex},
    thread,
};

use tempfile::TempDir;

use super::*;

/// One answer of the test server; the strings are sent as they are.
#[derive(Clone)]
enum Answer {
    Say(String),
    /// Promises more than it sends.
    BreakOff,
    /// Keeps the connection open and says nothing.
    Silence,
}

fn ok(body: &str) -> Answer {
    Answer::Say(format!("HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n{body}", body.len()))
}

fn status(code: u16) -> Answer {
    Answer::Say(format!("HTTP/1.1 {code} x\r\nContent-Length: 0\r\n\r\n"))
}

fn redirect(to: &str) -> Answer {
    Answer::Say(format!("HTTP/1.1 302 x\r\nLocation: {to}\r\nContent-Length: 0\r\n\r\n"))
}

/// Answers in order, the last one for ever; remembers what was asked for. Ends with the test process.
struct Server {
    base: String,
    asked: Arc<Mutex<Vec<String>>>,
}

impl Server {
    fn new(answers: &[Answer]) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let base = format!("http://{}", listener.local_addr().unwrap());
        let asked = Arc::new(Mutex::new(Vec::new()));
        let (mut answers, log) = (VecDeque::from(answers.to_vec()), Arc::clone(&asked));
        thread::spawn(move || {
            let mut silent = Vec::new();
            for stream in listener.incoming().flatten() {
                log.lock().unwrap().push(request(&stream));
                let answer = if answers.len() > 1 { answers.pop_front() } else { answers.front().cloned() };
                match answer.unwrap() {
                    Answer::Say(text) => drop((&stream).write_all(text.as_bytes())),
                    Answer::BreakOff => drop((&stream).write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nhalf")),
                    Answer::Silence => silent.push(stream),
                }
            }
        });
        Self { base, asked }
    }

    fn url(&self, path: &str) -> String {
        format!("{}{path}", self.base)
    }

    fn asked(&self) -> Vec<String> {
        self.asked.lock().unwrap().clone()
    }
}

/// The path of the request, after reading its whole head.
fn request(stream: &TcpStream) -> String {
    let mut lines = BufReader::new(stream).lines().map_while(Result::ok);
    let first = lines.next().unwrap_or_default();
    let _ = lines.take_while(|line| !line.is_empty()).count();
    first.split(' ').nth(1).unwrap_or_default().to_owned()
}

fn limits() -> FetchLimits {
    FetchLimits {
        connect: Duration::from_secs(5),
        idle: Duration::from_secs(5),
        retry_for: Duration::ZERO,
        max_bytes: 100,
        keep_free: 0,
    }
}

fn dir() -> TempDir {
    tempfile::tempdir().unwrap()
}

async fn failure(location: &str, limits: &FetchLimits) -> String {
    let dir = dir();
    let error = fetch(location, dir.path(), limits).await.unwrap_err().to_string();
    assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 0, "something is left behind");
    error
}

#[test]
fn drn_02_name_is_the_last_segment() {
    for (location, name) in [
        ("/opt/app.jar", "app.jar"),
        ("file:/opt/a%20b.jar", "a b.jar"),
        ("file:///opt/app.jar", "app.jar"),
        ("file://localhost/opt/app.jar", "app.jar"),
        ("http://h:1/x/app.jar?sig=/y#z", "app.jar"),
        ("HTTPS://h/%61pp.jar", "app.jar"),
    ] {
        assert_eq!(file_name(location).unwrap(), name, "{location}");
    }
}

#[tokio::test]
async fn bad_locations_are_explained() {
    for (location, expected) in [
        ("ftp://h/app.jar", "unknown scheme \"ftp\""),
        ("hdfs://h/app.jar", "allowed are an absolute path, file:, http: and https:"),
        ("http://host", "names no file"),
        ("http://host/dir/", "cannot be a file name"),
        ("file://elsewhere/x.jar", "another host"),
        ("http://h/%2e%2e", "cannot be a file name"),
        ("http://h/..%2f..%2fetc", "cannot be a file name"),
        ("/opt/..", "cannot be a file name"),
        ("http://h/%zz", "escape"),
        ("http://h:port/x.jar", "a port that is none"),
        ("http://h/a b.jar", "not a URL"),
    ] {
        let error = failure(location, &limits()).await;
        assert!(error.contains(expected), "{location}: {error}");
    }
}

#[tokio::test]
async fn drn_01_02_copies_from_path_once_and_makes_executable() {
    let (from, to) = (dir(), dir());
    let source = from.path().join("app.jar");
    fs::write(&source, "first").unwrap();
    fs::set_permissions(&source, fs::Permissions::from_mode(0o600)).unwrap();
    let url = format!("file://{}", source.display());
    let target = fetch(&url, to.path(), &limits()).await.unwrap();
    assert_eq!(target, to.path().join("app.jar"));
    assert_eq!(fs::metadata(&target).unwrap().permissions().mode() & 0o777, 0o755);
    fs::write(&source, "second").unwrap();
    fetch(source.to_str().unwrap(), to.path(), &limits()).await.unwrap();
    assert_eq!(fs::read_to_string(&target).unwrap(), "first");
}

#[test]
fn a_copy_that_nobody_waits_for_is_broken_off_and_leaves_nothing() {
    let dir = dir();
    let (from, to) = (dir.path().join("app.jar"), dir.path().join("to"));
    fs::write(&from, "content").unwrap();
    let given_up = CancellationToken::new();
    copy_unless(&given_up, &from, &to, &limits()).unwrap();
    assert_eq!(fs::read_to_string(&to).unwrap(), "content");
    fs::remove_file(&to).unwrap();
    given_up.cancel();
    copy_unless(&given_up, &from, &to, &limits()).unwrap_err();
    assert!(!to.exists());
}

#[tokio::test]
async fn missing_or_odd_files_are_named() {
    let dir = dir();
    let missing = dir.path().join("missing.jar");
    let error = failure(missing.to_str().unwrap(), &limits()).await;
    assert!(error.contains(missing.to_str().unwrap()) && error.contains("No such file"), "{error}");
    let error = failure(dir.path().to_str().unwrap(), &limits()).await;
    assert!(error.contains("not a plain file") || error.contains("cannot be a file name"), "{error}");
    let large = dir.path().join("large.jar");
    fs::write(&large, vec![0; 101]).unwrap();
    let error = failure(large.to_str().unwrap(), &limits()).await;
    assert!(error.contains("limit of 100 bytes"), "{error}");
}

/// Whoever opens a pipe waits until somebody opens its other end: a fetch would never end.
#[tokio::test]
async fn a_pipe_is_refused_and_not_waited_for() {
    let from = dir();
    let pipe = from.path().join("pipe.jar");
    assert!(std::process::Command::new("mkfifo").arg(&pipe).status().unwrap().success());
    let fetched =
        tokio::time::timeout(Duration::from_secs(30), async { failure(pipe.to_str().unwrap(), &limits()).await });
    let error = fetched.await.unwrap_or_else(|_| {
        // Lets the copy go on, so that the test can end.
        drop(fs::OpenOptions::new().write(true).open(&pipe));
        panic!("the fetch waits for the pipe")
    });
    assert!(error.contains("not a plain file") && error.contains("pipe.jar"), "{error}");
}

#[tokio::test]
async fn a_file_that_would_go_below_the_floor_is_refused_and_nothing_is_left() {
    let from = dir();
    let file = from.path().join("app.jar");
    fs::write(&file, "content").unwrap();
    let above = FetchLimits { keep_free: u64::MAX, ..limits() };
    let server = Server::new(&[ok("content")]);
    for location in [file.display().to_string(), server.url("/app.jar")] {
        let error = failure(&location, &above).await;
        for part in [location.as_str(), "7 more bytes", &u64::MAX.to_string(), "free"] {
            assert!(error.contains(part), "{part}: {error}");
        }
    }
    assert_eq!(server.asked().len(), 1, "it is not tried again");
    let below = FetchLimits { keep_free: 1, ..limits() };
    assert!(fetch(file.to_str().unwrap(), dir().path(), &below).await.is_ok());
}

#[tokio::test]
async fn http_is_fetched_through_redirects() {
    let server = Server::new(&[redirect("/b/second"), redirect("third"), ok("content")]);
    let dir = dir();
    let target = fetch(&server.url("/a/app.jar?x=1"), dir.path(), &limits()).await.unwrap();
    assert_eq!(target, dir.path().join("app.jar"));
    assert_eq!(fs::read_to_string(&target).unwrap(), "content");
    assert_eq!(fs::metadata(&target).unwrap().permissions().mode() & 0o777, 0o755);
    assert_eq!(server.asked(), ["/a/app.jar?x=1", "/b/second", "/b/third"]);
    assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 1);
}

#[tokio::test]
async fn http_refusal_is_final_and_hides_the_query() {
    let server = Server::new(&[status(404)]);
    let retrying = FetchLimits { retry_for: Duration::from_mins(1), ..limits() };
    let error = failure(&server.url("/app.jar?signature=s3cr3t"), &retrying).await;
    assert!(error.contains("404") && error.contains(&server.url("/app.jar")), "{error}");
    assert!(!error.contains("s3cr3t"), "{error}");
    assert_eq!(server.asked().len(), 1);
}

#[tokio::test]
async fn http_passing_trouble_is_tried_again() {
    let server = Server::new(&[status(503), Answer::BreakOff, ok("content")]);
    let dir = dir();
    let retrying = FetchLimits { retry_for: Duration::from_mins(1), ..limits() };
    let target = fetch(&server.url("/app.jar"), dir.path(), &retrying).await.unwrap();
    assert_eq!(fs::read_to_string(target).unwrap(), "content");
    assert_eq!(server.asked().len(), 3);
}

#[tokio::test]
async fn http_trouble_that_stays_is_reported() {
    let url = |answer| Server::new(&[answer]).url("/app.jar");
    let error = failure(&url(Answer::BreakOff), &limits()).await;
    assert!(error.contains("end of file") || error.contains("closed"), "{error}");
    let quick = FetchLimits { idle: Duration::from_millis(200), ..limits() };
    let error = failure(&url(Answer::Silence), &quick).await;
    assert!(error.contains("nothing heard for 200ms"), "{error}");
    let error = failure(&url(ok(&"x".repeat(101))), &limits()).await;
    assert!(error.contains("limit of 100 bytes"), "{error}");
    let error = failure(&url(redirect("/again")), &limits()).await;
    assert!(error.contains("more than 5 redirects"), "{error}");

    let closed = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let error = failure(&format!("http://{closed}/app.jar"), &limits()).await;
    assert!(error.contains("refused"), "{error}");
}
