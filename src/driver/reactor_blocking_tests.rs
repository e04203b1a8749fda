//! How a driver blocks, and what ends that: a deadline, a notify, a timer armed from afar, a signal.

use std::sync::Barrier;

use super::tests::{LONG, current_thread, drivers, pair, register, settle};
use super::*;

#[test]
fn a_notify_ends_the_next_block_or_the_one_that_is_going_on() {
    for driver in drivers() {
        let began = Instant::now();
        let mut events = Events::new();
        driver.notify();
        driver.notify();
        driver.block(&mut events, None).unwrap();
        let both = Barrier::new(2);
        std::thread::scope(|scope| {
            scope.spawn(|| {
                let mut events = Events::new();
                for _ in 0..1_000 {
                    both.wait();
                    driver.block(&mut events, Some(began + LONG)).unwrap();
                    both.wait();
                }
            });
            for _ in 0..1_000 {
                both.wait();
                driver.notify();
                both.wait();
            }
        });
        assert!(began.elapsed() < LONG, "a notify was lost");
    }
}

#[test]
fn whoever_helps_gives_a_notify_back() {
    for driver in drivers() {
        let began = Instant::now();
        let (ours, _peer) = pair();
        let registration = register(&driver, &ours);
        settle(&driver, &registration);
        let mut events = Events::new();
        driver.notify();
        for _ in 0..10 {
            driver.poll(&mut events, false).unwrap();
        }
        driver.block(&mut events, None).unwrap();
        // And while the owner is blocked.
        let (both, done) = (Barrier::new(2), AtomicUsize::new(0));
        std::thread::scope(|scope| {
            scope.spawn(|| {
                let mut events = Events::new();
                for _ in 0..300 {
                    both.wait();
                    driver.block(&mut events, Some(began + LONG)).unwrap();
                    both.wait();
                }
                done.store(1, Ordering::Release);
            });
            scope.spawn(|| {
                let mut events = Events::new();
                while done.load(Ordering::Acquire) == 0 {
                    driver.poll(&mut events, false).unwrap();
                }
            });
            for _ in 0..300 {
                both.wait();
                driver.notify();
                both.wait();
            }
        });
        assert!(began.elapsed() < LONG, "a notify was lost");
    }
}

#[test]
fn nothing_is_polled_for_nobody() {
    for driver in drivers() {
        let mut events = Events::new();
        driver.notify();
        assert_eq!(driver.poll(&mut events, true).unwrap(), 0);
        // The notify was left alone.
        driver.block(&mut events, None).unwrap();
    }
}

#[test]
fn a_block_lasts_until_its_deadline_and_no_longer_than_it_must() {
    for driver in drivers() {
        for wait in [0, 1, 300, 2_500].map(Duration::from_micros) {
            let until = Instant::now() + wait;
            driver.timers().arm(until, Fire::Unpark(current_thread()));
            let mut events = Events::new();
            let mut blocks = 0;
            while driver.fire_timers(Instant::now()) == 0 {
                driver.block(&mut events, driver.timers().next()).unwrap();
                blocks += 1;
            }
            let late = Instant::now() - until;
            assert!(late < LONG, "{late:?}");
            // A timeout that is rounded down makes the hub spin.
            assert!(blocks <= 3, "{blocks}");
        }
    }
}

#[test]
fn a_timer_that_is_armed_from_afar_shortens_the_block() {
    for driver in drivers() {
        let began = Instant::now();
        driver
            .timers()
            .arm(began + 2 * LONG, Fire::Unpark(current_thread()));
        std::thread::scope(|scope| {
            scope.spawn(|| {
                let mut events = Events::new();
                while driver.fire_timers(Instant::now()) == 0 {
                    driver.block(&mut events, driver.timers().next()).unwrap();
                }
            });
            let soon = Instant::now() + Duration::from_millis(2);
            driver.arm_remote(soon, Fire::Unpark(current_thread()));
        });
        assert!(began.elapsed() < LONG);
    }
}

#[test]
fn a_signal_ends_a_block_without_an_error() {
    extern "C" fn nothing(_signal: i32) {}
    // SAFETY: an all-zero `sigaction` is one without flags or mask, and the handler does nothing.
    unsafe {
        let mut action: libc::sigaction = std::mem::zeroed();
        action.sa_sigaction = nothing as extern "C" fn(i32) as usize;
        assert_eq!(
            libc::sigaction(libc::SIGUSR2, &action, std::ptr::null_mut()),
            0
        );
    }
    for poller in [Poller::new(), Poller::coarse()] {
        let driver = Driver::with_poller(poller.unwrap(), LaneId::new());
        // SAFETY: it has no preconditions.
        let us = unsafe { libc::pthread_self() };
        let done = AtomicUsize::new(0);
        std::thread::scope(|scope| {
            scope.spawn(|| {
                while done.load(Ordering::Acquire) == 0 {
                    // SAFETY: the thread lives: it is in the scope around this one.
                    unsafe { libc::pthread_kill(us, libc::SIGUSR2) };
                    std::thread::yield_now();
                }
            });
            let began = Instant::now();
            let result = driver.block(&mut Events::new(), Some(began + LONG));
            done.store(1, Ordering::Release);
            assert_eq!(result.unwrap(), 0);
            assert!(began.elapsed() < LONG);
        });
    }
}
