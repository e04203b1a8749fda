//! The registrations of one socket: first come, first served, and a move to where it is waited for.
//!
//! A socket is registered with the driver of the hub on which it first has to be waited for. The hubs of that lane look after
//! one another, so any of them may wait for it. Greenlets of another lane, of another runtime above all, would depend on
//! hubs that serve others first, or are stuck: so a wait there moves the registration, unless somebody waits with it just
//! then. Two that wait at once in different lanes share the first one's.
//!
//! # Nobody waits with a registration that tells nothing
//!
//! 1. There is **one that is open at a time**: another is made under the lock, and closes the one before in the same hold.
//! 2. Whoever waits is on the list of one that was open when it got there. To close it is to take all who wait off the list and to
//!    let nobody on it after (`driver/readiness.rs`); they are woken, and look again.
//! 3. The new one is made before the old one is closed, and it begins with an event for whatever the socket is ready for at
//!    that moment. So no event falls between the two, and whoever looks again finds what has come.
//!
//! That nobody waits is looked at before the move, and may have changed when it is made: point 2 sees to that. Its hub's end
//! closes a registration, too; then whoever comes next makes another.
//!
//! # Nobody moves it for ever
//!
//! Of two that wait in different lanes, each could move what the other has just moved. So whoever has tried once to get on a list,
//! or was woken because the registration moved away, does not move it, but waits with what is open. It may move it again
//! when it was woken by an event.

use std::io;
use std::ops::Deref;

use crate::driver::Seen;
use crate::primitive::sync::{Arc, Mutex, OnceLock};

/// A registration, as far as it matters which one is used.
pub(crate) trait Watch {
    /// Those to be woken.
    type Woken;

    /// It tells nothing any more.
    fn is_closed(&self) -> bool;

    /// Somebody waits with it.
    fn is_awaited(&self) -> bool;

    /// From now on it tells nothing. Who has waited with it is to be woken when no lock is held.
    fn close(&self) -> Self::Woken;

    /// Ends it, after it was closed, and wakes those.
    fn end(&self, woken: Self::Woken);
}

/// The registrations of one socket.
#[derive(Debug)]
pub(crate) struct Registered<W> {
    /// Read without the lock.
    first: OnceLock<W>,
    /// The one that has replaced the first. Also the lock under which registrations are made.
    later: Mutex<Option<Arc<W>>>,
}

/// The registration that is open.
#[derive(Debug)]
pub(crate) enum Current<'a, W> {
    First(&'a W),
    Later(Arc<W>),
}

impl<W> Deref for Current<'_, W> {
    type Target = W;

    fn deref(&self) -> &W {
        match self {
            Current::First(first) => first,
            Current::Later(later) => later,
        }
    }
}

impl<W: Watch> Registered<W> {
    /// Not registered yet.
    pub(crate) fn new() -> Registered<W> {
        Registered {
            first: OnceLock::new(),
            later: Mutex::new(None),
        }
    }

    /// The registration that is open, and what `look` sees of it.
    #[inline]
    pub(crate) fn current(&self, look: impl Fn(&W) -> Seen) -> Option<(Current<'_, W>, Seen)> {
        let first = self.first.get()?;
        let seen = look(first);
        if seen.is_closed() {
            self.current_later(look)
        } else {
            Some((Current::First(first), seen))
        }
    }

    #[cold]
    fn current_later(&self, look: impl Fn(&W) -> Seen) -> Option<(Current<'_, W>, Seen)> {
        let later = self.later.lock().clone()?;
        let seen = look(&later);
        (!seen.is_closed()).then_some((Current::Later(later), seen))
    }

    /// The registration to wait with for a caller that has found this one, or none, and has tried in vain. `None`: it is
    /// another than the one that was found, so the caller is to look anew. Whether it `may_move` the one that is open: see above.
    ///
    /// # Errors
    ///
    /// Those of `make`, if there is none.
    #[inline]
    pub(crate) fn to_wait_with<'a>(
        &'a self,
        found: Option<Current<'a, W>>,
        may_move: bool,
        is_near: impl Fn(&W) -> bool,
        make: impl FnOnce() -> io::Result<W>,
    ) -> io::Result<Option<Current<'a, W>>> {
        let will_do = |open: &W| !may_move || is_near(open) || open.is_awaited();
        match found {
            Some(found) if will_do(&found) => Ok(Some(found)),
            Some(found) => {
                let current = self.register(will_do, make)?;
                Ok(std::ptr::eq(&*current, &*found).then_some(current))
            }
            None => self.register(will_do, make).map(Some),
        }
    }

    /// Makes a registration, unless there is one that will do.
    #[cold]
    fn register(
        &self,
        will_do: impl Fn(&W) -> bool,
        make: impl FnOnce() -> io::Result<W>,
    ) -> io::Result<Current<'_, W>> {
        let mut later = self.later.lock();
        let open = self.open(later.as_ref());
        let (old, new) = match open {
            Some(open) if will_do(&open) => return Ok(open),
            Some(open) => match make() {
                Ok(new) => (Some((open.close(), open)), new),
                // It cannot move. Events come from afar then.
                Err(_) => return Ok(open),
            },
            None => (None, make()?),
        };
        let mut replaced = None;
        let current = if self.first.get().is_none() {
            Current::First(self.first.get_or_init(|| new))
        } else {
            let new = Arc::new(new);
            replaced = later.replace(Arc::clone(&new));
            Current::Later(new)
        };
        drop(later);
        if let Some((woken, old)) = old {
            old.end(woken);
        }
        drop(replaced);
        Ok(current)
    }

    /// The one that is open.
    fn open(&self, later: Option<&Arc<W>>) -> Option<Current<'_, W>> {
        let first = self.first.get()?;
        if !first.is_closed() {
            return Some(Current::First(first));
        }
        let later = later.filter(|later| !later.is_closed())?;
        Some(Current::Later(Arc::clone(later)))
    }
}

#[cfg(test)]
impl<W> Registered<W> {
    /// The first registration, if there was one.
    pub(crate) fn first(&self) -> Option<&W> {
        self.first.get()
    }
}
