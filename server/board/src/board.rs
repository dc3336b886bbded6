//! The board: takes operations in one order, gives them sequence numbers, and keeps what they make.

use std::collections::{BTreeMap, HashMap};

use inkwire_protocol::{
    Begin, ClientId, Content, Element, ElementRef, Entry, GestureRef, Ink, Operation, Patch, Points, Property,
    RejectReason, limits,
};

use crate::changes::Changes;
use crate::element::BoardElement;
use crate::hash::StateHash;
use crate::history::{Gesture, History};
use crate::visible::Visible;

/// The result of a submitted operation.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Submitted {
    /// It is in the log, at the board's new [`Board::seq`].
    Logged(Entry),
    /// It has been in the log all along: a resend after a lost connection.
    Duplicate,
}

/// A log that this board did not write, or not from where it stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum ReplayError {
    /// The operation breaks a rule at its place in the log.
    #[error("operation {seq} of the log breaks a rule: {reason}")]
    Rejected {
        /// Its sequence number.
        seq: u64,
        /// The rule.
        reason: RejectReason,
    },
    /// The next operation is not the next one of this board.
    #[error("the log goes on at {found}, the board stands at {expected}")]
    Gap {
        /// The next sequence number of the board.
        expected: u64,
        /// The number that came.
        found: u64,
    },
}

#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Author {
    /// The last client sequence number in the log.
    pub(crate) cseq: u64,
    pub(crate) history: History,
    /// The sequence numbers of the live strokes.
    pub(crate) live: [Option<u64>; limits::LIVE_SLOTS as usize],
}

/// A board. The same operations in the same order make the same board everywhere.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Board {
    pub(crate) seq: u64,
    pub(crate) authors: BTreeMap<u32, Author>,
    pub(crate) elements: BTreeMap<u64, Box<BoardElement>>,
    pub(crate) by_id: HashMap<ElementRef, u64>,
    pub(crate) clients: BTreeMap<ClientId, u32>,
    pub(crate) last_author: u32,
    pub(crate) hash: StateHash,
    pub(crate) work: u64,
    /// About the memory that the elements take, and how much it may be.
    pub(crate) bytes: usize,
    pub(crate) most_bytes: usize,
    pub(crate) visible: Visible,
    /// The maximum number of visible elements; what a log has already is replayed all the same.
    pub(crate) most_elements: usize,
    pub(crate) changes: Changes,
}

impl Default for Board {
    fn default() -> Self {
        Self::of_at_most(limits::BOARD_BYTES)
    }
}

type Rule = Result<(), RejectReason>;

impl Board {
    /// An empty board that takes nothing more once its elements take about so many bytes.
    pub fn of_at_most(most_bytes: usize) -> Self {
        Self {
            seq: 0,
            authors: BTreeMap::new(),
            elements: BTreeMap::new(),
            by_id: HashMap::new(),
            clients: BTreeMap::new(),
            last_author: 0,
            hash: StateHash::default(),
            work: 0,
            bytes: 0,
            most_bytes,
            visible: Visible::default(),
            most_elements: limits::BOARD_ELEMENTS,
            changes: Changes::default(),
        }
    }

    /// From now on nothing is added where so many elements are seen; at most [`limits::BOARD_ELEMENTS`]. What is deleted makes room
    /// at once: undoing that may then make them more.
    pub fn take_at_most(&mut self, elements: usize) {
        self.most_elements = elements.min(limits::BOARD_ELEMENTS);
    }

    /// The sequence number of the last operation; 0 for none.
    pub fn seq(&self) -> u64 {
        self.seq
    }

    /// The rolling state hash.
    pub fn hash(&self) -> StateHash {
        self.hash
    }

    /// The work of all operations so far: 1 for every element that was looked at, and more for an element of much text or of
    /// many deletions and patches. One undo may touch thousands of elements.
    pub fn work(&self) -> u64 {
        self.work
    }

    /// Every element that is held, visible or not, in painting order.
    pub fn elements(&self) -> impl Iterator<Item = &BoardElement> {
        self.elements.values().map(Box::as_ref)
    }

