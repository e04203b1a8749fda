//! A stack that overflows says whose it was, and ends the process; other faults are left to whoever handles them.
#![cfg(target_os = "linux")]

mod support;

use std::hint::black_box;

use support::{KINDS, Kind, child, runtime};

/// Recurses until the stack ends.
#[inline(never)]
fn deeper(depth: u64) -> u64 {
    let mut frame = [depth; 64];
    black_box(&mut frame);
    if black_box(depth) == u64::MAX {
        return depth;
    }
    deeper(depth + 1) + black_box(frame[0])
}

/// Writes where nothing is.
fn fault() {
    // SAFETY: it is not safe: the fault is what the tests are about.
    unsafe { black_box(std::ptr::null_mut::<u8>().wrapping_add(64)).write_volatile(1) };
}

/// The line in which `spawn_deep` spawns.
const LINE: u32 = line!() + 3;

fn spawn_deep(builder: greenhub::Builder) -> std::io::Result<greenhub::JoinHandle<u64>> {
    builder.spawn(|| deeper(0))
}

/// Spawns in a runtime, and waits.
fn overflow(spawn: impl FnOnce() -> std::io::Result<greenhub::JoinHandle<u64>> + Send) {
    let joined = runtime(2).run(|| spawn().unwrap().join());
    unreachable!("it came back: {joined:?}");
}

#[test]
fn an_overflow_names_the_greenlet_its_spawn_site_and_the_size() {
    let name = "an_overflow_names_the_greenlet_its_spawn_site_and_the_size";
    let message = format!(
        "greenlet 'deep' (spawned at {}:{LINE}) has overflowed its stack of 256 KiB",
        file!()
    );
    for kind in KINDS {
        let outcome = child::run_with(name, kind.name(), |_| {
            overflow(|| spawn_deep(kind.builder().name(String::from("deep"))));
        });
        outcome.assert_signal(libc::SIGABRT).assert_says(&message);
    }
}

#[test]
fn an_overflow_of_a_nameless_greenlet_gives_its_number() {
    let name = "an_overflow_of_a_nameless_greenlet_gives_its_number";
    for kind in KINDS {
        let outcome = child::run_with(name, kind.name(), |_| {
            overflow(|| {
                kind.builder().spawn(|| {
                    eprintln!("the number is {}", greenhub::current().id());
                    deeper(0)
                })
            });
        });
        outcome
            .assert_signal(libc::SIGABRT)
            .assert_says("overflow.rs")
            .assert_says(") has overflowed its stack of 256 KiB");
        outcome.assert_same_word_after("the number is ", "greenlet #");
    }
}

#[test]
fn an_overflow_on_the_compute_lane_is_named_too() {
    let name = "an_overflow_on_the_compute_lane_is_named_too";
    for kind in KINDS {
        let outcome = child::run_with(name, kind.name(), |_| {
            overflow(|| {
                kind.builder()
                    .compute()
                    .name("cruncher".into())
                    .spawn(|| deeper(0))
            });
        });
        outcome
            .assert_signal(libc::SIGABRT)
            .assert_says("greenlet 'cruncher' (spawned at ");
    }
}

#[test]
fn an_overflow_after_a_wait_is_named_too() {
    let name = "an_overflow_after_a_wait_is_named_too";
    for kind in KINDS {
        let outcome = child::run_with(name, kind.name(), |_| {
            overflow(|| {
                kind.builder().name("rested".into()).spawn(|| {
                    greenhub::sleep(std::time::Duration::from_millis(1));
                    greenhub::yield_now();
                    deeper(0)
                })
            });
        });
        outcome
            .assert_signal(libc::SIGABRT)
            .assert_says("greenlet 'rested' (spawned at ");
    }
}

#[test]
fn an_overflow_says_how_large_the_stack_was() {
    let name = "an_overflow_says_how_large_the_stack_was";
    // There is none smaller than 64 KiB.
    for (asked, given) in [(16, 64), (64, 64), (8192, 8192)] {
        for kind in KINDS {
            let outcome = child::run_with(name, &format!("{asked} {}", kind.name()), |_| {
                overflow(|| kind.builder().stack_size(asked * 1024).spawn(|| deeper(0)));
            });
            outcome
                .assert_signal(libc::SIGABRT)
                .assert_says(&format!("has overflowed its stack of {given} KiB"));
        }
    }
    let outcome = child::run_with(name, "runtime", |_| {
        let runtime = greenhub::runtime::Runtime::builder()
            .stack_size(128 * 1024)
            .build()
            .unwrap();
        let joined = runtime.run(|| greenhub::spawn(|| deeper(0)).join());
        unreachable!("it came back: {joined:?}");
    });
    outcome
        .assert_signal(libc::SIGABRT)
        .assert_says("has overflowed its stack of 128 KiB");
}

/// A large stack is really there.
#[test]
fn a_stack_has_the_size_that_was_asked_for() {
    for kind in KINDS {
        let deep = |kib: usize| {
            let size = kib * 1024;
            runtime(1).run(|| {
                kind.builder()
                    .stack_size(size)
                    .spawn(move || fill(size * 9 / 10))
                    .unwrap()
                    .join()
                    .unwrap()
            })
        };
        for kib in [64, 256, 1024, 16 * 1024] {
            assert!(deep(kib) >= kib * 1024 * 9 / 10);
        }
    }
}

