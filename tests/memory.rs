//! A million greenlets asleep at once: none is lost, each takes little, each has a guard.
#![cfg(target_os = "linux")]

mod support;

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use greenhub::{Greenlet, JoinHandle};
use support::process::{available_memory, mappings, page_size, resident};
use support::{KINDS, Kind, child, runtime};

/// What one sleeping greenlet may take: a page of stack, and half a KiB for the rest (page tables are not resident in this
/// sense). Without optimisation it needs more stack.
const BYTES_EACH: usize = if cfg!(debug_assertions) {
    4 * 4710
} else {
    4710
};

/// These tests need the machine's memory for themselves.
static ALONE: Mutex<()> = Mutex::new(());

/// A million settled ones in a release build, or as many as fit in three quarters of the memory that is free, and says so.
/// A fifth of that for migrating ones, unless there is time: they differ in nothing that counts here.
fn crowd(kind: Kind) -> usize {
    let wanted = match kind {
        _ if cfg!(debug_assertions) => 20_000,
        Kind::Migrating if support::stress() == 1 => 200_000,
        _ => 1_000_000,
    };
    // Page tables and the kernel's own take some more: about a page for every hundred stacks.
    let fitting = available_memory() / 4 * 3 / (BYTES_EACH + 4500);
    if fitting < wanted {
        eprintln!("only {fitting} greenlets instead of {wanted}: there is no memory for more");
    }
    wanted.min(fitting)
}

/// Sleeps where `wait` says, with a value on its stack, and tells where that stack is.
fn sleepers(
    kind: Kind,
    count: usize,
    addresses: &Arc<Mutex<Vec<usize>>>,
    wait: fn(),
) -> Vec<JoinHandle<usize>> {
    (0..count)
        .map(|index| {
            let addresses = Arc::clone(addresses);
            kind.spawn(move || {
                let on_stack = std::hint::black_box(index);
                if index % 1000 == 0 {
                    addresses.lock().unwrap().push(&raw const on_stack as usize);
                }
                wait();
                std::hint::black_box(on_stack)
            })
        })
        .collect()
}

/// Waits until all have gone to sleep.
fn all_asleep(count: usize) {
    let handle = greenhub::runtime::Handle::current();
    let parked = || {
        handle
            .metrics()
            .hubs()
            .iter()
            .map(|hub| hub.parks)
            .sum::<u64>()
    };
    while parked() < count as u64 {
        greenhub::yield_now();
    }
}

fn a_crowd_sleeps(name: &str, wait: fn(), wake: fn(&Greenlet), killed: bool) {
    let _alone = ALONE.lock();
    for kind in KINDS {
        let outcome = child::run_with(name, kind.name(), |_| {
            let count = crowd(kind);
            let maps_before = mappings();
            // The default configuration, but for the number of hubs, which others may have set.
            let runtime = runtime(2);
            runtime.run(move || {
                let mut handles: Vec<JoinHandle<usize>> = Vec::with_capacity(count);
                kind.spawn(|| ()).join().unwrap();
                let before = resident();
                let addresses = Arc::new(Mutex::new(Vec::new()));
                handles.extend(sleepers(kind, count, &addresses, wait));
                all_asleep(count);
                // The vector of handles is the test's own.
                let each = (resident() - before - count * size_of::<JoinHandle<usize>>()) / count;
                eprintln!(
                    "{kind:?}: {count} greenlets, {each} bytes of memory each, {} mappings",
                    mappings()
                );
                assert!(each <= BYTES_EACH, "{each} bytes each");
                assert!(mappings() < maps_before + 2000, "{} mappings", mappings());
                addresses
                    .lock()
                    .unwrap()
                    .iter()
                    .copied()
                    .for_each(assert_guarded);
                handles.iter().for_each(|handle| wake(handle.greenlet()));
                for (index, handle) in handles.into_iter().enumerate() {
                    match handle.join() {
                        Ok(value) => assert!(value == index && !killed),
                        Err(error) => assert!(error.is_killed() && killed, "{error}"),
                    }
                }
            });
            let metrics = runtime.metrics();
            assert_eq!(metrics.alive(), 0, "{metrics:?}");
        });
        outcome.relay();
        outcome.assert_success();
    }
}

