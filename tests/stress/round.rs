//! A round: a new world, a crowd that acts in it for some milliseconds while it is killed and its runtimes end, and then quiet:
//! nobody begins anything, those who wait are supplied, and when the last is gone everything must be as it was.

use std::sync::Arc;
use std::thread;
use std::time::{Duration, Instant};

use greenhub::detector::BlockingDetector;
use greenhub::runtime::Runtime;

use crate::actor::Seat;
use crate::campaign::Campaign;
use crate::crowd::Who;
use crate::supply::{self, Assistant};
use crate::support::Random;
use crate::world::World;

/// Set, it keeps detectors away: they copy whole stacks, and with them what an AddressSanitizer has put between variables.
const UNWATCHED: &str = "GREENHUB_STRESS_UNWATCHED";

/// What the seed has decided for all of a round.
struct Plan {
    hubs: [usize; 2],
    actors: usize,
    steps: u64,
    length: Duration,
    /// How often somebody is killed or woken for nothing.
    pause: Option<Duration>,
    /// Detectors look at every hub, at every millisecond.
    watched: bool,
    /// When the second runtime ends, and how long that may take.
    end: Option<(Duration, Option<Duration>)>,
}

impl Plan {
    fn new(random: &mut Random) -> Plan {
        let micros = |random: &mut Random, below| Duration::from_micros(random.below(below));
        let length = micros(random, 12_000);
        Plan {
            hubs: [1 + random.below(3), 1 + random.below(2)].map(|hubs| hubs as usize),
            actors: 4 + random.below(28) as usize,
            steps: 1 + random.below(40),
            length,
            pause: (random.below(4) > 0).then(|| micros(random, 200)),
            watched: random.below(4) == 0 && std::env::var_os(UNWATCHED).is_none(),
            end: (random.below(2) == 0).then(|| {
                let patience = match random.below(3) {
                    0 => None,
                    1 => Some(Duration::from_secs(60)),
                    _ => Some(micros(random, 500)),
                };
                (length.mul_f64(random.below(100) as f64 / 100.0), patience)
            }),
        }
    }
}

/// Plays the round of that seed, and returns what was wrong.
pub(crate) fn play(campaign: &Campaign, seed: u64) -> Vec<String> {
    let mut random = Random::new(seed);
    let plan = Plan::new(&mut random);
    let runtimes = plan.hubs.map(|hubs| {
        let mut builder = Runtime::builder().hubs(hubs).compute_hubs(1);
        if plan.watched {
            let detector = BlockingDetector::new().max_blocking_time(Duration::from_millis(1));
            builder = builder.detector(detector.on_report(|_| {}));
        }
        builder.build().expect("a runtime")
    });
    let homes = runtimes.iter().map(Runtime::handle).collect();
    let mix = campaign.mix.narrowed(&mut random);
    let world = World::new(homes, mix, Arc::clone(&campaign.progress));
    let (faults, world) = (Arc::clone(&world.faults), Arc::new(world));
    campaign.watch(&world, seed);

    let [first, second] = runtimes;
    let assistant = Assistant::hire(&world);
    let (killer, threads, undertaker) = thread::scope(|s| {
        let killer = s.spawn(|| kill(&world, &plan, Random::new(seed ^ 1)));
        let undertaker = s.spawn(|| end(&world, &plan, second));
        let mut threads = Vec::new();
        let begun = Instant::now();
        while begun.elapsed() < plan.length && !world.is_settling() {
            if world.crowd.alive() < plan.actors {
                threads.extend(enter(&world, &first, &plan, &mut random));
            } else {
                thread::sleep(Duration::from_micros(200));
                supply::supply(&world);
            }
        }
        world.settle();
        while world.crowd.alive() > 0 {
            supply::supply(&world);
            thread::sleep(Duration::from_micros(100));
        }
        (killer.join(), threads, undertaker.join())
    });
    if killer.is_err() {
        faults.tell("the killer panicked");
    }
    match undertaker {
        Ok(second) => drop(second),
        Err(_) => faults.tell("whoever ends a runtime panicked"),
    }
    assistant.dismiss();
    threads.into_iter().for_each(|thread| {
        let _noted = thread.join();
    });
    drop(first);
    let mut world = world;
    let world = loop {
        // Offloaded calls, and greenlets of the global runtime, may still have to let go of it.
        match Arc::try_unwrap(world) {
            Ok(world) => break world,
            Err(shared) => world = shared,
        }
        thread::sleep(Duration::from_micros(50));
    };
    let ledger = Arc::clone(&world.ledger);
    world.check();
    ledger.check_in_time();
    campaign.progress.round();
    faults.all()
}

/// An actor enters; the thread, if it is one.
fn enter(
    world: &Arc<World>,
    first: &Runtime,
    plan: &Plan,
    random: &mut Random,
) -> Option<thread::JoinHandle<()>> {
    let steps = 1 + random.below(plan.steps);
    let kind = match random.below(8) {
        0..=3 => "settled",
        4 | 5 => "migrating",
        6 => "compute",
        _ => "thread",
    };
    let seat = Seat::new(world, kind, random.below(u64::MAX));
    let record = Arc::clone(seat.record());
    let home = match random.below(3) {
        0 => world.homes[1].clone(),
        _ => first.handle(),
    };
    let handle = match kind {
        "thread" => return Some(thread::spawn(move || drop(seat.live(steps)))),
        "compute" => home.spawn_compute(move || drop(seat.live(steps))),
        "migrating" => home.spawn(move || {
            // SAFETY: an actor keeps nothing that belongs to a thread across a wait.
            drop(unsafe { greenhub::spawn_migrating(move || seat.live(steps)) });
        }),
        _ => home.spawn(move || drop(seat.live(steps))),
    };
    if kind != "migrating" {
        let who = Who::Greenlet(handle.greenlet().clone());
        world.crowd.introduce(&record, who);
    }
    None
}

/// Kills and wakes whomever it meets, and looks at them now and then.
fn kill(world: &World, plan: &Plan, mut random: Random) {
    let Some(pause) = plan.pause else { return };
    while !world.is_settling() {
        if let Some(actor) = world.crowd.anyone(&mut random) {
            match random.below(3) {
                0 => actor.nudge(),
                1 => actor.wake(),
                _ => actor.kill(),
            }
        }
        match random.below(300) {
            0 => drop(world.homes[random.below(2) as usize].dump()),
            1 => drop(world.homes[random.below(2) as usize].metrics()),
            2..75 => thread::sleep(pause),
            _ => {}
        }
    }
}

/// Ends a runtime while its greenlets hold and wait. Gives it back if it is not to end before all have gone.
fn end(world: &World, plan: &Plan, runtime: Runtime) -> Option<Runtime> {
    let Some((at, patience)) = plan.end else {
        return Some(runtime);
    };
    thread::sleep(at);
    world.close();
    match patience {
        None => drop(runtime),
        Some(patience) => {
            let in_time = runtime.shutdown_timeout(patience);
            if !in_time && patience > Duration::from_secs(1) {
                world.faults.tell("a runtime has not ended in a minute");
            }
        }
    }
    None
}
