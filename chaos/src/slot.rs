//! So many scenarios at a time as there are cores, over all test processes: three masters, three etcd and four workers
//! each would make a small machine late for every deadline of the protocol.

use std::fs::{self, File};
use std::thread;
use std::time::Duration;

const LOOK_EVERY: Duration = Duration::from_millis(100);

/// The right to run one scenario; given back when dropped, and when the process dies.
#[derive(Debug)]
pub struct Slot {
    _file: File,
}

impl Slot {
    /// Waits for a free one.
    pub fn take() -> Self {
        let slots = thread::available_parallelism().map_or(1, usize::from);
        // Of the target directory, which all test processes share: target/debug/deps/<test>.
        let test = std::env::current_exe().unwrap();
        let directory = test.ancestors().nth(3).unwrap().join("tmp/chaos-slots");
        fs::create_dir_all(&directory).unwrap();
        loop {
            for slot in 0..slots {
                let file = File::options().create(true).append(true).open(directory.join(slot.to_string())).unwrap();
                if file.try_lock().is_ok() {
                    return Self { _file: file };
                }
            }
            thread::sleep(LOOK_EVERY);
        }
    }
}
