//! One build by cargo: in its own process group, so that it can be cancelled with everything that it runs.

use std::hash::{DefaultHasher, Hasher};
use std::io::{BufRead, BufReader};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Stdio};
use std::sync::mpsc::Sender;
use std::thread;

use serde_json::Value;

use super::Message;
use super::core::{CompilerError, Event, Program};
use crate::group::{Group, Guard};
use crate::process::cargo;

/// A build that runs.
pub(super) struct Build {
    pub(super) number: u64,
    group: Group,
}

impl Build {
    /// Starts a build; its result is sent with its number.
    ///
    /// # Errors
    /// If cargo cannot be started.
    pub(super) fn begin(
        number: u64,
        (root, package): (&Path, &str),
        groups: &Guard,
        events: &Sender<Message>,
    ) -> anyhow::Result<Self> {
        let target = root.join("target/watch");
        let mut command =
            cargo(&["build", "--quiet", "--package", package, "--message-format=json-diagnostic-rendered-ansi"]);
        command.current_dir(root).arg("--target-dir").arg(target);
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped()).process_group(0);
        let child = command.spawn()?;
        let group = groups.of(&child);
        let events = events.clone();
        let package = package.to_owned();
        thread::spawn(move || {
            let _ = events.send(Event::Built(number, read(child, &package)).into());
        });
        Ok(Self { number, group })
    }

    /// Ends it, with everything that it runs.
    pub(super) fn cancel(self) {
        self.group.kill();
    }
}

fn read(mut child: Child, package: &str) -> Result<Program, Vec<CompilerError>> {
    let stderr = child.stderr.take().map(BufReader::new);
    // cargo's own words, where it does not get as far as to compile: a manifest that cannot be read.
    let words = thread::spawn(move || {
        let lines = stderr.into_iter().flat_map(|stderr| stderr.lines().map_while(Result::ok));
        lines.collect::<Vec<_>>().join("\n")
    });
    let (mut errors, mut executable) = (Vec::new(), None);
    for line in child.stdout.take().map(BufReader::new).into_iter().flat_map(BufRead::lines).map_while(Result::ok) {
        let Ok(message) = serde_json::from_str::<Value>(&line) else { continue };
        errors.extend(error(&message));
        let is_ours = message["target"]["name"] == package && message["target"]["kind"][0] == "bin";
        if let Some(path) = message["executable"].as_str().filter(|_| is_ours) {
            executable = Some(PathBuf::from(path));
        }
    }
    let is_good = child.wait().is_ok_and(|status| status.success());
    let words = words.join().unwrap_or_default();
    match executable {
        Some(executable) if is_good => program(executable),
        _ if errors.is_empty() => Err(vec![CompilerError { text: words, place: None }]),
        _ => Err(errors),
    }
}

/// Reads the program that was built.
fn program(executable: PathBuf) -> Result<Program, Vec<CompilerError>> {
    let mut hasher = DefaultHasher::new();
    match std::fs::read(&executable) {
        Ok(bytes) => hasher.write(&bytes),
        Err(error) => {
            let text = format!("{}: cannot be read: {error}", executable.display());
            return Err(vec![CompilerError { text, place: None }]);
        }
    }
    Ok(Program { executable, fingerprint: hasher.finish() })
}

/// An error in a message of cargo (`--message-format=json`, the cargo book).
fn error(message: &Value) -> Option<CompilerError> {
    let told = &message["message"];
    if message["reason"] != "compiler-message" || told["level"] != "error" {
        return None;
    }
    let spans = told["spans"].as_array().map_or(&[][..], Vec::as_slice);
    let primary = spans.iter().find(|span| span["is_primary"] == true);
    let place = primary.map(|span| {
        format!("{}:{}:{}", span["file_name"].as_str().unwrap_or("?"), span["line_start"], span["column_start"])
    });
    // "aborting due to 2 previous errors" has no place, and says nothing.
    let text = told["rendered"].as_str().unwrap_or_default().to_owned();
    place.map(|place| CompilerError { text, place: Some(place) })
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn an_error_has_its_place_and_a_warning_is_none() {
        let message = |level: &str| {
            json!({"reason": "compiler-message", "message": {"level": level, "rendered": "error: no\n",
                "spans": [{"is_primary": false, "file_name": "b.rs", "line_start": 1, "column_start": 1},
                          {"is_primary": true, "file_name": "src/a.rs", "line_start": 3, "column_start": 7}]}})
        };
        let expected = CompilerError { text: "error: no\n".into(), place: Some("src/a.rs:3:7".into()) };
        assert_eq!(error(&message("error")), Some(expected));
        assert_eq!(error(&message("warning")), None);
        assert_eq!(error(&json!({"reason": "compiler-artifact"})), None);
    }
}
