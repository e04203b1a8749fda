//! `pool/members.rs` and `pool/ends.rs`: a group's spawns, some of them refused, against kills, ends, and who joins.
//!
//! Caught: a kill that a spawner does not notice; a kill that is not counted; a refused member that stays among the
//! failed; a failure, or the last end, that wakes nobody; a waiter who looks before it is on the list (by the wait queue's own
//! models).

use loom::sync::Arc;
use loom::sync::atomic::{AtomicBool, Ordering};
use loom::thread;

use super::{Crossing, explore, explore_within};
use crate::pool::ends::{Ends, State};
use crate::pool::members::Members;
use crate::wait::{Me, Shield};

/// A greenlet, as far as a kill is concerned.
#[derive(Clone)]
struct One(Arc<AtomicBool>);

impl One {
    fn new() -> One {
        One(Arc::new(AtomicBool::new(false)))
    }

    fn kill(&self) {
        self.0.store(true, Ordering::Relaxed);
    }

    fn is_killed(&self) -> bool {
        self.0.load(Ordering::Relaxed)
    }
}

/// As `Group::kill`.
fn kill(members: &Members<One>) {
    members.kill(One::clone).iter().for_each(One::kill);
}

/// It begins before its spawner has listed it.
#[test]
fn a_member_that_kills_all_is_killed_itself() {
    explore(|| {
        let members = Arc::new(Members::new());
        let one = One::new();
        // As `Group::spawn`.
        let began = members.begin();
        let member = thread::spawn({
            let members = Arc::clone(&members);
            move || kill(&members)
        });
        if members.list(one.clone(), began, |_| false).settle() {
            one.kill();
        }
        member.join().unwrap();
        assert!(one.is_killed());
    });
}

#[test]
fn a_kill_reaches_those_who_are_listed_and_spares_those_who_come_later() {
    explore(|| {
        let members = Arc::new(Members::new());
        let (early, late) = (One::new(), One::new());
        let list = |one: &One| {
            let began = members.begin();
            if members.list(one.clone(), began, |_| false).settle() {
                one.kill();
            }
        };
        list(&early);
        let killer = thread::spawn({
            let members = Arc::clone(&members);
            move || kill(&members)
        });
        killer.join().unwrap();
        list(&late);
        assert!(early.is_killed() && !late.is_killed());
    });
}

/// Two spawners, of which one is refused, and a member that fails: the failure that is left is that member's.
#[test]
fn a_refusal_beside_a_failure_leaves_the_failure() {
    explore(|| {
        let ends = Arc::new(Ends::new());
        let (spawning, member) = Ends::begin(&ends);
        let number = spawning.succeeded();
        let failing = thread::spawn(move || drop(member));
        let refused = thread::spawn({
            let ends = Arc::clone(&ends);
            move || {
                let (spawning, member) = Ends::begin(&ends);
                drop(member);
                drop(spawning);
            }
        });
        refused.join().unwrap();
        Me::new().enter();
        assert_eq!(ends.wait(State::is_decided), Ok(()));
        assert_eq!(ends.first_failed(), Some(number));
        assert_eq!(ends.wait(State::is_over), Ok(()));
        failing.join().unwrap();
    });
}

/// Nobody fails: who joins is woken by the last to end, whichever that is, and by nothing that was refused.
#[test]
fn the_last_end_wakes_who_joins() {
    explore_within(3, || {
        let ends = Arc::new(Ends::new());
        let (refused, member) = Ends::begin(&ends);
        drop(member);
        drop(refused);
        let members = [(); 2].map(|()| {
            let (spawning, member) = Ends::begin(&ends);
            let _number = spawning.succeeded();
            thread::spawn(move || member.succeed())
        });
        Me::new().enter();
        assert_eq!(ends.wait(State::is_decided), Ok(()));
        assert_eq!((ends.alive(), ends.first_failed()), (0, None));
        members.into_iter().for_each(|one| one.join().unwrap());
    });
}

/// Who joins is killed meanwhile: it kills the member, waits shielded, and unwinds only after the end; or the end came first, and
/// it returns.
#[test]
fn who_joins_and_is_killed_unwinds_after_the_end() {
    explore_within(3, || {
        let (ends, members) = (Arc::new(Ends::new()), Members::new());
        let (spawning, member) = Ends::begin(&ends);
        let _number = spawning.succeeded();
        let one = One::new();
        let began = members.begin();
        assert!(!members.list(one.clone(), began, |_| false).settle());
        let (me, crossing) = (Me::new(), Arc::new(Crossing::new()));
        let killer = thread::spawn({
            let (victim, crossing) = (me.clone(), Arc::clone(&crossing));
            move || {
                crossing.pass();
                victim.kill();
            }
        });
        let running = thread::spawn(move || member.succeed());
        me.enter();
        crossing.pass();
        if ends.wait(State::is_over).is_err() {
            let _shield = Shield::raise();
            kill(&members);
            assert!(one.is_killed());
            assert_eq!(ends.wait(State::is_over), Ok(()));
        }
        assert_eq!(ends.alive(), 0);
        killer.join().unwrap();
        running.join().unwrap();
    });
}
