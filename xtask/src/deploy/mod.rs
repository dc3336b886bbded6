//! `cargo xtask gen-deploy`: everything that hosting the server takes, written from one description of the deployment.

mod folder;
mod parameters;
mod render;
mod shape;
mod value;

use std::path::PathBuf;

use clap::{Args, FromArgMatches};
use serde_json::Value;

use self::folder::Folder;
use self::parameters::Parameters;
use self::render::{File, render};

/// The command as it is typed.
pub(crate) const NAME: &str = "gen-deploy";
/// Exit code where a description is refused, as clap's.
const USAGE: u8 = 2;

#[derive(Debug, Args)]
#[command(
    args_override_self = true,
    after_help = "Exit codes: 0 done, 1 something differs or could not be written, 2 the description is refused."
)]
pub(crate) struct Flags {
    /// The folder for the files.
    #[arg(long, default_value = "deploy", value_name = "FOLDER")]
    out: PathBuf,
    /// A file with the flags below, as `host = \"draw.example.org\"`; flags that are typed stand above it, lists add up.
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
    /// Write nothing; say what differs in the folder, and fail where anything does.
    #[arg(long, conflicts_with_all = ["force", "print", "list"])]
    check: bool,
    /// Write nothing; print one of the files.
    #[arg(long, value_name = "FILE", conflicts_with_all = ["force", "list"])]
    print: Option<String>,
    /// Write nothing; print the names of the files.
    #[arg(long)]
    list: bool,
    /// Also write where there are files that this command has not written.
    #[arg(long)]
    force: bool,
    #[command(flatten, next_help_heading = "The deployment")]
    parameters: Parameters,
}

pub(crate) fn run(flags: Flags) -> anyhow::Result<u8> {
    let flags = match with_file(flags) {
        Ok(flags) => flags,
        Err(why) => return Ok(refuse(&why)),
    };
    if let Err(why) = flags.parameters.check() {
        return Ok(refuse(&why));
    }
    let files = render(&flags.parameters, &changed(&flags.parameters)?).map_err(anyhow::Error::msg)?;
    if flags.list {
        files.iter().for_each(|file| println!("{}", file.path));
        return Ok(0);
    }
    if let Some(name) = &flags.print {
        return print(name, &files);
    }
    let folder = Folder::new(flags.out);
    if flags.check {
        return check(&folder, &files);
    }
    let written = folder.write(&files, flags.force)?;
    println!(
        "{NAME}: {written} of {} files written, the others were as they should be; INSTALL.md goes on",
        files.len()
    );
    folder.left(&files).iter().for_each(|path| println!("{NAME}: {} is of another deployment", path.display()));
    Ok(0)
}

fn refuse(why: &str) -> u8 {
    eprintln!("cargo xtask {NAME}: {why}");
    USAGE
}

/// The flags with those of the file below them: parsed once more, the file's first.
fn with_file(flags: Flags) -> Result<Flags, String> {
    let Some(path) = &flags.config else { return Ok(flags) };
    let known = Parameters::augment_args(clap::Command::new(NAME));
    let known: Vec<String> = known.get_arguments().filter_map(|flag| flag.get_long().map(str::to_owned)).collect();
    let of_file = parameters::from_file(path, &known)?;
    let typed = std::env::args().skip_while(|argument| argument != NAME).skip(1);
    let command = Flags::augment_args(clap::Command::new(NAME).bin_name(format!("cargo xtask {NAME}")));
    let matches = command.try_get_matches_from([NAME.to_owned()].into_iter().chain(of_file).chain(typed));
    let matches = matches.map_err(|error| {
        let text = error.to_string();
        let first = text.lines().next().unwrap_or_default().trim_start_matches("error: ");
        format!("{}: {first}", path.display())
    })?;
    Flags::from_arg_matches(&matches).map_err(|error| error.to_string())
}

/// The flags that differ from the defaults, as they are typed.
fn changed(parameters: &Parameters) -> anyhow::Result<String> {
    let command = Parameters::augment_args(clap::Command::new(NAME));
    let usual = Parameters::from_arg_matches(&command.get_matches_from([NAME]))?;
    let (Value::Object(given), Value::Object(usual)) =
        (serde_json::to_value(parameters)?, serde_json::to_value(usual)?)
    else {
        anyhow::bail!("Bug: parameters are an object");
    };
    let mut flags = Vec::new();
    for (key, value) in given.into_iter().filter(|(key, value)| usual.get(key) != Some(value)) {
        let flag = format!("--{}", key.replace('_', "-"));
        match value {
            Value::Bool(true) => flags.push(flag),
            Value::String(text) => flags.push(format!("{flag} {text}")),
            Value::Array(all) => {
                flags.extend(all.iter().filter_map(Value::as_str).map(|text| format!("{flag} {text}")));
            }
            Value::Number(number) => flags.push(format!("{flag} {number}")),
            _ => {}
        }
    }
    Ok(flags.join(" "))
}

fn print(name: &str, files: &[File]) -> anyhow::Result<u8> {
    match files.iter().find(|file| file.path == name || file.path.ends_with(&format!("/{name}"))) {
        Some(file) => {
            print!("{}", file.text);
            Ok(0)
        }
        None => Ok(refuse(&format!("there is no file {name:?}; --list says which there are"))),
    }
}

fn check(folder: &Folder, files: &[File]) -> anyhow::Result<u8> {
    let differences = folder.differences(files)?;
    differences.iter().for_each(|difference| print!("{difference}"));
    if differences.is_empty() {
        println!("{NAME}: all {} files are as they should be", files.len());
    }
    Ok(u8::from(!differences.is_empty()))
}
