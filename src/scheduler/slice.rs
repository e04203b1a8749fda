//! One slice: from a hub's resuming a greenlet to its giving control back. The only place where a fiber is resumed.

use std::ptr::NonNull;

use super::hub::{self, Hub};
use crate::fiber::{Fiber, Stack, Suspend, Suspender};
use crate::greenlet::{Commit, Completed, Failure, Header, Ready, Start, wakes_greenlet};

/// Gives a ready greenlet its slice, and then puts it where it belongs.
///
/// Always inlined, like what it calls on the way to the switch: see `wait::park` for why.
#[inline(always)]
pub(crate) fn run(hub: &Hub, ready: Ready) {
    // SAFETY: this hub holds the greenlet's `Ready`.
    let is_fresh = unsafe { ready.header().fiber() }.is_none();
    let ready = if is_fresh {
        begin(hub, ready)
    } else {
        Some(ready)
    };
    if let Some(ready) = ready {
        resume(hub, ready);
    }
}

/// Gives a fresh greenlet a stack and a home. `None`: it is not to run, or not yet.
#[inline(never)]
fn begin(hub: &Hub, ready: Ready) -> Option<Ready> {
    let header = ready.header();
    if hub.shared().closing().is_raised() {
        // It begins only to drop its closure, on a stack of its own, because destructors may wait.
        header.state().doom();
    }
    let stack = loop {
        match hub.core(|core| core.stacks.take(header.stack_size())) {
            Ok(stack) if hub.core(|core| core.stackless.succeeded()) => {
                if let Some(stack) = refill_reserve(hub, stack) {
                    break stack;
                }
            }
            Ok(stack) => break stack,
            Err(error) => {
                // The stack pool says so to the next spawner; this greenlet waits until somebody gives a stack back.
                hub.core(|core| core.stackless.push(ready, &error));
                return None;
            }
        }
    };
    begin_on(hub, ready, stack)
}

/// The first stack after some greenlets were given up goes to the reserve that was used for that. If it is not needed there it
/// comes back.
#[cold]
fn refill_reserve(hub: &Hub, stack: Stack) -> Option<Stack> {
    if stack.size() != hub.shared().stacks().default_size() {
        return Some(stack);
    }
    hub.core(|core| core.stackless.return_reserve());
    hub.lane().reserve().fill(stack)
}

/// Gives a fresh greenlet this stack, and a home. `None`: it is not to run.
#[inline(always)]
pub(crate) fn begin_on(hub: &Hub, ready: Ready, stack: Stack) -> Option<Ready> {
    let header = ready.header();
    if !header.is_migrating() {
        // Before it starts, so that whoever sees it started sees its home.
        // SAFETY: it has not run, so nobody schedules it yet; the home fits `Schedule`'s contract, as its implementation
        // says.
        unsafe { header.settle(NonNull::from(hub.remote())) };
    }
    if header.state().start() == Start::Gone {
        hub.core(|core| core.stacks.put(stack));
        retire(hub, ready);
        return None;
    }
    header.delay().clear();
    hub.heartbeat().started.add(1);
    let address = ready.as_ptr();
    // SAFETY: `enter` takes the header's address, and does not unwind. The hub runs a started greenlet to its end
    // before it lets go of it: the owner's list below sees to that.
    let fiber = unsafe { Fiber::new(stack, enter, address.as_ptr().cast_const().cast()) };
    // SAFETY: this hub holds the greenlet's `Ready`; it is in no list, and leaves this one when it ends.
    unsafe {
        *header.fiber() = Some(fiber);
        if header.is_migrating() {
            hub.lane().migrating().lock().insert(address);
        } else {
            hub.core(|core| core.owned.insert(address));
        }
    }
    Some(ready)
}

/// The root of every greenlet's stack.
///
/// # Safety
///
/// `header` must be the address of a living header whose greenlet begins now.
unsafe fn enter(header: *const (), suspender: &Suspender) {
    // SAFETY: the caller says so.
    unsafe {
        let header = NonNull::new_unchecked(header.cast_mut().cast());
        Header::run(header, suspender);
        end(header);
    }
}

