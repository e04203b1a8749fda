//! Reading the list of a hub that is stuck in one slice, from another thread.
//!
//! The list of a hub's settled greenlets is its thread's own, and no lock guards it: that would cost every greenlet
//! something. But while a slice lasts nobody changes it, since greenlets are put in and taken out between slices; and
//! all that are in it are alive. So it may be *read* meanwhile. What makes this hard is that the slice may end at any
//! moment, and what is being read may be freed. Therefore the kernel reads, not we: [`peek`] copies what is there, or says
//! that there is nothing, and neither is a data race nor an access to freed memory. Whether
//! the copy means anything is found out afterwards, by the slice's number, as with a sequence lock:
//!
//! 1. Read the number, with *acquire*: it must be odd. The hub has stored it with *release*, after all changes to the list.
//! 2. Copy the list's head, or a header.
//! 3. Read the number again. If it is the same, the slice still lasted: the hub stores the next number, and fences,
//!    before it changes anything. Only now look at the copy, and go on at 2 with the next.
//!
//! If the number has changed, the hub is not stuck, and will answer by itself.

use std::mem::MaybeUninit;

use super::owned::Owned;
use super::remote::Remote;
use crate::greenlet::{Details, Image};
use crate::primitive::atomic::{Ordering, fence};
use crate::primitive::peek;

/// The settled greenlets of a hub that is stuck.
#[derive(Debug)]
pub(crate) struct Seen {
    /// The number of the slice.
    pub(crate) slice: u64,
    /// Each, with the address of its header.
    pub(crate) greenlets: Vec<(usize, Details)>,
}

/// What came of it.
#[derive(Debug)]
pub(crate) enum Look {
    /// It is stuck.
    Settled(Seen),
    /// The hub is between two slices, or has come to another.
    Moved,
    /// This system does not let us.
    Refused,
}

/// Why there is nothing to look at.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Failure {
    Moved,
    Refused,
}

/// Lists the settled greenlets of a hub, if it is in the same slice all the time.
pub(crate) fn look(remote: &Remote) -> Look {
    match read_list(remote) {
        Ok(settled) => Look::Settled(settled),
        Err(Failure::Moved) => Look::Moved,
        Err(Failure::Refused) => Look::Refused,
    }
}

fn read_list(remote: &Remote) -> Result<Seen, Failure> {
    let running = &remote.heartbeat().running;
    let number = running.number_of_slice().ok_or(Failure::Moved)?;
    let still = || {
        // Keeps the copying above the second reading of the number.
        fence(Ordering::Acquire);
        (running.number() == number)
            .then_some(())
            .ok_or(Failure::Moved)
    };
    let mut list = MaybeUninit::<Owned>::zeroed();
    copy(remote.owned_place().addr(), bytes_of(&mut list))?;
    still()?;
    // SAFETY: the slice lasts, so these are the bytes of the hub's list.
    let mut next = unsafe { list.assume_init_ref() }.first();
    let mut settled = Vec::new();
    while let Some(header) = next {
        let mut image = Image::empty();
        copy(header.addr().get(), image.bytes())?;
        still()?;
        // SAFETY: the slice lasts, so it is in the list, alive, and suspended or the one that runs.
        let place = unsafe { image.name_place() };
        let name = match place {
            None => None,
            Some(place) => {
                let mut bytes = vec![0; place.len()];
                copy(place.addr(), &mut bytes)?;
                still()?;
                Some(String::from_utf8_lossy(&bytes).into())
            }
        };
        // SAFETY: as above.
        let (details, following) = unsafe { (image.details(name), image.next_owned()) };
        settled.push((header.addr().get(), details));
        next = following;
    }
    Ok(Seen {
        slice: number,
        greenlets: settled,
    })
}

/// The place of the list, which was filled with zeroes.
fn bytes_of(place: &mut MaybeUninit<Owned>) -> &mut [u8] {
    // SAFETY: its bytes are initialised, and it need not be a list, so any bytes will do.
    unsafe { std::slice::from_raw_parts_mut(place.as_mut_ptr().cast(), size_of::<Owned>()) }
}

