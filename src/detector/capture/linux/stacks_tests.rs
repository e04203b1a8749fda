//! Stacks of greenlets that run, wait in system calls, or are suspended.

use std::fs::File;
use std::io::{Read, Write};
use std::os::fd::FromRawFd;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, mpsc};
use std::thread;
use std::time::{Duration, Instant};

use super::super::super::frame::Frame;
use super::super::activity::Activity;
use super::super::probe::SliceProbe;
use super::snapshot::{Registers, Snapshot};
use super::stacks;
use super::suspended::suspended;
use super::target::Target;
use crate::context;
use crate::greenlet::Header;
use crate::runtime::Runtime;

/// How long anything may take.
const PATIENCE: Duration = Duration::from_secs(30);

/// What a greenlet's thread lets others see.
struct Hub {
    target: Target,
    /// Says 1 while the greenlet runs what the test is about.
    word: Arc<AtomicU64>,
    fiber: usize,
}

impl Hub {
    /// For the greenlet that calls it.
    fn here() -> Hub {
        let header = context::greenlet().expect("a greenlet");
        Hub {
            target: Target::of_this_thread(),
            word: Arc::new(AtomicU64::new(1)),
            fiber: Header::fiber_address_in(header.addr().get()).addr(),
        }
    }

    fn probe(&self) -> SliceProbe<'_> {
        SliceProbe {
            word: &self.word,
            expected: 1,
        }
    }

    /// Captures the greenlet's stack, trying again while the machine is too busy for it.
    fn capture(&self) -> Snapshot {
        let begin = Instant::now();
        loop {
            if let Some(snapshot) = self.target.capture(&self.probe()) {
                return snapshot;
            }
            assert!(begin.elapsed() < PATIENCE, "no stack could be captured");
        }
    }

    /// Waits until the thread is in a system call.
    fn until_in_syscall(&self) -> i64 {
        let begin = Instant::now();
        loop {
            if let Activity::InSyscall { number, .. } = self.target.activity() {
                return number;
            }
            assert!(begin.elapsed() < PATIENCE, "{:?}", self.target.activity());
            thread::yield_now();
        }
    }
}

/// Runs `body` in a greenlet, and `watch` on this thread meanwhile.
fn with_hub<R>(body: impl FnOnce() + Send + 'static, watch: impl FnOnce(&Hub) -> R) -> R {
    let (hub_is, hub) = mpsc::channel();
    let runtime = Runtime::builder().hubs(1).build().unwrap();
    let greenlet = runtime.spawn(move || {
        let hub = Hub::here();
        let word = Arc::clone(&hub.word);
        hub_is.send(hub).unwrap();
        body();
        word.store(2, Ordering::Relaxed);
    });
    let result = watch(&hub.recv().unwrap());
    greenlet.join().unwrap();
    result
}

fn text(frames: &[Frame]) -> String {
    frames.iter().map(|frame| format!("{frame}\n")).collect()
}

/// The frame of the function with that name.
#[track_caller]
fn frame<'f>(frames: &'f [Frame], name: &str) -> &'f Frame {
    frames
        .iter()
        .find(|frame| frame.function.contains(name))
        .unwrap_or_else(|| panic!("no {name} in\n{}", text(frames)))
}

/// Computes until it is told to stop.
#[inline(never)]
fn spins(stop: &AtomicBool) -> u64 {
    let mut count = 0_u64;
    while !stop.load(Ordering::Relaxed) {
        count = std::hint::black_box(count.wrapping_mul(17) ^ 5);
    }
    count
}

#[inline(never)]
fn calls_what_spins(stop: &AtomicBool) {
    let count = spins(stop);
    std::hint::black_box(count);
}

#[test]
fn a_greenlet_that_computes_is_named_with_its_line() {
    let stop = Arc::new(AtomicBool::new(false));
    let stopper = Arc::clone(&stop);
    let frames = with_hub(
        move || calls_what_spins(&stop),
        |hub| {
            let snapshot = hub.capture();
            stopper.store(true, Ordering::Relaxed);
            stacks::resolve(&snapshot)
        },
    );
    let all = text(&frames);
    let spins = frame(&frames, "stacks_tests::spins");
    assert!(
        spins.file.as_ref().unwrap().ends_with("stacks_tests.rs"),
        "{all}"
    );
    assert!(spins.line.is_some(), "{all}");
    let caller = frames
        .iter()
        .position(|frame| frame.function.contains("calls_what_spins"));
    assert!(
        caller > frames.iter().position(|frame| frame == spins),
        "{all}"
    );
    assert!(
        !all.contains("corosensei") && !all.contains("with_hub<"),
        "{all}"
    );
}

