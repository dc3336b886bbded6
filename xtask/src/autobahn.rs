//! The Autobahn test suite: Python 2.7 only, so it lives in a virtual environment of its own, from PyPI alone.

use std::path::{Path, PathBuf};
use std::process::Command;

use crate::process::{check, is_on_path, output};

const VENV: &str = "tests/autobahn/venv";
const CONSTRAINTS: &str = "tests/autobahn/constraints.txt";
/// The last line of releases that can make an environment for Python 2.7.
const VIRTUALENV: &str = "virtualenv==20.21.1";
const SUITE: &str = "autobahntestsuite==25.10.1";

/// Installs the suite where it is missing. A machine without a CPython 2.7 cannot have it; that is said and is no error,
/// because such a machine can run everything else.
pub(crate) fn install() -> anyhow::Result<()> {
    let Some(python2) = python2() else {
        println!("setup: no CPython 2.7 here (pyenv install 2.7.18): the Autobahn conformance tests will be skipped");
        return Ok(());
    };
    if is_installed() {
        return Ok(());
    }
    println!("setup: the Autobahn test suite in {VENV} (half a minute)");
    let maker = std::env::temp_dir().join(format!("inkwire-virtualenv-{}", std::process::id()));
    check(Command::new("python3").args(["-m", "venv"]).arg(&maker))?;
    let made = make(&maker, &python2);
    std::fs::remove_dir_all(&maker)?;
    made
}

/// Whether the suite is there, or cannot be.
pub(crate) fn is_installed() -> bool {
    Path::new(VENV).join("bin/wstest").exists() || python2().is_none()
}

fn make(maker: &Path, python2: &Path) -> anyhow::Result<()> {
    check(Command::new(maker.join("bin/pip")).args(["--quiet", "install", VIRTUALENV]))?;
    check(Command::new(maker.join("bin/virtualenv")).args(["--quiet", "--python"]).arg(python2).arg(VENV))?;
    let pip = Path::new(VENV).join("bin/pip");
    check(Command::new(pip).env("PIP_NO_PYTHON_VERSION_WARNING", "1").args([
        "--quiet",
        "install",
        "--constraint",
        CONSTRAINTS,
        SUITE,
    ]))
}

/// A CPython 2.7: pyenv's, or the one on the PATH.
pub(crate) fn python2() -> Option<PathBuf> {
    if is_on_path("pyenv")
        && let Ok(root) = output(Command::new("pyenv").arg("root"))
        && let Ok(versions) = std::fs::read_dir(Path::new(root.trim()).join("versions"))
    {
        let pythons = versions.flatten().map(|version| version.path().join("bin/python2.7"));
        if let Some(python) = pythons.into_iter().find(|python| python.exists()) {
            return Some(python);
        }
    }
    is_on_path("python2.7").then(|| "python2.7".into())
}
