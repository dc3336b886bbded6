//! `cargo xtask setup`: installs what the tests need and the machine lacks, and is quick when nothing is missing.

use std::path::Path;
use std::process::Command;

use anyhow::bail;

use crate::autobahn;
use crate::process::{cargo, check, is_on_path};

/// A program or file of a Debian package.
struct Need {
    package: &'static str,
    is_there: fn() -> bool,
    what_for: &'static str,
}

const NEEDS: &[Need] = &[
    Need { package: "chromium", is_there: || is_on_path("chromium"), what_for: "the browser of the page's tests" },
    Need {
        package: "fonts-dejavu-core",
        is_there: || Path::new("/usr/share/fonts/truetype/dejavu").is_dir(),
        what_for: "letters on screenshots",
    },
    Need { package: "nodejs", is_there: || is_on_path("node"), what_for: "the page's tests" },
    Need { package: "npm", is_there: || is_on_path("npm"), what_for: "Playwright" },
    Need {
        package: "libfaketime",
        is_there: || Path::new("/usr/lib/x86_64-linux-gnu/faketime/libfaketime.so.1").exists(),
        what_for: "a clock that jumps, in tests",
    },
    Need {
        package: "e2fsprogs",
        is_there: || Path::new("/usr/sbin/mkfs.ext4").exists(),
        what_for: "a disk whose power is cut, in tests",
    },
    Need {
        package: "python3-venv",
        is_there: || autobahn::is_installed() || answers("python3", &["-c", "import ensurepip, venv"]),
        what_for: "installing the Autobahn test suite",
    },
    Need { package: "valgrind", is_there: || is_on_path("valgrind") && is_on_path("vgdb"), what_for: "finding leaks" },
    Need {
        package: "nginx-light",
        is_there: || Path::new("/usr/sbin/nginx").exists(),
        what_for: "serving through what gen-deploy writes; where Debian starts it: systemctl disable --now nginx",
    },
    Need {
        package: "caddy",
        is_there: || is_on_path("caddy"),
        what_for: "the same; where Debian starts it: systemctl disable --now caddy",
    },
    Need { package: "systemd", is_there: || is_on_path("systemd-analyze"), what_for: "its opinion of units, in tests" },
    Need { package: "tshark", is_there: || is_on_path("tshark"), what_for: "another opinion on frames, in tests" },
    Need { package: "python3", is_there: || is_on_path("python3"), what_for: "passing on a socket as systemd does" },
];

pub(crate) fn run() -> anyhow::Result<()> {
    let missing: Vec<&Need> = NEEDS.iter().filter(|need| !(need.is_there)()).collect();
    if !missing.is_empty() {
        missing.iter().for_each(|need| println!("setup: {} is missing ({})", need.package, need.what_for));
        install(&missing.iter().map(|need| need.package).collect::<Vec<_>>())?;
    }
    install_components()?;
    install_npm_packages("tests")?;
    autobahn::install()?;
    install_python_tools()?;
    install_cargo_deb()?;
    println!("setup: everything is there");
    Ok(())
}

/// Installs Debian packages as root or by a sudo that asks nothing; else says what to type.
fn install(packages: &[&str]) -> anyhow::Result<()> {
    let by_hand = format!("apt-get update && apt-get install --no-install-recommends {}", packages.join(" "));
    let Some(apt) = apt() else {
        bail!("this user may not install packages; as root, type: {by_hand}");
    };
    println!("setup: {by_hand}");
    check(apt().arg("update").arg("--quiet=2"))?;
    check(apt().args(["install", "--yes", "--quiet=2", "--no-install-recommends"]).args(packages))
}

fn apt() -> Option<fn() -> Command> {
    fn as_root() -> Command {
        let mut command = Command::new("apt-get");
        command.env("DEBIAN_FRONTEND", "noninteractive");
        command
    }
    fn by_sudo() -> Command {
        let mut command = Command::new("sudo");
        command.args(["--non-interactive", "DEBIAN_FRONTEND=noninteractive", "apt-get"]);
        command
    }
    if !is_on_path("apt-get") {
        return None;
    }
    let is_root = Command::new("id").arg("-u").output().is_ok_and(|output| output.stdout.trim_ascii() == b"0");
    if is_root {
        Some(as_root)
    } else if answers("sudo", &["--non-interactive", "true"]) {
        Some(by_sudo)
    } else {
        None
    }
}

/// A minimal toolchain has neither rustfmt nor clippy.
fn install_components() -> anyhow::Result<()> {
    for (component, program) in [("rustfmt", "cargo-fmt"), ("clippy", "cargo-clippy")] {
        if answers(program, &["--version"]) {
            continue;
        }
        if !is_on_path("rustup") {
            bail!("{program} is missing and so is rustup; install the Debian package {component} or rust-{component}");
        }
        println!("setup: rustup component add {component}");
        check(Command::new("rustup").args(["component", "add", component]))?;
    }
    Ok(())
}

fn answers(program: &str, arguments: &[&str]) -> bool {
    succeeds(Command::new(program).args(arguments))
}

/// Whether a program runs to a good end, whatever it prints.
fn succeeds(command: &mut Command) -> bool {
    command.stdout(std::process::Stdio::null()).stderr(std::process::Stdio::null());
    command.status().is_ok_and(|status| status.success())
}

/// Programs from PyPI, each in a place of its own, in the release that the tests know: the analyser of nginx
/// configurations, and what tries the operator's API by its description.
const PYTHON_TOOLS: [(&str, &str); 2] = [("gixy", "gixy-ng==0.2.59"), ("schemathesis", "schemathesis==4.32.5")];

fn install_python_tools() -> anyhow::Result<()> {
    for (program, release) in PYTHON_TOOLS {
        let place = Path::new("target/tools").join(program);
        if place.join("bin").join(program).exists() {
            continue;
        }
        println!("setup: {release} in {}", place.display());
        check(Command::new("python3").args(["-m", "venv"]).arg(&place))?;
        check(Command::new(place.join("bin/pip")).args([
            "install",
            "--quiet",
            "--disable-pip-version-check",
            release,
        ]))?;
    }
    Ok(())
}

/// Installs the tool that makes a Debian package of the server.
fn install_cargo_deb() -> anyhow::Result<()> {
    /// The release that the tests know.
    const VERSION: &str = "3.8.0";
    let place = "target/tools/cargo-deb";
    if Path::new(place).join("bin/cargo-deb").exists() {
        return Ok(());
    }
    println!("setup: cargo-deb {VERSION} in {place} (a minute or two)");
    check(&mut cargo(&["install", "cargo-deb", "--version", VERSION, "--locked", "--quiet", "--root", place]))
}

/// `npm ci` in a folder where the installed packages are not those of its lock file. No package runs a script: none needs to.
pub(crate) fn install_npm_packages(folder: &str) -> anyhow::Result<()> {
    let modified =
        |path: &str| std::fs::metadata(format!("{folder}/{path}")).and_then(|metadata| metadata.modified()).ok();
    let installed = modified("node_modules/.package-lock.json");
    if installed.is_some() && installed >= modified("package-lock.json") {
        return Ok(());
    }
    println!("npm ci in {folder}/");
    let arguments = ["ci", "--ignore-scripts", "--no-audit", "--no-fund", "--loglevel=error"];
    check(Command::new("npm").args(arguments).current_dir(folder))
}
