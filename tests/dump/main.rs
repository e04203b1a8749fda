//! `Runtime::dump`: every greenlet is listed once, with its state and its wait, whatever the hubs are doing.

#[path = "../common/mod.rs"]
mod common;
mod crowds;
#[cfg(all(
    feature = "stacks",
    target_os = "linux",
    any(target_arch = "x86_64", target_arch = "aarch64")
))]
mod stacks;

use std::panic::Location;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use common::{Gate, Kind, Tally, Watchdog, eventually, runtime, until_parked_in};
use greenhub::channel::{bounded, unbounded};
use greenhub::net::{TcpListener, TcpStream};
use greenhub::runtime::{
    Dump, GreenletDump, GreenletKind, GreenletState, Handle, HubActivity, Lane, Runtime, WaitKind,
};
use greenhub::sync::{Barrier, Condvar, Event, Mutex, OnceLock, Semaphore};
use greenhub::{Greenlet, JoinHandle};

const LONG: Duration = Duration::from_secs(3600);

/// The line of a greenlet; it must be there once.
#[track_caller]
fn entry<'a>(dump: &'a Dump, greenlet: &Greenlet) -> &'a GreenletDump {
    let mut entries = dump
        .greenlets()
        .iter()
        .filter(|entry| entry.id() == greenlet.id());
    let entry = entries.next().unwrap_or_else(|| {
        panic!("{greenlet:?} is missing in\n{dump:#}");
    });
    assert!(entries.next().is_none(), "{greenlet:?} is listed twice");
    entry
}

/// Where a greenlet that spins says that it does, so that it is known to be in its slice.
fn spin(started: &AtomicBool, until: &AtomicBool) {
    started.store(true, Ordering::Release);
    let deadline = Instant::now() + Duration::from_secs(40);
    while !until.load(Ordering::Acquire) {
        assert!(Instant::now() < deadline, "nobody has stopped the spinning");
        std::hint::spin_loop();
    }
}

/// A wait of every kind, with the place of the call that waits.
#[test]
fn every_kind_of_wait_is_listed_with_its_place_and_its_time() {
    let _watchdog = Watchdog::new();
    for kind in Kind::BOTH {
        let runtime = runtime(2);
        runtime.run(|| every_wait(kind));
    }
}

fn every_wait(kind: Kind) {
    let mut waits: Vec<(WaitKind, u32, JoinHandle<()>)> = Vec::new();
    macro_rules! wait {
        ($kind:ident, $wait:expr) => {{
            // The wait is on the line of the macro's call.
            let handle = kind.spawn(move || {
                let _ended = $wait;
            });
            waits.push((WaitKind::$kind, line!(), handle));
        }};
    }
    let (rendezvous, keep_rendezvous) = bounded::<()>(0);
    let (keep_full, empty) = unbounded::<()>();
    let mutex = Arc::new(Mutex::new(()));
    let mutex_too = Arc::clone(&mutex);
    let locked = mutex_too.lock();
    let other_mutex = Arc::new(Mutex::new(()));
    let condvar = Arc::new(Condvar::new());
    let semaphore = Arc::new(Semaphore::new(0));
    let barrier = Arc::new(Barrier::new(2));
    let event = Arc::new(Event::new());
    let once = Arc::new(OnceLock::new());
    let initialising = kind.spawn({
        let once = Arc::clone(&once);
        move || {
            once.get_or_init(greenhub::park);
        }
    });
    until_parked_in(initialising.greenlet(), "park");
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let client = TcpStream::connect(listener.local_addr().unwrap()).unwrap();
    let _server = listener.accept().unwrap();
    let sleeper = kind.spawn(|| greenhub::sleep(LONG));
    let joined = sleeper.greenlet().clone();

    wait!(Park, greenhub::park());
    wait!(Sleep, greenhub::sleep(LONG));
    wait!(Join, sleeper.join());
    wait!(Send, rendezvous.send(()));
    let receiver = empty.clone();
    wait!(Receive, receiver.recv());
    let others = empty.clone();
    wait!(Lock, mutex.lock());
    wait!(Condvar, condvar.wait(&mut other_mutex.lock()));
    wait!(Semaphore, semaphore.acquire());
    wait!(Barrier, barrier.wait());
    wait!(Event, event.wait());
    wait!(Once, once.get_or_init(|| ()));
    wait!(Future, greenhub::block_on(std::future::pending::<()>()));
    wait!(Accept, listener.accept());
    wait!(Read, std::io::Read::read(&mut &client, &mut [0]));
    let scope = || greenhub::scope(|scope| drop(scope.spawn(|| greenhub::sleep(LONG))));
    let scope_line = line!() - 1;
    wait!(Scope, scope());

    for (wait, _, handle) in &waits {
        until_parked_in(handle.greenlet(), &wait.to_string());
    }
    let dump = Handle::current().dump();
    for (wait, line, handle) in &waits {
        let entry = entry(&dump, handle.greenlet());
        assert_eq!(entry.state(), GreenletState::Parked, "{entry}");
        assert_eq!(entry.waits_for(), Some(*wait), "{entry}");
        let place = entry.waits_at().expect("a wait has a place");
        let line = match wait {
            WaitKind::Scope => scope_line,
            _ => *line,
        };
        // `Read` is std's trait, whose method has no caller's place.
        if *wait != WaitKind::Read {
            assert_eq!((place.file(), place.line()), (file!(), line), "{entry}");
        }
        assert!(
            entry.waited().is_some_and(|waited| waited < LONG),
            "{entry}"
        );
        assert_eq!(entry.spawned_at().file(), file!());
        let expected = match kind {
            Kind::Settled => GreenletKind::Settled,
            Kind::Migrating => GreenletKind::Migrating,
        };
        assert_eq!(entry.kind(), expected, "{entry}");
        let text = entry.to_string();
        assert!(
            text.contains(&format!("parked in {wait} at {place}")),
            "{text}"
        );
    }
    drop((keep_rendezvous, keep_full, others, locked));
    for (.., handle) in &waits {
        handle.kill();
    }
    joined.kill();
    initialising.kill();
}

