//! `greenlet_local!`: a value for each greenlet, made and dropped on it.

mod common;

use std::cell::{Cell, RefCell};
use std::rc::Rc;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use common::{
    CountsDrop, Kind, OnDrop, Tally, Watchdog, both_kinds, eventually, everywhere, runtime,
    until_parked,
};
use greenhub::GreenletId;

type Log<T> = Arc<Mutex<Vec<T>>>;

/// Notes on which greenlet it is dropped.
struct NotesPlace(Log<Option<GreenletId>>);

impl Drop for NotesPlace {
    fn drop(&mut self) {
        let place = greenhub::try_current().map(|greenlet| greenlet.id());
        // It may come too late, while the test is failing: that must not hide the failure.
        self.0
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .push(place);
    }
}

/// Notes its name when it is dropped.
struct NotesName(&'static str, Log<&'static str>);

impl Drop for NotesName {
    fn drop(&mut self) {
        self.1.lock().unwrap().push(self.0);
    }
}

struct PanicsOnDrop;

impl Drop for PanicsOnDrop {
    fn drop(&mut self) {
        panic!("a destructor panics");
    }
}

#[test]
fn each_greenlet_has_its_own_value() {
    greenhub::greenlet_local! { static COUNT: Cell<u32> = Cell::new(7); }
    everywhere(|kind| {
        let handles: Vec<_> = (0..20_u32)
            .map(|i| {
                kind.spawn(move || {
                    let before = COUNT.get();
                    COUNT.set(i);
                    greenhub::yield_now();
                    greenhub::sleep(Duration::from_micros(100));
                    (before, COUNT.get())
                })
            })
            .collect();
        for (i, handle) in (0..).zip(handles) {
            assert_eq!(handle.join().unwrap(), (7, i));
        }
        assert_eq!(COUNT.get(), 7);
    });
}

#[test]
fn an_os_thread_has_its_own_value_and_drops_it() {
    greenhub::greenlet_local! { static HELD: RefCell<Option<CountsDrop>> = RefCell::new(None); }
    let _watchdog = Watchdog::new();
    let drops = Tally::new();
    let counted = drops.on_drop();
    std::thread::spawn(move || {
        HELD.set(Some(counted));
        assert!(
            greenhub::run(|| HELD.with_borrow(Option::is_none)),
            "a greenlet sees none of it"
        );
        assert!(HELD.with_borrow(Option::is_some));
    })
    .join()
    .unwrap();
    assert_eq!(drops.get(), 1);
}

#[test]
fn values_need_be_neither_send_nor_sync() {
    greenhub::greenlet_local! { static SHARED: Rc<Cell<u32>> = Rc::new(Cell::new(0)); }
    both_kinds(|kind| {
        let handle = kind.spawn(|| {
            SHARED.with(|shared| shared.set(3));
            SHARED.with(Rc::clone).get()
        });
        assert_eq!(handle.join().unwrap(), 3);
    });
}

#[test]
fn the_methods_of_cells_are_there() {
    greenhub::greenlet_local! {
        static CELL: Cell<u32> = Cell::new(1);
        static WORDS: RefCell<Vec<u32>> = const { RefCell::new(Vec::new()) };
    }
    both_kinds(|_| {
        assert_eq!(CELL.replace(2), 1);
        assert_eq!(CELL.take(), 2);
        assert_eq!(CELL.get(), 0);
        WORDS.with_borrow_mut(|words| words.push(4));
        assert_eq!(WORDS.replace(vec![5, 6]), [4]);
        assert_eq!(WORDS.with_borrow(Vec::len), 2);
        assert_eq!(WORDS.take(), [5, 6]);
        WORDS.set(vec![7]);
        assert_eq!(WORDS.try_with(|words| words.borrow()[0]), Ok(7));
    });
}

#[test]
fn values_are_dropped_on_their_greenlet_before_it_is_joined() {
    greenhub::greenlet_local! { static HELD: RefCell<Option<NotesPlace>> = RefCell::new(None); }
    everywhere(|kind| {
        let log = Log::default();
        let handle = kind.spawn({
            let log = Arc::clone(&log);
            move || HELD.set(Some(NotesPlace(log)))
        });
        let id = handle.greenlet().id();
        handle.join().unwrap();
        assert_eq!(*log.lock().unwrap(), [Some(id)]);
    });
}