/// A greenlet's last steps on its own stack: it leaves its output, and serves whoever waits for that. A waker, or the destructor
/// of an output that nobody wants, is somebody else's code, and may wait: so it runs here, and not on the hub's stack.
///
/// # Safety
///
/// The greenlet must run, and have put its output in its place.
#[inline(never)]
unsafe fn end(header: NonNull<Header>) {
    hub::with_current(|hub| {
        // Before anybody can know that it has ended: a joiner may count on being let in next.
        hub.heartbeat().finished.add(1);
        hub.shared().dismiss();
        // What it wakes is woken as if by the hub, which is about to take from its queues.
        hub.context().set_greenlet(None);
    });
    // SAFETY: as the caller says.
    let completed = unsafe { Header::complete(header) };
    let foreign = match completed {
        Completed::Unwatched => return,
        Completed::Wake(waker) if wakes_greenlet(&waker) => return waker.wake(),
        foreign => foreign,
    };
    hub::with_current(|hub| hub.context().set_greenlet(Some(header)));
    // SAFETY: as the caller says.
    unsafe { Header::serve(header, foreign) };
}

/// Runs a greenlet that has a stack.
#[inline(always)]
fn resume(hub: &Hub, ready: Ready) {
    let header = ready.header();
    let heart = hub.heartbeat();
    heart.running.begin(ready.as_ptr());
    hub.context().set_greenlet(Some(ready.as_ptr()));
    // SAFETY: this hub holds the greenlet's `Ready`, so it alone touches the fiber. It is resumed on its own thread, or
    // its spawner has promised that it may move.
    let suspended = unsafe {
        let Some(fiber) = header.fiber() else {
            unreachable!("a greenlet that runs has a stack")
        };
        fiber.resume()
    };
    heart.running.end();
    hub.context().set_greenlet(None);
    match suspended {
        Some(Suspend::Yield) => {
            if hub.context().take_overdue() {
                hub.hasten_maintenance();
            }
            if header.is_migrating() {
                hub.push_quietly(ready);
            } else {
                hub.push_yielded(ready);
            }
        }
        Some(Suspend::Park) => match header.state().commit_park() {
            Commit::Parked => {
                // Whoever unparks it has it from here on: only our own counter may be touched.
                heart.parks.add(1);
                let _its_unparkers = ready.into_raw();
            }
            Commit::Refused => ready.schedule(),
        },
        None => finish(hub, ready),
    }
}

/// Clears up after a greenlet that has run to its end.
#[inline(never)]
fn finish(hub: &Hub, ready: Ready) {
    let header = ready.header();
    hub.shared().wait_for_watchers(ready.as_ptr());
    // SAFETY: this hub holds the greenlet's `Ready`; it is in the list that `begin` put it in.
    unsafe {
        if let Some(fiber) = header.fiber().take() {
            hub.core(|core| core.stacks.put(fiber.into_stack()));
        }
        if header.is_migrating() {
            finish_migrating(hub, ready.as_ptr());
        } else {
            hub.core(|core| core.owned.remove(ready.as_ptr()));
        }
    }
    header.state().finish();
    ready.release();
}

/// # Safety
///
/// The greenlet must be in its lane's list.
unsafe fn finish_migrating(hub: &Hub, header: NonNull<Header>) {
    let mut migrating = hub.lane().migrating().lock();
    // SAFETY: the caller says so.
    unsafe { migrating.remove(header) };
    let last = migrating.is_empty();
    drop(migrating);
    if last && hub.shared().closing().is_raised() {
        // The other hubs wait for this before they end.
        hub.lane().notify_all();
    }
}

/// A greenlet of this hub: ends a fresh one that cannot run. What that one owns is dropped here, and may wait.
#[cold]
pub(crate) fn cancel(ready: Ready, failure: Failure) {
    if ready.header().state().cancel() {
        // SAFETY: the move from FRESH to DONE was ours.
        unsafe { Header::cancel(ready.as_ptr(), failure) };
    }
    hub::with_current(|hub| retire(hub, ready));
}

/// Lets go of a greenlet that has ended without a slice.
#[cold]
fn retire(hub: &Hub, ready: Ready) {
    hub.heartbeat().cancelled.add(1);
    hub.shared().dismiss();
    ready.release();
}
