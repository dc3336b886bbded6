//! The ranges in which a board's elements have changed since the last question, coarsely: so that what was encoded before is encoded again
//! only there.

use std::collections::BTreeSet;
use std::ops::Range;

/// Elements whose sequence numbers share all bits above these change together: 8 of them.
const GRAIN: u32 = 3;

/// Ranges of sequence numbers in which the wire form of elements has changed: not what is seen of them, which follows from the
/// gestures that are undone. Nothing is noted, and nothing is paid, while nobody tracks them.
#[derive(Debug, Clone, Default)]
pub(crate) struct Changes(Option<BTreeSet<u64>>);

/// The tracked changes of a board are no part of its value.
impl PartialEq for Changes {
    fn eq(&self, _: &Self) -> bool {
        true
    }
}

impl Eq for Changes {}

impl Changes {
    pub(crate) fn track(&mut self, tracks: bool) {
        self.0 = tracks.then(BTreeSet::new);
    }

    /// The element of a sequence number has changed, or is gone.
    pub(crate) fn note(&mut self, seq: u64) {
        if let Some(changed) = &mut self.0 {
            changed.insert(seq >> GRAIN);
        }
    }

    pub(crate) fn take(&mut self) -> impl Iterator<Item = Range<u64>> + use<> {
        let changed = self.0.as_mut().map(std::mem::take).unwrap_or_default();
        changed.into_iter().map(|grain| grain << GRAIN..(grain + 1) << GRAIN)
    }
}
