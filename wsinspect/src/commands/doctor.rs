//! `wsinspect doctor`: tries a handshake and its variants, and says what decides.

use std::io::{self, Write};

use clap::Args;
use wsinspect::handshake::Head;
use wsinspect::handshake::doctor::{Answer, variants, verdict};
use wsinspect::handshake::target::Target;
use wsinspect::tap::{Event, Limits};
use wsinspect::view::line::visible;

use crate::failure::{Failure, Outcome};
use crate::flags::reach::{Ask, Reach};
use crate::io::peer::{Peer, request, target};
use crate::io::route;

#[derive(Debug, Args)]
pub(crate) struct Doctor {
    /// ws:// or wss://, HOST[:PORT][/PATH].
    pub(crate) url: String,
    #[command(flatten)]
    pub(crate) ask: Ask,
    #[command(flatten)]
    pub(crate) reach: Reach,
}

const LIMITS: Limits = Limits { keep: 1024, inflate: 1024 };

pub(crate) fn run(flags: &Doctor) -> Result<Outcome, Failure> {
    let target = target(&flags.url)?;
    let head = request(&flags.ask, &target)?;
    smol::block_on(async {
        let asked = match ask(&flags.reach, &target, &head).await {
            Err(Failure::Tls(words)) => return Err(without_trust(flags, &target, &head, words).await),
            other => other?,
        };
        let mut out = io::stdout();
        writeln!(out, "{:<40}  {}", "as asked", visible(&asked.words))?;
        let mut tried = Vec::new();
        for variant in variants(&head, &target) {
            let answer = ask(&flags.reach, &target, &variant.request).await;
            let answer = answer.unwrap_or_else(|error| Answer { words: error.to_string(), is_open: false });
            let mark = if answer.is_open == asked.is_open { "" } else { "   <-- decides" };
            writeln!(out, "{:<40}  {}{mark}", visible(&variant.name), visible(&answer.words))?;
            tried.push((variant.name, answer));
        }
        writeln!(out)?;
        for line in verdict(&asked, &tried) {
            writeln!(out, "{}", visible(&line))?;
        }
        if asked.is_open { Ok(Outcome::Done) } else { Err(Failure::Refused(format!("{} is refused", flags.url))) }
    })
}

/// One handshake; the connection is given up behind it.
async fn ask(reach: &Reach, target: &Target, head: &Head) -> Result<Answer, Failure> {
    let mut peer = Peer::connect(reach, target, LIMITS, 1).await?;
    let (told, result) = peer.shake_hands(head, reach.connect_timeout, route::late(reach, target)).await;
    peer.end();
    let status = told.iter().find_map(|(_, event)| match event {
        Event::Handshake(handshake) => handshake.response.line.split_once(' ').map(|(_, status)| status.to_owned()),
        _ => None,
    });
    match (status, result) {
        (Some(words), Ok(())) => Ok(Answer { words, is_open: true }),
        // 101, and not what a client may go on with.
        (Some(words), Err(error)) if words.starts_with("101") => {
            Ok(Answer { words: format!("{words}, but {error}"), is_open: false })
        }
        (Some(words), Err(_)) => Ok(Answer { words, is_open: false }),
        (None, result) => {
            Ok(Answer { words: result.err().map_or_else(String::new, |e| e.to_string()), is_open: false })
        }
    }
}

/// Whether it is only trust that is missing.
async fn without_trust(flags: &Doctor, target: &Target, head: &Head, words: String) -> Failure {
    let reach = Reach { insecure: true, cacert: None, ..flags.reach.clone() };
    match ask(&reach, target, head).await {
        Ok(answer) => Failure::Tls(format!("{words}; without asking for trust the server answers {}", answer.words)),
        Err(_) => Failure::Tls(words),
    }
}
