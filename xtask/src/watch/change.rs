//! The meaning of a change on the disk: which events count, and what a file asks for. Knows no disk.

use std::path::Path;

use notify::EventKind;
use notify::event::{AccessKind, AccessMode, CreateKind, ModifyKind, RenameMode};

/// What a changed file asks for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Class {
    /// Nothing.
    Nothing,
    /// The page takes a style sheet over in place.
    Style,
    /// The page is loaded anew.
    Page,
    /// The server is built.
    Build,
}

/// What an event says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Said {
    /// Nothing of interest. notify reports reads too, and every tool that reads the tree would start a build.
    Nothing,
    /// Something in these files has changed.
    Changed,
    /// It is new, and where it is a folder, what was put into it before it is watched was told by nobody.
    New,
}

/// What a kind of event says.
pub(super) fn said(kind: EventKind, polls: bool) -> Said {
    match kind {
        EventKind::Access(AccessKind::Close(AccessMode::Write)) => Said::Changed,
        EventKind::Access(_) => Said::Nothing,
        // What was moved here may be a folder too.
        EventKind::Create(CreateKind::Folder | CreateKind::Any | CreateKind::Other)
        | EventKind::Modify(ModifyKind::Name(RenameMode::To | RenameMode::Both)) => Said::New,
        // Of a touched or a changed mode nothing becomes another program. A poller tells content in no other way.
        EventKind::Modify(ModifyKind::Metadata(_)) if !polls => Said::Nothing,
        _ => Said::Changed,
    }
}

/// What the file at a path, from the root on, asks for.
pub(super) fn class(path: &Path) -> Class {
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    if is_dropping(&name) {
        return Class::Nothing;
    }
    let end = path.extension().unwrap_or_default().to_string_lossy();
    if path.starts_with("static") {
        return if end == "css" { Class::Style } else { Class::Page };
    }
    match (&*name, &*end) {
        ("Cargo.toml" | "Cargo.lock" | "rust-toolchain.toml" | "rust-toolchain", _) => Class::Build,
        // What is compiled in by include_str.
        (_, "rs" | "sql") => Class::Build,
        _ if path.starts_with(".cargo") => Class::Build,
        _ => Class::Nothing,
    }
}

/// What editors and snapshot tests leave beside a file while they work on it.
fn is_dropping(name: &str) -> bool {
    let is_swap = name.starts_with('.') && name.rsplit_once('.').is_some_and(|(_, end)| end.starts_with("sw"));
    name.ends_with('~')
        || name.starts_with(".#")
        || name.starts_with('#')
        || name == "4913"
        || is_swap
        || name.ends_with(".snap.new")
}

#[cfg(test)]
mod tests {
    use notify::event::{DataChange, MetadataKind, RemoveKind};

    use super::*;

    #[test]
    fn a_file_asks_for_what_it_is() {
        for (path, expected) in [
            ("static/style.css", Class::Style),
            ("static/js/main.js", Class::Page),
            ("static/index.html", Class::Page),
            ("server/src/main.rs", Class::Build),
            ("server/src/storage/schema.sql", Class::Build),
            ("Cargo.lock", Class::Build),
            (".cargo/config.toml", Class::Build),
            ("README.md", Class::Nothing),
            ("tests/scenarios/late.ink", Class::Nothing),
            ("server/src/.main.rs.swp", Class::Nothing),
            ("server/src/main.rs~", Class::Nothing),
            ("server/src/.#main.rs", Class::Nothing),
            ("server/src/4913", Class::Nothing),
            ("static/style.css~", Class::Nothing),
            ("tests/x.snap.new", Class::Nothing),
        ] {
            assert_eq!(class(Path::new(path)), expected, "{path}");
        }
    }

    /// As notify 8.2 reports them on ext4, see `reference/dev-tooling.md`.
    #[test]
    fn every_way_to_save_is_a_change_and_reading_is_none() {
        use EventKind::{Access, Create, Modify, Remove};
        let reading = [Access(AccessKind::Open(AccessMode::Any)), Access(AccessKind::Close(AccessMode::Read))];
        assert!(reading.iter().all(|kind| said(*kind, false) == Said::Nothing));
        let saves: [&[EventKind]; 3] = [
            &[Modify(ModifyKind::Data(DataChange::Any)), Access(AccessKind::Close(AccessMode::Write))],
            &[
                Create(CreateKind::File),
                Modify(ModifyKind::Name(RenameMode::To)),
                Modify(ModifyKind::Name(RenameMode::Both)),
            ],
            &[Modify(ModifyKind::Name(RenameMode::From)), Create(CreateKind::File), Remove(RemoveKind::File)],
        ];
        assert!(saves.concat().iter().all(|kind| said(*kind, false) != Said::Nothing));
        assert_eq!(said(Create(CreateKind::Folder), false), Said::New);
        let touched = Modify(ModifyKind::Metadata(MetadataKind::Any));
        assert_eq!((said(touched, false), said(touched, true)), (Said::Nothing, Said::Changed));
    }
}