#[inline(never)]
fn reads(mut from: impl Read) -> std::io::Result<usize> {
    from.read(&mut [0; 8])
}

/// A pipe's two ends: the one to read from first.
fn pipe() -> std::io::Result<(File, File)> {
    let mut ends = [0; 2];
    // SAFETY: there is room for both.
    if unsafe { libc::pipe2(ends.as_mut_ptr(), libc::O_CLOEXEC) } != 0 {
        return Err(std::io::Error::last_os_error());
    }
    // SAFETY: they are open, and nobody else's.
    Ok(ends.map(|end| unsafe { File::from_raw_fd(end) }).into())
}

#[test]
fn a_greenlet_in_a_system_call_is_named_and_not_disturbed() {
    let (reader, mut writer) = pipe().unwrap();
    let (result_is, result) = mpsc::channel();
    let frames = with_hub(
        move || drop(result_is.send(reads(reader))),
        |hub| {
            assert_eq!(hub.until_in_syscall(), libc::SYS_read);
            let snapshot = hub.capture();
            writer.write_all(b"end").unwrap();
            stacks::resolve(&snapshot)
        },
    );
    assert!(frame(&frames, "stacks_tests::reads").line.is_some());
    assert_eq!(result.recv().unwrap().unwrap(), 3);
}

#[inline(never)]
fn sleeps(stop: &AtomicBool) {
    while !stop.load(Ordering::Relaxed) {
        thread::sleep(Duration::from_millis(200));
    }
}

#[test]
fn a_greenlet_that_sleeps_is_named() {
    let stop = Arc::new(AtomicBool::new(false));
    let stopper = Arc::clone(&stop);
    let frames = with_hub(
        move || sleeps(&stop),
        |hub| {
            hub.until_in_syscall();
            let snapshot = hub.capture();
            stopper.store(true, Ordering::Relaxed);
            stacks::resolve(&snapshot)
        },
    );
    assert!(frame(&frames, "stacks_tests::sleeps").line.is_some());
}

#[inline(never)]
fn waits_for(word: &AtomicBool) {
    while !word.load(Ordering::Relaxed) {
        crate::park_timeout(Duration::from_millis(500));
    }
}

#[test]
fn a_suspended_greenlet_shows_where_it_waits() {
    let stop = Arc::new(AtomicBool::new(false));
    let stopper = Arc::clone(&stop);
    let frames = with_hub(
        move || waits_for(&stop),
        |hub| {
            let begin = Instant::now();
            let snapshot = loop {
                if let Some(snapshot) = suspended(std::ptr::without_provenance(hub.fiber)) {
                    break snapshot;
                }
                assert!(begin.elapsed() < PATIENCE, "no stack could be copied");
            };
            stopper.store(true, Ordering::Relaxed);
            stacks::resolve(&snapshot)
        },
    );
    assert!(frame(&frames, "stacks_tests::waits_for").line.is_some());
    assert!(
        frames[0].function.contains("park_timeout"),
        "{}",
        text(&frames)
    );
    assert!(
        frames[1].function.contains("waits_for"),
        "{}",
        text(&frames)
    );
}

#[test]
fn copies_that_are_anything_are_no_fault() {
    let mut state = 26_u64;
    let mut random = || {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        state
    };
    let code = (spins as *const ()).addr() as u64;
    for _ in 0..300 {
        let sp = [0, 8, u64::MAX - 9, 0x7000_0000_0000][random() as usize % 4];
        // Some of the words look like return addresses or like frame pointers, so that it goes on for a while.
        let words = (0..random() % 512).map(|index| match random() % 4 {
            0 => code + random() % 4096,
            1 => sp.wrapping_add(index * 8 + random() % 256),
            2 => random() % 4,
            _ => random(),
        });
        let stack: Vec<u8> = words.flat_map(u64::to_ne_bytes).collect();
        let snapshot = Snapshot {
            registers: Registers {
                pc: [code + 1, 0, u64::MAX, random()][random() as usize % 4],
                sp,
                fp: [None, Some(sp.wrapping_add(64)), Some(random())][random() as usize % 3],
                lr: Some(code),
            },
            stack: stack.into(),
            is_cut: random() % 2 == 0,
        };
        let frames = stacks::resolve(&snapshot);
        assert!(!frames.is_empty());
    }
}
