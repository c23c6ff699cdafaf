//! Messages that are sound and say what cannot be: captured ones with other values in the same places.

use tanist_spark::{Error, Message, message};

use crate::captured;
use crate::said::sent;

/// A captured message with something else in the place of some bytes, which it must have.
fn changed(name: &str, from: &[u8], to: &[u8]) -> Result<Message, Error> {
    message::read(&captured::changed(&sent("4.1.4", name), from, to))
}

const REGISTRATION: &str = "19-opts-driver-to-master-OneWayMessage-RegisterApplication";
const TARGETS: &str = "22-dyn-driver-to-master-RpcRequest-RequestExecutors";
const DRIVER: &str = "24-cluster-submitclient-to-master-RpcRequest-RequestSubmitDriver";

/// Of a resource: its amount, and what follows it.
fn amount(amount: i64) -> Vec<u8> {
    amount.to_be_bytes().to_vec()
}

fn assert_told(read: Result<Message, Error>, field: &str, found: &str) {
    assert_eq!(read.unwrap_err().to_string(), format!("{field} is {found}; allowed is 0 to 2147483647"));
}

#[test]
fn absurd_amounts_are_named_with_what_is_allowed() {
    for absurd in [1 << 31, -1, i64::MIN, i64::MAX] {
        let read = changed(REGISTRATION, &amount(600), &amount(absurd));
        assert_told(read, "ExecutorResourceRequest.amount", &absurd.to_string());
    }
}

#[test]
fn negative_cores_memory_and_ids_are_named_with_what_is_allowed() {
    let one = |cores: i32, memory: i32| [cores.to_be_bytes(), memory.to_be_bytes()].concat();
    let read = changed(DRIVER, &one(1, 500), &one(-1, 500));
    assert_told(read, "DriverDescription.cores", "-1");
    let read = changed(DRIVER, &one(1, 500), &one(1, i32::MIN));
    assert_told(read, "DriverDescription.mem", "-2147483648");
    // The profile of the application: one flag, its number, and three options.
    let profile = |id: i32| [&[1][..], &id.to_be_bytes(), &[0x73]].concat();
    assert_told(changed(REGISTRATION, &profile(0), &profile(-7)), "ResourceProfile._id", "-7");
    assert_told(changed(TARGETS, &profile(0), &profile(-7)), "ResourceProfile._id", "-7");
}

#[test]
fn a_port_that_is_none_is_named() {
    let port = |port: i32| [&port.to_be_bytes()[..], b"t\0\x09127.0.0.1"].concat();
    for absurd in [-1, 65_536] {
        let error = changed(REGISTRATION, &port(40553), &port(absurd)).unwrap_err().to_string();
        assert_eq!(error, format!("RpcAddress.port is {absurd}; allowed is 0 to 65535"));
    }
}

#[test]
fn a_field_of_another_type_is_named_and_not_shown() {
    // What was a name is a flag of Java's.
    let name = b"t\0\x0fwireproto Pi \xc3\xa9";
    let error = changed(REGISTRATION, name, b"p").unwrap_err().to_string();
    assert_eq!(error, "ApplicationDescription.name is nothing; allowed is a string");
    let error = changed(REGISTRATION, b"mainClass", b"MainClass").unwrap_err().to_string();
    assert_eq!(error, "Command.mainClass is nothing; allowed is a string");
}

/// A captured message with more contents behind one of its strings, which stands in a list.
fn longer(name: &str, string: &[u8], more: &[u8]) -> Result<Message, Error> {
    changed(name, string, &[string, more].concat())
}

#[test]
fn a_million_arguments_are_too_many() {
    let error = longer(REGISTRATION, b"t\0\x0d--executor-id", &[0x70].repeat(1_000_000)).unwrap_err().to_string();
    assert!(error.starts_with("the object stream has too many objects and values at"), "{error}");
}

/// A string stands in the message once, and a hundred thousand times in the list.
#[test]
fn what_is_referred_to_again_and_again_is_not_copied_without_end() {
    let long = [&b"t\xea\x60"[..], &b"x".repeat(60_000)].concat();
    let too_much = |handle: u8| {
        let name = "23-dyn-driver-to-master-RpcRequest-KillExecutors";
        longer(name, b"t\0\x011", &[&long[..], &[0x71, 0, 0x7E, 0, handle].repeat(100_000)].concat())
    };
    // One of the first handles is the string's.
    let told = "KillExecutors.executorIds is too much; allowed is 16 MiB in all fields together";
    assert!((5..32).any(|handle| too_much(handle).is_err_and(|error| error.to_string() == told)));
}