    /// The element of that identity.
    pub fn element(&self, id: ElementRef) -> Option<&BoardElement> {
        self.elements.get(self.by_id.get(&id)?).map(Box::as_ref)
    }

    /// The last client sequence number of an author in the log; 0 for none.
    pub fn cseq(&self, author: u32) -> u64 {
        self.authors.get(&author).map_or(0, |author| author.cseq)
    }

    /// The author number of a client: its own where it has drawn here, else a new one.
    ///
    /// A client that only looks leaves no trace: its number is kept only once [`Board::remember`] is called.
    pub fn author_for(&mut self, client: ClientId) -> u32 {
        self.clients.get(&client).copied().unwrap_or_else(|| {
            self.last_author += 1;
            self.last_author
        })
    }

    /// Ties an author number that [`Board::author_for`] gave out to its client for good.
    pub fn remember(&mut self, client: ClientId, author: u32) {
        self.clients.entry(client).or_insert(author);
        self.last_author = self.last_author.max(author);
    }

    /// Everybody who has drawn here, with their author numbers.
    pub fn clients(&self) -> impl Iterator<Item = (ClientId, u32)> {
        self.clients.iter().map(|(client, author)| (*client, *author))
    }

    /// Whether an author number is tied to this client.
    pub fn remembers(&self, client: ClientId) -> bool {
        self.clients.contains_key(&client)
    }

    /// The highest author number that was given out.
    pub fn last_author(&self) -> u32 {
        self.last_author
    }

    /// Passes over author numbers, so that none is given out twice although some that were are not known any more.
    pub fn skip_authors(&mut self, count: u32) {
        self.last_author += count;
    }

    /// Gives an operation its place in the log, unless it has one or breaks a rule.
    ///
    /// # Errors
    /// The rule that it breaks; the board is unchanged then.
    pub fn submit(&mut self, author: u32, cseq: u64, operation: Operation) -> Result<Submitted, RejectReason> {
        let last = self.cseq(author);
        if cseq <= last {
            return Ok(Submitted::Duplicate);
        }
        if cseq > limits::CSEQ {
            return Err(RejectReason::OutOfRange);
        }
        let has_room_for_one = self.visible.len() < self.most_elements || !makes_one(&operation);
        if !has_room_for_one || (self.bytes >= self.most_bytes && adds(&operation)) {
            return Err(RejectReason::BoardFull);
        }
        self.apply(author, cseq, &operation)?;
        Ok(Submitted::Logged(Entry { author, skip: cseq - last - 1, operation }))
    }

    /// Applies an entry of another board's log.
    ///
    /// # Errors
    /// If the entry does not follow, or breaks a rule: then the two boards are not the same.
    pub fn replay(&mut self, seq: u64, entry: &Entry) -> Result<(), ReplayError> {
        if seq != self.seq + 1 {
            return Err(ReplayError::Gap { expected: self.seq + 1, found: seq });
        }
        let cseq = self.cseq(entry.author) + 1 + entry.skip;
        if let Operation::Unknown { .. } = entry.operation {
            // Of a later version: this one cannot show it, and goes on.
            self.logged(entry.author, cseq);
            return Ok(());
        }
        self.apply(entry.author, cseq, &entry.operation).map_err(|reason| ReplayError::Rejected { seq, reason })
    }