/// Uses so many bytes of the stack, and says how many they were.
fn fill(bytes: usize) -> usize {
    #[inline(never)]
    fn down_to(limit: usize) -> usize {
        let frame = black_box([0_u8; 512]);
        let here = frame.as_ptr() as usize;
        let reached = if here > limit { down_to(limit) } else { here };
        black_box(&frame);
        reached
    }
    let here = black_box(0_u8);
    let top = &raw const here as usize;
    top - down_to(top - bytes)
}

#[test]
fn a_fault_in_a_greenlet_is_no_overflow() {
    let name = "a_fault_in_a_greenlet_is_no_overflow";
    for kind in KINDS {
        let outcome = child::run_with(name, kind.name(), |_| {
            runtime(2).run(|| kind.spawn(fault).join().unwrap())
        });
        outcome
            .assert_signal(libc::SIGSEGV)
            .assert_silent_about("overflow");
    }
}

#[test]
fn a_fault_on_a_thread_beside_a_runtime_is_no_overflow() {
    let outcome = child::run(
        "a_fault_on_a_thread_beside_a_runtime_is_no_overflow",
        || {
            let runtime = runtime(2);
            runtime.run(|| ());
            std::thread::spawn(fault).join().unwrap();
        },
    );
    outcome
        .assert_signal(libc::SIGSEGV)
        .assert_silent_about("overflow");
}

#[test]
fn an_overflow_of_a_thread_is_still_told_by_std() {
    let outcome = child::run("an_overflow_of_a_thread_is_still_told_by_std", || {
        let runtime = runtime(2);
        runtime.run(|| ());
        let victim = std::thread::Builder::new().name("victim".into());
        victim.spawn(|| deeper(0)).unwrap().join().unwrap();
    });
    outcome
        .assert_signal(libc::SIGABRT)
        .assert_says("thread 'victim'")
        .assert_says("has overflowed its stack");
}

extern "C" fn leave_with_42(_: libc::c_int) {
    // SAFETY: a handler may.
    unsafe { libc::_exit(42) };
}

#[test]
fn a_handler_from_before_the_runtime_gets_other_faults() {
    let name = "a_handler_from_before_the_runtime_gets_other_faults";
    for parameter in ["settled", "migrating", "thread"] {
        let outcome = child::run_with(name, parameter, |_| {
            // SAFETY: the handler does nothing that a handler may not.
            unsafe {
                let mut action: libc::sigaction = std::mem::zeroed();
                action.sa_sigaction = leave_with_42 as *const () as libc::sighandler_t;
                action.sa_flags = libc::SA_ONSTACK;
                assert_eq!(
                    libc::sigaction(libc::SIGSEGV, &action, std::ptr::null_mut()),
                    0
                );
            }
            let runtime = runtime(2);
            match parameter {
                "thread" => std::thread::spawn(fault).join().unwrap(),
                kind => runtime.run(|| Kind::named(kind).spawn(fault).join().unwrap()),
            }
        });
        outcome.assert_code(42);
    }
}

/// The former handler repairs what was wrong, and the greenlet goes on: its registers are as they were.
#[test]
fn a_handler_may_repair_the_fault() {
    static PAGE: std::sync::atomic::AtomicUsize = std::sync::atomic::AtomicUsize::new(0);
    extern "C" fn repair(_: libc::c_int) {
        let page = PAGE.load(std::sync::atomic::Ordering::Relaxed) as *mut libc::c_void;
        // SAFETY: the page is the test's own.
        unsafe { libc::mprotect(page, 4096, libc::PROT_READ | libc::PROT_WRITE) };
    }
    let name = "a_handler_may_repair_the_fault";
    for kind in KINDS {
        let outcome = child::run_with(name, kind.name(), |_| {
            // SAFETY: a new mapping; and the handler does nothing that a handler may not.
            let page = unsafe {
                let mut action: libc::sigaction = std::mem::zeroed();
                action.sa_sigaction = repair as *const () as libc::sighandler_t;
                assert_eq!(
                    libc::sigaction(libc::SIGSEGV, &action, std::ptr::null_mut()),
                    0
                );
                libc::mmap(
                    std::ptr::null_mut(),
                    4096,
                    libc::PROT_NONE,
                    libc::MAP_PRIVATE | libc::MAP_ANON,
                    -1,
                    0,
                )
            } as usize;
            PAGE.store(page, std::sync::atomic::Ordering::Relaxed);
            let read = runtime(2).run(|| {
                kind.spawn(move || {
                    // SAFETY: it faults once, and can be written to and read from then on.
                    unsafe {
                        (page as *mut u64).write_volatile(42);
                        (page as *const u64).read_volatile()
                    }
                })
                .join()
                .unwrap()
            });
            assert_eq!(read, 42);
        });
        outcome.assert_success();
    }
}
