//! `inkwire boards`: what an operator does with the boards of a data directory, beside a running server or without one.
//!
//! Reading goes past the server, which SQLite allows. Changing goes through it where one runs, because it alone writes
//! its directory; see [`crate::operate::control`].

use std::fs;
use std::io::{ErrorKind, Write};
use std::path::{Path, PathBuf};
use std::str::FromStr;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, bail};
use clap::{Args, Subcommand, ValueEnum};
use inkwire_protocol::{AuditRecord, Role, hex, limits};
use serde_json::{Value, json};

use crate::export::{Format, archive, exported, good};
use crate::name::BoardName;
use crate::operate::control;
use crate::operate::order::{LARGEST_IMPORT, Order, Outcome, carry_out};
use crate::storage::{self, Archive, BoardRecord, Location, Opening, StorageError};

/// The flags of `boards`.
#[derive(Debug, Args)]
pub struct Flags {
    /// The directory where boards are kept.
    #[arg(
        id = "boards-data",
        long = "data",
        env = "INKWIRE_DATA",
        default_value = "./inkwire-data",
        value_name = "DIRECTORY",
        global = true
    )]
    pub data: PathBuf,
    /// The file of the durable mark, if the server has it elsewhere.
    #[arg(id = "boards-mark", long = "durable-mark", env = "INKWIRE_DURABLE_MARK", value_name = "FILE", global = true)]
    pub mark: Option<PathBuf>,
    /// Print JSON.
    #[arg(long, global = true)]
    pub json: bool,
    /// What to do.
    #[command(subcommand)]
    pub command: Command,
}

/// What can be done with boards.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// List all boards.
    List,
    /// Show what is kept of a board.
    Show {
        /// Which board.
        name: StoredName,
    },
    /// Write a board as a file: the same bytes for the same board, every time.
    Export {
        /// Which board.
        name: StoredName,
        /// As what.
        #[arg(long, default_value = "json", value_name = "FORMAT")]
        format: Format,
        /// As it was at this sequence number, or by this time as 2026-11-26T10:00:00Z, instead of now.
        #[arg(long, value_name = "N|TIME")]
        at: Option<At>,
        /// The file to write, instead of standard output.
        #[arg(long, short, value_name = "FILE")]
        output: Option<PathBuf>,
    },
    /// Put in a board that was exported as JSON.
    Import {
        /// The file.
        file: PathBuf,
        /// The name to give it, instead of the one that it had.
        #[arg(long, value_name = "NAME")]
        name: Option<BoardName>,
        /// Put it in the place of a board of that name.
        #[arg(long)]
        replace: bool,
    },
    /// Make a link of a board and print it: the way in for the operator, also to a board whose host has lost theirs.
    Link {
        /// Which board.
        name: BoardName,
        /// What the link makes of whoever has it; one of that role that was there is revoked.
        #[arg(long, default_value = "host", value_name = "ROLE")]
        role: LinkRole,
        /// Seconds after which it expires; never where nothing is said.
        #[arg(long, value_name = "SECONDS", value_parser = clap::value_parser!(u64).range(1..=limits::SECONDS))]
        expires: Option<u64>,
    },
    /// Print who ordered what on a board, newest first.
    Audit {
        /// Which board.
        name: BoardName,
    },
    /// Delete a board for good.
    Delete {
        /// Which board.
        name: StoredName,
    },
    /// Check every record and every state hash, and say what is wrong and where.
    Verify {
        /// Which board; all of them where nothing is said.
        name: Option<StoredName>,
    },
    /// Put the records of a board in order now, which a server does by itself.
    Compact {
        /// Which board; all of them where nothing is said.
        name: Option<StoredName>,
        /// Let go of how the board came about: it takes less room, and cannot be exported as it was before.
        #[arg(long)]
        forget_history: bool,
    },
    /// Copy all boards into a new file, as they are at this moment, also while a server runs.
    Backup {
        /// The file to make.
        file: PathBuf,
    },
    /// Put back all boards from a backup, while no server runs; what was there before is set aside.
    Restore {
        /// The backup.
        file: PathBuf,
    },
}

/// What a link makes of whoever has it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum LinkRole {
    /// Says who may do what.
    Host,
    /// Draws.
    Editor,
    /// Looks.
    Viewer,
}

impl From<LinkRole> for Role {
    fn from(role: LinkRole) -> Self {
        match role {
            LinkRole::Host => Self::Host,
            LinkRole::Editor => Self::Editor,
            LinkRole::Viewer => Self::Viewer,
        }
    }
}

