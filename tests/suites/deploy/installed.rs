//! INSTALL.md, typed word for word, as root in a copy of this machine that is thrown away. What cannot be run there is noted by a
//! stand-in: installing packages, building anew, systemd as process 1, and a certificate authority.

use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::Command;

use inkwire_tests::server::binary;
use inkwire_tests::tools::{are_there, root, skipped};
use tempfile::TempDir;

use super::served::{certify, nginx_is_there};
use super::written;

/// Stand-ins, each of which writes down what it was asked.
const STAND_INS: [&str; 6] = ["apt-get", "cargo", "curl", "systemctl", "certbot", "journalctl"];

/// What is typed, by the heading that it stands under.
fn typed(text: &str) -> Vec<(String, String)> {
    let (mut all, mut heading, mut is_code) = (Vec::<(String, String)>::new(), String::new(), false);
    for line in text.lines() {
        match line {
            "```sh" => {
                is_code = true;
                all.push((heading.clone(), String::new()));
            }
            "```" => is_code = false,
            _ if is_code => all.last_mut().unwrap().1.push_str(&format!("{line}\n")),
            _ if line.starts_with('#') => heading = line.trim_start_matches('#').trim().to_owned(),
            _ => {}
        }
    }
    all
}

/// Runs a script in a copy of this machine in which everything can be changed and nothing stays.
fn in_a_copy(work: &Path, script: &str) -> std::process::Output {
    std::fs::write(work.join("script"), script).unwrap();
    let here = work.display();
    // A layer in memory above the whole file system; the folder of the test is seen in it as /work.
    let outer = format!(
        "set -e; mkdir -p {here}/layer && mount -t tmpfs none {here}/layer && cd {here}/layer && mkdir up work all\n\
         mount -t overlay overlay -o lowerdir=/,upperdir=up,workdir=work all\n\
         mount --bind /dev all/dev && mount -t proc none all/proc && mkdir -p all/src && mount --bind {here} all/src\n\
         exec chroot all /bin/sh -e /src/script"
    );
    Command::new("unshare").args(["--mount", "--pid", "--fork", "sh", "-c", &outer]).output().unwrap()
}

#[track_caller]
fn installs(arguments: &[&str], user: Option<&str>) {
    let folder = written(arguments);
    let work = TempDir::new().unwrap();
    let source = work.path().join("deploy");
    Command::new("cp").arg("-r").arg(folder.path()).arg(&source).status().unwrap();
    certify(work.path(), "draw.example.org");
    std::fs::create_dir_all(work.path().join("target/release")).unwrap();
    std::fs::copy(binary(), work.path().join("target/release/inkwire")).unwrap();
    let bin = work.path().join("bin");
    std::fs::create_dir(&bin).unwrap();
    for name in STAND_INS {
        let does = match name {
            "certbot" => {
                "mkdir -p /etc/letsencrypt/live/draw.example.org && cp /src/a.pem /etc/letsencrypt/live/draw.example.org/fullchain.pem && cp /src/a.key /etc/letsencrypt/live/draw.example.org/privkey.pem"
            }
            // As systemd makes it when the server starts: its StateDirectory.
            "systemctl" => "mkdir -p /var/lib/inkwire",
            _ => ":",
        };
        let path = bin.join(name);
        std::fs::write(&path, format!("#!/bin/sh\necho {name} \"$@\" >> /src/noted\n{does}\n")).unwrap();
        std::fs::set_permissions(&path, PermissionsExt::from_mode(0o755)).unwrap();
    }
    let text = std::fs::read_to_string(source.join("INSTALL.md")).unwrap();
    let mut script =
        "export HOME=/src/home PATH=/src/bin:/usr/sbin:/usr/bin:/sbin:/bin\ncd /src\nrm -f /etc/nginx/sites-enabled/default\n"
            .to_owned();
    let mut headings = Vec::new();
    for (heading, lines) in typed(&text) {
        headings.push(heading.clone());
        // The restored backup has a date in its name, and there is none yet.
        let lines: String = lines
            .lines()
            .filter(|line| !line.contains("-DATE.sqlite") && !line.contains("boards list"))
            .map(|line| format!("{line}\n"))
            .collect();
        script += &format!("echo '== {heading}'\n{lines}");
        if heading == "The site" {
            script += "echo '== installed'\nfind /etc/nginx /etc/systemd /usr/bin /usr/lib/sysusers.d -name '*inkwire*' | sort\n";
            script += &user.map_or(String::new(), |user| format!("id {user}\nstat -c '%U %a' /srv/ink\n"));
        }
    }
    script += "echo '== left'\nfind /etc/nginx /etc/systemd /usr/bin /usr/lib/sysusers.d /usr/lib/tmpfiles.d -name '*inkwire*' | sort\n";
    let output = in_a_copy(work.path(), &script);
    let said = String::from_utf8_lossy(&output.stdout).into_owned();
    let failed = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{said}\n{failed}\n{script}");
    for heading in ["Install", "Start", "The site", "Upgrade, and roll back", "Back up, and restore", "Remove"] {
        assert!(headings.iter().any(|found| found == heading), "{headings:?}");
    }
    assert!(failed.contains("test is successful"), "nginx has seen the site: {failed}");
    let part =
        |name: &str| said.split(&format!("== {name}\n")).nth(1).unwrap().split("\n== ").next().unwrap().to_owned();
    for path in ["/usr/bin/inkwire", "/etc/systemd/system/inkwire.service", "/etc/nginx/sites-enabled/inkwire"] {
        assert!(part("installed").contains(path), "{path} in {said}");
    }
    if let Some(user) = user {
        assert!(part("installed").contains(&format!("\n{user} 700")), "{said}");
    }
    assert_eq!(part("left").trim(), "/etc/nginx/modules-enabled/70-inkwire.conf", "as the text says");
    let noted = std::fs::read_to_string(work.path().join("noted")).unwrap();
    for step in [
        "apt-get update",
        "cargo build --release",
        "systemctl daemon-reload",
        "systemctl enable --now",
        "systemctl reload nginx",
    ] {
        assert!(noted.contains(step), "{step} was not asked for: {noted}");
    }
}

