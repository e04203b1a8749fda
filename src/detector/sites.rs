//! What was reported, by spawn site.

use std::collections::HashMap;
use std::panic::Location;
use std::time::Duration;

/// What the detector has seen of the greenlets that were spawned at one place.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct BlockingSite {
    /// The place.
    pub spawned_at: &'static Location<'static>,
    /// How often one of them has kept its hub for too long.
    pub slices: u64,
    /// For how long, together, as far as those stretches are over.
    pub total: Duration,
    /// The longest of those stretches.
    pub longest: Duration,
    /// Greenlets that are spawned there start on the compute lane now.
    pub isolated: bool,
}

/// One such entry for each place.
#[derive(Debug, Default)]
pub(crate) struct Sites(HashMap<&'static Location<'static>, BlockingSite>);

impl Sites {
    /// A greenlet from there has kept its hub.
    pub(crate) fn count(&mut self, place: &'static Location<'static>, isolated: bool) {
        let site = self.0.entry(place).or_insert(BlockingSite {
            spawned_at: place,
            slices: 0,
            total: Duration::ZERO,
            longest: Duration::ZERO,
            isolated: false,
        });
        site.slices += 1;
        site.isolated |= isolated;
    }

    /// It has given its hub back.
    pub(crate) fn add(&mut self, place: &'static Location<'static>, elapsed: Duration) {
        if let Some(site) = self.0.get_mut(place) {
            site.total = site.total.saturating_add(elapsed);
            site.longest = site.longest.max(elapsed);
        }
    }

    /// All entries, those with the most time first.
    pub(crate) fn list(&self) -> Vec<BlockingSite> {
        let mut sites: Vec<_> = self.0.values().copied().collect();
        sites.sort_by_key(|site| std::cmp::Reverse((site.total, site.slices)));
        sites
    }
}

#[cfg(test)]
mod tests {
    use std::panic::Location;
    use std::time::Duration;

    use super::Sites;

    #[test]
    fn sites_are_listed_by_the_time_that_they_took() {
        let (one, other) = (Location::caller(), Location::caller());
        let mut sites = Sites::default();
        sites.count(one, false);
        sites.count(other, true);
        sites.count(other, false);
        sites.add(one, Duration::from_millis(5));
        sites.add(other, Duration::from_millis(20));
        sites.add(other, Duration::from_millis(10));
        let [first, second] = sites.list()[..] else {
            panic!("two places: {sites:?}");
        };
        assert_eq!((first.spawned_at, second.spawned_at), (other, one));
        assert_eq!((first.slices, first.isolated), (2, true));
        assert_eq!(first.total, Duration::from_millis(30));
        assert_eq!(first.longest, Duration::from_millis(20));
    }
}
