//! Mapping an iterator lazily, with a bounded number of greenlets ahead of the consumer.

use std::collections::VecDeque;
use std::fmt;
use std::iter::Peekable;
use std::panic::Location;

use super::bounded::Pool;
use crate::channel::{Receiver, Sender, unbounded};
use crate::greenlet::JoinError;
use crate::primitive::sync::Arc;
use crate::sync::OwnedSemaphorePermit;
use crate::wait::{JoinHandle, Shield};

/// How many items, times the size of the pool, are under way or wait for the consumer, at the most.
const AHEAD: usize = 2;

/// How many are spawned at once if there is something to yield: the one that is yielded is made up for, and the pool fills up.
const PER_RESULT: usize = 2;

/// How many are spawned before some of them have their turn, however large the pool is: an endless iterator must not keep the
/// consumer, nor its hub.
const BATCH: usize = 256;

impl Pool {
    /// Calls `f` with each item, in greenlets of the pool, and yields the results in the order of the items, as they are asked
    /// for. Items are taken from the iterator by the caller, at most twice the pool's size ahead of what has been yielded. So it
    /// may be endless. It may use the pool itself: no room is held while an item is asked for.
    ///
    /// If the caller is killed or its [`timeout`](crate::timeout) passes while it waits, nothing is lost: the next call goes on.
    ///
    /// Dropping the result kills the greenlets whose results have not been yielded.
    ///
    /// ```
    /// let pool = greenhub::pool::Pool::new(4);
    /// let words = ["a", "list", "of", "words"];
    /// let lengths: Vec<usize> = pool.imap(words, str::len).map(Result::unwrap).collect();
    /// assert_eq!(lengths, [1, 4, 2, 5]);
    /// ```
    ///
    /// # Panics
    ///
    /// The iterator that is returned panics as [`spawn`](crate::spawn) does, and with the panics of `items`. It can be asked
    /// again then; an item for which no greenlet could be spawned is dropped.
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
    ///
    /// # Panics
    ///
    /// As [`Pool::imap`].
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
pub struct Imap<'a, I: Iterator, F, T>(Ahead<'a, I, F, T>);

/// The iterator that [`Pool::imap_unordered`] returns.
#[must_use = "iterators are lazy"]
pub struct ImapUnordered<'a, I: Iterator, F, T>(Ahead<'a, I, F, T>);

/// The greenlets ahead of the consumer.
struct Ahead<'a, I: Iterator, F, T> {
    pool: &'a Pool,
    /// Where the mapping was asked for.
    place: &'static Location<'static>,
    /// `None`: it has come to its end. An item stays there until there is room for it.
    items: Option<Peekable<I>>,
    f: Arc<F>,
    /// In the order of the items.
    under_way: VecDeque<UnderWay<T>>,
    next_number: usize,
    /// How many have been spawned since the consumer last waited.
    batch: usize,
    /// The last of a whole batch, if it has not begun.
    awaited: Option<usize>,
    news: (Sender<News>, Receiver<News>),
    /// The numbers of those that have ended and have not been looked at.
    ended: VecDeque<usize>,
}

struct UnderWay<T> {
    number: usize,
    /// Known only where results are yielded in the order of the items.
    has_ended: bool,
    handle: JoinHandle<T>,
}

/// In which order results are yielded.
#[derive(Clone, Copy)]
enum Order {
    Items,
    Ends,
}

/// What the consumer is told of the greenlet of a number.
enum News {
    Begun(usize),
    Ended(usize),
}

/// Tells the consumer of an end, whatever it is, when its slot is free.
struct Announce {
    number: usize,
    news: Sender<News>,
}

