//! Mapping an iterator lazily, with a bounded number of greenlets ahead of the consumer.

use std::collections::VecDeque;
use std::fmt;
use std::panic::Location;

use super::bounded::Pool;
use crate::channel::{Receiver, Sender, unbounded};
use crate::greenlet::JoinError;
use crate::primitive::sync::Arc;
use crate::wait::JoinHandle;

/// How many items, times the size of the pool, are under way or wait for the consumer, at the most.
const AHEAD: usize = 2;

impl Pool {
    /// Calls `f` with each item, in greenlets of the pool, and yields the results in the order of the items, as they are asked
    /// for. Items are taken from the iterator by the caller, as there is room for them: at most twice the pool's size ahead
    /// of what has been yielded. So it may be endless.
    ///
    /// Dropping the result kills the greenlets whose results have not been yielded.
    ///
    /// ```
    /// let pool = greenhub::pool::Pool::new(4);
    /// let words = ["a", "list", "of", "words"];
    /// let lengths: Vec<usize> = pool.imap(words, str::len).map(Result::unwrap).collect();
    /// assert_eq!(lengths, [1, 4, 2, 5]);
    /// ```
    #[track_caller]
    pub fn imap<I, F, T>(&self, items: I, f: F) -> Imap<'_, I::IntoIter, F, T>
    where
        I: IntoIterator,
        I::Item: Send + 'static,
        F: Fn(I::Item) -> T + Send + Sync + 'static,
        T: Send + 'static,
    {
        Imap(Ahead::new(self, items.into_iter(), f))
    }

    /// As [`Pool::imap`], but yields the results in the order in which they come.
    #[track_caller]
    pub fn imap_unordered<I, F, T>(&self, items: I, f: F) -> ImapUnordered<'_, I::IntoIter, F, T>
    where
        I: IntoIterator,
        I::Item: Send + 'static,
        F: Fn(I::Item) -> T + Send + Sync + 'static,
        T: Send + 'static,
    {
        ImapUnordered(Ahead::new(self, items.into_iter(), f))
    }
}

/// The iterator that [`Pool::imap`] returns.
#[must_use = "iterators are lazy"]
pub struct Imap<'a, I, F, T>(Ahead<'a, I, F, T>);

/// The iterator that [`Pool::imap_unordered`] returns.
#[must_use = "iterators are lazy"]
pub struct ImapUnordered<'a, I, F, T>(Ahead<'a, I, F, T>);

/// The greenlets ahead of the consumer.
struct Ahead<'a, I, F, T> {
    pool: &'a Pool,
    /// Where the mapping was asked for.
    place: &'static Location<'static>,
    /// `None`: it has come to its end.
    items: Option<I>,
    f: Arc<F>,
    /// In the order of the items.
    under_way: VecDeque<UnderWay<T>>,
    next_number: usize,
    /// The numbers of those that have ended.
    ended: (Sender<usize>, Receiver<usize>),
}

struct UnderWay<T> {
    number: usize,
    has_ended: bool,
    handle: JoinHandle<T>,
}

/// Tells the consumer of an end, whatever it is, when its slot is free.
struct Announce {
    number: usize,
    ended: Sender<usize>,
}

impl Drop for Announce {
    fn drop(&mut self) {
        // The consumer may be gone.
        let _ = self.ended.try_send(self.number);
    }
}

impl<'a, I, F, T> Ahead<'a, I, F, T>
where
    I: Iterator,
    I::Item: Send + 'static,
    F: Fn(I::Item) -> T + Send + Sync + 'static,
    T: Send + 'static,
{
    #[track_caller]
    fn new(pool: &'a Pool, items: I, f: F) -> Ahead<'a, I, F, T> {
        Ahead {
            pool,
            place: Location::caller(),
            items: Some(items),
            f: Arc::new(f),
            under_way: VecDeque::new(),
            next_number: 0,
            ended: unbounded(),
        }
    }

    /// Spawns as many greenlets as there is room for; waits for room for the first.
    #[track_caller]
    fn fill(&mut self) {
        while self.under_way.len() < AHEAD * self.pool.size() {
            let Some(items) = &mut self.items else { return };
            let slot = if self.under_way.is_empty() {
                self.pool.slot()
            } else {
                match self.pool.try_slot() {
                    Some(slot) => slot,
                    None => return,
                }
            };
            let Some(item) = items.next() else {
                self.items = None;
                return;
            };
            let announce = Announce {
                number: self.next_number,
                ended: self.ended.0.clone(),
            };
            let f = Arc::clone(&self.f);
            let handle = self
                .pool
                .spawn_in(slot, self.place, move || f(item), announce);
            self.under_way.push_back(UnderWay {
                number: self.next_number,
                has_ended: false,
                handle,
            });
            self.next_number += 1;
        }
    }

    /// Notes the next end; waits for one.
    #[track_caller]
    fn wait(&mut self) {
        let number = self.ended.1.recv().expect("we hold a sender ourselves");
        if let Some(one) = self.under_way.iter_mut().find(|one| one.number == number) {
            one.has_ended = true;
        }
    }

    /// The result of the first that has ended and is `wanted`, by its place.
    #[track_caller]
    fn next_result(&mut self, wanted: impl Fn(usize) -> bool) -> Option<Result<T, JoinError>> {
        loop {
            self.fill();
            if self.under_way.is_empty() {
                return None;
            }
            let ended = |(place, one): (usize, &UnderWay<T>)| {
                (one.has_ended && wanted(place)).then_some(place)
            };
            if let Some(place) = self.under_way.iter().enumerate().find_map(ended) {
                let one = self.under_way.remove(place)?;
                return Some(one.handle.join());
            }
            self.wait();
        }
    }
}

impl<I, F, T> Drop for Ahead<'_, I, F, T> {
    fn drop(&mut self) {
        self.under_way.iter().for_each(|one| one.handle.kill());
    }
}

impl<I, F, T> Iterator for Imap<'_, I, F, T>
where
    I: Iterator,
    I::Item: Send + 'static,
    F: Fn(I::Item) -> T + Send + Sync + 'static,
    T: Send + 'static,
{
    type Item = Result<T, JoinError>;

    #[track_caller]
    fn next(&mut self) -> Option<Self::Item> {
        self.0.next_result(|place| place == 0)
    }
}

impl<I, F, T> Iterator for ImapUnordered<'_, I, F, T>
where
    I: Iterator,
    I::Item: Send + 'static,
    F: Fn(I::Item) -> T + Send + Sync + 'static,
    T: Send + 'static,
{
    type Item = Result<T, JoinError>;

    #[track_caller]
    fn next(&mut self) -> Option<Self::Item> {
        self.0.next_result(|_| true)
    }
}

impl<I, F, T> fmt::Debug for Imap<'_, I, F, T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Imap")
            .field("under_way", &self.0.under_way.len())
            .finish_non_exhaustive()
    }
}

impl<I, F, T> fmt::Debug for ImapUnordered<'_, I, F, T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ImapUnordered")
            .field("under_way", &self.0.under_way.len())
            .finish_non_exhaustive()
    }
}
