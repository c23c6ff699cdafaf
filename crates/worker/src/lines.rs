//! Connections to masters: one for each address. The session with a master and the standing question to it share it, so
//! that whoever is told of a new leader has the connection to it already.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tonic::transport::{Channel, Endpoint};

use tanist_proto::limits::{KEEPALIVE_DEADLINE, KEEPALIVE_EVERY};

use crate::session::reason;

/// Deadline of one connection, the look-up of the name included.
const CONNECT_DEADLINE: Duration = Duration::from_secs(3);

/// All connections. Clones share them.
#[derive(Debug, Clone, Default)]
pub(crate) struct Lines(Arc<Mutex<BTreeMap<String, Channel>>>);

impl Lines {
    /// The connection to this master. It is opened when it is first used, and again when it broke.
    pub(crate) fn to(&self, address: &str) -> Result<Channel, String> {
        let mut lines = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(line) = lines.get(address) {
            return Ok(line.clone());
        }
        let endpoint = Endpoint::from_shared(format!("http://{address}")).map_err(|error| reason(&error))?;
        let line = endpoint
            .connect_timeout(CONNECT_DEADLINE)
            .tcp_nodelay(true)
            .http2_keep_alive_interval(KEEPALIVE_EVERY)
            .keep_alive_timeout(KEEPALIVE_DEADLINE)
            .keep_alive_while_idle(true)
            .connect_lazy();
        lines.insert(address.to_owned(), line.clone());
        Ok(line)
    }

    /// Nothing comes of this connection: the next one is a new one.
    pub(crate) fn forget(&self, address: &str) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).remove(address);
    }
}
