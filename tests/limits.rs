//! What cannot be done gives an error that names the limit, and nothing is lost.

mod support;

use std::io::ErrorKind;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use greenhub::JoinHandle;
use greenhub::runtime::{self, Runtime};
use support::{KINDS, Watchdog, on_hubs};

#[track_caller]
fn refused(builder: runtime::Builder, names: &[&str]) {
    let error = builder.build().map(drop).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::InvalidInput, "{error}");
    for name in names {
        assert!(error.to_string().contains(name), "{error}");
    }
}

#[test]
fn an_impossible_runtime_is_refused_by_name() {
    refused(Runtime::builder().hubs(0), &["hubs", "0"]);
    refused(Runtime::builder().hubs(usize::MAX), &["hubs"]);
    refused(Runtime::builder().compute_hubs(0), &["compute_hubs", "0"]);
    refused(
        Runtime::builder().compute_hubs(1_000_000),
        &["compute_hubs", "1000000"],
    );
    refused(Runtime::builder().max_greenlets(0), &["max_greenlets"]);
    for bytes in [
        0,
        1,
        4095,
        16 * 1024 - 1,
        (1 << 30) + 1,
        1 << 40,
        usize::MAX,
    ] {
        refused(
            Runtime::builder().stack_size(bytes),
            &["stack", &bytes.to_string()],
        );
    }
    refused(Runtime::builder().thread_name("a\0b"), &["thread_name"]);
}

#[test]
fn an_impossible_stack_is_refused_by_name() {
    on_hubs(1, |kind| {
        for bytes in [0, 1, 16 * 1024 - 1, (1 << 30) + 1, usize::MAX] {
            let dropped = Arc::new(());
            let held = Arc::clone(&dropped);
            let error = kind
                .builder()
                .stack_size(bytes)
                .spawn(move || drop(held))
                .map(drop)
                .unwrap_err();
            assert_eq!(error.kind(), ErrorKind::InvalidInput);
            let text = error.to_string();
            assert!(
                text.contains("stack") && text.contains(&bytes.to_string()),
                "{text}"
            );
            assert_eq!(Arc::strong_count(&dropped), 1, "the closure leaked");
        }
        for bytes in [16 * 1024, 16 * 1024 + 1, 1 << 30] {
            assert_eq!(
                kind.builder()
                    .stack_size(bytes)
                    .spawn(|| 42)
                    .unwrap()
                    .join()
                    .unwrap(),
                42
            );
        }
    });
}

#[test]
fn no_more_greenlets_than_allowed() {
    let _watchdog = Watchdog::start();
    for kind in KINDS {
        let runtime = Runtime::builder()
            .hubs(2)
            .max_greenlets(10)
            .build()
            .unwrap();
        runtime.run(|| {
            for _ in 0..20 {
                // The main greenlet is one of them.
                let mut alive: Vec<JoinHandle<()>> = (1..10)
                    .map(|_| kind.builder().spawn(greenhub::park).unwrap())
                    .collect();
                let dropped = Arc::new(());
                let held = Arc::clone(&dropped);
                let error = kind
                    .builder()
                    .spawn(move || drop(held))
                    .map(drop)
                    .unwrap_err();
                assert_eq!(error.kind(), ErrorKind::WouldBlock);
                assert!(error.to_string().contains("10"), "{error}");
                assert_eq!(Arc::strong_count(&dropped), 1, "the closure leaked");
                let panic = catch_unwind(|| kind.spawn(|| ())).map(drop).unwrap_err();
                let text = panic.downcast_ref::<String>().unwrap();
                assert!(
                    text.contains("could not spawn") && text.contains("10"),
                    "{text}"
                );
                // One ends, so there is room for one.
                let one = alive.pop().unwrap();
                one.greenlet().unpark();
                one.join().unwrap();
                kind.spawn(|| ()).join().unwrap();
                alive.iter().for_each(|one| one.greenlet().unpark());
                alive.into_iter().for_each(|one| one.join().unwrap());
            }
        });
    }
}

/// A killed one that never began makes room, too.
#[test]
fn killed_greenlets_count_no_longer() {
    let _watchdog = Watchdog::start();
    let runtime = Runtime::builder().hubs(1).max_greenlets(5).build().unwrap();
    runtime.run(|| {
        for _ in 0..50 {
            let fresh: Vec<_> = (0..4).map(|_| greenhub::spawn(|| ())).collect();
            fresh.iter().for_each(JoinHandle::kill);
            for one in fresh {
                assert!(one.join().unwrap_err().is_killed());
            }
            // They count until a hub has come across them in its queue.
            while greenhub::runtime::Handle::current().metrics().alive() > 1 {
                greenhub::yield_now();
            }
        }
    });
}

#[cfg(target_os = "linux")]
mod exhausted {
    use super::*;
    use support::child;
    use support::process::{address_space, fds, limit, settles, threads, unlimit};

