//! Meeting of all.

use crate::greenlet::WaitKind;
use crate::wait::{Locked, Node, Token, Wait, WaitQueue, Waited};

/// Where so many greenlets or OS threads wait until all have come: [`std::sync::Barrier`]'s interface. It can be used again at
/// once.
///
/// ```
/// use greenhub::sync::Barrier;
///
/// let barrier = Barrier::new(3);
/// let leaders = greenhub::scope(|s| {
///     let all: Vec<_> = (0..3).map(|_| s.spawn(|| barrier.wait().is_leader())).collect();
///     all.into_iter().map(|one| one.join().unwrap()).filter(|leads| *leads).count()
/// });
/// assert_eq!(leaders, 1);
/// ```
///
/// One that is killed while it waits has not come: another must come in its place.
#[derive(Debug)]
pub struct Barrier {
    /// How many have come.
    come: WaitQueue<usize>,
    count: usize,
}

/// What [`Barrier::wait`] returns.
#[derive(Debug)]
pub struct BarrierWaitResult(bool);

impl BarrierWaitResult {
    /// The caller was the last to come: one of all is.
    #[must_use]
    pub fn is_leader(&self) -> bool {
        self.0
    }
}

impl Barrier {
    /// For so many; zero is as good as one.
    #[must_use]
    pub const fn new(count: usize) -> Barrier {
        Barrier {
            come: WaitQueue::new(0),
            count,
        }
    }

    /// Waits until all have come.
    #[track_caller]
    pub fn wait(&self) -> BarrierWaitResult {
        let come = |come: &mut Locked<'_, usize>, _: &Node| {
            **come += 1;
            let last = **come >= self.count;
            if last {
                **come = 0;
                // The caller's own wait is over with the others'.
                come.complete_all(Token::Given);
            }
            last.then_some(())
        };
        let wait = Wait::new(WaitKind::Barrier, None);
        let waited = self.come.wait(wait, come, |come| **come -= 1);
        BarrierWaitResult(matches!(waited, Waited::Ready(())))
    }
}