/// A moment of a board's past.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum At {
    /// Behind the operation of this sequence number.
    Seq(u64),
    /// Behind all that was drawn by then, in milliseconds since 1970.
    Time(u64),
}

impl FromStr for At {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        if let Ok(seq) = text.parse() {
            return Ok(Self::Seq(seq));
        }
        let time =
            humantime::parse_rfc3339_weak(text).map_err(|_| "a sequence number, or a time as 2026-11-26T10:00:00Z")?;
        let since = time.duration_since(std::time::UNIX_EPOCH).map_err(|_| "a time since 1970")?;
        Ok(Self::Time(since.as_millis() as u64))
    }
}

/// The name of a board in a data directory: one that can be opened, or one that was set aside, "NAME (damaged 7)".
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StoredName(String);

impl StoredName {
    /// The name itself.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl std::fmt::Display for StoredName {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.0)
    }
}

impl FromStr for StoredName {
    type Err = <BoardName as FromStr>::Err;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        if !storage::is_set_aside(text) {
            text.parse::<BoardName>()?;
        }
        Ok(Self(text.into()))
    }
}

/// Does what the flags say and prints what came of it.
///
/// # Errors
/// An action that failed, and its object.
pub fn run(flags: &Flags) -> anyhow::Result<()> {
    let location = Location::Directory(flags.data.clone());
    let boards = Boards { data: &flags.data, location, mark: flags.mark.as_deref(), json: flags.json };
    match &flags.command {
        Command::List => boards.list(),
        Command::Show { name } => boards.show(name),
        Command::Export { name, format, at, output } => boards.export(name, *format, *at, output.as_deref()),
        Command::Import { file, name, replace } => boards.import(file, name.as_ref(), *replace),
        Command::Link { name, role, expires } => boards.link(name, (*role).into(), expires.unwrap_or(0)),
        Command::Audit { name } => boards.audit(name),
        Command::Delete { name } => boards.delete(name),
        Command::Verify { name } => boards.verify(name.as_ref()),
        Command::Compact { name, forget_history } => boards.compact(name.as_ref(), *forget_history),
        Command::Backup { file } => boards.backup(file),
        Command::Restore { file } => boards.restore(file),
    }
}

struct Boards<'a> {
    data: &'a Path,
    location: Location,
    mark: Option<&'a Path>,
    json: bool,
}