    /// Little address space is left: some spawns fail, the others are all heard of, and when the limit is gone so is the
    /// trouble.
    #[test]
    fn without_memory_for_stacks_spawn_fails_and_loses_nothing() {
        let name = "exhausted::without_memory_for_stacks_spawn_fails_and_loses_nothing";
        for kind in KINDS {
            let outcome = child::run_with(name, kind.name(), |_| {
                // One hub: what a second allocates could be what the first has just left free.
                let runtime = Runtime::builder().hubs(1).build().unwrap();
                let handles = Vec::with_capacity(10_000);
                runtime.run(move || {
                    let mut handles: Vec<JoinHandle<()>> = handles;
                    kind.spawn(|| ()).join().unwrap();
                    limit(libc::RLIMIT_AS, address_space() + (128 << 20));
                    let ran = Arc::new(AtomicUsize::new(0));
                    let mut errors = 0;
                    for _ in 0..5000 {
                        let counted = Arc::clone(&ran);
                        match kind.builder().spawn(move || {
                            counted.fetch_add(1, Ordering::Relaxed);
                            greenhub::park();
                        }) {
                            Ok(handle) => handles.push(handle),
                            Err(error) => {
                                errors += 1;
                                assert_eq!(error.kind(), ErrorKind::OutOfMemory, "{error}");
                            }
                        }
                        greenhub::yield_now();
                    }
                    assert!(errors > 0, "the limit was not felt");
                    let panic = catch_unwind(AssertUnwindSafe(|| kind.spawn(|| ()))).map(drop);
                    if let Err(panic) = panic {
                        assert!(
                            panic
                                .downcast_ref::<String>()
                                .unwrap()
                                .contains("could not spawn")
                        );
                    }
                    let accepted = handles.len();
                    let (mut ended, mut told) = (0, 0);
                    handles.iter().for_each(|handle| handle.greenlet().unpark());
                    for handle in handles {
                        match handle.join() {
                            Ok(()) => ended += 1,
                            Err(error) => {
                                told += 1;
                                assert!(
                                    error.is_panic()
                                        && error.to_string().contains("could not begin"),
                                    "{error}"
                                );
                            }
                        }
                    }
                    assert_eq!(ended, ran.load(Ordering::Relaxed));
                    assert_eq!(ended + told, accepted);
                    assert!(ended >= 64, "only {ended} had stacks");
                    unlimit(libc::RLIMIT_AS);
                    let handles: Vec<_> = (0..2000)
                        .map(|i| kind.builder().spawn(move || i).unwrap())
                        .collect();
                    for (i, handle) in handles.into_iter().enumerate() {
                        assert_eq!(handle.join().unwrap(), i);
                    }
                });
            });
            outcome.assert_success();
        }
    }

    /// The closures of those that could not begin are dropped where they may wait for a greenlet of the same hub. On the old code
    /// that was the hub's own stack: it blocked for ever.
    #[test]
    fn without_memory_for_stacks_a_destructor_may_wait() {
        let name = "exhausted::without_memory_for_stacks_a_destructor_may_wait";
        for kind in KINDS {
            let outcome = child::run_with(name, kind.name(), |_| {
                static BEGUN: AtomicBool = AtomicBool::new(false);
                struct Waits(Arc<greenhub::sync::Mutex<usize>>);
                impl Drop for Waits {
                    fn drop(&mut self) {
                        BEGUN.store(true, Ordering::Release);
                        *self.0.lock() += 1;
                    }
                }
                let runtime = Runtime::builder().hubs(1).build().unwrap();
                runtime.run(|| {
                    kind.spawn(|| ()).join().unwrap();
                    let dropped = Arc::new(greenhub::sync::Mutex::new(0));
                    let mut handles = Vec::with_capacity(10_000);
                    limit(libc::RLIMIT_AS, address_space() + (64 << 20));
                    // All are accepted before the first of them wants a stack.
                    for _ in 0..1000 {
                        let waits = Waits(Arc::clone(&dropped));
                        let spawned = kind.builder().spawn(move || {
                            std::mem::forget(waits);
                            greenhub::park();
                        });
                        handles.push(spawned.unwrap());
                    }
                    let guard = dropped.lock();
                    // Here, on the same hub, is who would have to let go of the lock.
                    while !BEGUN.load(Ordering::Acquire) {
                        greenhub::sleep(std::time::Duration::from_millis(1));
                    }
                    drop(guard);
                    handles.iter().for_each(|handle| handle.greenlet().unpark());
                    let refused = handles.into_iter().map(JoinHandle::join);
                    let refused = refused.filter(Result::is_err).count();
                    unlimit(libc::RLIMIT_AS);
                    assert!(refused > 0);
                    assert_eq!(*dropped.lock(), refused);
                });
            });
            outcome.assert_success();
        }
    }