    /// Applies an operation that is known to be new.
    fn apply(&mut self, author: u32, cseq: u64, operation: &Operation) -> Rule {
        match operation {
            Operation::Begin(begin) => self.begin(author, cseq, begin),
            Operation::Points(points) => self.points(author, points),
            Operation::End { slot } => self.end(author, *slot),
            Operation::Cancel { slot } => self.cancel(author, *slot),
            Operation::Shape(shape) => self.add(author, cseq, shape.gesture_back, Content::Shape(shape.clone())),
            Operation::Text(text) => {
                check_text(&text.text)?;
                self.add(author, cseq, text.gesture_back, Content::Text(text.clone()))
            }
            Operation::Note(note) => {
                check_text(&note.text)?;
                self.add(author, cseq, note.gesture_back, Content::Note(note.clone()))
            }
            Operation::Picture(picture) => {
                self.add(author, cseq, picture.gesture_back, Content::Picture(picture.clone()))
            }
            Operation::Patch(patch) => self.patch(author, cseq, patch),
            Operation::Delete { gesture_back, elements } => self.delete(author, cseq, *gesture_back, elements),
            Operation::Undo { gesture } => self.turn(author, *gesture, true),
            Operation::Redo { gesture } => self.turn(author, *gesture, false),
            Operation::Clear { gesture_back } => self.clear(author, cseq, *gesture_back),
            Operation::ClearAuthor { gesture_back, author: whose } => {
                self.clear_author(author, cseq, *gesture_back, *whose)
            }
            Operation::Unknown { .. } => Err(RejectReason::UnknownOperation),
        }?;
        self.logged(author, cseq);
        Ok(())
    }

    /// An operation has its place in the log.
    fn logged(&mut self, author: u32, cseq: u64) {
        self.seq += 1;
        self.author(author).cseq = cseq;
        self.last_author = self.last_author.max(author);
    }

    fn author(&mut self, author: u32) -> &mut Author {
        self.authors.entry(author).or_default()
    }

    fn begin(&mut self, author: u32, cseq: u64, begin: &Begin) -> Rule {
        let slot = usize::from(begin.slot);
        if self.authors.get(&author).is_some_and(|author| author.live[slot].is_some()) {
            return Err(RejectReason::SlotBusy);
        }
        let begin = Begin { slot: 0, ..begin.clone() };
        let gesture_back = begin.gesture_back;
        self.add(
            author,
            cseq,
            gesture_back,
            Content::Stroke { begin, points: Ink::default(), live: Some(slot as u8) },
        )?;
        let seq = self.seq + 1;
        self.author(author).live[slot] = Some(seq);
        Ok(())
    }

    fn live_stroke(&self, author: u32, slot: u8) -> Result<u64, RejectReason> {
        let live = self.authors.get(&author).and_then(|author| author.live[usize::from(slot)]);
        live.ok_or(RejectReason::SlotFree)
    }

    fn points(&mut self, author: u32, points: &Points) -> Rule {
        let seq = self.live_stroke(author, points.slot)?;
        self.elements.get_mut(&seq).ok_or(RejectReason::SlotFree)?.extend(points)?;
        self.changes.note(seq);
        self.refresh(seq);
        Ok(())
    }

    fn end(&mut self, author: u32, slot: u8) -> Rule {
        let seq = self.live_stroke(author, slot)?;
        self.author(author).live[usize::from(slot)] = None;
        if let Some(element) = self.elements.get_mut(&seq) {
            element.end();
        }
        self.changes.note(seq);
        self.refresh(seq);
        Ok(())
    }

    fn cancel(&mut self, author: u32, slot: u8) -> Rule {
        let seq = self.live_stroke(author, slot)?;
        let gesture = self.elements.get(&seq).map_or(0, |element| element.wire.gesture);
        self.remove(seq);
        if !self.did_something(GestureRef { author, gesture }) {
            self.author(author).history.retract(gesture);
        }
        Ok(())
    }

    /// Whether anything of a gesture is left on the board.
    fn did_something(&mut self, by: GestureRef) -> bool {
        let gesture = self.authors.get(&by.author).and_then(|author| author.history.find(by.gesture));
        let touched = gesture.into_iter().flat_map(|gesture| &gesture.touched);
        let mut work = 0;
        let found = touched.filter_map(|seq| self.elements.get(seq)).any(|element| {
            work += element.work();
            element.is_touched_by(by)
        });
        self.work += work;
        found
    }

