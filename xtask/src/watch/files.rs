//! Watches the tree: folders, never files, because a save puts another file in the place of the one that was watched.

use std::path::{Path, PathBuf};
use std::sync::mpsc::Sender;
use std::time::Duration;

use ignore::WalkBuilder;
use ignore::gitignore::{Gitignore, GitignoreBuilder};
use notify::{Config, ErrorKind, Event, PollWatcher, RecommendedWatcher, RecursiveMode, Watcher};

use super::Message;
use super::change::{Said, said};
use super::core;

/// How often files are looked at where the system tells nothing.
const POLL: Duration = Duration::from_millis(500);

/// The watched tree. Nothing is watched any more when it is dropped.
pub(super) struct Files {
    watcher: Box<dyn Watcher + Send>,
    root: PathBuf,
    ignored: Gitignore,
    polls: bool,
}

impl Files {
    /// Watches every folder below a root that git does not ignore. Where the system gives no more watches, files are looked at
    /// again and again instead, and that is said.
    ///
    /// # Errors
    /// If the root cannot be watched in either way.
    pub(super) fn watch(root: &Path, poll: Option<Duration>, events: &Sender<Message>) -> anyhow::Result<Self> {
        let ignored = ignored(root);
        let make = |poll: Option<Duration>| -> notify::Result<Self> {
            let tell = {
                let events = events.clone();
                move |event: notify::Result<Event>| _ = events.send(Message::File(event))
            };
            let watcher: Box<dyn Watcher + Send> = match poll {
                None => Box::new(RecommendedWatcher::new(tell, Config::default())?),
                Some(interval) => {
                    // Times of files may be no finer than a second.
                    let config = Config::default().with_poll_interval(interval).with_compare_contents(true);
                    Box::new(PollWatcher::new(tell, config)?)
                }
            };
            let (ignored, polls) = (ignored.clone(), poll.is_some());
            let mut files = Self { watcher, root: root.to_owned(), ignored, polls };
            files.add(root)?;
            Ok(files)
        };
        match make(poll) {
            Ok(files) => Ok(files),
            Err(error) if poll.is_none() && is_limit(&error) => {
                let words = "the system watches no more files (fs.inotify.max_user_watches, max_user_instances); \
                             looking at them every 500 ms instead";
                let _ = events.send(core::Event::Notice(words.into()).into());
                Ok(make(Some(POLL))?)
            }
            Err(error) => Err(error.into()),
        }
    }

    /// Watches a folder and those in it; the files that are in them.
    fn add(&mut self, folder: &Path) -> notify::Result<Vec<PathBuf>> {
        let (root, ignored) = (self.root.clone(), self.ignored.clone());
        let is_meant = move |path: &Path| !is_ignored(&root, &ignored, path, path.is_dir());
        let walk =
            WalkBuilder::new(folder).standard_filters(false).filter_entry(move |entry| is_meant(entry.path())).build();
        let mut files = Vec::new();
        for entry in walk.flatten() {
            match entry.file_type() {
                Some(kind) if kind.is_dir() => {
                    match self.watcher.watch(entry.path(), RecursiveMode::NonRecursive) {
                        // One that was taken away meanwhile.
                        Err(error) if matches!(error.kind, ErrorKind::PathNotFound) => {}
                        other => other?,
                    }
                }
                Some(kind) if kind.is_file() => files.push(entry.into_path()),
                _ => {}
            }
        }
        Ok(files)
    }

    /// The files that an event says have changed, from the root on.
    pub(super) fn changed(&mut self, event: &Event) -> Vec<PathBuf> {
        let paths = match said(event.kind, self.polls) {
            // The kernel's queue has run over: anything may have changed, and folders may be new.
            _ if event.need_rescan() => self.add(&self.root.clone()).unwrap_or_default(),
            Said::Nothing => Vec::new(),
            Said::Changed => event.paths.clone(),
            Said::New => event.paths.iter().flat_map(|path| self.new_path(path)).collect(),
        };
        let relative = |path: PathBuf| {
            let is_ignored = is_ignored(&self.root, &self.ignored, &path, false);
            path.strip_prefix(&self.root).ok().filter(|_| !is_ignored).map(Path::to_owned)
        };
        paths.into_iter().filter_map(relative).collect()
    }

    fn new_path(&mut self, path: &Path) -> Vec<PathBuf> {
        if !path.is_dir() {
            return vec![path.to_owned()];
        }
        self.add(path).unwrap_or_default()
    }
}

fn is_limit(error: &notify::Error) -> bool {
    match &error.kind {
        ErrorKind::MaxFilesWatch => true,
        ErrorKind::Io(error) => matches!(error.raw_os_error(), Some(EMFILE | ENOSPC)),
        _ => false,
    }
}

/// Too many inotify instances, and too many watches (`inotify_init(2)`, `inotify_add_watch(2)`).
const EMFILE: i32 = 24;
const ENOSPC: i32 = 28;

fn ignored(root: &Path) -> Gitignore {
    let mut builder = GitignoreBuilder::new(root);
    // Without one nothing but what is built and git's own is left out.
    let _ = builder.add(root.join(".gitignore"));
    for line in [".git/", "target/", "node_modules/"] {
        let _ = builder.add_line(None, line);
    }
    builder.build().unwrap_or_else(|_| Gitignore::empty())
}

fn is_ignored(root: &Path, ignored: &Gitignore, path: &Path, is_folder: bool) -> bool {
    path.starts_with(root) && ignored.matched_path_or_any_parents(path, is_folder).is_ignore()
}
