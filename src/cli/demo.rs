//! `demo`: a furnished year, served.

use super::serve::{HangUp, ServeOptions, serve_dir, start_logging};
use super::{Failure, progress};
use crate::clock::Clock;
use crate::domain::time::Timestamp;
use crate::domain::token_text::TokenDigest;
use crate::entropy::Entropy;
use crate::furnish::Made;
use crate::furnish::year::{self, Furnished};
use crate::ledger::initialize::initialize;
use crate::ledger::{DataDir, LogError, sign_head};
use clap::Args;
use std::net::SocketAddr;
use std::os::unix::fs::PermissionsExt;
use std::path::PathBuf;

/// Arguments of `demo`.
#[derive(Debug, Args)]
pub struct DemoArguments {
    /// Data directory to make; a fresh temporary one if absent.
    #[arg(long, value_name = "DIR")]
    data: Option<PathBuf>,
    #[command(flatten)]
    options: ServeOptions,
}

pub(super) fn run(arguments: &DemoArguments) -> Result<(), Failure> {
    start_logging();
    let path = match &arguments.data {
        Some(path) => path.clone(),
        None => fresh_directory()?,
    };
    let dir = DataDir::new(&path);
    let now = Clock::system().now();
    let begins = year::begins(now);
    let clock = Clock::manual(begins);
    let (initialized, mut core) = initialize(&dir, None, "demo operator", clock, Entropy::system())?;
    let bar = progress::of("a year of history", now.seconds().saturating_sub(begins.seconds()));
    let tell = &mut |made: Made| bar.set_position(made.at.seconds().saturating_sub(begins.seconds()));
    let operator = TokenDigest::of(&initialized.operator_token);
    let furnished = year::furnish(&mut core, operator, now, Entropy::system(), tell);
    bar.finish_and_clear();
    let furnished = furnished?;
    // In that year it was started more than once: as any log that was served it has a signed head.
    sign_head(&dir, &core)?;
    // The ledger is opened again by the server, the way any start opens it.
    drop(core);
    // Without a map to read again, a hang-up says that the terminal is gone.
    let hang_up = if arguments.options.scope_map.is_some() { HangUp::ReadsTheMap } else { HangUp::Ends };
    serve_dir(&dir, &arguments.options, hang_up, |address| {
        print_guide(address, &dir, &initialized.operator_token, &initialized.log_vkey, (&furnished, begins));
    })
}

/// It stays when the demo ends, so that `verify` and `replay` can look at it.
fn fresh_directory() -> Result<PathBuf, Failure> {
    let private = std::fs::Permissions::from_mode(0o700);
    let made = tempfile::Builder::new().prefix("token-ledger-demo-").permissions(private).tempdir();
    made.map(tempfile::TempDir::keep).map_err(|source| LogError::Io { path: std::env::temp_dir(), source }.into())
}

/// Everything below "Try", "Ask" and "While it runs" works as it stands: a test runs it.
fn print_guide(
    address: SocketAddr,
    dir: &DataDir,
    operator: &str,
    vkey: &str,
    (furnished, begins): (&Furnished, Timestamp),
) {
    let (path, account) = (dir.path().display(), furnished.account);
    say!("Token Ledger demo on http://{address}");
    say!("Data directory: {path}");
    say!("Verifier key of the log: {vkey}");
    say!("\nTokens, shown this once:");
    say!("  {operator}  operator token");
    for token in &furnished.tokens {
        say!("  {}  {}", token.text, token.purpose);
    }
    let text = |index: usize| furnished.tokens.get(index).map_or("", |token| token.text.as_str());
    say!("\nTry:");
    say!("  curl -i http://{address}/v2/whoami -H 'Authorization: Bearer {}'", text(0));
    say!("  curl -i http://{address}/v2/{account}/zones/example.org -H 'Authorization: Bearer {}'", text(1));
    say!("  curl 'http://{address}/v1/events?order=desc&limit=3' -H 'Authorization: Bearer {operator}'");
    say!("\nAsk (each over HTTP as /v1/audit/NAME too; `token-ledger audit --help` lists them):");
    for (question, why) in questions(begins) {
        say!("  token-ledger audit {question} --data {path}   # {why}");
    }
    let [.., since] = DAYS.map(|day| at(begins, day));
    say!("  curl 'http://{address}/v1/audit/leak?token=8&since={since}' -H 'Authorization: Bearer {operator}'");
    say!("\nWhile it runs:");
    say!("  token-ledger sign-in --data {path} 1   # a link for a browser: the pages, as Ada sees them");
    say!("  token-ledger verify --data {path}");
    say!("  token-ledger replay --compare --data {path}");
    say!("\nCtrl-C ends it.");
}

/// Days of the year that the questions are about: see the table in `furnish/year`.
const DAYS: [u64; 3] = [80, 230, 357];

fn at(begins: Timestamp, day: u64) -> String {
    begins.plus_seconds(day * 86_400).to_seconds_text()
}

/// Three questions that the year has something to say to, and why they are asked.
fn questions(begins: Timestamp) -> [(String, &'static str); 3] {
    let [from, to, leaked] = DAYS.map(|day| at(begins, day));
    [
        (
            format!("who-could --account 1 --scope zones:example.org --from {from} --to {to}"),
            "who could read a zone, since when and by what; who did",
        ),
        (format!("least-privilege --token 8 --to {leaked}"), "what a token used of what it may"),
        ("since-review --account 1".to_owned(), "what became of the last review's decisions"),
    ]
}
