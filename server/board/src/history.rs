//! The gestures of an author that can be undone and redone.

use std::collections::{BTreeSet, VecDeque};

use inkwire_protocol::{GestureState, limits};

/// One gesture: everything a person did between pressing and lifting.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Gesture {
    /// The client sequence number at which it began.
    pub(crate) id: u64,
    pub(crate) undone: bool,
    /// The sequence numbers of the elements that it made, deleted or changed.
    pub(crate) touched: BTreeSet<u64>,
}

/// An author's gestures, oldest first. What has left this list stands for good: an undone one left no trace, a done
/// one can no longer be undone.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct History {
    gestures: VecDeque<Gesture>,
}

impl History {
    pub(crate) fn is_undone(&self, id: u64) -> bool {
        self.find(id).is_some_and(|gesture| gesture.undone)
    }

    pub(crate) fn find(&self, id: u64) -> Option<&Gesture> {
        let at = self.gestures.binary_search_by_key(&id, |gesture| gesture.id).ok()?;
        self.gestures.get(at)
    }

    fn find_mut(&mut self, id: u64) -> Option<&mut Gesture> {
        let at = self.gestures.binary_search_by_key(&id, |gesture| gesture.id).ok()?;
        self.gestures.get_mut(at)
    }

    /// Whether an operation may still join the gesture: only the latest, and not when it is undone.
    pub(crate) fn may_join(&self, id: u64) -> bool {
        self.gestures.back().is_some_and(|latest| latest.id == id && !latest.undone)
    }

    /// Begins a gesture. Gives back the gestures that now stand for good: all that were undone, because there is no
    /// redo past a new gesture, and the oldest where there are too many.
    pub(crate) fn open(&mut self, id: u64) -> Vec<Gesture> {
        let mut settled = Vec::new();
        if self.gestures.iter().any(|gesture| gesture.undone) {
            let all = std::mem::take(&mut self.gestures).into_iter();
            let (undone, kept): (Vec<_>, Vec<_>) = all.partition(|gesture| gesture.undone);
            (settled, self.gestures) = (undone, kept.into());
        }
        self.gestures.push_back(Gesture { id, undone: false, touched: BTreeSet::new() });
        if self.gestures.len() > limits::UNDO_DEPTH {
            settled.extend(self.gestures.pop_front());
        }
        settled
    }

    pub(crate) fn touch(&mut self, id: u64, element: u64) {
        if let Some(gesture) = self.find_mut(id) {
            gesture.touched.insert(element);
        }
    }

    /// An element is gone for good.
    pub(crate) fn untouch(&mut self, id: u64, element: u64) {
        if let Some(gesture) = self.find_mut(id) {
            gesture.touched.remove(&element);
        }
    }

    /// A gesture has never been.
    pub(crate) fn retract(&mut self, id: u64) {
        self.gestures.retain(|gesture| gesture.id != id);
    }

    /// Turns a gesture over and gives back the elements that it touched; `None` where it cannot be turned that way.
    pub(crate) fn turn(&mut self, id: u64, undone: bool) -> Option<BTreeSet<u64>> {
        let gesture = self.find_mut(id).filter(|gesture| gesture.undone != undone)?;
        gesture.undone = undone;
        Some(gesture.touched.clone())
    }

    pub(crate) fn states(&self) -> Vec<GestureState> {
        self.gestures.iter().map(|gesture| GestureState { gesture: gesture.id, undone: gesture.undone }).collect()
    }

    /// The history of a snapshot; what the gestures touched is put back with [`History::touch`]. `None` where the
    /// gestures are not in order.
    pub(crate) fn from_states(states: &[GestureState]) -> Option<Self> {
        let rising = states.windows(2).all(|pair| pair[0].gesture < pair[1].gesture);
        let gesture =
            |state: &GestureState| Gesture { id: state.gesture, undone: state.undone, touched: BTreeSet::new() };
        (rising && states.len() <= limits::UNDO_DEPTH).then(|| Self { gestures: states.iter().map(gesture).collect() })
    }
}
