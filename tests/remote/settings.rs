//! Service and credential come from the environment or a file of mode 0600, and go nowhere else.

use crate::desk::{Desk, bare};
use crate::program::{Ended, run_by};
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

fn write(path: &Path, content: &str, mode: u32) {
    std::fs::create_dir_all(path.parent().unwrap()).unwrap();
    std::fs::write(path, content).unwrap();
    std::fs::set_permissions(path, std::fs::Permissions::from_mode(mode)).unwrap();
}

#[test]
fn a_file_of_ones_own_is_used_and_one_open_to_others_is_not() {
    let desk = Desk::new();
    let path = desk.parent.path().join(".config/token-ledger/credentials.toml");
    let content = format!("url = \"{}/\"\ntoken = \"{}\"\n", desk.url(), desk.operator);
    let ask = || run_by(bare(desk.parent.path(), &["self"]));
    ask().expect(2).says("TOKEN_LEDGER_URL").says("credentials.toml");
    write(&path, &content, 0o600);
    ask().expect(0).says("operator");
    write(&path, &content, 0o400);
    ask().expect(0);
    for mode in [0o644, 0o640, 0o604, 0o620] {
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(mode)).unwrap();
        let ended = ask().expect(2).says("open to others").says("chmod 600");
        assert!(!ended.stderr.contains(&desk.operator), "{ended:?}");
    }
    // Another place for it.
    let elsewhere = desk.aside("elsewhere.toml");
    write(&elsewhere, &content, 0o600);
    let mut command = bare(desk.parent.path(), &["self"]);
    command.env("TOKEN_LEDGER_CONFIG", &elsewhere);
    run_by(command).expect(0).says("operator");
}

#[test]
fn a_file_that_cannot_be_read_is_told_without_its_words() {
    let desk = Desk::new();
    let path = desk.aside("credentials.toml");
    for content in [
        format!("url = \"{}\"\ntoken = {}\n", desk.url(), desk.operator),
        format!("url = \"{}\"\n{} = 1\n", desk.url(), desk.operator),
        format!("url = \"{}\"\ntoken = [\"{}\"]\n", desk.url(), desk.operator),
    ] {
        write(&path, &content, 0o600);
        let mut command = bare(desk.parent.path(), &["self"]);
        command.env("TOKEN_LEDGER_CONFIG", &path);
        let ended = run_by(command).expect(2).says("line 2");
        assert!(!ended.stderr.contains("tlkp_"), "{ended:?}");
    }
}

fn at(desk: &Desk, url: &str, more: &[&str]) -> Ended {
    let mut command = desk.command(&[&["self"], more].concat());
    command.env("TOKEN_LEDGER_URL", url);
    desk.run_by(command)
}

#[test]
fn a_token_goes_over_plain_http_to_the_loopback_alone_unless_it_is_allowed() {
    let desk = Desk::new();
    let port = desk.server.address.port();
    at(&desk, &format!("http://127.0.0.1:{port}"), &[]).expect(0);
    at(&desk, &format!("http://localhost:{port}/"), &[]).expect(0);
    at(&desk, "http://ledger.example.org", &[]).expect(2).says("not encrypted").says("--allow-http");
    // An address that is none of the loopback's, though this machine answers at it.
    let elsewhere = format!("http://0.0.0.0:{port}");
    at(&desk, &elsewhere, &[]).expect(2).says("not encrypted");
    at(&desk, &elsewhere, &["--allow-http"]).expect(0);
    for (value, code) in [("0", 2), ("1", 0)] {
        let mut command = desk.command(&["self"]);
        command.env("TOKEN_LEDGER_URL", &elsewhere).env("TOKEN_LEDGER_ALLOW_HTTP", value);
        desk.run_by(command).expect(code);
    }
    for url in ["ftp://127.0.0.1", "127.0.0.1", "https://", "https://me:hidden@127.0.0.1", "https://127.0.0.1?a"] {
        let ended = at(&desk, url, &[]).expect(2);
        assert!(!ended.stderr.contains("hidden"), "{ended:?}");
    }
    assert_eq!(desk.times_printed(&desk.operator), 0);
}

#[test]
fn a_path_in_the_url_comes_before_the_services_own() {
    let desk = Desk::new();
    at(&desk, &format!("{}/healthz", desk.url()), &[]).expect(1).says("404");
}
