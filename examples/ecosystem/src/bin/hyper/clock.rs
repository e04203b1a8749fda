//! `hyper`'s clock: a greenlet that sleeps is a future, as every greenlet is.

use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::{Duration, Instant};

use greenhub::{JoinHandle, sleep_until, spawn};
use hyper::rt::{Sleep, Timer};

#[derive(Clone, Copy, Debug)]
pub(crate) struct Clock;

/// Starts with its first poll. Most timers are never polled to their end: dropping one kills its greenlet.
struct Alarm {
    at: Instant,
    sleeper: Option<JoinHandle<()>>,
}

impl Timer for Clock {
    fn sleep(&self, duration: Duration) -> Pin<Box<dyn Sleep>> {
        self.sleep_until(Instant::now() + duration)
    }

    fn sleep_until(&self, at: Instant) -> Pin<Box<dyn Sleep>> {
        Box::pin(Alarm { at, sleeper: None })
    }
}

impl Sleep for Alarm {}

impl Future for Alarm {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<()> {
        let at = self.at;
        let sleeper = self
            .sleeper
            .get_or_insert_with(|| spawn(move || sleep_until(at)));
        // Nobody else can kill it.
        let _slept = ready!(Pin::new(sleeper).poll(context));
        Poll::Ready(())
    }
}

impl Drop for Alarm {
    fn drop(&mut self) {
        if let Some(sleeper) = &self.sleeper {
            sleeper.kill();
        }
    }
}
