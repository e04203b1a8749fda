//! Who holds a lock: threads at their very end, and greenlets whose guard outlives them, are taken for nobody else.

mod common;

use std::cell::RefCell;
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use common::{Watchdog, runtime};
use greenhub::sync::ReentrantMutex;

/// Does what it was given to do when its thread's other values may be gone.
struct AtTheEnd(RefCell<Option<Box<dyn FnOnce()>>>);

impl Drop for AtTheEnd {
    fn drop(&mut self) {
        if let Some(f) = self.0.take() {
            f();
        }
    }
}

thread_local! {
    static AT_THE_END: AtTheEnd = const { AtTheEnd(RefCell::new(None)) };
}

/// Two threads in their destructors want the same lock. (On the old code both were "thread 1", and had it at once, in each of 200
/// rounds.)
#[test]
fn two_threads_in_their_destructors_exclude_each_other() {
    let _watchdog = Watchdog::new();
    for _ in 0..200 {
        let shared = Arc::new((ReentrantMutex::new(()), AtomicUsize::new(0)));
        let meet = Arc::new(std::sync::Barrier::new(2));
        let threads = [(); 2].map(|()| {
            let (shared, meet) = (Arc::clone(&shared), Arc::clone(&meet));
            std::thread::spawn(move || {
                // Made before the parker, and so dropped after it.
                AT_THE_END.with(|end| {
                    *end.0.borrow_mut() = Some(Box::new(move || {
                        meet.wait();
                        let (lock, inside) = &*shared;
                        for _ in 0..3 {
                            let _guard = lock.lock();
                            let _again = lock.lock();
                            let others = inside.fetch_add(1, Ordering::SeqCst);
                            std::thread::yield_now();
                            inside.fetch_sub(1, Ordering::SeqCst);
                            if others > 0 {
                                // Seen by the main thread: a panic here would end the process.
                                inside.fetch_add(1_000_000, Ordering::SeqCst);
                            }
                        }
                    }));
                });
                greenhub::sleep(Duration::from_micros(1));
            })
        });
        threads
            .into_iter()
            .for_each(|thread| thread.join().unwrap());
        assert_eq!(shared.1.load(Ordering::SeqCst), 0, "both were inside");
    }
}

/// A greenlet's guard lives on when it has ended, and its memory goes to another greenlet: that one is not let in. (On the old code
/// it was, as soon as its header lay where the first one's had: in the first of these 1,000.)
#[test]
fn a_guard_outlives_its_greenlet_and_lets_nobody_in() {
    let _watchdog = Watchdog::new();
    let runtime = runtime(1);
    runtime.run(|| {
        let lock: &'static ReentrantMutex<u8> = Box::leak(Box::new(ReentrantMutex::new(0)));
        let kept = Rc::new(RefCell::new(None));
        let keeps = Rc::clone(&kept);
        greenhub::spawn_local(move || *keeps.borrow_mut() = Some(lock.lock()))
            .join()
            .unwrap();
        assert!(kept.borrow().is_some());
        for _ in 0..1_000 {
            let newcomer = greenhub::spawn_local(move || lock.try_lock().is_some());
            assert!(!newcomer.join().unwrap(), "two have it");
        }
    });
}
