//! The backend for several hosts: etcd.
//!
//! A master process holds one lease. It keeps the process's entry among the members and, while the process is in
//! office, `ha/leader`. Whoever creates that key leads; whoever deletes it, or lets its lease expire, makes room.
//! Safety is in the guard that every write of a term carries, never in the lease, the watch, or a clock.
//!
//! | file | holds |
//! |---|---|
//! | `store` | [`EtcdStore`]: the parts put together |
//! | `session` | the lease: granted, renewed, replaced; the local deadline |
//! | `campaign` | waiting for the office, and taking it |
//! | `leave` | ending a term, one's own or another's; operators' wishes |
//! | `members` | the masters that are up |
//! | `observe` | the watch; confirming losses |
//! | `mirror` | the copy of the records that is compared at a take-over |
//! | `office` | a term in office: whether it may act |
//! | `term` | what is read and written when a term begins or ends; plain data |
//! | `proposal`, `calls` | transactions of the election, and how etcd is asked for them |
//! | `shared`, `trouble` | what the tasks have in common; what is wrong |
//! | `engine` | reads and guarded transactions of a term |
//! | `pool`, `fault` | the way to etcd: endpoints, deadlines, errors |
//! | `check` | versions of etcd with known defects |
//! | `options` | where etcd is, and the timers |

mod calls;
mod campaign;
mod check;
mod engine;
mod fault;
mod leave;
mod members;
mod mirror;
mod observe;
mod office;
mod options;
mod pool;
mod proposal;
mod session;
mod shared;
mod store;
mod term;
mod trouble;

pub use options::{
    Credentials, DEFAULT_TTL, EtcdOptions, EtcdTls, InvalidOption, LEAST_TTL, LONGEST_TTL, default_prefix,
};
pub use store::EtcdStore;