    /// Adds an element whose `gesture_back` has done its work and is kept as 0.
    fn add(&mut self, author: u32, cseq: u64, gesture_back: u64, mut content: Content) -> Rule {
        if self.elements.len() >= limits::BOARD_ELEMENTS {
            return Err(RejectReason::BoardFull);
        }
        let gesture = self.gesture(author, cseq, gesture_back)?;
        match &mut content {
            Content::Stroke { begin, .. } => begin.gesture_back = 0,
            Content::Shape(shape) => shape.gesture_back = 0,
            Content::Text(text) => text.gesture_back = 0,
            Content::Note(note) => note.gesture_back = 0,
            Content::Picture(picture) => picture.gesture_back = 0,
        }
        let seq = self.seq + 1;
        let wire = Element { author, cseq, seq, gesture, content, deletions: Vec::new(), patches: Vec::new() };
        let element = BoardElement::new(wire)?;
        self.open(author, gesture, gesture_back);
        self.by_id.insert(element.id(), seq);
        self.elements.insert(seq, Box::new(element));
        self.touch(author, gesture, seq);
        Ok(())
    }

    fn patch(&mut self, author: u32, cseq: u64, patch: &Patch) -> Rule {
        let seq = self.find_visible(author, patch.element)?;
        if !self.elements.get(&seq).is_some_and(|element| element.has(&patch.property)) {
            return Err(RejectReason::NoSuchProperty);
        }
        if let Property::Text { text } = &patch.property {
            check_text(text)?;
        }
        let gesture = self.gesture(author, cseq, patch.gesture_back)?;
        self.open(author, gesture, patch.gesture_back);
        if let Some(element) = self.elements.get_mut(&seq) {
            element.patch(GestureRef { author, gesture }, patch.property.clone());
        }
        self.touch(author, gesture, seq);
        Ok(())
    }

    fn delete(&mut self, author: u32, cseq: u64, gesture_back: u64, elements: &[ElementRef]) -> Rule {
        let found: Vec<u64> = elements.iter().filter_map(|element| self.find_visible(author, *element).ok()).collect();
        if found.is_empty() {
            return Err(RejectReason::NoSuchElement);
        }
        self.delete_all(author, cseq, gesture_back, found)
    }

    fn clear(&mut self, author: u32, cseq: u64, gesture_back: u64) -> Rule {
        self.delete_all(author, cseq, gesture_back, self.visible.all())
    }

    fn clear_author(&mut self, author: u32, cseq: u64, gesture_back: u64, whose: u32) -> Rule {
        let whose = if whose == 0 { author } else { whose };
        self.delete_all(author, cseq, gesture_back, self.visible.of(whose))
    }

    fn delete_all(&mut self, author: u32, cseq: u64, gesture_back: u64, elements: Vec<u64>) -> Rule {
        let gesture = self.gesture(author, cseq, gesture_back)?;
        self.open(author, gesture, gesture_back);
        for seq in elements {
            if let Some(element) = self.elements.get_mut(&seq) {
                element.delete(GestureRef { author, gesture });
            }
            self.touch(author, gesture, seq);
        }
        Ok(())
    }

    fn turn(&mut self, author: u32, gesture: u64, undone: bool) -> Rule {
        let touched = self.authors.get_mut(&author).and_then(|author| author.history.turn(gesture, undone));
        let touched = touched.ok_or(RejectReason::NoSuchGesture)?;
        touched.into_iter().for_each(|seq| self.refresh(seq));
        Ok(())
    }

    /// Finds a visible element; author 0 means the one that asks.
    fn find_visible(&self, author: u32, mut id: ElementRef) -> Result<u64, RejectReason> {
        if id.author == 0 {
            id.author = author;
        }
        let seq = self.by_id.get(&id).copied().ok_or(RejectReason::NoSuchElement)?;
        let visible = self.elements.get(&seq).is_some_and(|element| element.is_visible());
        if visible { Ok(seq) } else { Err(RejectReason::NoSuchElement) }
    }

    /// The gesture that an operation begins or joins.
    fn gesture(&self, author: u32, cseq: u64, gesture_back: u64) -> Result<u64, RejectReason> {
        let gesture = cseq.checked_sub(gesture_back).ok_or(RejectReason::GestureClosed)?;
        let joins = || self.authors.get(&author).is_some_and(|author| author.history.may_join(gesture));
        if gesture_back == 0 || joins() { Ok(gesture) } else { Err(RejectReason::GestureClosed) }
    }

