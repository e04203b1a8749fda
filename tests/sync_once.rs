//! `OnceLock` and `LazyLock` where std's would be.

mod common;

use std::cell::Cell;
use std::panic::{RefUnwindSafe, UnwindSafe};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use common::{everywhere, panic_of, until_parked_in};
use greenhub::sync::{Event, LazyLock, OnceLock};

/// It compiles: what the value borrows need not outlive the lock, as with std's.
#[test]
#[expect(
    clippy::needless_late_init,
    reason = "the locks are declared first, so that they are dropped last"
)]
fn a_once_lock_may_outlive_what_its_value_borrows() {
    let lock: OnceLock<&String>;
    let lazy;
    let text = "text".to_string();
    lock = OnceLock::new();
    assert_eq!(lock.get_or_init(|| &text).len(), 4);
    lazy = LazyLock::new(|| &text);
    assert_eq!(lazy.len(), 4);
}

#[test]
fn locks_are_shared_and_sent_as_stds() {
    fn sync<T: Sync + Send + UnwindSafe + RefUnwindSafe>() {}
    sync::<OnceLock<u8>>();
    sync::<LazyLock<u8>>();
    fn send<T: Send>() {}
    send::<OnceLock<Cell<u8>>>();
    send::<LazyLock<Cell<u8>>>();
    // What makes the value is sent to whoever comes first, and never shared.
    fn shared<T: Send + Sync>(_: &T) {}
    let cell = Cell::new(1);
    shared(&LazyLock::new(move || cell.get()));
}

/// Counts its drops.
struct Dropped<'a>(&'a AtomicUsize);

impl Drop for Dropped<'_> {
    fn drop(&mut self) {
        self.0.fetch_add(1, Ordering::SeqCst);
    }
}

#[test]
fn a_once_locks_value_is_dropped_once() {
    let drops = AtomicUsize::new(0);
    let mut lock = OnceLock::new();
    assert!(lock.set(Dropped(&drops)).is_ok());
    assert!(lock.set(Dropped(&drops)).is_err());
    assert_eq!(drops.load(Ordering::SeqCst), 1, "the refused one");
    drop(lock.take());
    assert!(lock.get_mut().is_none());
    assert!(lock.set(Dropped(&drops)).is_ok(), "it is empty again");
    assert!(lock.get_mut().is_some());
    drop(lock.into_inner());
    assert_eq!(drops.load(Ordering::SeqCst), 3);
    drop(OnceLock::from(Dropped(&drops)));
    assert_eq!(drops.load(Ordering::SeqCst), 4);
}

#[test]
fn a_lazy_value_is_made_once_by_one_that_may_wait() {
    static MADE: AtomicUsize = AtomicUsize::new(0);
    everywhere(|kind| {
        let before = MADE.load(Ordering::SeqCst);
        let lazy: Arc<LazyLock<usize>> = Arc::new(LazyLock::new(|| {
            greenhub::yield_now();
            MADE.fetch_add(1, Ordering::SeqCst)
        }));
        assert_eq!(format!("{lazy:?}"), "LazyLock(<uninit>)");
        let all: Vec<_> = (0..8)
            .map(|_| {
                let lazy = Arc::clone(&lazy);
                kind.spawn(move || **lazy)
            })
            .collect();
        for one in all {
            assert_eq!(one.join().unwrap(), before);
        }
        assert_eq!(format!("{lazy:?}"), format!("LazyLock({before})"));
    });
    assert_eq!(*LazyLock::<u8>::default(), 0);
}

#[test]
fn a_lazy_value_whose_making_has_panicked_is_poisoned() {
    let lazy: LazyLock<u8> = LazyLock::new(|| panic!("no value"));
    let force = || panic_of(|| assert_eq!(*lazy, 0));
    assert!(force().contains("no value"));
    assert!(force().contains("has panicked"));
    assert!(force().contains("has panicked"));
}

/// The making is for all: a kill of the one that happens to do it comes after it.
#[test]
fn a_kill_does_not_poison_a_lazy_value() {
    static BEGUN: Event = Event::new();
    static GOES_ON: Event = Event::new();
    everywhere(|kind| {
        BEGUN.clear();
        GOES_ON.clear();
        let lazy: Arc<LazyLock<u8>> = Arc::new(LazyLock::new(|| {
            BEGUN.set();
            GOES_ON.wait();
            7
        }));
        let ours = Arc::clone(&lazy);
        let maker = kind.spawn(move || {
            let _made = **ours;
            greenhub::park();
        });
        BEGUN.wait();
        until_parked_in(maker.greenlet(), "event");
        maker.kill();
        GOES_ON.set();
        assert_eq!(**lazy, 7);
        assert!(maker.join().unwrap_err().is_killed());
    });
}