#[test]
fn the_youngest_is_dropped_first() {
    greenhub::greenlet_local! {
        static FIRST: RefCell<Option<NotesName>> = RefCell::new(None);
        static SECOND: RefCell<Option<NotesName>> = RefCell::new(None);
        static THIRD: RefCell<Option<NotesName>> = RefCell::new(None);
    }
    both_kinds(|kind| {
        let log = Log::default();
        let noted = Arc::clone(&log);
        let body = move || {
            FIRST.set(Some(NotesName("first", Arc::clone(&noted))));
            SECOND.set(Some(NotesName("second", Arc::clone(&noted))));
            THIRD.set(Some(NotesName("third", noted)));
        };
        kind.spawn(body).join().unwrap();
        assert_eq!(*log.lock().unwrap(), ["third", "second", "first"]);
    });
}

#[test]
fn a_panicking_and_a_killed_greenlet_drop_theirs() {
    greenhub::greenlet_local! { static HELD: RefCell<Option<CountsDrop>> = RefCell::new(None); }
    everywhere(|kind| {
        let drops = Tally::new();
        let counted = drops.on_drop();
        let panicking = kind.spawn(move || {
            HELD.set(Some(counted));
            panic!("on purpose");
        });
        assert!(panicking.join().unwrap_err().is_panic());
        assert_eq!(drops.get(), 1);

        let counted = drops.on_drop();
        let killed = kind.spawn(move || {
            HELD.set(Some(counted));
            greenhub::park();
        });
        until_parked(killed.greenlet());
        killed.kill();
        assert!(killed.join().unwrap_err().is_killed());
        assert_eq!(drops.get(), 2);
    });
}

#[test]
fn a_detached_greenlet_drops_its_values_too() {
    greenhub::greenlet_local! { static HELD: RefCell<Option<CountsDrop>> = RefCell::new(None); }
    everywhere(|kind| {
        let drops = Tally::new();
        let counted = drops.on_drop();
        drop(kind.spawn(move || HELD.set(Some(counted))));
        eventually("the value is dropped", || drops.get() == 1);
    });
}

#[test]
fn an_initialiser_may_make_its_own_value() {
    greenhub::greenlet_local! { static DEEP: Cell<u32> = Cell::new(nested()); }
    thread_local! { static DEPTH: Cell<u32> = const { Cell::new(0) }; }
    fn nested() -> u32 {
        if DEPTH.replace(1) == 0 {
            DEEP.get() + 10
        } else {
            DEPTH.set(0);
            1
        }
    }
    let _watchdog = Watchdog::new();
    // Whichever of the two values is kept, all callers from then on see the same.
    let (first, second) = greenhub::spawn(|| (DEEP.get(), DEEP.get())).join().unwrap();
    assert_eq!(first, second);
}

#[test]
fn an_initialiser_may_wait() {
    greenhub::greenlet_local! {
        static SLOW: Cell<GreenletId> = {
            greenhub::yield_now();
            greenhub::sleep(Duration::from_micros(200));
            Cell::new(greenhub::current().id())
        };
    }
    everywhere(|kind| {
        let handles: Vec<_> = (0..8)
            .map(|_| kind.spawn(|| (SLOW.get(), greenhub::current().id())))
            .collect();
        for handle in handles {
            let (value, own) = handle.join().unwrap();
            assert_eq!(value, own);
        }
    });
}

#[test]
fn an_initialiser_that_panics_is_tried_again() {
    greenhub::greenlet_local! {
        static SECOND_TRY: u32 = {
            assert!(TRIES.replace(TRIES.get() + 1) > 0, "the first try fails");
            5
        };
        static TRIES: Cell<u32> = Cell::new(0);
    }
    both_kinds(|_| {
        assert!(std::panic::catch_unwind(|| SECOND_TRY.with(|value| *value)).is_err());
        assert_eq!(SECOND_TRY.with(|value| *value), 5);
    });
}

#[test]
fn a_destructor_may_use_other_values() {
    greenhub::greenlet_local! {
        static BASE: Cell<u32> = Cell::new(40);
        static USER: RefCell<Option<UsesBase>> = RefCell::new(None);
        static UNUSED: Cell<u32> = Cell::new(2);
    }
    struct UsesBase(Log<u32>);
    impl Drop for UsesBase {
        fn drop(&mut self) {
            self.0.lock().unwrap().push(BASE.get() + UNUSED.get());
        }
    }
    everywhere(|kind| {
        let log = Log::default();
        let noted = Arc::clone(&log);
        let body = move || {
            BASE.set(40);
            USER.set(Some(UsesBase(noted)));
        };
        kind.spawn(body).join().unwrap();
        assert_eq!(*log.lock().unwrap(), [42]);
    });
}

