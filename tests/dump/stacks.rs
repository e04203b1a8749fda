//! The stacks of those that do not run.

use super::*;

#[inline(never)]
fn waits_in_this_function() {
    greenhub::sleep(LONG);
    // So that the call is not the last thing, and the function stays on the stack.
    std::hint::black_box(());
}

#[inline(never)]
fn gives_way_in_this_function(gate: &Gate) {
    while !gate.is_open() {
        greenhub::yield_now();
    }
    std::hint::black_box(());
}

/// Whether the greenlet's stack shows this function, in this file.
fn shows(entry: &GreenletDump, function: &str) -> bool {
    entry.stack().iter().any(|frame| {
        let file = frame
            .file
            .as_ref()
            .is_some_and(|file| file.ends_with(file!()));
        frame.function.contains(function) && file && frame.line.is_some()
    })
}

#[test]
fn the_stack_of_one_that_does_not_run_shows_where_it_waits() {
    let _watchdog = Watchdog::new();
    for kind in Kind::BOTH {
        let runtime = runtime(1);
        let gate = Gate::new();
        let (waiting, yielding) = runtime.run(|| {
            let waiting = kind.spawn(waits_in_this_function);
            let yielding = kind.spawn({
                let gate = gate.clone();
                move || gives_way_in_this_function(&gate)
            });
            until_parked_in(waiting.greenlet(), "sleep");
            let dump = Handle::current().dump();
            let one = entry(&dump, waiting.greenlet());
            assert!(shows(one, "waits_in_this_function"), "{dump}");
            let one = entry(&dump, yielding.greenlet());
            assert_eq!(one.state(), GreenletState::Ready);
            assert!(shows(one, "gives_way_in_this_function"), "{dump}");
            // Nobody reads the stack of one that runs.
            assert!(
                entry(&dump, &greenhub::current()).stack().is_empty(),
                "{dump}"
            );
            assert!(
                dump.to_string().contains("waits_in_this_function"),
                "{dump}"
            );
            (waiting, yielding)
        });
        // And behind a hub that is stuck.
        let (started, until) = (Arc::default(), Arc::default());
        let stuck = runtime.spawn({
            let (started, until) = (Arc::clone(&started), Arc::clone(&until));
            move || spin(&started, &until)
        });
        eventually("it spins", || started.load(Ordering::Acquire));
        let dump = runtime.dump();
        for (greenlet, function) in [
            (&waiting, "waits_in_this_function"),
            (&yielding, "gives_way_in_this_function"),
        ] {
            assert!(shows(entry(&dump, greenlet.greenlet()), function), "{dump}");
        }
        until.store(true, Ordering::Release);
        stuck.join().unwrap();
        gate.open();
        yielding.join().unwrap();
        waiting.kill();
    }
}
