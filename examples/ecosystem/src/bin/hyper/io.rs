//! A `TcpStream` as `hyper` wants it: polled.
//!
//! greenhub's sockets wait, and a poll must not: `hyper` reads, writes, sleeps and answers in one future. So two greenlets do
//! the waiting, one in each direction, and a channel for one piece leads to each. Who polls tries the channel; if that is in
//! vain, leaves its waker and tries again, so that it either finds what has come meanwhile or is woken for it.

use std::collections::VecDeque;
use std::io::{self, Read as _, Write as _};
use std::pin::Pin;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll, Waker};

use greenhub::channel::{Receiver, Sender, TryRecvError, TrySendError, bounded};
use greenhub::net::{Shutdown, TcpStream};
use greenhub::{JoinHandle, spawn};
use hyper::rt::{Read, ReadBufCursor, Write};

const PIECE: usize = 8 * 1024;

/// A connection for `hyper`.
pub(crate) struct Io {
    stream: Arc<TcpStream>,
    reader: JoinHandle<()>,
    come: Receiver<io::Result<Vec<u8>>>,
    /// What has come and is not used yet.
    unread: VecDeque<u8>,
    read_waker: Arc<LastWaker>,
    to_go: Sender<Vec<u8>>,
    writing: Arc<Writing>,
}

/// How far the writer is.
#[derive(Default)]
struct Writing {
    /// Pieces that have been handed over and are not written yet.
    pieces: AtomicUsize,
    /// It writes no more.
    failed: AtomicBool,
    waker: LastWaker,
}

/// The waker of the last poll that was in vain.
#[derive(Default)]
struct LastWaker(Mutex<Option<Waker>>);

impl LastWaker {
    fn leave(&self, context: &Context<'_>) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = Some(context.waker().clone());
    }

    fn wake(&self) {
        let waker = self.0.lock().unwrap_or_else(PoisonError::into_inner).take();
        if let Some(waker) = waker {
            waker.wake();
        }
    }
}

impl Io {
    pub(crate) fn new(stream: TcpStream) -> Io {
        let stream = Arc::new(stream);
        let (come_in, come) = bounded(1);
        let read_waker = Arc::new(LastWaker::default());
        let reader = spawn({
            let (stream, waker) = (Arc::clone(&stream), Arc::clone(&read_waker));
            move || read(&stream, &come_in, &waker)
        });
        let (to_go, going) = bounded(1);
        let writing = Arc::new(Writing::default());
        spawn({
            let (stream, writing) = (Arc::clone(&stream), Arc::clone(&writing));
            move || {
                write(&stream, &going, &writing);
                drop(going);
                writing.waker.wake();
            }
        });
        Io {
            stream,
            reader,
            come,
            unread: VecDeque::new(),
            read_waker,
            to_go,
            writing,
        }
    }

    fn poll_come(&self, context: &Context<'_>) -> Poll<io::Result<Vec<u8>>> {
        for _ in 0..2 {
            match self.come.try_recv() {
                Ok(piece) => return Poll::Ready(piece),
                // It has told its end before.
                Err(TryRecvError::Disconnected) => return Poll::Ready(Ok(Vec::new())),
                Err(TryRecvError::Empty) => self.read_waker.leave(context),
            }
        }
        Poll::Pending
    }
}

impl Drop for Io {
    /// The writer writes what it has, and ends because nothing more can come. The reader would wait for the client.
    fn drop(&mut self) {
        self.reader.kill();
    }
}

fn read(mut stream: &TcpStream, come: &Sender<io::Result<Vec<u8>>>, waker: &LastWaker) {
    loop {
        let mut piece = vec![0; PIECE];
        let read = stream.read(&mut piece).map(|count| {
            piece.truncate(count);
            piece
        });
        let is_last = read.as_ref().map_or(true, Vec::is_empty);
        if come.send(read).is_err() {
            return;
        }
        waker.wake();
        if is_last {
            return;
        }
    }
}

fn write(mut stream: &TcpStream, going: &Receiver<Vec<u8>>, writing: &Writing) {
    while let Ok(piece) = going.recv() {
        // There is room for the next one.
        writing.waker.wake();
        if stream.write_all(&piece).is_err() {
            // The next write finds the channel closed; a flush finds this.
            writing.failed.store(true, Ordering::Release);
            return;
        }
        // Release, so that who sees it sees the bytes gone.
        writing.pieces.fetch_sub(1, Ordering::Release);
        writing.waker.wake();
    }
}

impl Read for Io {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        mut buffer: ReadBufCursor<'_>,
    ) -> Poll<io::Result<()>> {
        if self.unread.is_empty() {
            match self.poll_come(context) {
                Poll::Ready(Ok(piece)) => self.unread = piece.into(),
                Poll::Ready(Err(error)) => return Poll::Ready(Err(error)),
                Poll::Pending => return Poll::Pending,
            }
        }
        let (unread, _) = self.unread.as_slices();
        let count = unread.len().min(buffer.remaining());
        buffer.put_slice(&unread[..count]);
        self.unread.drain(..count);
        Poll::Ready(Ok(()))
    }
}

impl Write for Io {
    fn poll_write(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        let mut piece = bytes.to_vec();
        for _ in 0..2 {
            self.writing.pieces.fetch_add(1, Ordering::Relaxed);
            match self.to_go.try_send(piece) {
                Ok(()) => return Poll::Ready(Ok(bytes.len())),
                Err(TrySendError::Disconnected(_)) => {
                    return Poll::Ready(Err(io::ErrorKind::BrokenPipe.into()));
                }
                Err(TrySendError::Full(back)) => {
                    self.writing.pieces.fetch_sub(1, Ordering::Relaxed);
                    self.writing.waker.leave(context);
                    piece = back;
                }
            }
        }
        Poll::Pending
    }

    fn poll_flush(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        for _ in 0..2 {
            if self.writing.pieces.load(Ordering::Acquire) == 0 {
                return Poll::Ready(Ok(()));
            }
            if self.writing.failed.load(Ordering::Acquire) {
                return Poll::Ready(Err(io::ErrorKind::BrokenPipe.into()));
            }
            self.writing.waker.leave(context);
        }
        Poll::Pending
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self.as_mut().poll_flush(context) {
            Poll::Ready(Ok(())) => Poll::Ready(self.stream.shutdown(Shutdown::Write)),
            other => other,
        }
    }
}
