//! `wsinspect show`: a recording, with the views and filters of live connections.

use std::path::PathBuf;

use clap::Args;

use crate::failure::{Failure, Outcome};
use crate::flags::look::Look;
use crate::io::recording::{read, refuse_itself};

#[derive(Debug, Args)]
pub(crate) struct Show {
    /// A recording: JSON lines, HAR, pcapng or pcap, told apart by how it begins; standard input with -.
    pub(crate) file: PathBuf,
    #[command(flatten)]
    pub(crate) look: Look,
}

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
