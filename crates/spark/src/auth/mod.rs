//! Authentication and encryption of Spark's connections (SE-01), for both ends of one.
//!
//! Whoever dialled is the client and proves that it knows the cluster's secret; whoever listens answers with its own
//! proof. With encryption, Spark's AuthEngine does both and agrees on keys; without, it is SASL's DIGEST-MD5.
//!
//! | file | question it answers |
//! |---|---|
//! | `channel` | which bytes go out, and which frames came in? The one thing that shells use |
//! | `server`, `client` | what is said next, and is the other end who it should be? |
//! | `digest` | what is a proof by DIGEST-MD5, and how is it written? |
//! | `engine` | what do AuthEngine's messages hold, and which keys follow from them? |
//! | `message` | the form of both kinds of message |
//! | `cipher`, `gcm` | how are the bytes of a connection sealed? |
//! | `secret` | the secret, and keys, which are never shown |

mod channel;
mod cipher;
mod client;
mod digest;
mod engine;
mod gcm;
mod message;
mod secret;
mod server;

pub use channel::Channel;
pub use cipher::Cipher;
pub use engine::EngineVersion;
pub use secret::{Random, Secret};

/// Who everybody is: Spark knows one secret and one user per cluster.
const USER: &str = "sparkSaslUser";

/// How the connections of a cluster are authenticated.
#[derive(Debug)]
pub struct Auth {
    /// The secret of the cluster (`spark.authenticate.secret`).
    pub secret: Secret,
    /// How they are encrypted (`spark.network.crypto.enabled`); `None` = not at all.
    pub encryption: Option<Encryption>,
    /// Whose end this is.
    pub side: Side,
    /// Where random bytes come from.
    pub random: Random,
}

/// Whose ends speak Spark's protocol with each other. Two ends of the cluster never do: what one of them asks another has
/// been passed on by somebody who wants its answer for himself.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Side {
    /// A master or a worker. What it asks by SASL can be recognised by whoever knows the secret, and it does not answer
    /// what another one asks.
    Cluster,
    /// A program of Spark.
    Application,
}

/// How connections are encrypted. Both ends must have been told the same: nothing of it is negotiated.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Encryption {
    /// How the key of a connection is made (`spark.network.crypto.authEngineVersion`).
    pub engine: EngineVersion,
    /// What it is used for (`spark.network.crypto.cipher`).
    pub cipher: Cipher,
    /// Whether one that dials and knows no AuthEngine is taken without encryption (`spark.network.crypto.saslFallback`). An
    /// end that dials itself never does without: anybody could tell it to.
    pub sasl_fallback: bool,
}