/// A package of the program that the tests use, instead of one that takes a release build.
fn package(work: &Path) -> bool {
    let cargo_deb = root().join("target/tools/cargo-deb/bin/cargo-deb");
    if !are_there("deploy", &[&cargo_deb]) {
        return false;
    }
    std::fs::create_dir_all(work.join("target/release")).unwrap();
    std::fs::copy(binary(), work.join("target/release/inkwire")).unwrap();
    let mut command = Command::new(cargo_deb);
    command.args(["--package", "inkwire", "--no-build", "--fast", "--offline", "--locked", "--output"]);
    command.arg(work.join("inkwire.deb")).env("CARGO_TARGET_DIR", work.join("target")).current_dir(root());
    let output = command.output().unwrap();
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success() && !said.contains("warning"), "{said}");
    true
}

#[test]
fn the_debian_package_installs_program_and_units_and_goes_without_a_trace() {
    let work = TempDir::new().unwrap();
    if !package(work.path()) {
        return;
    }
    let listed = Command::new("dpkg-deb").arg("--contents").arg(work.path().join("inkwire.deb")).output().unwrap();
    let listed = String::from_utf8(listed.stdout).unwrap();
    let paths = listed.lines().filter(|line| !line.ends_with('/')).map(|line| line.split_whitespace().nth(5).unwrap());
    let mut paths: Vec<&str> = paths.collect();
    paths.sort_unstable();
    insta::assert_snapshot!("deploy_package", paths.join("\n"));
    if !rustix::process::geteuid().is_root() {
        return skipped("deploy: only root can install a package in a copy of the machine");
    }
    let script = "export PATH=/usr/sbin:/usr/bin:/sbin:/bin\n\
        dpkg --install /src/inkwire.deb\ninkwire --version\ndpkg --verify inkwire\n\
        ls /usr/lib/systemd/system/inkwire.service\n\
        dpkg --install /src/inkwire.deb\ndpkg --remove inkwire\ndpkg --purge inkwire\n\
        find /etc /usr /var -xdev -name 'inkwire*' -newer /src/script\n";
    let output = in_a_copy(work.path(), script);
    let said = String::from_utf8_lossy(&output.stdout).into_owned();
    assert!(output.status.success(), "{said}{}", String::from_utf8_lossy(&output.stderr));
    assert!(said.contains("inkwire 0.") && said.contains("/usr/lib/systemd/system/inkwire.service\n"), "{said}");
    let left: Vec<&str> =
        said.lines().filter(|line| line.starts_with('/') && !line.ends_with("inkwire.service")).collect();
    assert_eq!(left, [""; 0], "nothing is left");
}

#[test]
fn whoever_types_what_install_md_says_has_a_site_and_can_take_it_away_again() {
    if !nginx_is_there() {
        return;
    }
    if !rustix::process::geteuid().is_root() {
        return skipped("deploy: only root can walk through INSTALL.md in a copy of the machine");
    }
    installs(&[], None);
    installs(&["--port", "8081", "--user", "ink", "--data", "/srv/ink", "--path", "/draw/"], Some("ink"));
    println!("not run, but noted: {}", STAND_INS.join(", "));
}