#[test]
fn each_state_and_kind_is_told_apart() {
    let _watchdog = Watchdog::new();
    let runtime = Runtime::builder().hubs(1).build().unwrap();
    runtime.run(|| {
        let gate = Gate::new();
        let builder = greenhub::Builder::new().name(String::from("the parked one"));
        let parked = builder.spawn(greenhub::park).unwrap();
        until_parked_in(parked.greenlet(), "park");
        let ready = greenhub::spawn({
            let gate = gate.clone();
            move || gate.pass()
        });
        // SAFETY: it keeps nothing of its thread's.
        let migrating = unsafe { greenhub::spawn_migrating(greenhub::park) };
        until_parked_in(migrating.greenlet(), "park");
        let ready_migrating = unsafe {
            // SAFETY: as above.
            greenhub::spawn_migrating({
                let gate = gate.clone();
                move || gate.pass()
            })
        };
        eventually("both yield", || {
            [&ready, &ready_migrating]
                .iter()
                .all(|one| format!("{:?}", one.greenlet()).contains("Active"))
        });
        let delayed = greenhub::spawn_after(LONG, || ());
        // Neither begins before this greenlet waits.
        let fresh = greenhub::spawn(|| ());
        let local = greenhub::spawn_local(|| ());

        let dump = Handle::current().dump();
        let me = entry(&dump, &greenhub::current());
        assert_eq!(
            (me.state(), me.waits_for()),
            (GreenletState::Running, None),
            "{me}"
        );
        let parked = entry(&dump, parked.greenlet());
        assert_eq!(parked.name(), Some("the parked one"));
        assert_eq!(parked.hub(), Some(0));
        assert_eq!(parked.lane(), Lane::Main);
        assert_eq!(parked.kind(), GreenletKind::Settled);
        assert!(parked.to_string().contains("'the parked one'"));
        assert_eq!(entry(&dump, ready.greenlet()).state(), GreenletState::Ready);
        let migrating = entry(&dump, migrating.greenlet());
        assert_eq!(migrating.kind(), GreenletKind::Migrating);
        assert_eq!(
            (migrating.state(), migrating.hub()),
            (GreenletState::Parked, None)
        );
        let ready = entry(&dump, ready_migrating.greenlet());
        assert_eq!(ready.kind(), GreenletKind::Migrating);
        let delayed_entry = entry(&dump, delayed.greenlet());
        assert_eq!(delayed_entry.state(), GreenletState::Fresh);
        assert!(delayed_entry.starts_in().is_some_and(|delay| delay <= LONG));
        assert_eq!(entry(&dump, local.greenlet()).kind(), GreenletKind::Local);
        let fresh = entry(&dump, fresh.greenlet());
        assert_eq!(
            (fresh.state(), fresh.hub()),
            (GreenletState::Fresh, Some(0))
        );
        assert_eq!(fresh.starts_in(), None);
        assert_eq!(dump.unlisted(), 0);
        gate.open();
        delayed.kill();
    });
}