    #[test]
    fn without_memory_for_threads_no_runtime_is_built_and_nothing_stays() {
        let name = "exhausted::without_memory_for_threads_no_runtime_is_built_and_nothing_stays";
        let outcome = child::run(name, || {
            drop(Runtime::builder().hubs(2).build().unwrap());
            let baseline = (fds(), threads());
            for _ in 0..5 {
                limit(libc::RLIMIT_AS, address_space() + (40 << 20));
                let error = Runtime::builder().hubs(256).build().map(drop).unwrap_err();
                unlimit(libc::RLIMIT_AS);
                let text = error.to_string();
                assert!(
                    text.contains("hub thread") && text.contains("of 256"),
                    "{text}"
                );
                assert!(
                    settles(|| (fds(), threads()) == baseline),
                    "{:?} instead of {baseline:?}",
                    (fds(), threads())
                );
            }
            assert_eq!(Runtime::builder().hubs(16).build().unwrap().run(|| 42), 42);
        });
        outcome.assert_success();
    }

    #[test]
    fn without_descriptors_no_runtime_is_built_and_nothing_stays() {
        let name = "exhausted::without_descriptors_no_runtime_is_built_and_nothing_stays";
        let outcome = child::run(name, || {
            drop(Runtime::builder().hubs(2).build().unwrap());
            let baseline = (fds(), threads());
            for spare in 0..12 {
                limit(libc::RLIMIT_NOFILE, baseline.0 + spare);
                let error = Runtime::builder().hubs(8).build().map(drop).unwrap_err();
                unlimit(libc::RLIMIT_NOFILE);
                let text = error.to_string();
                assert!(
                    text.contains("poller of hub") && text.contains("of 8"),
                    "{text}"
                );
                assert_eq!(
                    error.raw_os_error().or(Some(libc::EMFILE)),
                    Some(libc::EMFILE)
                );
                assert!(
                    settles(|| (fds(), threads()) == baseline),
                    "{:?} instead of {baseline:?}",
                    (fds(), threads())
                );
            }
            assert_eq!(Runtime::builder().hubs(8).build().unwrap().run(|| 42), 42);
        });
        outcome.assert_success();
    }

    #[test]
    fn a_compute_lane_that_cannot_start_is_an_error_and_is_tried_again() {
        let name = "exhausted::a_compute_lane_that_cannot_start_is_an_error_and_is_tried_again";
        for kind in KINDS {
            let outcome = child::run_with(name, kind.name(), |_| {
                let runtime = Runtime::builder().hubs(2).build().unwrap();
                runtime.run(|| {
                    let baseline = (fds(), threads());
                    limit(libc::RLIMIT_NOFILE, baseline.0 + 1);
                    let dropped = Arc::new(());
                    let held = Arc::clone(&dropped);
                    let error = kind
                        .builder()
                        .compute()
                        .spawn(move || drop(held))
                        .map(drop)
                        .unwrap_err();
                    assert!(error.to_string().contains("poller"), "{error}");
                    assert_eq!(Arc::strong_count(&dropped), 1, "the closure leaked");
                    let panic = catch_unwind(|| greenhub::spawn_compute(|| ()))
                        .map(drop)
                        .unwrap_err();
                    assert!(
                        panic
                            .downcast_ref::<String>()
                            .unwrap()
                            .contains("could not spawn")
                    );
                    unlimit(libc::RLIMIT_NOFILE);
                    limit(libc::RLIMIT_AS, address_space() + (1 << 20));
                    let error = kind.builder().compute().spawn(|| ()).map(drop).unwrap_err();
                    unlimit(libc::RLIMIT_AS);
                    assert!(error.to_string().contains("hub thread"), "{error}");
                    assert!(
                        settles(|| (fds(), threads()) == baseline),
                        "{:?} instead of {baseline:?}",
                        (fds(), threads())
                    );
                    assert_eq!(
                        kind.builder()
                            .compute()
                            .spawn(|| 42)
                            .unwrap()
                            .join()
                            .unwrap(),
                        42
                    );
                });
            });
            outcome.assert_success();
        }
    }

    /// Fresh greenlets that find no stack wait for one, while those that have one go on and give theirs back.
    #[test]
    fn greenlets_without_a_stack_have_their_turn_when_others_end() {
        let name = "exhausted::greenlets_without_a_stack_have_their_turn_when_others_end";
        for kind in KINDS {
            let outcome = child::run_with(name, kind.name(), |_| {
                let runtime = Runtime::builder().hubs(1).build().unwrap();
                runtime.run(|| {
                    let mut handles: Vec<JoinHandle<()>> = Vec::with_capacity(4000);
                    let go = Arc::new(AtomicBool::new(false));
                    limit(libc::RLIMIT_AS, address_space() + (64 << 20));
                    // None of them begins before all have been spawned.
                    for _ in 0..1000 {
                        let go = Arc::clone(&go);
                        handles.push(
                            kind.builder()
                                .spawn(move || {
                                    while !go.load(Ordering::Relaxed) {
                                        greenhub::yield_now();
                                    }
                                })
                                .unwrap(),
                        );
                    }
                    (0..20).for_each(|_| greenhub::yield_now());
                    go.store(true, Ordering::Relaxed);
                    for handle in handles {
                        handle.join().unwrap();
                    }
                    unlimit(libc::RLIMIT_AS);
                });
            });
            outcome.assert_success();
        }
    }
}
