//! A way to a master that a test can break: its connections, or all of it.

use std::net::SocketAddr;
use std::sync::Arc;

use tokio::io::copy_bidirectional;
use tokio::net::{TcpListener, TcpSocket, TcpStream};
use tokio::sync::watch;
use tokio::task::JoinSet;
use tokio_util::task::AbortOnDropHandle;

/// Passes connections on to a port that is told later.
pub(crate) struct Proxy {
    pub(crate) port: u16,
    target: watch::Sender<u16>,
    /// Ends the connections of those that were made under another number.
    generation: Arc<watch::Sender<u32>>,
    listening: Option<AbortOnDropHandle<()>>,
}

impl Proxy {
    pub(crate) async fn open() -> Self {
        let mut new = Self { port: 0, target: watch::Sender::new(0), generation: Arc::default(), listening: None };
        new.listen().await;
        new
    }

    pub(crate) fn lead_to(&self, port: u16) {
        self.target.send_replace(port);
    }

    /// Takes connections, on the same port as before if there was one.
    pub(crate) async fn listen(&mut self) {
        let socket = TcpSocket::new_v4().unwrap();
        socket.set_reuseaddr(true).unwrap();
        super::within("the port", async {
            while socket.bind(SocketAddr::from(([127, 0, 0, 1], self.port))).is_err() {
                tokio::task::yield_now().await;
            }
        })
        .await;
        let listener = socket.listen(64).unwrap();
        self.port = listener.local_addr().unwrap().port();
        let passing = pass_on(listener, self.target.subscribe(), self.generation.clone());
        self.listening = Some(AbortOnDropHandle::new(tokio::spawn(passing)));
    }

    /// Cuts all connections, and takes new ones.
    pub(crate) fn cut(&self) {
        self.generation.send_modify(|generation| *generation += 1);
    }

    /// Cuts all connections, and refuses new ones.
    pub(crate) fn refuse(&mut self) {
        self.listening = None;
    }
}

async fn pass_on(listener: TcpListener, mut target: watch::Receiver<u16>, generation: Arc<watch::Sender<u32>>) {
    let mut connections = JoinSet::new();
    loop {
        let (mut from, _) = listener.accept().await.unwrap();
        let port = *target.wait_for(|port| *port != 0).await.unwrap();
        let mut cut = generation.subscribe();
        connections.spawn(async move {
            let Ok(mut to) = TcpStream::connect(("127.0.0.1", port)).await else { return };
            tokio::select! {
                biased;
                _ = cut.changed() => {}
                _ = copy_bidirectional(&mut from, &mut to) => {}
            }
        });
    }
}