/// The caller waits for the compute lane's hubs, so its own runs on meanwhile.
#[test]
fn both_lanes_are_listed() {
    let _watchdog = Watchdog::new();
    for kind in Kind::BOTH {
        let compute_hubs = Runtime::builder().hubs(1).compute_hubs(2);
        let runtime = compute_hubs.build().unwrap();
        runtime.run(|| {
            let builder = kind.builder().compute();
            let parked = builder.spawn(greenhub::park).unwrap();
            until_parked_in(parked.greenlet(), "park");
            let dump = Handle::current().dump();
            let lanes: Vec<_> = dump
                .hubs()
                .iter()
                .map(|hub| (hub.lane(), hub.index()))
                .collect();
            assert_eq!(
                lanes,
                [(Lane::Main, 0), (Lane::Compute, 0), (Lane::Compute, 1)]
            );
            let parked_entry = entry(&dump, parked.greenlet());
            assert_eq!(parked_entry.lane(), Lane::Compute);
            assert!(
                parked_entry.to_string().contains("compute"),
                "{parked_entry}"
            );
            assert!(dump.to_string().contains("compute hub 1: "), "{dump}");
            assert_eq!(entry(&dump, &greenhub::current()).lane(), Lane::Main);
            parked.kill();
        });
    }
}

/// The caller runs: on a single hub nobody has to be waited for.
#[test]
fn a_greenlet_that_dumps_is_listed_as_running() {
    let _watchdog = Watchdog::new();
    for kind in Kind::BOTH {
        runtime(1).run(|| {
            let (id, dump) = kind
                .spawn(|| (greenhub::current(), Handle::current().dump()))
                .join()
                .unwrap();
            let me = entry(&dump, &id);
            assert_eq!(me.state(), GreenletState::Running, "{dump}");
            assert_eq!(me.hub(), Some(0));
            assert_eq!(dump.hubs()[0].state(), HubActivity::Running(Some(id.id())));
        });
    }
}

/// Fresh greenlets are taken out of their queues to be listed: none is lost, and their order stays.
#[test]
fn what_is_queued_is_listed_and_still_runs_in_its_order() {
    let _watchdog = Watchdog::new();
    runtime(1).run(|| {
        let order = Arc::new(std::sync::Mutex::new(Vec::new()));
        let fresh: Vec<_> = (0..1000)
            .map(|number| {
                let order = Arc::clone(&order);
                greenhub::spawn(move || order.lock().unwrap().push(number))
            })
            .collect();
        for _ in 0..3 {
            let dump = Handle::current().dump();
            for one in &fresh {
                let entry = entry(&dump, one.greenlet());
                assert_eq!(entry.state(), GreenletState::Fresh);
                assert_eq!(entry.hub(), Some(0));
            }
            assert_eq!(dump.hubs()[0].stealable(), 1000);
        }
        greenhub::join_all(fresh);
        assert_eq!(*order.lock().unwrap(), (0..1000).collect::<Vec<_>>());
    });
}

