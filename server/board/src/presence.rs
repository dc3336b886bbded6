//! People and their pointers: last values, merged, droppable, never in the log.

use std::collections::BTreeMap;

use inkwire_protocol::{Change, Colour, Reaction, Role, Shape, Text};

/// Longest name that is shown, in characters.
const NAME_LETTERS: usize = 32;
/// Departures that are remembered for members who have not heard of them; a member further behind is told everything.
const REMEMBERED_DEPARTURES: usize = 256;

#[derive(Debug, Clone)]
struct Person {
    name: String,
    colour: Colour,
    at: Option<[i32; 2]>,
    /// Whether the pointer is a laser.
    is_lit: bool,
    view: Option<[i32; 4]>,
    permissions: Permissions,
    hand: bool,
    reaction: Option<Reaction>,
    draft: Draft<Shape>,
    writing: Draft<Text>,
    profile_version: u64,
    cursor_version: u64,
    view_version: u64,
    permissions_version: u64,
    reaction_version: u64,
}

/// Something that is just being made, with the version at which it was last changed.
#[derive(Debug, Clone)]
struct Draft<T> {
    value: Option<Box<T>>,
    version: u64,
}

impl<T: Clone + PartialEq> Draft<T> {
    /// Takes another value, which raises the version of all people.
    fn set(&mut self, value: Option<T>, version: &mut u64) {
        if self.value.as_deref() != value.as_ref() {
            *version += 1;
            (self.value, self.version) = (value.map(Box::new), *version);
        }
    }

    /// Returns the value if it is told to a member that has seen a version: that there is none is news only after the profile.
    fn since(&self, seen: u64, profile_version: u64) -> Option<Option<T>> {
        let is_told = self.value.is_some() || self.version > profile_version;
        (self.version > seen && is_told).then(|| self.value.as_deref().cloned())
    }
}

/// Permissions of a member, as the others see them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Permissions {
    /// The role.
    pub role: Role,
    /// Whether what they draw is taken now.
    pub draws: bool,
    /// Whether a host has muted them.
    pub muted: bool,
}

impl Default for Permissions {
    /// That of everybody on a board that nobody hosts.
    fn default() -> Self {
        Self { role: Role::Editor, draws: true, muted: false }
    }
}

/// The people in a room. Every change raises the version; a member is told what changed since the one it has seen.
#[derive(Debug, Clone, Default)]
pub struct Presence {
    people: BTreeMap<u32, Person>,
    departures: Vec<(u64, u32)>,
    version: u64,
    /// Members that have seen less than this are told everything.
    floor: u64,
}

impl Presence {
    /// The version of the last change.
    pub fn version(&self) -> u64 {
        self.version
    }

    /// Returns the number of people.
    pub fn count(&self) -> usize {
        self.people.len()
    }

    /// Somebody is here, or has a new name or colour. The name is cleaned, see [`clean_name`].
    pub fn here(&mut self, author: u32, name: &str, colour: Colour) {
        self.version += 1;
        let (name, version) = (clean_name(name), self.version);
        let known = self.people.get(&author);
        let (at, view) = known.map_or((None, None), |person| (person.at, person.view));
        let draft = Draft { value: known.and_then(|person| person.draft.value.clone()), version };
        let writing = Draft { value: known.and_then(|person| person.writing.value.clone()), version };
        let (permissions, hand) = known.map_or_else(Default::default, |person| (person.permissions, person.hand));
        let person = Person {
            name,
            colour,
            at,
            is_lit: false,
            view,
            permissions,
            hand,
            reaction: None,
            draft,
            writing,
            profile_version: version,
            cursor_version: version,
            view_version: version,
            permissions_version: version,
            reaction_version: 0,
        };
        self.people.insert(author, person);
        self.departures.retain(|(_, gone)| *gone != author);
    }

    /// A pointer moved, or left the board.
    pub fn cursor(&mut self, author: u32, at: Option<[i32; 2]>) {
        self.point(author, at, false);
    }

