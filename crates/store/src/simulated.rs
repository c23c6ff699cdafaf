//! A host of the simulator in place of the operating system (feature `simulated`): its clocks, its chance, the faults
//! ordered for it, and its network. Without the feature nothing of this is in the program.
//!
//! A simulator runs many hosts on one thread, one at a time. While a host is [`enter`]ed, everything on this thread asks
//! that host; otherwise the operating system.

use std::cell::RefCell;
use std::io;
use std::rc::Rc;
use std::time::Duration;

use futures_util::future::BoxFuture;

use tanist_core::time::{Mono, Wall};

pub use etcd_client::Channel;

/// What a process finds around it.
pub trait Host {
    /// Milliseconds since boot, as [`crate::clock::mono`] tells them.
    fn mono(&self) -> Mono;
    /// The wall clock.
    fn wall(&self) -> Wall;
    /// The next random number.
    fn random(&self) -> u64;
    /// What is to happen at this fail point.
    fn ordered(&self, failpoint: &str) -> Option<Order>;
    /// A channel to this address that connects when it is first used, and anew once its connection has broken.
    fn channel(&self, address: &str) -> Channel;
    /// One fresh connection to this address, and a channel on it.
    fn connect(&self, address: &str) -> BoxFuture<'static, io::Result<Channel>>;
}

/// What may happen at a fail point (`crate::failpoint`).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Order {
    /// The call fails there.
    Error,
    /// It waits so long there.
    Wait(Duration),
}

thread_local! {
    static HERE: RefCell<Option<Rc<dyn Host>>> = const { RefCell::new(None) };
}

/// From here on this thread is on that host, until what is returned is dropped.
#[must_use]
pub fn enter(host: Rc<dyn Host>) -> impl Drop {
    Entered(HERE.replace(Some(host)))
}

/// The host that this thread is on, if it is a simulated one.
pub fn host() -> Option<Rc<dyn Host>> {
    HERE.with_borrow(Clone::clone)
}

/// [`Host::connect`] of the host that this thread is on, if it is a simulated one.
pub fn connect(address: &str) -> Option<BoxFuture<'static, io::Result<Channel>>> {
    host().map(|host| host.connect(address))
}

struct Entered(Option<Rc<dyn Host>>);

impl Drop for Entered {
    fn drop(&mut self) {
        HERE.set(self.0.take());
    }
}
