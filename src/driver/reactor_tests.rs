//! Drivers of every kind of poller, with real sockets. Threads stand in for greenlets. `reactor_blocking_tests` looks at how
//! a driver blocks.

use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::os::fd::{AsFd, AsRawFd, FromRawFd, OwnedFd};
use std::os::unix::net::UnixStream;

use super::*;
use crate::driver::readiness::{Cleared, Enrolled, Seen};
use crate::driver::registration::{Direction, Registration};

/// Longer than anything here takes; a wait that gets this far has lost its wake-up.
pub(super) const LONG: Duration = Duration::from_secs(20);

/// A driver for each way to wait: the direct one, that on an old kernel, the portable one.
pub(super) fn drivers() -> Vec<Arc<Driver>> {
    let pollers = [Poller::new(), Poller::coarse(), Poller::portable()];
    pollers
        .into_iter()
        .map(|poller| Arc::new(Driver::with_poller(poller.unwrap(), LaneId::new())))
        .collect()
}

pub(super) fn register(driver: &Arc<Driver>, socket: &impl AsFd) -> Registration {
    // SAFETY: the tests drop the registration first, or the descriptor stays open until the driver is gone.
    unsafe { Registration::new(driver, socket.as_fd()) }.unwrap()
}

/// Two connected sockets that do not block.
pub(super) fn pair() -> (UnixStream, UnixStream) {
    let (one, other) = UnixStream::pair().unwrap();
    one.set_nonblocking(true).unwrap();
    other.set_nonblocking(true).unwrap();
    (one, other)
}

fn tcp_pair() -> (TcpStream, TcpStream) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let one = TcpStream::connect(listener.local_addr().unwrap()).unwrap();
    let (other, _) = listener.accept().unwrap();
    one.set_nonblocking(true).unwrap();
    other.set_nonblocking(true).unwrap();
    (one, other)
}

/// Dispatches what there is, until `done`.
fn turn_until(driver: &Driver, done: impl Fn() -> bool) {
    let deadline = Instant::now() + LONG;
    let mut events = Events::new();
    while !done() {
        assert!(Instant::now() < deadline, "no event came");
        driver
            .block(
                &mut events,
                Some(Instant::now() + Duration::from_millis(50)),
            )
            .unwrap();
    }
}

/// Forgets what was reported so far, as attempts that would block do.
pub(super) fn settle(driver: &Driver, registration: &Registration) {
    let mut events = Events::new();
    driver.poll(&mut events, true).unwrap();
    for direction in [Direction::Read, Direction::Write] {
        let readiness = registration.readiness(direction);
        assert_eq!(readiness.clear(readiness.look()), Cleared::Yes);
    }
}

pub(super) fn current_thread() -> Unparker {
    let unparker = crate::context::with_parker(|parker| parker.unparker().clone());
    Unparker::Thread(unparker.unwrap())
}

fn enrol(registration: &Registration, direction: Direction) {
    let waiter = current_thread();
    assert!(matches!(
        registration.readiness(direction).enrol(waiter),
        Enrolled::Waiting(_)
    ));
}

fn is_ready(registration: &Registration, direction: Direction) -> bool {
    registration.readiness(direction).look().is_ready()
}

/// Blocks until `count` waiters were woken.
fn wakes(driver: &Driver, count: usize) {
    let deadline = Instant::now() + LONG;
    let mut events = Events::new();
    let mut woken = 0;
    while woken < count {
        assert!(Instant::now() < deadline, "only {woken} of {count} woken");
        woken += driver.block(&mut events, Some(deadline)).unwrap();
    }
    assert_eq!(woken, count);
}

#[test]
fn arriving_bytes_wake_every_reader() {
    for driver in drivers() {
        let (ours, mut peer) = pair();
        let registration = register(&driver, &ours);
        settle(&driver, &registration);
        enrol(&registration, Direction::Read);
        enrol(&registration, Direction::Read);
        peer.write_all(b"x").unwrap();
        wakes(&driver, 2);
        assert!(is_ready(&registration, Direction::Read));
    }
}

#[test]
fn what_is_ready_before_the_registration_is_reported() {
    for driver in drivers() {
        let (ours, mut peer) = pair();
        peer.write_all(b"x").unwrap();
        let registration = register(&driver, &ours);
        // An attempt from before: it saw nothing, though the byte is there.
        let readiness = registration.readiness(Direction::Read);
        assert_eq!(readiness.clear(Seen::BIRTH), Cleared::Yes);
        turn_until(&driver, || is_ready(&registration, Direction::Read));
    }
}