    /// A laser points at a place.
    pub fn laser(&mut self, author: u32, at: [i32; 2]) {
        self.point(author, Some(at), true);
    }

    fn point(&mut self, author: u32, at: Option<[i32; 2]>, is_lit: bool) {
        let changes = |person: &&mut Person| person.at != at || person.is_lit != is_lit;
        if let Some(person) = self.people.get_mut(&author).filter(changes) {
            self.version += 1;
            (person.at, person.is_lit) = (at, is_lit);
            person.cursor_version = self.version;
        }
    }

    /// Somebody sees another part of the board.
    pub fn view(&mut self, author: u32, view: Option<[i32; 4]>) {
        if let Some(person) = self.people.get_mut(&author).filter(|person| person.view != view) {
            self.version += 1;
            person.view = view;
            person.view_version = self.version;
        }
    }

    /// Somebody may do something else now.
    pub fn permissions(&mut self, author: u32, permissions: Permissions) {
        if let Some(person) = self.people.get_mut(&author).filter(|person| person.permissions != permissions) {
            self.version += 1;
            (person.permissions, person.permissions_version) = (permissions, self.version);
        }
        if !permissions.draws {
            self.draft(author, None);
            self.writing(author, None);
        }
    }

    /// Somebody drags a shape out, or does no longer. Only who may draw shows one.
    pub fn draft(&mut self, author: u32, shape: Option<Shape>) {
        let Some(person) = self.people.get_mut(&author) else { return };
        let shape = shape.filter(|_| person.permissions.draws);
        person.draft.set(shape, &mut self.version);
    }

    /// Somebody writes a text, or does no longer. Only who may draw shows one.
    pub fn writing(&mut self, author: u32, text: Option<Text>) {
        let Some(person) = self.people.get_mut(&author) else { return };
        let text = text.filter(|_| person.permissions.draws);
        person.writing.set(text, &mut self.version);
    }

    /// Somebody raises a hand, or takes it down.
    pub fn hand(&mut self, author: u32, raised: bool) {
        if let Some(person) = self.people.get_mut(&author).filter(|person| person.hand != raised) {
            self.version += 1;
            (person.hand, person.permissions_version) = (raised, self.version);
        }
    }

    /// Somebody shows something for a moment: whoever comes later does not see it.
    pub fn react(&mut self, author: u32, reaction: Reaction) {
        if let Some(person) = self.people.get_mut(&author) {
            self.version += 1;
            (person.reaction, person.reaction_version) = (Some(reaction), self.version);
        }
    }

    /// The name of somebody who is here.
    pub fn name(&self, author: u32) -> Option<&str> {
        self.people.get(&author).map(|person| person.name.as_str())
    }

    /// Somebody has gone.
    pub fn gone(&mut self, author: u32) {
        if self.people.remove(&author).is_none() {
            return;
        }
        self.version += 1;
        self.departures.push((self.version, author));
        if self.departures.len() > REMEMBERED_DEPARTURES {
            self.departures.clear();
            self.floor = self.version;
        }
    }

