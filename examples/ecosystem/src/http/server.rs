//! Connections: accepting them, bounding their number, and stopping without breaking off an answer.
//!
//! Stopping goes in steps:
//!
//! 1. The flag `stopping` is set. From now on each answer is its connection's last, and says so.
//! 2. The greenlet that accepts is killed, and the listener closed with it.
//! 3. The connections that wait for a request are woken: their sockets are shut for reading, so that they find the end of
//!    the stream. One that is about to wait either sees the flag or is seen to be idle: each side writes its own word
//!    first and reads the other's then, sequentially consistent.
//! 4. After the grace what is left is shut in both directions and killed.

use std::collections::HashMap;
use std::io::{self, Read};
use std::net::{Shutdown, SocketAddr};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};
use std::time::Duration;

use greenhub::net::{TcpListener, TcpStream};
use greenhub::sync::{Event, OwnedSemaphorePermit, Semaphore};
use greenhub::{Greenlet, JoinHandle};

use super::connection::{Attendance, Ending, Limits, serve};
use super::exchange::Exchange;
use super::status::Failure;

/// How long, and for how many bytes, a client that is still sending is listened to after its last answer.
const LINGER: Duration = Duration::from_secs(1);
const MOST_LINGERED: u64 = 1024 * 1024;

/// How long killed connections may take to tidy up.
const TIDYING: Duration = Duration::from_secs(5);

/// A running HTTP server. Dropping it leaves it running.
#[derive(Debug)]
pub struct Server {
    shared: Arc<Shared>,
    accepting: JoinHandle<()>,
    address: SocketAddr,
}

/// What a server has come to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Summary {
    /// Connections accepted.
    pub connections: u64,
    /// Those of them that ended with an error: a reset, most likely.
    pub broken: u64,
    /// Those of them that were killed because they were not done in time.
    pub killed: u64,
}

#[derive(Debug, Default)]
struct Shared {
    stopping: AtomicBool,
    /// The connections that are open. An ordinary lock will do, since no greenlet waits while it holds it; and it must do,
    /// since connections leave while they unwind, when nothing may park.
    peers: Mutex<HashMap<u64, Arc<Peer>>>,
    /// The server is stopping, and the last connection has gone.
    empty: Event,
    connections: AtomicU64,
    broken: AtomicU64,
}

#[derive(Debug)]
struct Peer {
    stream: TcpStream,
    idle: AtomicBool,
    greenlet: OnceLock<Greenlet>,
}

/// A connection's entry in `peers`, and its place; given up whatever ends it, be it a kill before it has begun.
struct Member {
    number: u64,
    peer: Arc<Peer>,
    shared: Arc<Shared>,
    _place: OwnedSemaphorePermit,
}

