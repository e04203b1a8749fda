//! Dumps in the middle of everything that greenlets do, and of the end.

use super::*;

/// A dump in a loop beside everything that greenlets do: whoever lives all the time is in each, once.
#[test]
fn whoever_lives_all_the_time_is_in_every_dump_once() {
    let _watchdog = Watchdog::new();
    let greenlets = if cfg!(debug_assertions) {
        1_000
    } else {
        10_000
    };
    for hubs in [1, 2, 4] {
        let runtime = runtime(hubs);
        let lasting: Vec<JoinHandle<()>> = runtime.run(|| {
            let lasting = (0..greenlets / 10)
                .map(|number| match number % 4 {
                    0 => Kind::Settled.spawn(greenhub::park),
                    1 => Kind::Migrating.spawn(greenhub::park),
                    2 => Kind::Migrating.spawn(|| {
                        loop {
                            greenhub::sleep(Duration::from_micros(500))
                        }
                    }),
                    _ => greenhub::spawn_after(LONG, || ()),
                })
                .collect::<Vec<_>>();
            for (number, one) in lasting.iter().enumerate() {
                if number % 4 < 2 {
                    until_parked_in(one.greenlet(), "park");
                } else if number % 4 == 2 {
                    eventually("it has started", || {
                        !format!("{:?}", one.greenlet()).contains("Fresh")
                    });
                }
            }
            lasting
        });
        let stop = Gate::new();
        let churned = Tally::new();
        let churn = runtime.spawn({
            let (stop, churned) = (stop.clone(), churned.clone());
            move || {
                while !stop.is_open() {
                    let some: Vec<_> = (0..greenlets)
                        .map(|number| {
                            let kind = Kind::BOTH[number % 2];
                            kind.spawn(move || match number % 3 {
                                0 => greenhub::park(),
                                1 => greenhub::yield_now(),
                                _ => {}
                            })
                        })
                        .collect();
                    greenhub::yield_now();
                    for (number, one) in some.iter().enumerate() {
                        match number % 2 {
                            0 => one.greenlet().unpark(),
                            _ => one.kill(),
                        }
                    }
                    greenhub::join_all(some);
                    churned.add();
                }
            }
        });
        let mut dumps = 0;
        let enough = if cfg!(debug_assertions) { 5 } else { 20 };
        while dumps < enough || churned.get() < 3 {
            let dump = runtime.dump();
            let mut ids: Vec<_> = dump.greenlets().iter().map(GreenletDump::id).collect();
            let listed = ids.len();
            ids.dedup();
            assert_eq!(ids.len(), listed, "somebody is listed twice");
            for one in &lasting {
                assert!(
                    ids.binary_search(&one.greenlet().id()).is_ok(),
                    "missing: {:?}",
                    one.greenlet()
                );
            }
            dumps += 1;
        }
        stop.open();
        churn.join().unwrap();
        lasting.iter().for_each(JoinHandle::kill);
    }
}

#[test]
fn a_dump_while_the_runtime_ends_does_not_hang() {
    let _watchdog = Watchdog::new();
    for _ in 0..20 {
        let runtime = runtime(2);
        let handle = runtime.handle();
        let parked: Vec<_> = (0..50).map(|_| runtime.spawn(greenhub::park)).collect();
        let dumping = std::thread::spawn(move || {
            let has_ended = |dump: &Dump| {
                let mut hubs = dump.hubs().iter();
                hubs.all(|hub| hub.state() == HubActivity::Ended)
            };
            while !has_ended(&handle.dump()) {}
            handle
        });
        drop(runtime);
        let handle = dumping.join().unwrap();
        let dump = handle.dump();
        assert!(dump.greenlets().is_empty(), "{dump}");
        for one in parked {
            assert!(one.join().unwrap_err().is_killed());
        }
    }
}