impl Drop for Announce {
    fn drop(&mut self) {
        // The consumer may be gone.
        let _ = self.news.try_send(News::Ended(self.number));
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
            items: Some(items.peekable()),
            f: Arc::new(f),
            under_way: VecDeque::new(),
            next_number: 0,
            batch: 0,
            awaited: None,
            news: unbounded(),
            ended: VecDeque::new(),
        }
    }

    /// Spawns as many greenlets as there is room for, but at the `most` so many; waits for room for the first.
    #[track_caller]
    fn fill(&mut self, most: usize) {
        for _ in 0..most {
            let is_far_ahead = self.under_way.len() >= self.pool.size().saturating_mul(AHEAD);
            if is_far_ahead || self.awaited.is_some() {
                return;
            }
            let Some(items) = &mut self.items else { return };
            // Before there is a slot: it may take long, and may want one itself.
            if items.peek().is_none() {
                self.items = None;
                return;
            }
            let slot = if self.under_way.is_empty() {
                self.pool.slot()
            } else {
                match self.pool.try_slot() {
                    Some(slot) => slot,
                    None => return,
                }
            };
            let Some(item) = items.next() else { return };
            self.spawn(slot, item);
        }
    }

    fn spawn(&mut self, slot: OwnedSemaphorePermit, item: I::Item) {
        let number = self.next_number;
        // Whatever becomes of the spawn: no other may have the same.
        self.next_number += 1;
        self.batch += 1;
        let begins = (self.batch >= BATCH).then(|| self.news.0.clone());
        let announce = Announce {
            number,
            news: self.news.0.clone(),
        };
        let is_last = begins.is_some();
        let f = Arc::clone(&self.f);
        let call = move || {
            if let Some(news) = begins {
                let _ = news.try_send(News::Begun(number));
            }
            f(item)
        };
        let handle = self.pool.spawn_in(slot, self.place, call, announce);
        self.awaited = is_last.then_some(number);
        self.under_way.push_back(UnderWay {
            number,
            has_ended: false,
            handle,
        });
    }

    /// Waits for news.
    #[track_caller]
    fn wait(&mut self) {
        let news = self.news.1.recv().expect("we hold a sender ourselves");
        self.note(news);
        self.batch = 0;
    }

    fn note(&mut self, news: News) {
        let (News::Begun(number) | News::Ended(number)) = news;
        if self.awaited == Some(number) {
            self.awaited = None;
            self.batch = 0;
        }
        if let News::Ended(number) = news {
            self.ended.push_back(number);
        }
    }

    /// Where the one is whose result is to be yielded next, if it has ended.
    fn next_place(&mut self, order: Order) -> Option<usize> {
        while let Ok(news) = self.news.1.try_recv() {
            self.note(news);
        }
        while let Some(number) = self.ended.pop_front() {
            // It is not there if its spawn was refused.
            let place = self
                .under_way
                .binary_search_by_key(&number, |one| one.number);
            match (place, order) {
                (Ok(place), Order::Ends) => return Some(place),
                (Ok(place), Order::Items) => self.under_way[place].has_ended = true,
                (Err(_), _) => {}
            }
        }
        self.under_way.front()?.has_ended.then_some(0)
    }

    #[track_caller]
    fn next_result(&mut self, order: Order) -> Option<Result<T, JoinError>> {
        loop {
            let has_news = !self.ended.is_empty() || !self.news.1.is_empty();
            self.fill(if has_news { PER_RESULT } else { usize::MAX });
            if let Some(place) = self.next_place(order) {
                let one = self.under_way.remove(place)?;
                // It has ended, but for the last few steps: a kill must not lose the result.
                let _shield = Shield::raise();
                return Some(one.handle.join());
            }
            if self.under_way.is_empty() {
                return None;
            }
            // After news there may be room for more than a few.
            if !has_news {
                self.wait();
            }
        }
    }
}

impl<I: Iterator, F, T> Drop for Ahead<'_, I, F, T> {
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
        self.0.next_result(Order::Items)
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
        self.0.next_result(Order::Ends)
    }
}

impl<I: Iterator, F, T> fmt::Debug for Imap<'_, I, F, T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Imap")
            .field("under_way", &self.0.under_way.len())
            .finish_non_exhaustive()
    }
}

impl<I: Iterator, F, T> fmt::Debug for ImapUnordered<'_, I, F, T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ImapUnordered")
            .field("under_way", &self.0.under_way.len())
            .finish_non_exhaustive()
    }
}