/// From another thread, while the only hub spins: its settled greenlets are read from outside, and what it has queued is
/// moved to where others can take it.
#[test]
fn a_hub_that_is_stuck_neither_hangs_the_dump_nor_hides_its_greenlets() {
    let _watchdog = Watchdog::new();
    for kind in Kind::BOTH {
        let runtime = runtime(1);
        let parked = runtime.run(|| {
            let builder = greenhub::Builder::new().name(String::from("behind the stuck one"));
            let parked = [
                builder.spawn(greenhub::park).unwrap(),
                kind.spawn(greenhub::park),
            ];
            for one in &parked {
                until_parked_in(one.greenlet(), "park");
            }
            parked
        });
        let (started, until) = (
            Arc::new(AtomicBool::new(false)),
            Arc::new(AtomicBool::new(false)),
        );
        let fresh = Arc::new(std::sync::Mutex::new(Vec::new()));
        let stuck = runtime.spawn({
            let (started, until, fresh) =
                (Arc::clone(&started), Arc::clone(&until), Arc::clone(&fresh));
            move || {
                *fresh.lock().unwrap() = (0..3).map(|_| greenhub::spawn(|| ())).collect();
                spin(&started, &until);
            }
        });
        eventually("it spins", || started.load(Ordering::Acquire));
        let injected = runtime.spawn(|| ());
        let fresh = std::mem::take(&mut *fresh.lock().unwrap());

        let dump = runtime.dump();
        let hub = &dump.hubs()[0];
        assert!(
            hub.is_stuck() && hub.is_listed() == cfg!(target_os = "linux"),
            "{dump}"
        );
        let one = entry(&dump, stuck.greenlet());
        assert_eq!(one.state(), GreenletState::Running, "{dump}");
        if cfg!(target_os = "linux") {
            assert_eq!(
                hub.state(),
                HubActivity::Running(Some(stuck.greenlet().id())),
                "{dump}"
            );
            let one = entry(&dump, parked[0].greenlet());
            assert_eq!(one.name(), Some("behind the stuck one"));
            assert_eq!(one.waits_for(), Some(WaitKind::Park));
            assert_eq!(one.state(), GreenletState::Parked);
        }
        assert_eq!(
            entry(&dump, parked[1].greenlet()).state(),
            GreenletState::Parked
        );
        for one in fresh.iter().chain([&injected]) {
            assert_eq!(entry(&dump, one.greenlet()).state(), GreenletState::Fresh);
        }
        until.store(true, Ordering::Release);
        stuck.join().unwrap();
        injected.join().unwrap();
        for one in fresh {
            one.join().unwrap();
        }
        for one in parked {
            one.greenlet().unpark();
            one.join().unwrap();
        }
    }
}

#[test]
fn two_runtimes_list_their_own_greenlets() {
    let _watchdog = Watchdog::new();
    let (one, other) = (runtime(1), runtime(2));
    let (mine, theirs) = (one.spawn(greenhub::park), other.spawn(greenhub::park));
    until_parked_in(mine.greenlet(), "park");
    until_parked_in(theirs.greenlet(), "park");
    // A greenlet of the one asks for the other.
    let handle = other.handle();
    let dump = one.run(move || handle.dump());
    assert_eq!(dump.hubs().len(), 2);
    entry(&dump, theirs.greenlet());
    assert!(
        dump.greenlets()
            .iter()
            .all(|entry| entry.id() != mine.greenlet().id())
    );
    entry(&one.dump(), mine.greenlet());
}

#[test]
fn many_that_are_alike_share_a_line() {
    let _watchdog = Watchdog::new();
    let runtime = runtime(2);
    let odd = runtime.run(|| {
        let many: Vec<_> = (0..5000).map(|_| greenhub::spawn(greenhub::park)).collect();
        let odd = greenhub::spawn(|| greenhub::sleep(LONG));
        for one in many.iter().chain([&odd]) {
            until_parked_in(
                one.greenlet(),
                if one.greenlet() == odd.greenlet() {
                    "sleep"
                } else {
                    "park"
                },
            );
        }
        odd
    });
    let place: &Location<'_> = odd.greenlet().spawned_at();
    let dump = runtime.dump();
    let text = dump.to_string();
    assert!(text.lines().count() < 20, "{text}");
    assert!(
        text.contains("5000 greenlets: parked in park at "),
        "{text}"
    );
    assert!(
        text.contains(&format!(
            "greenlet #{}: parked in sleep at ",
            odd.greenlet().id()
        )),
        "{text}"
    );
    assert!(text.contains(&format!("spawned at {place}")), "{text}");
    assert!(
        text.starts_with("runtime 'greenhub': 5001 greenlets (5001 parked), 2 hubs\n"),
        "{text}"
    );
    let all = format!("{dump:#}");
    assert_eq!(
        all.lines()
            .filter(|line| line.starts_with("greenlet #"))
            .count(),
        5001
    );
}
