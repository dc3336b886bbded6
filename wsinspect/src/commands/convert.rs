//! `wsinspect convert`: a recording in another format.

use std::path::{Path, PathBuf};

use clap::Args;
use wsinspect::tap::{Event, Limits};

use crate::failure::{Failure, Outcome, say};
use crate::flags::look::Manner;
use crate::io::output::record;
use crate::io::recording::{Har, Kind, Lines, Named, Packets, Script, read, refuse_itself};

#[derive(Debug, Args)]
pub(crate) struct Convert {
    /// A recording: JSON lines, HAR, pcapng or pcap, told apart by how it begins; standard input with -.
    pub(crate) from: PathBuf,
    /// The file to write; its format is what its name ends in: .jsonl, .har, .pcapng, or .wst for a script.
    pub(crate) to: PathBuf,
    /// Most bytes of a payload that are kept, and that a compressed message may become.
    #[arg(long, default_value_t = 64 * 1024 * 1024, value_name = "BYTES")]
    pub(crate) keep: usize,
    #[command(flatten)]
    pub(crate) manner: Manner,
}

pub(crate) fn run(flags: &Convert) -> Result<Outcome, Failure> {
    let limits = Limits { keep: flags.keep, inflate: flags.keep as u64 };
    refuse_itself(&flags.from, std::iter::once(&flags.to))?;
    let sink = sink(flags, &flags.to)?;
    let (mut sinks, mut result, mut cut) = ([sink], Ok(()), 0);
    let told = read(&flags.from, limits, &mut |stamp, url, event| {
        cut += u64::from(matches!(event, Event::Frame { frame, .. } if !frame.is_whole()));
        if result.is_ok() {
            result = record(&mut sinks, !flags.manner.keep_secrets, (stamp, url, event));
        }
    });
    result?;
    sinks[0].with(|sink| sink.finish())?;
    if cut > 0 {
        say(&format!("{cut} frames were not recorded whole, and are not whole in {}", flags.to.display()));
    }
    told.map(|()| Outcome::Done)
}

fn sink(flags: &Convert, path: &Path) -> Result<Named, Failure> {
    Ok(match Kind::of(path) {
        Some(Kind::Jsonl) => Named::new(path, Lines::create(path)?),
        Some(Kind::Har) => Named::new(path, Har::create(path, flags.manner.har_all, flags.keep)?),
        Some(Kind::Packets) => Named::new(path, Packets::create(path, flags.manner.capture(flags.keep))?),
        Some(Kind::Script) => Named::new(path, Script::create(path, flags.keep)?),
        None => {
            let words = "its name ends in no format that is known: .jsonl, .har, .pcapng, .wst (a script)";
            return Err(Failure::Usage(format!("{}: {words}", path.display())));
        }
    })
}