impl Server {
    /// Serves the connections of `listener` with `handler`, at most `most` at once. Others wait to be accepted.
    ///
    /// # Errors
    ///
    /// If the listener has no address.
    pub fn start<H>(
        listener: TcpListener,
        most: usize,
        limits: Limits,
        handler: H,
    ) -> io::Result<Server>
    where
        H: Fn(&mut Exchange<'_, &TcpStream>) -> Result<(), Failure> + Send + Sync + 'static,
    {
        let address = listener.local_addr()?;
        let shared = Arc::new(Shared::default());
        let accepting = greenhub::spawn({
            let shared = Arc::clone(&shared);
            move || accept(&listener, most, &shared, limits, &Arc::new(handler))
        });
        Ok(Server {
            shared,
            accepting,
            address,
        })
    }

    /// Where it listens.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// How many connections are open.
    #[must_use]
    pub fn open(&self) -> usize {
        self.shared.peers().len()
    }

    /// Stops accepting, closes what is idle, lets the rest finish its exchange, and kills what has not done so after
    /// `grace`. See the module's text.
    #[must_use]
    pub fn stop(self, grace: Duration) -> Summary {
        let shared = &self.shared;
        shared.stopping.store(true, Ordering::SeqCst);
        self.accepting.kill();
        let _killed = self.accepting.join();
        for peer in shared.peers().values() {
            if peer.idle.load(Ordering::SeqCst) {
                let _ = peer.stream.shutdown(Shutdown::Read);
            }
        }
        let left = shared.wait_until_empty(grace);
        if left > 0 {
            for peer in shared.peers().values() {
                let _ = peer.stream.shutdown(Shutdown::Both);
                if let Some(greenlet) = peer.greenlet.get() {
                    greenlet.kill();
                }
            }
            shared.wait_until_empty(TIDYING);
        }
        Summary {
            connections: shared.connections.load(Ordering::Relaxed),
            broken: shared.broken.load(Ordering::Relaxed),
            killed: left as u64,
        }
    }
}

impl Shared {
    fn peers(&self) -> MutexGuard<'_, HashMap<u64, Arc<Peer>>> {
        self.peers.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Waits for the last connection to go. Returns how many are left when that takes too long.
    fn wait_until_empty(&self, most: Duration) -> usize {
        if !self.peers().is_empty() {
            self.empty.wait_timeout(most);
        }
        self.peers().len()
    }
}

fn accept<H>(
    listener: &TcpListener,
    most: usize,
    shared: &Arc<Shared>,
    limits: Limits,
    handler: &Arc<H>,
) where
    H: Fn(&mut Exchange<'_, &TcpStream>) -> Result<(), Failure> + Send + Sync + 'static,
{
    let places = Arc::new(Semaphore::new(most));
    loop {
        let place = Arc::clone(&places).acquire_owned();
        // What fails is the one connection, or there are no descriptors left: then the next accept waits a little.
        let Ok((stream, _)) = listener.accept() else {
            continue;
        };
        let member = Member::enter(stream, shared, place);
        let peer = Arc::clone(&member.peer);
        let handler = Arc::clone(handler);
        let greenlet = greenhub::spawn(move || {
            if converse(&member, &limits, &*handler).is_err() {
                member.shared.broken.fetch_add(1, Ordering::Relaxed);
            }
        });
        let _ = peer.greenlet.set(greenlet.greenlet().clone());
    }
}

fn converse<H>(member: &Member, limits: &Limits, handler: &H) -> io::Result<()>
where
    H: Fn(&mut Exchange<'_, &TcpStream>) -> Result<(), Failure>,
{
    let stream = &member.peer.stream;
    stream.set_nodelay(true)?;
    stream.set_read_timeout(Some(limits.stall))?;
    stream.set_write_timeout(Some(limits.stall))?;
    match serve(stream, limits, member, handler)? {
        Ending::Clean => Ok(()),
        Ending::Linger => linger(stream),
    }
}

/// Tells the client that nothing more will come, then listens until it has heard it.
fn linger(mut stream: &TcpStream) -> io::Result<()> {
    stream.shutdown(Shutdown::Write)?;
    let ended = greenhub::timeout(LINGER, || {
        io::copy(&mut stream.by_ref().take(MOST_LINGERED), &mut io::sink())
    });
    match ended {
        Ok(Err(error)) => Err(error),
        Ok(Ok(_)) | Err(_) => Ok(()),
    }
}

impl Member {
    fn enter(stream: TcpStream, shared: &Arc<Shared>, place: OwnedSemaphorePermit) -> Member {
        let number = shared.connections.fetch_add(1, Ordering::Relaxed);
        let peer = Arc::new(Peer {
            stream,
            idle: AtomicBool::new(false),
            greenlet: OnceLock::new(),
        });
        shared.peers().insert(number, Arc::clone(&peer));
        Member {
            number,
            peer,
            shared: Arc::clone(shared),
            _place: place,
        }
    }
}

impl Drop for Member {
    fn drop(&mut self) {
        let mut peers = self.shared.peers();
        peers.remove(&self.number);
        // Nothing is accepted any more once the server is stopping, but a stop that finds connections waits for this.
        if peers.is_empty() && self.shared.stopping.load(Ordering::SeqCst) {
            self.shared.empty.set();
        }
    }
}

impl Attendance for Member {
    fn idle(&self) -> bool {
        self.peer.idle.store(true, Ordering::SeqCst);
        !self.is_stopping()
    }

    fn busy(&self) {
        self.peer.idle.store(false, Ordering::SeqCst);
    }

    fn is_stopping(&self) -> bool {
        self.shared.stopping.load(Ordering::SeqCst)
    }
}
