//! What is left of an offloaded call whose caller has gone, or that was refused: its destructors run on the call's own thread, or the
//! caller's, without any lock of the pool's, and may do what the call itself might.

mod common;

use std::sync::mpsc;
use std::time::Duration;

use common::{Gate, OnDrop, Tally, eventually, everywhere, in_child, stderr, until_parked_in};
use greenhub::{offload, timeout};

/// With a single thread for all calls: were it lost, or the pool's lock held, the calls after would hang.
fn leftovers_on_the_only_thread() {
    everywhere(|kind| {
        let (gate, dropped) = (Gate::new(), Tally::new());
        let (passes, counts) = (gate.clone(), dropped.clone());
        let unwanted = move || {
            passes.pass_blocking();
            OnDrop(move || {
                // Offloads within the pool's own thread, waits, spawns and joins, and panics in the end.
                assert_eq!(offload(|| 5), 5);
                greenhub::sleep(Duration::from_micros(10));
                assert_eq!(greenhub::spawn(|| 6).join().unwrap(), 6);
                counts.add();
                panic!("nobody wants to know");
            })
        };
        let victim = kind.spawn(move || drop(offload(unwanted)));
        until_parked_in(victim.greenlet(), "offload");
        victim.kill();
        assert!(victim.join().unwrap_err().is_killed());
        // Its turn comes after that: the call behind it is dropped unwanted, too, and so is the closure of one that never wanted
        // to begin.
        let behind = kind
            .spawn(|| timeout(Duration::from_millis(1), || offload(|| OnDrop(|| ()))).map(drop));
        let _limited = behind.join().unwrap();
        gate.open();
        assert_eq!(offload(|| 7), 7);
        eventually("the unwanted value is dropped", || dropped.get() == 1);
    });
}

#[test]
fn a_value_that_nobody_wants_may_do_anything_as_it_is_dropped() {
    let output = in_child(
        "a_value_that_nobody_wants_may_do_anything_as_it_is_dropped",
        &[("GREENHUB_OFFLOAD_THREADS", "1")],
        leftovers_on_the_only_thread,
    );
    assert!(output.status.success(), "{}", stderr(&output));
}

/// A call that is refused is dropped by who asked for it, and that may ask again meanwhile.
fn refused_calls() {
    everywhere(|kind| {
        let refused = kind.spawn(|| {
            let (send, receive) = mpsc::channel();
            let again = OnDrop(move || {
                let again = std::panic::catch_unwind(|| offload(|| ()));
                send.send(again.is_err()).unwrap();
            });
            let first = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
                offload(move || {
                    let _again = &again;
                })
            }));
            (first.is_err(), receive.recv().unwrap())
        });
        assert_eq!(refused.join().unwrap(), (true, true));
    });
}

#[test]
fn a_call_that_is_refused_may_ask_again_as_it_is_dropped() {
    let output = in_child(
        "a_call_that_is_refused_may_ask_again_as_it_is_dropped",
        &[("GREENHUB_OFFLOAD_THREADS", "none at all")],
        refused_calls,
    );
    assert!(output.status.success(), "{}", stderr(&output));
}
