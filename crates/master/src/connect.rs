//! Fresh connections to others: made within a deadline, or refused, or nothing can be told. In the simulator they lead to
//! simulated hosts.

use std::error::Error;
use std::io;
use std::net::SocketAddr;
use std::time::Duration;

use tokio::net::TcpStream;
use tokio::time::timeout;
use tonic::transport::Endpoint;

use crate::error::with_causes;

/// Deadline of one connection.
pub(crate) const CONNECT_DEADLINE: Duration = Duration::from_secs(1);

/// A connection that calls can be made on.
#[cfg(not(feature = "simulated"))]
pub(crate) type RpcChannel = tonic::transport::Channel;

/// A connection that calls can be made on: a real one, or one of the simulator.
#[cfg(feature = "simulated")]
pub(crate) type RpcChannel = tanist_store::simulated::Channel;

/// Why there is no connection.
#[derive(Debug)]
pub(crate) enum Unreached {
    /// Nobody listens there.
    Refused,
    /// Silence, or a fault that says nothing about who is there; in words.
    NoTelling(String),
}

/// One fresh connection, for calls.
///
/// # Errors
/// Why there is none.
pub(crate) async fn connect(address: &str) -> Result<RpcChannel, Unreached> {
    let connected = async {
        #[cfg(feature = "simulated")]
        if let Some(connecting) = tanist_store::simulated::connect(address) {
            return connecting.await.map_err(|error| of_cause(&error));
        }
        let target = Endpoint::from_shared(format!("http://{address}"));
        let target = target.map_err(|error| Unreached::NoTelling(with_causes(&error)))?;
        let channel = target.connect_timeout(CONNECT_DEADLINE).tcp_nodelay(true).connect().await;
        #[cfg(feature = "simulated")]
        let channel = channel.map(RpcChannel::Tonic);
        channel.map_err(|error| of_cause(&error))
    };
    timeout(CONNECT_DEADLINE, connected).await.unwrap_or_else(|_| Err(silence()))
}

/// One fresh connection to a program that speaks another protocol, with the address of its other end.
///
/// # Errors
/// Why there is none.
pub(crate) async fn open(address: &str) -> Result<(TcpStream, SocketAddr), Unreached> {
    let connected = async {
        let stream = TcpStream::connect(address).await?;
        stream.set_nodelay(true)?;
        let peer = stream.peer_addr()?;
        Ok((stream, peer))
    };
    match timeout(CONNECT_DEADLINE, connected).await {
        Ok(connected) => connected.map_err(|error: io::Error| of_cause(&error)),
        Err(_) => Err(silence()),
    }
}

/// One fresh connection that nothing is said on.
///
/// # Errors
/// Why there is none.
pub(crate) async fn knock(address: &str) -> Result<(), Unreached> {
    let connected = async {
        #[cfg(feature = "simulated")]
        if let Some(connecting) = tanist_store::simulated::connect(address) {
            return connecting.await.map(drop);
        }
        TcpStream::connect(address).await.map(drop)
    };
    match timeout(CONNECT_DEADLINE, connected).await {
        Ok(connected) => connected.map_err(|error| of_cause(&error)),
        Err(_) => Err(silence()),
    }
}

fn silence() -> Unreached {
    Unreached::NoTelling("no connection in time".to_owned())
}

/// Sorts by what the operating system said, wherever that stands in the chain of errors.
fn of_cause(error: &(dyn Error + 'static)) -> Unreached {
    let mut causes = std::iter::successors(Some(error), |error| (*error).source());
    let found = causes.find_map(|error| error.downcast_ref::<io::Error>());
    if found.is_some_and(|error| error.kind() == io::ErrorKind::ConnectionRefused) {
        Unreached::Refused
    } else {
        Unreached::NoTelling(with_causes(error))
    }
}