#[test]
fn a_destructor_may_wait() {
    greenhub::greenlet_local! { static HELD: RefCell<Option<OnDrop<fn()>>> = RefCell::new(None); }
    everywhere(|kind| {
        let body = || {
            HELD.set(Some(OnDrop(|| {
                greenhub::yield_now();
                greenhub::spawn(|| ()).join().unwrap();
            })));
            5
        };
        assert_eq!(kind.spawn(body).join().unwrap(), 5);
    });
}

#[test]
fn a_destructor_that_asks_for_its_own_value_comes_to_an_end() {
    greenhub::greenlet_local! { static SELFISH: Selfish = Selfish; }
    struct Selfish;
    impl Drop for Selfish {
        fn drop(&mut self) {
            // An error, or a value that does not do it again for ever.
            let _ = SELFISH.try_with(|_| ());
        }
    }
    both_kinds(|kind| kind.spawn(|| SELFISH.with(|_| ())).join().unwrap());
}

#[test]
fn a_destructor_that_panics_is_the_greenlets_panic() {
    greenhub::greenlet_local! { static BOMB: RefCell<Option<PanicsOnDrop>> = RefCell::new(None); }
    everywhere(|kind| {
        let error = kind
            .spawn(|| BOMB.set(Some(PanicsOnDrop)))
            .join()
            .unwrap_err();
        assert!(error.to_string().contains("a destructor panics"), "{error}");
    });
}

#[test]
fn values_older_than_a_panicking_destructors_are_dropped_on_their_greenlet_too() {
    greenhub::greenlet_local! {
        static OLDER: RefCell<Option<NotesPlace>> = RefCell::new(None);
        static BOMB: RefCell<Option<PanicsOnDrop>> = RefCell::new(None);
    }
    everywhere(|kind| {
        let log = Log::default();
        let handle = kind.spawn({
            let log = Arc::clone(&log);
            move || {
                OLDER.set(Some(NotesPlace(log)));
                BOMB.set(Some(PanicsOnDrop));
            }
        });
        let greenlet = handle.greenlet().clone();
        assert!(handle.join().unwrap_err().is_panic());
        let places = log.lock().unwrap().clone();
        assert_eq!(places, [Some(greenlet.id())]);
    });
}

#[test]
fn values_older_than_a_killed_destructors_are_dropped_on_their_greenlet_too() {
    greenhub::greenlet_local! {
        static OLDER: RefCell<Option<NotesPlace>> = RefCell::new(None);
        static WAITS: RefCell<Option<OnDrop<fn()>>> = RefCell::new(None);
    }
    everywhere(|kind| {
        let log = Log::default();
        let handle = kind.spawn({
            let log = Arc::clone(&log);
            move || {
                OLDER.set(Some(NotesPlace(log)));
                WAITS.set(Some(OnDrop(|| greenhub::sleep(Duration::from_millis(1)))));
                greenhub::park();
            }
        });
        until_parked(handle.greenlet());
        handle.kill();
        let greenlet = handle.greenlet().clone();
        assert!(handle.join().unwrap_err().is_killed());
        let places = log.lock().unwrap().clone();
        assert_eq!(places, [Some(greenlet.id())]);
    });
}

#[test]
fn an_output_whose_destructor_panics_beside_a_panicking_local_is_survived() {
    greenhub::greenlet_local! { static BOMB: RefCell<Option<PanicsOnDrop>> = RefCell::new(None); }
    everywhere(|kind| {
        let body = || {
            BOMB.set(Some(PanicsOnDrop));
            PanicsOnDrop
        };
        assert!(kind.spawn(body).join().is_err_and(|error| error.is_panic()));
        assert_eq!(kind.spawn(|| 5).join().unwrap(), 5);
    });
}

#[test]
fn a_runtime_that_is_dropped_drops_the_values_of_those_that_wait() {
    greenhub::greenlet_local! { static HELD: RefCell<Option<CountsDrop>> = RefCell::new(None); }
    let _watchdog = Watchdog::new();
    for (hubs, kind) in [1, 2, 4]
        .into_iter()
        .flat_map(|hubs| Kind::BOTH.map(|kind| (hubs, kind)))
    {
        let drops = Tally::new();
        let runtime = runtime(hubs);
        runtime.run(|| {
            for _ in 0..10 {
                let counted = drops.on_drop();
                let waits = kind.spawn(move || {
                    HELD.set(Some(counted));
                    greenhub::park();
                });
                until_parked(waits.greenlet());
            }
        });
        assert_eq!(drops.get(), 0);
        drop(runtime);
        assert_eq!(drops.get(), 10);
    }
}
