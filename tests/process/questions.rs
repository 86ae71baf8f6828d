//! Every question, of the furnished year: over HTTP, on the command line over the data directory, and over a backup of it,
//! the same answer in every form; and one worth having.

use crate::client::{Ask, Client};
use crate::program::{Ended, Lines, run, run_by, run_on, token_ledger};
use crate::scene::{Scene, empty_parent};
use serde_json::Value;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{Child, Stdio};
use tempfile::TempDir;
use token_ledger::audit::answer::Answer;
use token_ledger::audit::archive::Archive;
use token_ledger::audit::questions::{self, Asked, QUESTIONS, question};
use token_ledger::clock::Clock;
use token_ledger::domain::time::Timestamp;
use token_ledger::ledger::DataDir;

/// The demo as a child; ended by its id.
struct Demo {
    child: Child,
    _lines: Lines,
    parent: TempDir,
    address: SocketAddr,
    operator: String,
}

impl Drop for Demo {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

impl Demo {
    fn start() -> Self {
        let parent = empty_parent();
        let mut command = token_ledger();
        command.args(["demo", "--listen", "127.0.0.1:0", "--data"]).arg(parent.path().join("demo"));
        let mut child = command.stdout(Stdio::piped()).stderr(Stdio::null()).spawn().unwrap();
        let mut lines = Lines::of(child.stdout.take().unwrap());
        let line = lines.wait_for("Token Ledger demo on http://").unwrap();
        let address = line.rsplit("http://").next().unwrap().trim().parse().unwrap();
        let operator = lines.wait_for("operator token").unwrap();
        let operator = operator.split_whitespace().next().unwrap().to_owned();
        Self { child, _lines: lines, parent, address, operator }
    }

    fn data(&self) -> PathBuf {
        self.parent.path().join("demo")
    }

    fn backup(&self) -> PathBuf {
        let to = self.parent.path().join("backup");
        let (data, to_text) = (self.data(), to.to_str().unwrap().to_owned());
        run(&["backup", "--data", data.to_str().unwrap(), "--to", &to_text]).expect(0);
        to
    }

    /// When the year begins.
    fn begin(&self) -> Timestamp {
        let mut client = Client::connect(self.address).unwrap();
        let first = client.ask(Ask::get("/v1/events/1", &self.operator)).unwrap().json();
        Timestamp::parse(first["data"]["recorded_at"].as_str().unwrap()).unwrap()
    }

    fn over_http(&self, arguments: &[&str]) -> Ended {
        let mut command = token_ledger();
        command.args(arguments);
        command.env("TOKEN_LEDGER_URL", format!("http://{}", self.address));
        command.env("TOKEN_LEDGER_TOKEN", &self.operator);
        run_by(command)
    }
}

/// What is asked, and a member of the answer that is not nothing.
struct Asking {
    name: &'static str,
    said: Vec<(&'static str, String)>,
    /// Whether it is of a point or period that is over, so that position and root are the same.
    is_pinned: bool,
    is_worth_it: fn(&Value) -> bool,
}

fn count(answer: &Value, member: &str) -> u64 {
    answer["summary"][member].as_u64().unwrap_or_default()
}

fn has_row(answer: &Value, table: &str, member: &str, value: &str) -> bool {
    answer[table].as_array().is_some_and(|rows| rows.iter().any(|row| row[member] == value))
}

fn everything(begin: Timestamp) -> Vec<Asking> {
    let day = |day: u64| begin.plus_seconds(day * 86_400).to_micros_text();
    let number = |number: u64| number.to_string();
    let zones = r#"{"grants":[{"group":"zones","level":"read_only","resources":["example.com"]}]}"#;
    let ask = |name, said, is_pinned, is_worth_it| Asking { name, said, is_pinned, is_worth_it };
    vec![
        ask("state", vec![("token", number(14)), ("as_of", day(131))], true, |it| {
            has_row(it, "grants", "level", "full_access")
        }),
        ask(
            "who-could",
            vec![
                ("account", number(1)),
                ("scope", "zones:example.org".to_owned()),
                ("from", day(80)),
                ("to", day(230)),
            ],
            true,
            |it| count(it, "could") > 3 && count(it, "did") > 0 && count(it, "could_but_did_not") > 0,
        ),
        ask("what-if", vec![("token", number(2)), ("access", zones.to_owned()), ("to", day(300))], true, |it| {
            count(it, "refused") > 0 && count(it, "narrowed_lists") > 0
        }),
        ask("least-privilege", vec![("token", number(8)), ("to", day(357))], true, |it| {
            it["summary"]["access"] != it["summary"]["access_in_force"] && !it["unused"].as_array().unwrap().is_empty()
        }),
        ask("unused", vec![("days", number(90)), ("as_of", day(363))], true, |it| {
            has_row(it, "unused", "last_used_status", "never")
                && has_row(it, "unused", "last_used_status", "unknown")
                && count(it, "owner_left") > 0
                && count(it, "expiring") > 0
        }),
        ask("quota", vec![("account", number(3)), ("from", day(255)), ("to", day(256))], false, |it| {
            count(it, "refused") > 0
        }),
        ask("leak", vec![("token", number(8)), ("since", day(357))], false, |it| {
            count(it, "new_addresses") == 1 && count(it, "uses_since") > 10
        }),
        ask("authority", vec![("account", number(1)), ("from", day(129)), ("to", day(141))], true, |it| {
            count(it, "changes") > 0 && count(it, "not_allowed") == 0
        }),
        ask("growth", vec![("account", number(1)), ("by", "month".to_owned()), ("to", day(363))], true, |it| {
            count(it, "events_that_grew_it") > 3
        }),
        ask("changes", vec![("account", number(1)), ("to", day(363))], true, |it| count(it, "changes") > 20),
        ask("access-review", vec![("account", number(1)), ("as_of", day(240))], true, |it| count(it, "tokens") > 4),
        ask("reviews", vec![("account", number(1))], false, |it| count(it, "reviews") == 1),
        ask("review", vec![("review", number(1))], false, |it| {
            has_row(it, "rows", "verdict", "delete") && it["summary"]["root_is_of_this_log"] == true
        }),
        ask("since-review", vec![("account", number(1))], false, |it| {
            count(it, "decisions_not_carried_out") > 0 && count(it, "changed_since") > 0
        }),
    ]
}

impl Asking {
    fn arguments(&self, format: &str) -> Vec<String> {
        let mut arguments = vec!["audit".to_owned(), self.name.to_owned(), "--format".to_owned(), format.to_owned()];
        for (name, text) in &self.said {
            arguments.extend([format!("--{}", name.replace('_', "-")), text.clone()]);
        }
        arguments
    }