impl Boards<'_> {
    fn kept(&self) -> anyhow::Result<Box<dyn Archive>> {
        Ok(self.location.archive()?)
    }

    /// The records of one board, or of all.
    fn records(&self, kept: &dyn Archive, name: Option<&StoredName>) -> anyhow::Result<Vec<BoardRecord>> {
        match name {
            Some(name) => Ok(vec![self.record(kept, name)?]),
            None => Ok(kept.boards()?),
        }
    }

    fn record(&self, kept: &dyn Archive, name: &StoredName) -> anyhow::Result<BoardRecord> {
        let record = kept.record(name.as_str())?;
        record.with_context(|| format!("there is no board {name} in {}", self.data.display()))
    }

    /// Prints a value as JSON, or lines for people.
    fn print(&self, value: &Value, lines: impl FnOnce() -> String) -> anyhow::Result<()> {
        let text = if self.json { format!("{value}\n") } else { lines() };
        write_out(text.as_bytes())
    }

    fn list(&self) -> anyhow::Result<()> {
        let records = self.kept()?.boards()?;
        let all: Vec<Value> = records.iter().map(facts).collect();
        self.print(&json!(all), || {
            let width = records.iter().map(|record| record.name.len()).max().unwrap_or(0);
            let line = |record: &BoardRecord| {
                let (name, seq) = (&record.name, record.seq);
                let deed = if seq > 0 { "drawn on" } else { "made on" };
                format!("{name:width$}  {seq:>9} operations  {deed} {}\n", date(record.changed))
            };
            records.iter().map(line).collect()
        })
    }

    fn show(&self, name: &StoredName) -> anyhow::Result<()> {
        let kept = self.kept()?;
        let record = self.record(&*kept, name)?;
        let board = good(&*kept, &record, None)?;
        let visible = board.elements().filter(|element| element.is_visible()).count();
        let drawn = |at: i64| if record.seq > 0 { date(at) } else { "not yet".into() };
        let mut value = facts(&record);
        value["elements"] = visible.into();
        value["authors"] = board.clients().count().into();
        self.print(&value, || {
            format!(
                "board       {name}\noperations  {}\nelements    {visible} visible, {} held\nauthors     {}\nstate hash  {}\n\
                 lineage     {}\nsnapshot    at operation {}, {} bytes\ntail        {} bytes\nfirst drawn {}\nlast drawn  {}\n",
                record.seq,
                board.elements().count(),
                board.clients().count(),
                record.hash,
                hex::encode(&record.epoch.0),
                record.snapshot_seq,
                record.snapshot_bytes,
                record.tail_bytes,
                drawn(record.created),
                drawn(record.changed),
            )
        })
    }

    fn export(&self, name: &StoredName, format: Format, at: Option<At>, to: Option<&Path>) -> anyhow::Result<()> {
        let kept = self.kept()?;
        let record = self.record(&*kept, name)?;
        let at = match at {
            None => None,
            Some(At::Seq(seq)) => Some(seq),
            Some(At::Time(at)) => {
                let chronicle = kept.chronicle(name.as_str())?;
                if chronicle.moments.is_empty() {
                    bail!("board {name} was drawn by a version that kept no times: name a sequence number");
                }
                chronicle.seq_by(at)
            }
        };
        // Of a board that was set aside, what is good is all that there is.
        let is_aside = storage::is_set_aside(name.as_str());
        let board = if is_aside { kept.load(&record, at)?.board } else { good(&*kept, &record, at)? };
        let bytes = exported(&*kept, name.as_str(), &board, format)?;
        let Some(to) = to else { return write_out(&bytes) };
        fs::write(to, &bytes).with_context(|| format!("{} cannot be written", to.display()))?;
        let value = json!({ "board": name.as_str(), "file": to, "bytes": bytes.len(), "seq": board.seq() });
        self.print(&value, || format!("wrote {}, {} bytes\n", to.display(), bytes.len()))
    }

    fn import(&self, file: &Path, name: Option<&BoardName>, replaces: bool) -> anyhow::Result<()> {
        let text = read_bounded(file)?;
        let archive::Content { name: own_name, board, .. } =
            archive::read(&text).with_context(|| file.display().to_string())?;
        let name = match name {
            Some(name) => name.clone(),
            None => own_name.parse().with_context(|| format!("{}: {own_name:?}", file.display()))?,
        };
        drop(board);
        self.order(Order::Import { name: name.to_string(), replaces, archive: text })?;
        self.print(&json!({ "imported": name.as_str() }), || format!("imported {name}\n"))
    }

    fn link(&self, name: &BoardName, role: Role, seconds: u64) -> anyhow::Result<()> {
        let Outcome { token, .. } = self.order(Order::Link { name: name.to_string(), role, seconds })?;
        let link = name.link(token.context("no link was made")?);
        let value = json!({ "board": name.as_str(), "role": role.to_string(), "link": link });
        self.print(&value, || format!("{link}\n"))
    }

    fn audit(&self, name: &BoardName) -> anyhow::Result<()> {
        let records = self.kept()?.audit(name)?;
        self.print(&json!(records), || {
            let line = |record: &AuditRecord| {
                let AuditRecord { at, who, what, whom } = record;
                format!("{}  {who}: {what} {whom}\n", date((at / 1000) as i64))
            };
            records.iter().map(line).collect()
        })
    }

    fn delete(&self, name: &StoredName) -> anyhow::Result<()> {
        self.record(&*self.kept()?, name)?;
        self.order(Order::Delete { name: name.to_string() })?;
        self.print(&json!({ "deleted": name.as_str() }), || format!("deleted {name}\n"))
    }

    fn compact(&self, name: Option<&StoredName>, forgets_history: bool) -> anyhow::Result<()> {
        let records = self.records(&*self.kept()?, name)?;
        let mut all = Vec::new();
        let mut lines = String::new();
        for record in records.iter().filter(|record| record.name.parse::<BoardName>().is_ok()) {
            let order = Order::Compact { name: record.name.clone(), forgets_history };
            let Outcome { seq, snapshot_bytes, .. } = self.order(order)?;
            all.push(json!({ "board": record.name, "seq": seq, "snapshotBytes": snapshot_bytes }));
            lines += &format!("compacted {} at operation {seq}, {snapshot_bytes} bytes\n", record.name);
        }
        self.print(&json!(all), || lines)
    }

    fn verify(&self, name: Option<&StoredName>) -> anyhow::Result<()> {
        // Before anything is opened: that could change what there is to see.
        let loss = self.location.loss(self.mark)?;
        let kept = self.kept()?;
        let records = self.records(&*kept, name)?;
        let mut all = Vec::new();
        let mut lines = String::new();
        let mut broken = 0;
        if let Some(loss) = &loss {
            lines += &format!("database: DAMAGED\n    {loss}\n");
            all.push(json!({ "database": self.data, "problems": [loss.to_string()] }));
        }
        let damaged_images = if name.is_none() { kept.damaged_images()? } else { Vec::new() };
        for image in &damaged_images {
            lines += &format!("image {image}: DAMAGED\n");
            all.push(json!({ "image": image, "problems": ["its bytes are not those of its name"] }));
        }
        for record in &records {
            if name.is_none() && storage::is_set_aside(&record.name) {
                lines += &format!("{}: set aside; `boards export` and `boards delete` take this name\n", record.name);
                continue;
            }
            let verified = kept.verify(record)?;
            let problems: Vec<String> = verified.problems.iter().map(ToString::to_string).collect();
            broken += usize::from(!problems.is_empty());
            let verdict = if problems.is_empty() { "good" } else { "DAMAGED" };
            lines +=
                &format!("{}: {verdict}, {} operations from {}\n", record.name, verified.operations, verified.first);
            problems.iter().for_each(|problem| lines += &format!("    {problem}\n"));
            all.push(json!({ "board": record.name, "operations": verified.operations, "first": verified.first, "problems": problems }));
        }
        self.print(&json!(all), || lines)?;
        match (loss.is_some() || !damaged_images.is_empty(), broken) {
            (false, 0) => Ok(()),
            (true, 0) => bail!("something that was durable is missing or damaged"),
            (_, broken) => bail!("{broken} of {} boards are damaged", records.len()),
        }
    }

    fn backup(&self, file: &Path) -> anyhow::Result<()> {
        self.kept()?.backup(file)?;
        self.print(&json!({ "backup": file }), || format!("wrote {}\n", file.display()))
    }

    fn restore(&self, file: &Path) -> anyhow::Result<()> {
        self.see_directory()?;
        let (count, before) = self.location.restore(file)?;
        let value = json!({ "restored": count, "before": before });
        self.print(&value, || match &before {
            Some(before) => format!("restored {count} boards; what was there before is {}\n", before.display()),
            None => format!("restored {count} boards\n"),
        })
    }

    /// A server makes its directory; a command that was given a wrong one must not.
    fn see_directory(&self) -> anyhow::Result<()> {
        if self.data.is_dir() { Ok(()) } else { bail!("{}: there is no such directory", self.data.display()) }
    }

    /// Has something changed: by the server that has the directory, or here where none has.
    fn order(&self, order: Order) -> anyhow::Result<Outcome> {
        self.see_directory()?;
        let mark = self.mark.map(Path::to_owned);
        let opening = Opening { may_be_on_network: true, mark, ..Opening::default() };
        let engine = match self.location.open(&opening, Arc::default()) {
            Err(StorageError::Locked { .. }) => return control::ask(self.data, &order),
            other => other?,
        };
        let outcome = carry_out(&engine, order);
        engine.stop();
        outcome
    }
}

