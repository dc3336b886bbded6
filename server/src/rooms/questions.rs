//! The questions of a member whose answers are longer than they are: the past of its board, its authors, the orders of hosts.
//!
//! One question of each kind is under way at a time. A member is told the past, the chronicle and each name once, as it is given one snapshot;
//! again only now and then, so that a question of a few bytes cannot be asked for its answer's length.

use std::mem::discriminant;
use std::time::Instant;

use inkwire_protocol::ServerMessage;
use inkwire_room::Bucket;

/// Repeated questions that are answered at once, and how many in a second for long.
const REPEATS: f64 = 8.0;
const REPEATS_PER_SECOND: f64 = 0.2;

/// A question.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Question {
    /// The past from a sequence number on.
    Past(u64),
    Chronicle,
    /// The names of authors from a number on.
    Authors(u32),
    Rules,
    Audit,
    Branch,
}

/// The turn of a question.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Turn {
    /// It is answered now.
    Now,
    /// One of its kind is under way.
    Later,
    /// It was answered before, and was repeated too often since.
    TooOften,
}

/// One member's questions.
#[derive(Debug)]
pub(super) struct Questions {
    under_way: Vec<Question>,
    /// The part of the past that was asked for last while another one was under way.
    next_past: Option<u64>,
    /// The last operation of the past that was told.
    told: u64,
    knows_chronicle: bool,
    /// The last author whose name was told.
    named: u32,
    repeats: Bucket,
}

impl Questions {
    /// None yet.
    pub(super) fn new(now: Instant) -> Self {
        let repeats = Bucket::holding(REPEATS, REPEATS_PER_SECOND, now);
        Self { under_way: Vec::new(), next_past: None, told: 0, knows_chronicle: false, named: 0, repeats }
    }

    /// A question is asked. Of several parts of the past that are asked for at once, the first and the last are answered.
    pub(super) fn begin(&mut self, question: Question, now: Instant) -> Turn {
        if self.under_way.iter().any(|other| discriminant(other) == discriminant(&question)) {
            if let Question::Past(from) = question {
                self.next_past = Some(from);
            }
            return Turn::Later;
        }
        if self.is_repeated(question) {
            self.repeats.spend(0.0, now);
            if self.repeats.pause().is_some() {
                return Turn::TooOften;
            }
            self.repeats.spend(1.0, now);
        }
        self.under_way.push(question);
        Turn::Now
    }

    fn is_repeated(&mut self, question: Question) -> bool {
        match question {
            Question::Past(from) => from <= self.told,
            Question::Chronicle => std::mem::replace(&mut self.knows_chronicle, true),
            Question::Authors(from) => from <= self.named,
            // Few may ask these, or not often.
            Question::Rules | Question::Audit | Question::Branch => false,
        }
    }

    /// No answer came, and none is waited for.
    pub(super) fn forget(&mut self) {
        self.under_way.clear();
    }

    /// A question is answered by this; returns the part of the past that is asked for next, if it was that.
    pub(super) fn answered(&mut self, question: Question, answers: &[ServerMessage]) -> Option<u64> {
        match answers {
            [ServerMessage::Past { first_seq, entries, .. }] => {
                self.told = self.told.max((first_seq + entries.len() as u64).saturating_sub(1));
            }
            [ServerMessage::Authors { names }] => {
                self.named = self.named.max(names.last().map_or(0, |name| name.author));
            }
            _ => {}
        }
        self.done(question)
    }

    /// A question is over; returns the part of the past that is asked for next, if it was that.
    pub(super) fn done(&mut self, question: Question) -> Option<u64> {
        self.under_way.retain(|other| *other != question);
        matches!(question, Question::Past(_)).then(|| self.next_past.take())?
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use inkwire_protocol::{AuthorName, Entry, Operation};

    use super::*;

    #[test]
    fn one_question_of_a_kind_is_under_way_and_of_several_pasts_the_last_one_is_next() {
        let now = Instant::now();
        let mut questions = Questions::new(now);
        let asked = [Question::Chronicle, Question::Rules, Question::Chronicle].map(|it| questions.begin(it, now));
        assert_eq!(asked, [Turn::Now, Turn::Now, Turn::Later]);
        let asked = [1, 7, 9].map(|from| questions.begin(Question::Past(from), now));
        assert_eq!(asked, [Turn::Now, Turn::Later, Turn::Later]);
        assert_eq!(questions.done(Question::Chronicle), None);
        assert_eq!(questions.begin(Question::Chronicle, now), Turn::Now);
        assert_eq!(questions.done(Question::Past(1)), Some(9));
        assert_eq!(questions.begin(Question::Past(9), now), Turn::Now);
        assert_eq!(questions.done(Question::Past(9)), None);
    }

    #[test]
    fn names_are_told_page_by_page_and_each_page_once() {
        let now = Instant::now();
        let mut questions = Questions::new(now);
        let mut ask = |from| {
            let turn = questions.begin(Question::Authors(from), now);
            let names = vec![AuthorName { author: from + 499, name: String::new() }];
            questions.answered(Question::Authors(from), &[ServerMessage::Authors { names }]);
            turn
        };
        assert!((0..100).all(|page| ask(1 + page * 500) == Turn::Now));
        let again = (0..100).filter(|_| ask(1) == Turn::Now).count();
        assert_eq!(again, 9);
    }

    #[test]
    fn a_past_of_any_length_is_told_once_and_again_only_now_and_then() {
        let now = Instant::now();
        let mut questions = Questions::new(now);
        let mut ask = |from, now| {
            let turn = questions.begin(Question::Past(from), now);
            let end = Entry { author: 1, skip: 0, operation: Operation::End { slot: 0 } };
            let entries = vec![end; 100];
            let past = ServerMessage::Past { first_seq: from, last_seq: 100_000, hash: [0; 8], entries };
            questions.answered(Question::Past(from), &[past]);
            turn
        };
        assert!((1..1000).all(|part| ask(part * 100, now) == Turn::Now));
        let again = (0..100).filter(|_| ask(1, now) == Turn::Now).count();
        assert_eq!(again, 9);
        assert_eq!(ask(2, now), Turn::TooOften, "what was told is asked for from elsewhere");
        assert_eq!(ask(1, now + Duration::from_secs(10)), Turn::Now, "ten seconds later once more");
    }
}
