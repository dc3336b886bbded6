//! The memory of a room for its hosts: deeds that the audit list tells of, and people who have gone.

use std::collections::VecDeque;

use inkwire_protocol::{AuditRecord, Operation};

use crate::access::Target;

/// Deletions of all that somebody drew that are remembered, so that the audit list says when one is undone.
const CLEARINGS: usize = 256;
/// People who have gone that are remembered, so that a host can still ban and mute them.
const GONE: usize = 64;

/// Deeds and people that are remembered.
#[derive(Debug, Default)]
pub(crate) struct Moderation {
    /// The last ones first.
    clearings: VecDeque<Clearing>,
    /// People who were here while the board was hosted, by their author numbers, the last ones first.
    gone: VecDeque<(u32, Target)>,
}

/// The deed of a host to all that somebody else drew, who may have gone long ago.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AuditEvent {
    /// The entry of the audit list. Its `whom` is empty if the name is not known any more.
    pub record: AuditRecord,
    /// The author number of that somebody.
    pub whose: u32,
}

/// A `clearAuthor` of what another one drew: who did it, in which gesture, and whose ink it was.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Clearing {
    pub(crate) by: u32,
    gesture: u64,
    pub(crate) whose: u32,
}

impl Moderation {
    /// The deeds of an operation that the audit list tells of: it deletes all that somebody else drew, or turns that over.
    pub(crate) fn events_of(&self, by: u32, cseq: u64, operation: &Operation) -> Vec<(&'static str, Clearing)> {
        let known = |what, gesture| {
            let those = self.clearings.iter().filter(move |it| (it.by, it.gesture) == (by, gesture));
            those.map(|it| (what, *it)).collect()
        };
        match *operation {
            Operation::ClearAuthor { author: whose, gesture_back } if whose != 0 && whose != by => {
                vec![("clearAuthor", Clearing { by, gesture: cseq.saturating_sub(gesture_back), whose })]
            }
            Operation::Undo { gesture } => known("undoClearAuthor", gesture),
            Operation::Redo { gesture } => known("redoClearAuthor", gesture),
            _ => Vec::new(),
        }
    }

    /// Remembers a deed.
    pub(crate) fn remember(&mut self, clearing: Clearing) {
        if !self.clearings.contains(&clearing) {
            self.clearings.truncate(CLEARINGS - 1);
            self.clearings.push_front(clearing);
        }
    }

    /// Remembers somebody who has gone.
    pub(crate) fn has_gone(&mut self, author: u32, target: Target) {
        self.gone.retain(|(gone, _)| *gone != author);
        self.gone.truncate(GONE - 1);
        self.gone.push_front((author, target));
    }

    /// Those who have gone, by their author numbers, the last ones first.
    pub(crate) fn gone(&self) -> impl Iterator<Item = &(u32, Target)> {
        self.gone.iter()
    }
}