    /// Returns the changes since a version, and whether that is everything there is.
    pub fn changes_since(&self, seen: u64) -> (bool, Vec<Change>) {
        let all = seen < self.floor || seen == 0;
        let seen = if all { 0 } else { seen };
        let mut changes = Vec::new();
        if !all {
            let gone = self.departures.iter().filter(|(version, _)| *version > seen);
            changes.extend(gone.map(|(_, author)| Change::Gone { author: *author }));
        }
        for (author, person) in &self.people {
            if person.profile_version > seen {
                changes.push(Change::Here { author: *author, name: person.name.clone(), colour: person.colour });
            }
            if person.cursor_version > seen && (person.at.is_some() || person.cursor_version > person.profile_version) {
                changes.push(match person.at.filter(|_| person.is_lit) {
                    Some(at) => Change::Laser { author: *author, at },
                    None => Change::Cursor { author: *author, at: person.at },
                });
            }
            if person.view_version > seen && (person.view.is_some() || person.view_version > person.profile_version) {
                changes.push(Change::View { author: *author, view: person.view });
            }
            let is_told = person.permissions != Permissions::default()
                || person.hand
                || person.permissions_version > person.profile_version;
            if person.permissions_version > seen && is_told {
                let (Permissions { role, draws, muted }, hand) = (person.permissions, person.hand);
                changes.push(Change::Standing { author: *author, role, draws, muted, hand });
            }
            if let Some(shape) = person.draft.since(seen, person.profile_version) {
                changes.push(Change::Draft { author: *author, shape });
            }
            if let Some(text) = person.writing.since(seen, person.profile_version) {
                changes.push(Change::Writing { author: *author, text });
            }
            if let Some(reaction) = person.reaction
                && !all
                && person.reaction_version > seen
            {
                changes.push(Change::Reaction { author: *author, reaction });
            }
        }
        (all, changes)
    }
}

/// A name as it is shown: without control characters and without characters that change the direction of writing
/// (Unicode's bidirectional controls, UAX #9), at most 32 characters, `Guest` where nothing is left.
pub fn clean_name(name: &str) -> String {
    let directs = |letter: char| matches!(letter, '\u{200e}' | '\u{200f}' | '\u{061c}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}');
    let invisible = |letter: char| matches!(letter, '\u{200b}' | '\u{2028}' | '\u{2029}' | '\u{feff}' | '\u{2060}');
    let kept = name.chars().filter(|letter| !letter.is_control() && !directs(*letter) && !invisible(*letter));
    let cleaned: String = kept.collect::<String>().trim().chars().take(NAME_LETTERS).collect();
    if cleaned.is_empty() { "Guest".into() } else { cleaned }
}

#[cfg(test)]
mod tests {
    use super::*;

    const INK: Colour = Colour(0xff);

    #[test]
    fn a_newcomer_is_told_everything_and_later_only_what_changed() {
        let mut presence = Presence::default();
        presence.here(1, "Ada", INK);
        presence.here(2, "Bob", INK);
        let (all, changes) = presence.changes_since(0);
        assert!(all);
        assert_eq!(changes.len(), 2);
        let seen = presence.version();
        presence.cursor(1, Some([3, 4]));
        presence.cursor(1, Some([5, 6]));
        assert_eq!(presence.changes_since(seen), (false, vec![Change::Cursor { author: 1, at: Some([5, 6]) }]));
        presence.gone(2);
        assert!(presence.changes_since(seen).1.contains(&Change::Gone { author: 2 }));
    }

    #[test]
    fn a_laser_is_a_pointer_that_is_lit_and_a_view_is_told_once() {
        let mut presence = Presence::default();
        presence.here(1, "Ada", INK);
        let seen = presence.version();
        presence.laser(1, [3, 4]);
        presence.view(1, Some([0, 0, 64, 64]));
        let (laser, view) =
            (Change::Laser { author: 1, at: [3, 4] }, Change::View { author: 1, view: Some([0, 0, 64, 64]) });
        assert_eq!(presence.changes_since(seen), (false, vec![laser, view]));
        let seen = presence.version();
        presence.cursor(1, Some([3, 4]));
        assert_eq!(presence.changes_since(seen), (false, vec![Change::Cursor { author: 1, at: Some([3, 4]) }]));
    }

    #[test]
    fn a_hand_stays_raised_and_a_reaction_is_seen_only_by_who_is_there() {
        let mut presence = Presence::default();
        presence.here(1, "Ada", INK);
        let seen = presence.version();
        presence.hand(1, true);
        presence.react(1, Reaction::Heart);
        let hand = Change::Standing { author: 1, role: Role::Editor, draws: true, muted: false, hand: true };
        let heart = Change::Reaction { author: 1, reaction: Reaction::Heart };
        assert_eq!(presence.changes_since(seen), (false, vec![hand.clone(), heart]));
        let here = Change::Here { author: 1, name: "Ada".into(), colour: INK };
        assert_eq!(presence.changes_since(0), (true, vec![here, hand]));
    }

