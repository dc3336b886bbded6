//! What is refused, in one line, and that nothing is written then. The values have tables of their own in `xtask/src/deploy`.

use std::os::unix::fs::PermissionsExt;

use tempfile::TempDir;

use super::gen_deploy;

#[track_caller]
fn refuses(arguments: &[&str], code: i32, says: &str) {
    let output = gen_deploy(arguments);
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.code() == Some(code) && said.contains(says), "{arguments:?}: {}: {said}", output.status);
    assert!(output.stdout.is_empty(), "{arguments:?}");
}

#[test]
fn a_value_that_is_none_is_refused_with_its_flag() {
    for (arguments, says) in [
        (["--host", "a.example; return 302 http://evil.example/"], "for '--host <HOST>': holds ';'"),
        (["--host", "a.example\nserver_name b"], "for '--host <HOST>': holds the control character U+000A"),
        (["--path", "/../etc"], "for '--path <PATH>'"),
        (["--name", "bad user"], "for '--name <NAME>': holds ' '"),
        (["--port", "0"], "for '--port <PORT>': is 0"),
        (["--data", "/home"], "for '--data <FOLDER>': is a folder that the whole system shares"),
        (["--binary", "/usr/bin/%h"], "for '--binary <FILE>': holds '%'"),
        (["--tls", "acme2"], "possible values: acme, files, off"),
    ] {
        refuses(&arguments, 2, says);
    }
    refuses(&["--data", "/srv/x"], 2, "--data: a folder of your own needs --user");
    refuses(&["--print", "nothing"], 2, "there is no file \"nothing\"");
}

#[test]
fn a_file_with_a_mistake_is_refused_with_its_name() {
    let folder = TempDir::new().unwrap();
    let config = folder.path().join("deploy.toml");
    for (text, says) in [
        ("hots = 'a.example'", "deploy.toml: unknown key \"hots\"; did you mean \"host\"?"),
        ("host = 'a b'", "deploy.toml: invalid value 'a b' for '--host <HOST>': holds ' '"),
        ("out = '/etc'", "unknown key \"out\""),
        ("host = ", "deploy.toml: "),
        ("port = 99999", "for '--port <PORT>'"),
    ] {
        std::fs::write(&config, text).unwrap();
        refuses(&["--config", config.to_str().unwrap()], 2, says);
    }
    refuses(&["--config", "/no/such/file"], 2, "/no/such/file cannot be read");
}

#[test]
fn a_folder_that_is_somebody_else_s_is_left_as_it_is() {
    let folder = TempDir::new().unwrap();
    let out = folder.path().join("out");
    let out = out.to_str().unwrap();
    std::fs::write(out, "a file").unwrap();
    refuses(&["--out", out], 1, "is a file; --out takes a folder");
    std::fs::remove_file(out).unwrap();
    std::fs::create_dir_all(format!("{out}/nginx")).unwrap();
    let mine = format!("{out}/nginx/mine.conf");
    std::fs::write(&mine, "mine").unwrap();
    refuses(&["--out", out], 1, "mine.conf was not written by this command");
    assert_eq!(std::fs::read_dir(out).unwrap().count(), 1, "nothing was written");
    assert!(gen_deploy(&["--out", out, "--force"]).status.success());
    assert_eq!(std::fs::read_to_string(&mine).unwrap(), "mine");
}

#[test]
fn a_folder_that_cannot_be_written_is_told() {
    let folder = TempDir::new().unwrap();
    std::fs::set_permissions(folder.path(), PermissionsExt::from_mode(0o500)).unwrap();
    if !rustix::process::geteuid().is_root() {
        let out = folder.path().join("out");
        refuses(&["--out", out.to_str().unwrap()], 1, "cannot be made");
    }
    // Nobody may write there, root neither.
    refuses(&["--out", "/proc/deploy"], 1, "cannot be made");
}
