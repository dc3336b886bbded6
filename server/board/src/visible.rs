//! The visible elements of a board by author, so that clearing costs what it deletes and not what the board holds.

use std::collections::{BTreeMap, BTreeSet};

/// The sequence numbers of the visible elements of each author.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Visible {
    /// No set is empty.
    by_author: BTreeMap<u32, BTreeSet<u64>>,
    count: usize,
}

impl Visible {
    pub(crate) fn len(&self) -> usize {
        self.count
    }

    /// Records whether an element is visible.
    pub(crate) fn set(&mut self, author: u32, seq: u64, is_visible: bool) {
        if is_visible {
            self.count += usize::from(self.by_author.entry(author).or_default().insert(seq));
        } else if let Some(own) = self.by_author.get_mut(&author) {
            self.count -= usize::from(own.remove(&seq));
            if own.is_empty() {
                self.by_author.remove(&author);
            }
        }
    }

    pub(crate) fn all(&self) -> Vec<u64> {
        self.by_author.values().flatten().copied().collect()
    }

    pub(crate) fn of(&self, author: u32) -> Vec<u64> {
        self.by_author.get(&author).into_iter().flatten().copied().collect()
    }
}
