//! One connection through a proxy.

use std::io;
use std::net::SocketAddr;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::net::tcp::{ReadHalf, WriteHalf};
use tokio::sync::{mpsc, watch};
use tokio::time::{Instant, sleep_until};

use super::{Mode, Modes};

/// Read at a time.
const CHUNK_BYTES: usize = 16 * 1024;
/// Chunks that wait for their time in one direction; behind them the sender waits, as with a full pipe.
const WAITING_CHUNKS: usize = 256;

type Chunk = (Instant, Vec<u8>);
type Of = fn(&Modes) -> Mode;

/// Carries bytes until an end; resets both sides where the connection is cut or breaks.
pub(super) async fn run(mut client: TcpStream, target: SocketAddr, mut modes: watch::Receiver<Modes>) {
    let mut cut = modes.clone();
    let arrived = tokio::select! {
        biased;
        // Nobody is let in who is cut off.
        _ = cut.wait_for(|modes| modes.cut()) => None,
        flows = flowing(&mut modes, |modes| modes.inwards) => flows.ok(),
    };
    let server = match arrived {
        Some(_) => TcpStream::connect(target).await.ok(),
        None => None,
    };
    let Some(mut server) = server else {
        let _ = client.set_zero_linger();
        return;
    };
    let _ = (client.set_nodelay(true), server.set_nodelay(true));
    let (from_client, to_client) = client.split();
    let (from_server, to_server) = server.split();
    let ended = tokio::select! {
        biased;
        // Nothing more passes once it is cut.
        _ = cut.wait_for(|modes| modes.cut()) => false,
        ended = both(
            direction(from_client, to_server, modes.clone(), |modes| modes.inwards),
            direction(from_server, to_client, modes.clone(), |modes| modes.outwards),
        ) => ended.is_ok(),
    };
    if !ended {
        let _ = (client.set_zero_linger(), server.set_zero_linger());
    }
}

/// Until both have ended: what one side has sent still arrives when the other direction has broken, as packets do.
async fn both(
    inwards: impl Future<Output = io::Result<()>>,
    outwards: impl Future<Output = io::Result<()>>,
) -> io::Result<()> {
    let (inwards, outwards) = tokio::join!(inwards, outwards);
    inwards.and(outwards)
}

async fn direction(from: ReadHalf<'_>, to: WriteHalf<'_>, modes: watch::Receiver<Modes>, of: Of) -> io::Result<()> {
    let (send, receive) = mpsc::channel(WAITING_CHUNKS);
    tokio::try_join!(take(from, send, modes.clone(), of), give(receive, to, modes, of)).map(drop)
}

/// Reads while bytes may flow. What arrives meanwhile stays in the kernel.
async fn take(
    mut from: ReadHalf<'_>,
    chunks: mpsc::Sender<Chunk>,
    mut modes: watch::Receiver<Modes>,
    of: Of,
) -> io::Result<()> {
    let mut buffer = vec![0; CHUNK_BYTES];
    loop {
        let mode = flowing(&mut modes, of).await?;
        let count = tokio::select! {
            biased;
            // Looked at anew before the next byte is taken.
            changed = modes.changed() => match changed {
                Ok(()) => continue,
                Err(_) => return Err(io::ErrorKind::ConnectionReset.into()),
            },
            // A reset ends it like an end: what was sent before is on its way.
            count = from.read(&mut buffer) => count.unwrap_or(0),
        };
        if count == 0 {
            return Ok(());
        }
        let due = match mode {
            Mode::Delay(delay) => Instant::now() + delay,
            Mode::Pass | Mode::Hold | Mode::Cut => Instant::now(),
        };
        if chunks.send((due, buffer[..count].to_vec())).await.is_err() {
            return Err(io::ErrorKind::BrokenPipe.into());
        }
    }
}

/// Writes each chunk when it is due and bytes may flow, then the end.
async fn give(
    mut chunks: mpsc::Receiver<Chunk>,
    mut to: WriteHalf<'_>,
    mut modes: watch::Receiver<Modes>,
    of: Of,
) -> io::Result<()> {
    while let Some((due, bytes)) = chunks.recv().await {
        sleep_until(due).await;
        flowing(&mut modes, of).await?;
        to.write_all(&bytes).await?;
    }
    flowing(&mut modes, of).await?;
    to.shutdown().await
}

/// Waits until bytes may flow; fails once the proxy is gone.
async fn flowing(modes: &mut watch::Receiver<Modes>, of: Of) -> io::Result<Mode> {
    let flows = |modes: &Modes| matches!(of(modes), Mode::Pass | Mode::Delay(_));
    match modes.wait_for(flows).await {
        Ok(modes) => Ok(of(&modes)),
        Err(_) => Err(io::ErrorKind::ConnectionReset.into()),
    }
}
