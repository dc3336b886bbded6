//! Many events of one save to one change. Knows no clock: it is told what time it is.

use std::collections::BTreeSet;
use std::path::PathBuf;
use std::time::{Duration, Instant};

use super::change::Class;

/// How long nothing more may come before a change is taken up.
const QUIET: Duration = Duration::from_millis(60);
/// How long it may be put off by more of them.
const MOST: Duration = Duration::from_secs(1);

/// Changes that are gathered.
#[derive(Debug, Default)]
pub(super) struct Debounce {
    since: Option<(Instant, Instant)>,
    gathered: Changes,
}

/// Files that have changed, and the most that one of them asks for.
#[derive(Debug, Default, Clone, PartialEq, Eq)]
pub(super) struct Changes {
    /// Style sheets, from the root on.
    pub(super) styles: BTreeSet<PathBuf>,
    /// Some other file of the page.
    pub(super) page: bool,
    /// What is built.
    pub(super) build: BTreeSet<PathBuf>,
}

impl Debounce {
    /// A file has changed.
    pub(super) fn push(&mut self, now: Instant, class: Class, path: PathBuf) {
        match class {
            Class::Nothing => return,
            Class::Style => _ = self.gathered.styles.insert(path),
            Class::Page => self.gathered.page = true,
            Class::Build => _ = self.gathered.build.insert(path),
        }
        let first = self.since.map_or(now, |(first, _)| first);
        self.since = Some((first, now));
    }

    /// When what was gathered is to be taken up.
    pub(super) fn due(&self) -> Option<Instant> {
        self.since.map(|(first, last)| (last + QUIET).min(first + MOST))
    }

    /// What was gathered, if it is due.
    pub(super) fn take(&mut self, now: Instant) -> Option<Changes> {
        if self.due()? > now {
            return None;
        }
        self.since = None;
        Some(std::mem::take(&mut self.gathered))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_comes_together_is_one_change_and_what_never_ends_is_taken_up_all_the_same() {
        let (begun, mut debounce) = (Instant::now(), Debounce::default());
        let at = |milliseconds| begun + Duration::from_millis(milliseconds);
        assert_eq!(debounce.due(), None);
        debounce.push(at(0), Class::Nothing, "README.md".into());
        assert_eq!(debounce.due(), None);
        debounce.push(at(0), Class::Build, "a.rs".into());
        debounce.push(at(50), Class::Build, "a.rs".into());
        debounce.push(at(55), Class::Style, "static/style.css".into());
        assert_eq!((debounce.due(), debounce.take(at(114))), (Some(at(115)), None));
        let changes = debounce.take(at(115)).unwrap();
        assert_eq!((changes.build.len(), changes.styles.len(), changes.page), (1, 1, false));
        assert_eq!(debounce.take(at(999)), None, "it is taken up once");
        for milliseconds in (0..2000).step_by(50) {
            debounce.push(at(milliseconds), Class::Page, "static/index.html".into());
        }
        assert_eq!(debounce.due(), Some(at(1000)));
    }
}