    fn open(&mut self, author: u32, gesture: u64, gesture_back: u64) {
        if gesture_back == 0 {
            let settled = self.author(author).history.open(gesture);
            settled.into_iter().for_each(|gesture| self.settle(author, gesture));
        }
    }

    /// A gesture left its author's history: what it did stands for good, or is gone for good.
    fn settle(&mut self, author: u32, gesture: Gesture) {
        let by = GestureRef { author, gesture: gesture.id };
        for seq in gesture.touched {
            let Some(element) = self.elements.get_mut(&seq) else { continue };
            let made = GestureRef { author: element.wire.author, gesture: element.wire.gesture } == by;
            let deleted = element.wire.deletions.contains(&by);
            let before = (element.wire.deletions.len(), element.wire.patches.len());
            if gesture.undone {
                element.forget(by);
            } else {
                element.settle(by);
            }
            // Mostly nothing: an author's every gesture settles an older one.
            if before != (element.wire.deletions.len(), element.wire.patches.len()) {
                self.changes.note(seq);
            }
            if (made && gesture.undone) || (deleted && !gesture.undone) {
                self.remove(seq);
            } else {
                self.refresh(seq);
            }
        }
    }

    /// Takes an element away for good.
    fn remove(&mut self, seq: u64) {
        let Some(element) = self.elements.remove(&seq) else { return };
        self.work += element.work();
        // Otherwise a gesture that begins and cancels strokes would hold all of them, and every cancel walk them.
        for by in element.touched_by() {
            if let Some(author) = self.authors.get_mut(&by.author) {
                author.history.untouch(by.gesture, seq);
            }
        }
        self.changes.note(seq);
        self.by_id.remove(&element.id());
        self.visible.set(element.wire.author, seq, false);
        self.bytes -= element.counted();
        self.hash.subtract(element.hash());
        if let Some(slot) = element.live() {
            self.author(element.wire.author).live[usize::from(slot)] = None;
        }
    }

    fn touch(&mut self, author: u32, gesture: u64, seq: u64) {
        self.author(author).history.touch(gesture, seq);
        self.changes.note(seq);
        self.refresh(seq);
    }

    /// Whether a gesture is undone now.
    pub(crate) fn is_undone(&self, by: GestureRef) -> bool {
        self.authors.get(&by.author).is_some_and(|author| author.history.is_undone(by.gesture))
    }

    pub(crate) fn refresh(&mut self, seq: u64) {
        let Some(element) = self.elements.get_mut(&seq) else { return };
        self.work += element.work();
        self.bytes = self.bytes - element.counted() + element.count();
        self.hash.subtract(element.hash());
        let was_visible = element.is_visible();
        let authors = &self.authors;
        element.refresh(|by| authors.get(&by.author).is_some_and(|author| author.history.is_undone(by.gesture)));
        if element.is_visible() != was_visible {
            self.visible.set(element.wire.author, seq, !was_visible);
        }
        self.hash.add(element.hash());
    }
}

/// Whether an operation puts something on the board. A full one refuses it where it gets its place in the log; what has one
/// is replayed.
fn adds(operation: &Operation) -> bool {
    makes_one(operation) || matches!(operation, Operation::Points(_) | Operation::Patch(_))
}

/// Whether an operation makes an element.
fn makes_one(operation: &Operation) -> bool {
    use Operation::{Begin, Note, Picture, Shape, Text};
    matches!(operation, Begin(_) | Shape(_) | Text(_) | Note(_) | Picture(_))
}

/// Texts hold no control characters but line feed and tab; directions and markup are shown, never obeyed.
fn check_text(text: &str) -> Rule {
    let control = |letter: char| letter.is_control() && letter != '\n' && letter != '\t';
    if text.contains(control) { Err(RejectReason::ControlCharacter) } else { Ok(()) }
}
