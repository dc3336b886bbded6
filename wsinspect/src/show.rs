//! `wsinspect show` and `convert`: a recording, looked at again or written in another format.

use std::path::Path;

use wsinspect::tap::Limits;

use crate::cli::{Convert, Show};
use crate::failure::{Failure, Outcome};
use crate::output::record;
use crate::recording::{Har, Kind, Lines, Packets, Script, Sink, read};

pub(crate) fn run(flags: &Show) -> Result<Outcome, Failure> {
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
    let sink = sink(flags, &flags.to)?;
    let (mut sinks, mut result) = ([sink], Ok(()));
    let told = read(&flags.from, limits, &mut |stamp, url, event| {
        if result.is_ok() {
            result = record(&mut sinks, !flags.manner.keep_secrets, (stamp, url, event));
        }
    });
    result?;
    sinks[0].finish()?;
    told.map(|()| Outcome::Done)
}

fn sink(flags: &Convert, path: &Path) -> Result<Box<dyn Sink>, Failure> {
    Ok(match Kind::of(path) {
        Some(Kind::Jsonl) => Box::new(Lines::create(path)?),
        Some(Kind::Har) => Box::new(Har::create(path, flags.manner.har_all, flags.keep)?),
        Some(Kind::Packets) => Box::new(Packets::create(path, flags.manner.capture(flags.keep))?),
        Some(Kind::Script) => Box::new(Script::create(path, flags.keep)?),
        None => {
            let words = "its name ends in no format that is known: .jsonl, .har, .pcapng, .wst (a script)";
            return Err(Failure::Input(format!("{}: {words}", path.display())));
        }
    })
}
