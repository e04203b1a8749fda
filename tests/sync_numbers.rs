//! Numbers near the top: refused where they are given, and no destructor panics.

mod common;

use std::sync::Arc;
use std::time::Duration;

use common::panic_of;
use greenhub::sync::Semaphore;

#[test]
fn permits_beyond_the_most_are_refused_where_they_are_added() {
    let semaphore = Arc::new(Semaphore::new(usize::MAX));
    let one = semaphore.acquire();
    let many = Arc::clone(&semaphore).acquire_many_owned(usize::MAX - 5);
    assert_eq!(semaphore.available_permits(), 4);
    // Those that are out will come back.
    let message = panic_of(|| semaphore.add_permits(1));
    assert!(message.contains("too many permits"), "{message}");
    drop(one);
    drop(many);
    assert_eq!(semaphore.available_permits(), usize::MAX);
    semaphore.add_permits(0);
}

#[test]
fn forgotten_permits_make_room_for_others() {
    let semaphore = Arc::new(Semaphore::new(usize::MAX - 1));
    semaphore.acquire_many(7).forget();
    Arc::clone(&semaphore).acquire_many_owned(3).forget();
    semaphore.add_permits(11);
    assert_eq!(semaphore.available_permits(), usize::MAX);
    assert!(panic_of(|| semaphore.add_permits(1)).contains("too many permits"));
    assert_eq!(
        semaphore.available_permits(),
        usize::MAX,
        "it is refused whole"
    );
}

#[test]
fn more_permits_than_there_are_can_be_waited_for() {
    let semaphore = Semaphore::new(5);
    let short = Duration::from_millis(1);
    assert!(semaphore.acquire_many_for(usize::MAX, short).is_none());
    assert!(semaphore.try_acquire_many(usize::MAX).is_none());
    semaphore.add_permits(usize::MAX - 5);
    assert_eq!(semaphore.acquire_many(usize::MAX).count(), usize::MAX);
    assert_eq!(semaphore.available_permits(), usize::MAX);
}