/// Fills `to` with what lies at `from` in this process.
fn copy(from: usize, to: &mut [u8]) -> Result<(), Failure> {
    match peek(from, to) {
        Ok(length) if length == to.len() => Ok(()),
        // Not all of it is mapped any more.
        Ok(_) => Err(Failure::Moved),
        Err(_) => Err(Failure::Refused),
    }
}

#[cfg(test)]
#[cfg(target_os = "linux")]
mod tests {
    use std::collections::HashMap;
    use std::time::{Duration, Instant};

    use super::*;
    use crate::greenlet::Phase;
    use crate::primitive::atomic::AtomicBool;
    use crate::primitive::sync::Arc;
    use crate::runtime::Runtime;
    use crate::scheduler::with_current_runtime;
    use crate::{Builder, GreenletId, join_all, park, yield_now};

    #[test]
    fn what_is_not_mapped_is_not_copied() {
        let mut bytes = [0; 16];
        assert_eq!(copy(0, &mut bytes), Err(Failure::Moved));
        assert_eq!(copy(usize::MAX - 7, &mut bytes), Err(Failure::Moved));
        let here = [7_u8; 16];
        assert_eq!(copy(here.as_ptr().addr(), &mut bytes), Ok(()));
        assert_eq!(bytes, here);
    }

    /// Greenlets start and end all the time, so that the list changes, headers are freed and names with them; whatever is
    /// read and not thrown away is right. Without the second reading of the number it
    /// is not.
    #[test]
    fn a_list_that_is_read_while_it_changes_is_right_or_thrown_away() {
        let runtime = Runtime::builder().hubs(1).build().unwrap();
        let lasting: Vec<_> = runtime.run(|| {
            let named = |number| Builder::new().name(format!("number {number} of those that stay"));
            (0..10)
                .map(|number| named(number).spawn(park).unwrap())
                .collect()
        });
        let names: HashMap<GreenletId, Option<String>> = lasting
            .iter()
            .map(|one| one.greenlet())
            .map(|one| (one.id(), one.name().map(str::to_owned)))
            .collect();
        let stop = Arc::new(AtomicBool::new(false));
        let churn = runtime.spawn({
            let stop = Arc::clone(&stop);
            move || {
                for round in 0.. {
                    if stop.load(Ordering::Relaxed) {
                        break;
                    }
                    let some: Vec<_> = (0..300)
                        .map(|number| {
                            let named = Builder::new().name(format!("{number} for a moment"));
                            named.spawn(park).unwrap()
                        })
                        .collect();
                    yield_now();
                    // Long enough to be read in peace, sometimes.
                    let begun = Instant::now();
                    while begun.elapsed() < Duration::from_micros(round % 16 * 50) {
                        std::hint::spin_loop();
                    }
                    some.iter().for_each(|one| one.greenlet().unpark());
                    join_all(some);
                    // Where they were is something else now.
                    let scribble = (0..400).map(|room| vec![0x5a_u8; 8 * (1 + room % 60)]);
                    std::hint::black_box(scribble.collect::<Vec<_>>());
                }
            }
        });
        let shared = runtime.run(|| with_current_runtime(Arc::clone)).unwrap();
        let deadline = Instant::now() + Duration::from_secs(40);
        let (mut read, mut thrown_away) = (0, 0);
        while read < 500 || thrown_away < 500 {
            assert!(Instant::now() < deadline, "{read} and {thrown_away}");
            let seen = match look(&shared.main_lane().remotes()[0]) {
                Look::Settled(seen) => seen,
                Look::Moved => {
                    thrown_away += 1;
                    continue;
                }
                Look::Refused => return,
            };
            read += 1;
            let mut left = names.clone();
            for (_, details) in &seen.greenlets {
                // During a slice none ends.
                assert!(matches!(details.phase, Phase::Active | Phase::Parked));
                let name = details.name.as_deref().map(str::to_owned);
                match left.remove(&details.id) {
                    Some(expected) => assert_eq!(name, expected),
                    None => assert!(!names.contains_key(&details.id), "listed twice"),
                }
                assert!(name.is_none_or(|name| name.contains("stay") || name.contains("moment")));
            }
            assert!(left.is_empty(), "{} are missing", left.len());
        }
        stop.store(true, Ordering::Relaxed);
        churn.join().unwrap();
    }
}
