//! The kit's own network does what tests rely on.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::io::{ErrorKind, Read, Write};
use std::net::{IpAddr, Ipv4Addr, TcpListener, TcpStream};
use std::thread;
use std::time::{Duration, Instant};

use tanist_testkit::{Mode, Modes, Proxy, Whose};

const SOON: Duration = Duration::from_secs(10);
const SHORT: Duration = Duration::from_millis(150);

/// Sends back what it is sent.
fn echo() -> String {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap().to_string();
    thread::spawn(move || {
        for stream in listener.incoming() {
            let mut stream = stream.unwrap();
            thread::spawn(move || {
                let mut byte = [0];
                while let Ok(1) = stream.read(&mut byte) {
                    stream.write_all(&byte).unwrap();
                }
            });
        }
    });
    address
}

fn connect(proxy: &Proxy) -> TcpStream {
    let stream = TcpStream::connect(&proxy.address).unwrap();
    stream.set_read_timeout(Some(SOON)).unwrap();
    stream
}

fn asked(stream: &mut TcpStream, byte: u8) -> std::io::Result<u8> {
    stream.write_all(&[byte])?;
    let mut answer = [0];
    stream.read_exact(&mut answer)?;
    Ok(answer[0])
}

#[test]
fn bytes_pass_are_delayed_and_are_held() {
    let proxy = Proxy::start(&echo()).unwrap();
    let mut stream = connect(&proxy);
    assert_eq!(asked(&mut stream, 1).unwrap(), 1);

    proxy.set(Modes { inwards: Mode::Pass, outwards: Mode::Delay(SHORT) });
    let start = Instant::now();
    assert_eq!(asked(&mut stream, 2).unwrap(), 2);
    assert!(start.elapsed() >= SHORT);

    proxy.set(Mode::Hold);
    let mut late = connect(&proxy);
    for stream in [&mut stream, &mut late] {
        stream.set_read_timeout(Some(SHORT)).unwrap();
        let held = asked(stream, 3).unwrap_err();
        assert!(matches!(held.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut), "{held}");
        stream.set_read_timeout(Some(SOON)).unwrap();
    }
    proxy.heal();
    for stream in [&mut stream, &mut late] {
        let mut answer = [0];
        stream.read_exact(&mut answer).unwrap();
        assert_eq!(answer, [3], "what was held is not lost");
    }
}

#[test]
fn a_cut_resets_what_stands_and_refuses_what_is_new() {
    let proxy = Proxy::start(&echo()).unwrap();
    let mut stream = connect(&proxy);
    assert_eq!(asked(&mut stream, 1).unwrap(), 1);
    proxy.set(Mode::Cut);
    assert_eq!(stream.read(&mut [0]).unwrap_err().kind(), ErrorKind::ConnectionReset);
    tanist_testkit::wait_for("refused", SOON, || {
        let error = TcpStream::connect(&proxy.address).err()?;
        (error.kind() == ErrorKind::ConnectionRefused).then_some(())
    });
    proxy.heal();
    let mut stream = tanist_testkit::wait_for("let in", SOON, || TcpStream::connect(&proxy.address).ok());
    assert_eq!(asked(&mut stream, 2).unwrap(), 2);
}

#[test]
fn one_process_can_be_singled_out() {
    let proxy = Proxy::start(&echo()).unwrap();
    let mut stream = connect(&proxy);
    assert_eq!(asked(&mut stream, 1).unwrap(), 1);
    let me = i32::try_from(std::process::id()).unwrap();
    proxy.set_for(1, Mode::Cut);
    assert_eq!(asked(&mut stream, 2).unwrap(), 2);
    proxy.set_for(me, Mode::Cut);
    assert_eq!(stream.read(&mut [0]).unwrap_err().kind(), ErrorKind::ConnectionReset);
}

#[test]
fn the_end_of_one_side_reaches_the_other() {
    let proxy = Proxy::start(&echo()).unwrap();
    let mut stream = connect(&proxy);
    stream.write_all(b"last").unwrap();
    stream.shutdown(std::net::Shutdown::Write).unwrap();
    let mut all = Vec::new();
    stream.read_to_end(&mut all).unwrap();
    assert_eq!(all, b"last");
}

#[test]
fn connections_that_stand_fall_silent_and_new_ones_pass() {
    let proxy = Proxy::start(&echo()).unwrap();
    let mut old = connect(&proxy);
    assert_eq!(asked(&mut old, 1).unwrap(), 1);
    let here = Whose::Address(IpAddr::V4(Ipv4Addr::LOCALHOST));
    proxy.set_standing(here, Mode::Hold);
    old.set_read_timeout(Some(SHORT)).unwrap();
    assert_eq!(asked(&mut old, 2).unwrap_err().kind(), ErrorKind::WouldBlock);
    let mut new = connect(&proxy);
    assert_eq!(asked(&mut new, 3).unwrap(), 3);
    proxy.set_standing(here, Mode::Pass);
    old.set_read_timeout(Some(SOON)).unwrap();
    old.read_exact(&mut [0]).unwrap();
    let mut newest = connect(&proxy);
    assert_eq!(asked(&mut newest, 4).unwrap(), 4);
    proxy.replace([(here, Mode::Cut.into())].into());
    assert!(asked(&mut newest, 4).is_err());
    assert_eq!(asked(&mut old, 5).unwrap(), 5, "what was said of standing ones goes first");
    proxy.set_standing(here, Mode::Cut);
    assert!(asked(&mut old, 5).is_err());
    proxy.replace([(Whose::Address([127, 0, 0, 9].into()), Mode::Cut.into())].into());
    assert_eq!(asked(&mut connect(&proxy), 6).unwrap(), 6, "only one rule holds, and it is for others");
}
