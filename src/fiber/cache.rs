//! A hub's own stacks: the ones it has used last, and is going to use next.

use std::io;

use crate::primitive::sync::Arc;

use super::pool::StackPool;
use super::stack::{Stack, StackSize};

/// The most stacks that a cache keeps.
const MOST_STACKS: usize = 256;

/// The most address space that the stacks in a cache may span. None of them is ever trimmed, so where stacks are
/// large, fewer are kept.
const MOST_BYTES: usize = 64 << 20;

/// How many stacks are handed over at once when each of them costs a system call: some microseconds, for which the hub runs
/// nobody. Where many greenlets end, this is how late the others are.
const TRIMMED_AT_ONCE: usize = 8;

/// A hub's cache of default-size stacks, last in, first out: what was used last is warm in the processor's caches.
///
/// It takes no lock. When it is empty it fetches a batch of used stacks from the pool, and when it is full, it
/// hands half of them over, those that lay idle for longest; in between there are at least a hundred calls either
/// way, or [`TRIMMED_AT_ONCE`] where the memory of those that come back is given to the system. Stacks of other sizes pass
/// through to the pool. Dropped, it hands everything over.
#[derive(Debug)]
pub(crate) struct StackCache {
    /// The stacks, the warmest last, all of the pool's default size. There is room for the most that are kept, and
    /// it never grows.
    warm: Vec<Stack>,
    /// The default size, at hand.
    size: StackSize,
    /// Where stacks come from, and go to.
    pool: Arc<StackPool>,
}

impl StackCache {
    /// An empty cache before `pool`.
    pub(crate) fn new(pool: Arc<StackPool>) -> StackCache {
        let size = pool.default_size();
        let most = (MOST_BYTES / size.bytes()).clamp(2, MOST_STACKS);
        StackCache {
            warm: Vec::with_capacity(most),
            size,
            pool,
        }
    }

    /// Takes a stack of `size`.
    ///
    /// # Errors
    ///
    /// When no used one is left, and no new one can be mapped or guarded: the system's reason, with the limit that
    /// was hit. Nothing is lost then; a stack that comes back makes the next call succeed.
    #[inline]
    pub(crate) fn take(&mut self, size: StackSize) -> io::Result<Stack> {
        if size == self.size {
            if let Some(stack) = self.warm.pop() {
                return Ok(stack);
            }
        }
        self.take_from_pool(size)
    }

    /// Puts a stack back. It must be one of this cache's pool.
    #[inline]
    pub(crate) fn put(&mut self, stack: Stack) {
        if stack.size() == self.size && self.warm.len() < self.warm.capacity() {
            self.warm.push(stack);
        } else {
            self.put_to_pool(stack);
        }
    }

    /// How many stacks are here.
    #[cfg(test)]
    pub(crate) fn len(&self) -> usize {
        self.warm.len()
    }

    #[cold]
    #[inline(never)]
    fn take_from_pool(&mut self, size: StackSize) -> io::Result<Stack> {
        let spares = if size == self.size {
            self.warm.capacity() / 2 - 1
        } else {
            0
        };
        self.pool.take(size, spares, &mut self.warm)
    }

    #[cold]
    #[inline(never)]
    fn put_to_pool(&mut self, stack: Stack) {
        if stack.size() == self.size {
            let half = self.warm.capacity() / 2;
            let most = if self.pool.trims_default() {
                TRIMMED_AT_ONCE
            } else {
                half
            };
            self.pool.put_first(&mut self.warm, half.min(most));
            self.warm.push(stack);
        } else {
            self.pool.put(stack);
        }
    }
}

impl Drop for StackCache {
    fn drop(&mut self) {
        let count = self.warm.len();
        self.pool.put_first(&mut self.warm, count);
    }
}

#[cfg(test)]
mod tests {
    use super::super::guard::Guards;
    use super::*;

    fn pool(bytes: usize) -> Arc<StackPool> {
        Arc::new(StackPool::new(
            StackSize::new(bytes).unwrap(),
            Guards::Probe,
        ))
    }

    #[test]
    fn the_last_stack_in_is_the_first_one_out() {
        let pool = pool(256 << 10);
        let mut cache = StackCache::new(pool.clone());
        let size = pool.default_size();
        let one = cache.take(size).unwrap();
        let two = cache.take(size).unwrap();
        let bounds = (one.bounds(), two.bounds());
        cache.put(one);
        cache.put(two);
        assert_eq!((cache.len(), pool.pooled(), pool.mapped()), (2, 0, 2));
        let two = cache.take(size).unwrap();
        let one = cache.take(size).unwrap();
        assert_eq!((one.bounds(), two.bounds()), bounds);
        cache.put(one);
        cache.put(two);
    }

    #[test]
    fn half_goes_to_the_pool_when_it_is_full_and_the_rest_when_it_is_dropped() {
        let pool = pool(256 << 10);
        let mut cache = StackCache::new(pool.clone());
        let mut stacks: Vec<_> = (0..257)
            .map(|_| cache.take(pool.default_size()).unwrap())
            .collect();
        let last = stacks.pop().unwrap();
        stacks.into_iter().for_each(|stack| cache.put(stack));
        assert_eq!((cache.len(), pool.pooled()), (256, 0));
        cache.put(last);
        assert_eq!((cache.len(), pool.pooled()), (129, 128));

        let mut other = StackCache::new(pool.clone());
        let stack = other.take(pool.default_size()).unwrap();
        assert_eq!((other.len(), pool.pooled(), pool.mapped()), (127, 0, 257));
        other.put(stack);
        drop((cache, other));
        assert_eq!((pool.pooled(), pool.mapped()), (257, 257));
    }

    #[test]
    fn other_sizes_pass_through() {
        let pool = pool(256 << 10);
        let mut cache = StackCache::new(pool.clone());
        let stack = cache.take(StackSize::new(1 << 20).unwrap()).unwrap();
        cache.put(stack);
        assert_eq!((cache.len(), pool.pooled()), (0, 1));
    }

    #[test]
    fn few_large_stacks_are_kept() {
        let pool = pool(16 << 20);
        let mut cache = StackCache::new(pool.clone());
        let stacks: Vec<_> = (0..9)
            .map(|_| cache.take(pool.default_size()).unwrap())
            .collect();
        stacks.into_iter().for_each(|stack| cache.put(stack));
        assert!(cache.len() <= 4);
        assert_eq!(pool.pooled() + cache.len(), 9);
    }

    #[test]
    fn stacks_may_come_back_to_another_cache() {
        let pool = pool(64 << 10);
        let mut one = StackCache::new(pool.clone());
        let stacks: Vec<_> = (0..1000)
            .map(|_| one.take(pool.default_size()).unwrap())
            .collect();
        let other = pool.clone();
        std::thread::spawn(move || {
            let mut cache = StackCache::new(other);
            stacks.into_iter().for_each(|stack| cache.put(stack));
        })
        .join()
        .unwrap();
        assert_eq!((pool.pooled(), pool.mapped()), (1000, 1000));
    }
}
