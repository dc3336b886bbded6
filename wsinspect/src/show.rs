//! `wsinspect show` and `convert`: a recording, looked at again or written in another format.

use std::path::Path;

use wsinspect::tap::{Event, Limits};

use crate::cli::{Convert, Show};
use crate::failure::{Failure, Outcome, say};
use crate::output::record;

use crate::recording::{Har, Kind, Lines, Named, Packets, Script, read, refuse_itself};

pub(crate) fn run(flags: &Show) -> Result<Outcome, Failure> {
    let record = &flags.look.record;
    refuse_itself(&flags.file, record.write.iter().chain(&record.har).chain(&record.pcap))?;
    let mut output = flags.look.output()?;
    let mut result = Ok(());
    let told = read(&flags.file, flags.look.limits(), &mut |stamp, url, event| {
        if result.is_ok() {
            result = output.take(stamp, url, event);
        }
    });
    result?;
    let outcome = output.finish()?;
    told.map(|()| outcome)
}

pub(crate) fn convert(flags: &Convert) -> Result<Outcome, Failure> {
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