#[test]
fn a_million_sleepers_are_woken() {
    a_crowd_sleeps(
        "a_million_sleepers_are_woken",
        greenhub::park,
        Greenlet::unpark,
        false,
    );
}

#[test]
fn a_million_sleepers_are_killed() {
    // They have timers, too.
    let sleep = || greenhub::sleep(Duration::from_secs(100_000));
    a_crowd_sleeps("a_million_sleepers_are_killed", sleep, Greenlet::kill, true);
}

/// All deadlines pass while the greenlets still go to sleep.
#[test]
fn many_timers_fire() {
    static WOKEN: AtomicUsize = AtomicUsize::new(0);
    let _alone = ALONE.lock();
    let name = "many_timers_fire";
    for kind in KINDS {
        let outcome = child::run_with(name, kind.name(), |_| {
            let count = crowd(kind) / 5;
            runtime(2).run(move || {
                let handles: Vec<_> = (0..count)
                    .map(|index| {
                        kind.spawn(move || {
                            greenhub::sleep(Duration::from_micros(index as u64 % 50_000));
                            WOKEN.fetch_add(1, Ordering::Relaxed);
                        })
                    })
                    .collect();
                handles
                    .into_iter()
                    .for_each(|handle| handle.join().unwrap());
                assert_eq!(WOKEN.load(Ordering::Relaxed), count);
            });
        });
        outcome.assert_success();
    }
}

/// Below the stack that `address` lies in there is a page that cannot be read, where the stack's size says; all the stack
/// can.
#[track_caller]
fn assert_guarded(address: usize) {
    const STACK: usize = 256 * 1024;
    let page = page_size();
    let first = address / page * page;
    let guard = (0..=STACK / page + 1)
        .map(|pages| first - pages * page)
        .find(|page| !is_readable(*page));
    let guard = guard.expect("a guard below the stack");
    assert!(
        address - guard >= STACK - 2 * page,
        "a stack of {} bytes only",
        address - guard
    );
}

/// Asked of the kernel, which copies a byte from there or says that it cannot.
fn is_readable(address: usize) -> bool {
    let mut byte = 0_u8;
    let mine = libc::iovec {
        iov_base: (&raw mut byte).cast(),
        iov_len: 1,
    };
    let there = libc::iovec {
        iov_base: address as *mut libc::c_void,
        iov_len: 1,
    };
    // SAFETY: the kernel checks the one, and the other is ours.
    unsafe { libc::process_vm_readv(libc::getpid(), &mine, 1, &there, 1, 0) == 1 }
}

/// Waves of greenlets reuse stacks, and memory does not grow with their number.
#[test]
fn memory_stays_bounded_over_many_waves() {
    let _alone = ALONE.lock();
    let name = "memory_stays_bounded_over_many_waves";
    for kind in KINDS {
        let outcome = child::run_with(name, kind.name(), |_| {
            let wave = if cfg!(debug_assertions) { 500 } else { 5000 };
            let runtime = runtime(2);
            let run = || {
                runtime.run(|| {
                    let handles: Vec<_> = (0..wave)
                        .map(|_| kind.spawn(|| greenhub::park_timeout(Duration::from_millis(1))))
                        .collect();
                    handles
                        .into_iter()
                        .for_each(|handle| handle.join().unwrap());
                });
            };
            (0..10).for_each(|_| run());
            let before = resident();
            (0..support::times(100, 20)).for_each(|_| run());
            let after = resident();
            assert!(
                after <= before + before / 2 + (16 << 20),
                "{before} bytes have grown to {after}"
            );
        });
        outcome.assert_success();
    }
}