#[test]
fn room_wakes_a_writer() {
    for driver in drivers() {
        let (mut ours, mut peer) = pair();
        let registration = register(&driver, &ours);
        while ours.write(&[0; 65_536]).is_ok() {}
        settle(&driver, &registration);
        enrol(&registration, Direction::Write);
        while peer.read(&mut [0; 65_536]).is_ok() {}
        wakes(&driver, 1);
        assert!(is_ready(&registration, Direction::Write));
    }
}

#[test]
fn a_hang_up_wakes_both_directions() {
    for driver in drivers() {
        let (mut ours, peer) = pair();
        let registration = register(&driver, &ours);
        while ours.write(&[0; 65_536]).is_ok() {}
        settle(&driver, &registration);
        enrol(&registration, Direction::Read);
        enrol(&registration, Direction::Write);
        drop(peer);
        wakes(&driver, 2);
    }
}

#[test]
fn an_error_alone_wakes_a_writer() {
    for driver in drivers() {
        // A full pipe whose reader goes is in error, and has no more room than before.
        let mut ends = [0; 2];
        // SAFETY: there is room for two descriptors, which nobody else knows.
        let [reader, writer] = unsafe {
            assert_eq!(libc::pipe2(ends.as_mut_ptr(), libc::O_NONBLOCK), 0);
            ends.map(|end| OwnedFd::from_raw_fd(end))
        };
        let registration = register(&driver, &writer);
        let mut writer = std::fs::File::from(writer);
        while writer.write(&[0; 65_536]).is_ok() {}
        settle(&driver, &registration);
        enrol(&registration, Direction::Write);
        drop(reader);
        wakes(&driver, 1);
        drop(registration);
    }
}

#[test]
fn a_reset_wakes_both_directions() {
    for driver in drivers() {
        let (mut ours, mut peer) = tcp_pair();
        let registration = register(&driver, &ours);
        while ours.write(&[0; 65_536]).is_ok() {}
        settle(&driver, &registration);
        enrol(&registration, Direction::Read);
        enrol(&registration, Direction::Write);
        // Closing with bytes unread resets the connection.
        turn_until(&driver, || peer.peek(&mut [0]).is_ok());
        peer.read_exact(&mut [0]).unwrap();
        drop(peer);
        turn_until(&driver, || {
            is_ready(&registration, Direction::Read) && is_ready(&registration, Direction::Write)
        });
    }
}

#[test]
fn last_bytes_that_come_with_the_closing_are_not_taken_for_all() {
    for driver in drivers() {
        let (mut ours, mut peer) = tcp_pair();
        let registration = register(&driver, &ours);
        settle(&driver, &registration);
        peer.write_all(b"last").unwrap();
        drop(peer);
        // Both have arrived before anybody looks: one edge for the two.
        while ours.peek(&mut [0; 8]).is_err() {}
        let readiness = registration.readiness(Direction::Read);
        turn_until(&driver, || readiness.look().is_ready());
        let seen = readiness.look();
        assert_eq!(ours.read(&mut [0; 8]).unwrap(), 4);
        if readiness.clear_after_short(seen) == Cleared::Yes {
            // Only if the closing is still to be reported.
            turn_until(&driver, || readiness.look().is_ready());
        }
        assert_eq!(ours.read(&mut [0; 8]).unwrap(), 0);
    }
}

#[test]
fn the_direct_way_trusts_a_short_read_and_the_portable_way_does_not() {
    let ways = [
        (Poller::new(), Cleared::Yes),
        (Poller::portable(), Cleared::No),
    ];
    for (poller, expected) in ways {
        let driver = Arc::new(Driver::with_poller(poller.unwrap(), LaneId::new()));
        let (mut ours, mut peer) = tcp_pair();
        let registration = register(&driver, &ours);
        settle(&driver, &registration);
        peer.write_all(b"some").unwrap();
        let readiness = registration.readiness(Direction::Read);
        turn_until(&driver, || readiness.look().is_ready());
        let seen = readiness.look();
        assert_eq!(ours.read(&mut [0; 8]).unwrap(), 4);
        assert_eq!(readiness.clear_after_short(seen), expected);
        peer.write_all(b"more").unwrap();
        turn_until(&driver, || readiness.look().is_ready());
        assert_eq!(ours.read(&mut [0; 8]).unwrap(), 4);
    }
}

