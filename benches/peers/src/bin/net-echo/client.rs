//! The client, the same for all: a few OS threads, each with an epoll and its share of the connections. An echo that has
//! come is answered with the next message at once, so there is always one under way on every connection.

use std::io::{self, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::os::fd::{AsRawFd, FromRawFd, OwnedFd};
use std::sync::Barrier;
use std::sync::atomic::{AtomicU8, Ordering};
use std::thread;
use std::time::{Duration, Instant};

/// Bytes of a message.
pub(crate) const MESSAGE: usize = 64;

/// What to do.
pub(crate) struct Load {
    pub(crate) address: SocketAddr,
    pub(crate) connections: usize,
    pub(crate) threads: usize,
    pub(crate) warm_up: Duration,
    pub(crate) measure: Duration,
}

/// What the threads are told.
const WARM_UP: u8 = 0;
const MEASURE: u8 = 1;
const END: u8 = 2;

impl Load {
    /// How long each echo took that came while it was measured, in nanoseconds. `mark` is called when that begins
    /// (`true`), and when it ends.
    pub(crate) fn run(&self, mut mark: impl FnMut(bool)) -> io::Result<Vec<u32>> {
        let phase = AtomicU8::new(WARM_UP);
        let all_connected = Barrier::new(self.threads + 1);
        thread::scope(|scope| {
            let threads: Vec<_> = (0..self.threads)
                .map(|index| {
                    let share = self.connections / self.threads
                        + usize::from(index < self.connections % self.threads);
                    let (phase, all_connected) = (&phase, &all_connected);
                    scope.spawn(move || {
                        let connected = Crowd::connect(self.address, share);
                        all_connected.wait();
                        connected.and_then(|crowd| crowd.run(phase))
                    })
                })
                .collect();
            all_connected.wait();
            thread::sleep(self.warm_up);
            mark(true);
            phase.store(MEASURE, Ordering::Relaxed);
            thread::sleep(self.measure);
            phase.store(END, Ordering::Relaxed);
            mark(false);
            let mut latencies = Vec::new();
            for thread in threads {
                latencies.append(&mut thread.join().expect("the client does not panic")?);
            }
            Ok(latencies)
        })
    }
}

/// One thread's connections.
struct Crowd {
    epoll: OwnedFd,
    streams: Vec<TcpStream>,
    sent_at: Vec<Instant>,
}

impl Crowd {
    fn connect(address: SocketAddr, count: usize) -> io::Result<Crowd> {
        // SAFETY: no pointer is passed.
        let epoll = check(unsafe { libc::epoll_create1(libc::EPOLL_CLOEXEC) })?;
        // SAFETY: it is new, and nobody else's.
        let epoll = unsafe { OwnedFd::from_raw_fd(epoll) };
        let mut streams = Vec::with_capacity(count);
        for index in 0..count {
            let mut stream = TcpStream::connect(address)?;
            stream.set_nodelay(true)?;
            stream.set_read_timeout(Some(Duration::from_secs(10)))?;
            // It has been accepted: the backlog never overflows, which would cost a second.
            stream.write_all(&[b'x'; MESSAGE])?;
            stream.read_exact(&mut [0; MESSAGE])?;
            let mut event = libc::epoll_event {
                events: libc::EPOLLIN as u32,
                u64: index as u64,
            };
            // SAFETY: the event outlives the call.
            check(unsafe {
                libc::epoll_ctl(
                    epoll.as_raw_fd(),
                    libc::EPOLL_CTL_ADD,
                    stream.as_raw_fd(),
                    &mut event,
                )
            })?;
            streams.push(stream);
        }
        Ok(Crowd {
            epoll,
            sent_at: vec![Instant::now(); count],
            streams,
        })
    }

    fn run(mut self, phase: &AtomicU8) -> io::Result<Vec<u32>> {
        let message = [b'x'; MESSAGE];
        let mut buffer = [0; MESSAGE];
        let mut latencies = Vec::with_capacity(1 << 20);
        let mut events = vec![libc::epoll_event { events: 0, u64: 0 }; 1024];
        for (stream, sent_at) in self.streams.iter_mut().zip(&mut self.sent_at) {
            *sent_at = Instant::now();
            stream.write_all(&message)?;
        }
        loop {
            // SAFETY: there is room for so many events.
            let ready = check(unsafe {
                libc::epoll_wait(self.epoll.as_raw_fd(), events.as_mut_ptr(), 1024, 10_000)
            })?;
            if ready == 0 {
                return Err(io::Error::new(io::ErrorKind::TimedOut, "no echo for 10 s"));
            }
            for event in &events[..ready as usize] {
                let index = event.u64 as usize;
                let stream = &mut self.streams[index];
                stream.read_exact(&mut buffer)?;
                let now = Instant::now();
                // Each message's phase is that of its arrival.
                match phase.load(Ordering::Relaxed) {
                    WARM_UP => {}
                    MEASURE => latencies.push((now - self.sent_at[index]).as_nanos() as u32),
                    _ => return Ok(latencies),
                }
                self.sent_at[index] = now;
                stream.write_all(&message)?;
            }
        }
    }
}

fn check(result: i32) -> io::Result<i32> {
    if result == -1 {
        Err(io::Error::last_os_error())
    } else {
        Ok(result)
    }
}
