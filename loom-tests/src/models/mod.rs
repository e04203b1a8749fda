//! The models, a file a protocol. `mutate.sh` beside this crate shows what each catches.

mod asking;
mod blocking;
mod channels;
mod conditions;
mod grouping;
mod idling;
mod inbox;
mod joining;
mod killing;
mod locks;
mod moving;
mod offloading;
mod parking;
mod placing;
mod readiness;
mod selecting;
mod shutdown;
mod surveying;
mod timers;
mod waiting;
mod watching;

/// Runs `model` under every interleaving and every value that a load may see.
fn explore(model: impl Fn() + Send + Sync + 'static) {
    loom::model::Builder::new().check(model);
}

/// The same, with no more than `preemptions` switches away from a thread that could go on: for models that have too many
/// interleavings otherwise. Most faults need one or two.
fn explore_within(preemptions: usize, model: impl Fn() + Send + Sync + 'static) {
    let mut builder = loom::model::Builder::new();
    builder.preemption_bound = Some(preemptions);
    builder.check(model);
}

/// Two points in two threads, of which loom is to try both orders. It tries another order of two steps only if they
/// concern the same thing, and of each thing it remembers the last access alone: where a thread loads a word before it
/// changes it, an earlier load by another thread is forgotten, and never tried later. This orders nothing itself.
#[derive(Debug)]
struct Crossing(loom::sync::atomic::AtomicUsize);

impl Crossing {
    fn new() -> Crossing {
        Crossing(loom::sync::atomic::AtomicUsize::new(0))
    }

    fn pass(&self) {
        self.0.fetch_add(1, loom::sync::atomic::Ordering::Relaxed);
    }
}