    #[test]
    fn a_draft_is_shown_until_it_is_let_go_and_by_nobody_who_may_not_draw() {
        let mut presence = Presence::default();
        presence.here(1, "Ada", INK);
        let kind = inkwire_protocol::ShapeKind::Line;
        let shape =
            Shape { gesture_back: 0, kind, colour: INK, fill: INK, width: 8, scale: 3, x: 0, y: 0, dx: 9, dy: 9 };
        let told = |presence: &Presence, seen| presence.changes_since(seen).1.pop();
        let shown = Change::Draft { author: 1, shape: Some(shape.clone()) };
        let gone = Change::Draft { author: 1, shape: None };
        let seen = presence.version();
        presence.draft(1, Some(shape.clone()));
        assert_eq!(told(&presence, seen), Some(shown.clone()));
        assert_eq!(told(&presence, 0), Some(shown.clone()), "whoever comes meanwhile sees it");
        let seen = presence.version();
        presence.draft(1, None);
        assert_eq!(told(&presence, seen), Some(gone.clone()));
        presence.draft(1, Some(shape.clone()));
        let seen = presence.version();
        presence.permissions(1, Permissions { draws: false, ..Permissions::default() });
        assert_eq!(told(&presence, seen), Some(gone), "who is muted meanwhile shows it no longer");
        let seen = presence.version();
        presence.draft(1, Some(shape));
        assert_eq!(told(&presence, seen), None);
    }

    #[test]
    fn a_text_is_shown_while_it_is_written_and_beside_its_frame() {
        let mut presence = Presence::default();
        presence.here(1, "Ada", INK);
        let text = Text { gesture_back: 0, colour: INK, size: 9, scale: 3, x: 1, y: 2, text: "to be".into() };
        let told = |presence: &Presence, seen| presence.changes_since(seen).1.pop();
        let shown = Change::Writing { author: 1, text: Some(text.clone()) };
        let gone = Change::Writing { author: 1, text: None };
        presence.writing(1, Some(text.clone()));
        assert_eq!(told(&presence, 0), Some(shown), "a member that comes meanwhile sees it");
        let seen = presence.version();
        presence.writing(1, Some(text.clone()));
        assert_eq!(told(&presence, seen), None, "nothing has changed");
        presence.permissions(1, Permissions { draws: false, ..Permissions::default() });
        assert_eq!(told(&presence, seen), Some(gone), "who is muted meanwhile shows it no longer");
        let seen = presence.version();
        presence.writing(1, Some(text));
        assert_eq!(told(&presence, seen), None);
    }

    #[test]
    fn departures_are_not_remembered_for_ever() {
        let mut presence = Presence::default();
        presence.here(1, "Ada", INK);
        let seen = presence.version();
        for author in 2..1000 {
            presence.here(author, "x", INK);
            presence.gone(author);
        }
        assert!(presence.departures.len() <= REMEMBERED_DEPARTURES);
        let (all, changes) = presence.changes_since(seen);
        assert!(all, "a member that far behind is told everything");
        assert_eq!(changes.len(), 1);
    }

    #[test]
    fn names_lose_controls_and_direction_overrides_and_keep_markup() {
        assert_eq!(clean_name("a\u{202e}b\u{0}c\nd\u{1b}[1m"), "abcd[1m");
        assert_eq!(clean_name("<b>Zoë</b>"), "<b>Zoë</b>");
        assert_eq!(clean_name("  \u{200f} "), "Guest");
        assert_eq!(clean_name(&"n".repeat(99)).len(), 32);
    }
}
