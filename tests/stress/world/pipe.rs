//! What bytes go through: sockets, and a pipe. None is lost, none comes twice, and where one reads and one writes at a time
//! they keep their order.

use std::fs::File;
use std::io::{self, ErrorKind, Read, Write};
use std::os::fd::FromRawFd;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use greenhub::net::unix::UnixStream;
use greenhub::net::{Source, TcpListener, TcpStream};
use greenhub::sync::Mutex;

use super::faults::Faults;
use super::waiters::Waiters;

/// One end: any number of actors may read or write at once.
trait End: Send + Sync {
    fn read(&self, buffer: &mut [u8]) -> io::Result<usize>;
    fn write(&self, buffer: &[u8]) -> io::Result<usize>;
}

macro_rules! end {
    ($($type:ty),*) => {$(
        impl End for $type {
            fn read(&self, buffer: &mut [u8]) -> io::Result<usize> {
                let mut end = self;
                Read::read(&mut end, buffer)
            }

            fn write(&self, buffer: &[u8]) -> io::Result<usize> {
                let mut end = self;
                Write::write(&mut end, buffer)
            }
        }
    )*};
}
end!(UnixStream, TcpStream, Source<File>);

/// See the module.
pub(crate) struct Pipe {
    name: &'static str,
    near: Box<dyn End>,
    far: Box<dyn End>,
    /// Locked by whoever writes or reads, with the number of the next byte; `None`: anyone may at any time.
    in_order: Option<[Mutex<u8>; 2]>,
    pub(crate) readers: Waiters,
    pub(crate) writers: Waiters,
    written: AtomicU64,
    read: AtomicU64,
}

impl Pipe {
    /// One of every kind.
    pub(crate) fn all() -> Vec<Pipe> {
        let mut pipes = vec![
            Pipe::of("a Unix socket", UnixStream::pair(), true),
            Pipe::of("a pipe", pipe(), true),
            Pipe::of("a TCP socket", tcp(), true),
        ];
        let pair = UnixStream::pair();
        if let Ok((near, far)) = &pair {
            let tiny = Some(Duration::from_micros(300));
            near.set_write_timeout(tiny).expect("a timeout is set");
            far.set_read_timeout(tiny).expect("a timeout is set");
        }
        pipes.push(Pipe::of("a Unix socket with timeouts", pair, false));
        pipes.push(Pipe::of("a Unix socket for all", UnixStream::pair(), false));
        pipes
    }

    fn of<E: End + 'static>(name: &'static str, ends: io::Result<(E, E)>, in_order: bool) -> Pipe {
        let (near, far) = ends.expect("a pair of connected descriptors");
        Pipe {
            name,
            near: Box::new(near),
            far: Box::new(far),
            in_order: in_order.then(Default::default),
            readers: Waiters::default(),
            writers: Waiters::default(),
            written: AtomicU64::new(0),
            read: AtomicU64::new(0),
        }
    }

    /// Whoever writes holds this.
    pub(crate) fn writing(&self) -> Option<&Mutex<u8>> {
        self.in_order.as_ref().map(|[writing, _]| writing)
    }

    /// Whoever reads holds this.
    pub(crate) fn reading(&self) -> Option<&Mutex<u8>> {
        self.in_order.as_ref().map(|[_, reading]| reading)
    }

    /// Writes so many bytes, the first of which is `next`, or fewer; waits as long as it takes.
    pub(crate) fn write(&self, next: &mut u8, count: usize, faults: &Faults) {
        let mut bytes = [0; MOST];
        for (at, byte) in bytes.iter_mut().enumerate() {
            *byte = next.wrapping_add(at as u8);
        }
        match self.near.write(&bytes[..count.min(MOST)]) {
            Ok(written) => {
                self.written.fetch_add(written as u64, Ordering::SeqCst);
                *next = next.wrapping_add(written as u8);
            }
            Err(error) => self.expect_timeout(&error, faults),
        }
    }

    /// Reads so many bytes, the first of which is `next` if they come in order, or fewer; waits for the first.
    pub(crate) fn read(&self, next: &mut u8, count: usize, faults: &Faults) {
        let mut bytes = [0; MOST];
        match self.far.read(&mut bytes[..count.min(MOST)]) {
            Ok(0) => faults.tell(format!("{} has come to its end", self.name)),
            Ok(read) => {
                self.read.fetch_add(read as u64, Ordering::SeqCst);
                for byte in &bytes[..read] {
                    if self.in_order.is_some() && byte != next {
                        faults.tell(format!("{}: byte {byte} for {next}", self.name));
                    }
                    *next = byte.wrapping_add(1);
                }
            }
            Err(error) => self.expect_timeout(&error, faults),
        }
    }

    fn expect_timeout(&self, error: &io::Error, faults: &Faults) {
        if error.kind() != ErrorKind::WouldBlock {
            faults.tell(format!("{}: {error}", self.name));
        }
    }

    /// How many bytes are on the way.
    fn under_way(&self) -> u64 {
        let read = self.read.load(Ordering::SeqCst);
        self.written.load(Ordering::SeqCst).saturating_sub(read)
    }

    /// A byte if somebody waits for one and none is there; or room, if somebody waits for that.
    pub(crate) fn supply(&self, faults: &Faults) {
        if self.readers.count() > 0 && self.under_way() == 0 {
            self.with(self.writing(), |next| self.write(next, 1, faults));
        }
        if self.writers.count() > 0 {
            self.with(self.reading(), |next| self.drain(next, faults));
        }
    }

    fn with(&self, order: Option<&Mutex<u8>>, f: impl FnOnce(&mut u8)) {
        match order {
            None => f(&mut 0),
            Some(order) => {
                if let Some(mut next) = order.try_lock_for(crate::supply::PATIENCE) {
                    f(&mut next);
                }
            }
        }
    }

    fn drain(&self, next: &mut u8, faults: &Faults) {
        while self.under_way() > 0 {
            let read = || self.read(next, MOST, faults);
            if greenhub::timeout(crate::supply::PATIENCE, read).is_err() {
                return;
            }
        }
    }

    /// Nobody reads or writes any more: what was written was read, or is there.
    pub(crate) fn check(&self, faults: &Faults) {
        // What the system has taken may be late, on a busy machine.
        for _ in 0..1000 {
            self.with(self.reading(), |next| self.drain(next, faults));
        }
        let (written, read) = (
            self.written.load(Ordering::SeqCst),
            self.read.load(Ordering::SeqCst),
        );
        if written != read {
            faults.tell(format!(
                "{}: {written} bytes written, {read} read",
                self.name
            ));
        }
    }
}

/// How many bytes are moved at once.
const MOST: usize = 4 << 10;

fn pipe() -> io::Result<(Source<File>, Source<File>)> {
    let mut ends = [0; 2];
    // SAFETY: there is room for two descriptors.
    if unsafe { libc::pipe(ends.as_mut_ptr()) } != 0 {
        return Err(io::Error::last_os_error());
    }
    // SAFETY: they are new.
    let [far, near] = ends.map(|end| unsafe { File::from_raw_fd(end) });
    Ok((Source::new(near)?, Source::new(far)?))
}

fn tcp() -> io::Result<(TcpStream, TcpStream)> {
    let listener = TcpListener::bind("127.0.0.1:0")?;
    let near = TcpStream::connect(listener.local_addr()?)?;
    Ok((near, listener.accept()?.0))
}