#[test]
fn whoever_helps_wakes_the_hubs_waiters() {
    for driver in drivers() {
        let (ours, mut peer) = pair();
        let registration = register(&driver, &ours);
        settle(&driver, &registration);
        enrol(&registration, Direction::Read);
        peer.write_all(b"x").unwrap();
        let mut events = Events::new();
        let deadline = Instant::now() + LONG;
        while driver.poll(&mut events, false).unwrap() == 0 {
            assert!(Instant::now() < deadline, "no event came");
        }
    }
}

#[test]
fn a_registration_that_fails_leaves_nothing_behind() {
    for driver in drivers() {
        // A regular file cannot be polled.
        let file = std::fs::File::open("/proc/self/exe").unwrap();
        for _ in 0..1_000 {
            // SAFETY: the file stays open.
            let result = unsafe { Registration::new(&driver, file.as_fd()) };
            assert_eq!(result.unwrap_err().raw_os_error(), Some(libc::EPERM));
        }
        assert_eq!(driver.registered(), 0);
        assert_eq!(driver.sockets.lock().slots.iter().count(), 0);
    }
}

#[test]
fn deregistering_wakes_whoever_waits_and_frees_the_place() {
    for driver in drivers() {
        let (ours, _peer) = pair();
        let registration = register(&driver, &ours);
        settle(&driver, &registration);
        enrol(&registration, Direction::Read);
        let began = Instant::now();
        let closer = std::thread::spawn(move || drop(registration));
        crate::context::with_parker(|parker| parker.park_timeout(LONG));
        assert!(began.elapsed() < LONG, "the waiter was not woken");
        closer.join().unwrap();
        assert_eq!(driver.registered(), 0);
        assert_eq!(driver.sockets.lock().slots.iter().count(), 0);
    }
}

#[test]
fn a_late_event_of_a_closed_socket_does_not_reach_its_successor() {
    for driver in drivers() {
        let mut events = Events::new();
        let (ours, mut peer) = pair();
        let number = ours.as_raw_fd();
        let registration = register(&driver, &ours);
        settle(&driver, &registration);
        peer.write_all(b"x").unwrap();
        // The event is taken from the kernel, but not yet looked at.
        driver
            .poller
            .wait(&mut events.batch, None, Waiter::Owner)
            .unwrap();
        assert_ne!(events.batch.iter().count(), 0);
        drop(registration);
        // Another socket gets the number and the place.
        let (next, mut next_peer) = pair();
        // SAFETY: both are open; the number now means the new socket.
        assert_eq!(unsafe { libc::dup2(next.as_raw_fd(), number) }, number);
        let registration = register(&driver, &ours);
        let readiness = registration.readiness(Direction::Read);
        assert_eq!(readiness.clear(Seen::BIRTH), Cleared::Yes);
        driver.dispatch(&mut events);
        assert!(!readiness.look().is_ready());
        // Its own events do.
        next_peer.write_all(b"x").unwrap();
        turn_until(&driver, || readiness.look().is_ready());
        drop(registration);
    }
}

#[test]
fn a_closed_driver_wakes_everybody_and_registers_nobody() {
    for driver in drivers() {
        let (ours, other) = pair();
        let registration = register(&driver, &ours);
        settle(&driver, &registration);
        enrol(&registration, Direction::Read);
        driver.close();
        let began = Instant::now();
        crate::context::with_parker(|parker| parker.park_timeout(LONG));
        assert!(began.elapsed() < LONG, "the waiter was not woken");
        assert!(registration.readiness(Direction::Read).look().is_closed());
        assert!(registration.readiness(Direction::Write).look().is_closed());
        // SAFETY: it stays open.
        assert!(unsafe { Registration::new(&driver, other.as_fd()) }.is_err());
        drop(registration);
        assert_eq!(driver.registered(), 0);
    }
}

#[test]
fn what_a_timer_does_fits_beside_its_number() {
    // The rest of the 64 bytes that `timers_tests` counts.
    assert!(size_of::<Fire>() <= 24);
}

#[test]
fn descriptors_come_and_go_with_the_driver() {
    let open = || std::fs::read_dir("/proc/self/fd").unwrap().count();
    // Other tests open descriptors at the same time: leaks show as hundreds.
    let before = open();
    for _ in 0..100 {
        drop(drivers());
    }
    assert!(open() < before + 200);
}