    /// As it is told, but for what goes on: the head, and of a question about now the position that it rests on.
    fn comparable(&self, answer: &Value) -> Value {
        let mut answer = answer.clone();
        let members = answer.as_object_mut().unwrap();
        if self.is_pinned {
            members["as_of"]["head"] = Value::Null;
            // Some judge what they say at the moment that they are asked.
            members["as_of"]["time"] = Value::Null;
        } else {
            members.remove("as_of");
        }
        answer
    }

    fn in_process(&self, dir: &Path) -> Answer {
        let archive = Archive::open(&DataDir::new(dir), Clock::system().now()).unwrap();
        let said: Vec<(String, String)> =
            self.said.iter().map(|(name, text)| ((*name).to_owned(), text.clone())).collect();
        let question = question(self.name).unwrap();
        questions::ask(&archive, question, &Asked::read(question, &said).unwrap()).unwrap()
    }
}

fn words(arguments: &[String]) -> Vec<&str> {
    arguments.iter().map(String::as_str).collect()
}

/// Without the head and the basis, which the first two lines say.
fn body(readable: &str) -> String {
    readable.lines().skip(2).collect::<Vec<_>>().join("\n")
}

#[test]
fn every_question_has_the_same_answer_over_http_over_the_files_and_over_a_backup() {
    let demo = Demo::start();
    let everything = everything(demo.begin());
    let asked: Vec<&str> = everything.iter().map(|asking| asking.name).collect();
    assert_eq!(asked, QUESTIONS.iter().map(|question| question.name).collect::<Vec<_>>());
    let (data, backup) = (demo.data(), demo.backup());
    for asking in &everything {
        let name = asking.name;
        let json = asking.arguments("json");
        let over_http = demo.over_http(&words(&json)).expect(0).stdout;
        let over_http: Value = serde_json::from_str(&over_http).unwrap();
        assert!((asking.is_worth_it)(&over_http), "{name}: {over_http:#}");
        let on_files: Value = serde_json::from_str(&run_on(&words(&json), &data).expect(0).stdout).unwrap();
        assert_eq!(asking.comparable(&on_files), asking.comparable(&over_http), "{name} over the data directory");
        let on_backup = asking.in_process(&backup);
        assert_eq!(asking.comparable(&on_backup.to_json()), asking.comparable(&over_http), "{name} over a backup");
        let csv = demo.over_http(&words(&asking.arguments("csv"))).expect(0).stdout;
        let expected = String::from_utf8(on_backup.to_csv(None).unwrap()).unwrap();
        assert_eq!(csv.lines().collect::<Vec<_>>(), expected.lines().collect::<Vec<_>>(), "{name} as CSV");
    }
    for asking in everything.iter().filter(|asking| ["who-could", "since-review"].contains(&asking.name)) {
        let readable = asking.arguments("table");
        let over_http = demo.over_http(&words(&readable)).expect(0).stdout;
        let on_files = run_on(&words(&readable), &backup).expect(0).stdout;
        assert_eq!(body(&over_http), body(&on_files), "{} as a table", asking.name);
        assert!(over_http.starts_with(&format!("{}, as of position ", asking.name)), "{over_http}");
    }
}

#[test]
fn a_leaked_text_is_read_from_standard_input_and_goes_no_further() {
    let scene = Scene::new();
    let text = scene.tokens.account[0].clone();
    let mut command = token_ledger();
    command.args(["audit", "leak", "--hashed-token", "-", "--since", "1", "--format", "json", "--data"]);
    command.arg(scene.data()).stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = command.spawn().unwrap();
    std::io::Write::write_all(&mut child.stdin.take().unwrap(), format!("{text}\n").as_bytes()).unwrap();
    let output = child.wait_with_output().unwrap();
    let told = String::from_utf8(output.stdout).unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let answer: Value = serde_json::from_str(&told).unwrap();
    assert!(answer["summary"]["token"].as_u64().unwrap() > 1);
    assert!(!told.contains(&text), "the text is in the answer");
}