/// Prints the record of a board.
pub(crate) fn facts(record: &BoardRecord) -> Value {
    json!({
        "board": record.name,
        "seq": record.seq,
        "hash": record.hash.to_string(),
        "epoch": hex::encode(&record.epoch.0),
        "snapshotSeq": record.snapshot_seq,
        "snapshotBytes": record.snapshot_bytes,
        "tailBytes": record.tail_bytes,
        "created": record.created,
        "changed": record.changed,
    })
}

/// Seconds since 1970 as a date for people (RFC 9110 section 5.6.7).
fn date(seconds: i64) -> String {
    let time = std::time::UNIX_EPOCH + Duration::from_secs(seconds.max(0) as u64);
    httpdate::HttpDate::from(time).to_string()
}

fn read_bounded(file: &Path) -> anyhow::Result<String> {
    let failed = || file.display().to_string();
    let size = fs::metadata(file).with_context(failed)?.len();
    if size > LARGEST_IMPORT {
        bail!("{}: larger than {LARGEST_IMPORT} bytes", file.display());
    }
    fs::read_to_string(file).with_context(failed)
}

/// Writes to standard output; whoever stops reading has seen enough.
fn write_out(bytes: &[u8]) -> anyhow::Result<()> {
    match std::io::stdout().write_all(bytes) {
        Err(error) if error.kind() != ErrorKind::BrokenPipe => Err(error).context("standard output"),
        _ => Ok(()),
    }
}
