//! The relational file says what the questions say: its views, read by another program's SQLite, beside `who-could`,
//! `least-privilege`, `unused` and `quota` on random histories. A file that was gone on with is the one made at once.

use replay_tests::story::Story;
use serde_json::{Map, Value, json};
use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::process::Command;
use token_ledger::audit::answer::Answer;
use token_ledger::audit::archive::Archive;
use token_ledger::audit::export::file::{self, Mode};
use token_ledger::audit::export::lines::Form;
use token_ledger::audit::export::{ExportError, Selection, sqlite};
use token_ledger::audit::questions::{self, Asked, AuditError};
use token_ledger::domain::ids::{AccountId, Position, TokenId};

const SEEDS: u64 = 5;
/// Each is exported eighteen times: whole and in parts, for three selections.
const SEEDS_IN_PARTS: u64 = 2;
const BATCHES: usize = 160;
/// Names asked about in each account and group, at most.
const NAMES: usize = 3;

type Row = Map<String, Value>;

/// Rows of a query, by Python's own SQLite.
fn query(path: &Path, sql: &str) -> Vec<Row> {
    const SCRIPT: &str = "import json, sqlite3, sys
connection = sqlite3.connect('file:' + sys.argv[1] + '?mode=ro', uri=True)
connection.row_factory = sqlite3.Row
json.dump([dict(row) for row in connection.execute(sys.argv[2])], sys.stdout)";
    let output = Command::new("python3").args(["-c", SCRIPT]).arg(path).arg(sql).output().expect("python3 runs");
    assert!(output.status.success(), "{sql}: {}", String::from_utf8_lossy(&output.stderr));
    serde_json::from_slice(&output.stdout).expect("rows")
}

fn export(archive: &Archive, path: &Path, selection: &Selection, through: Position) -> Result<(), ExportError> {
    let wish = sqlite::Wish { path, selection, through, is_incremental: true };
    sqlite::export(archive, &wish, &mut |_| {}).map(|_| ())
}

fn ask(archive: &Archive, name: &str, said: &[(&str, String)]) -> Result<Answer, AuditError> {
    let question = questions::question(name).expect("a question");
    let pairs: Vec<(String, String)> = said.iter().map(|(name, text)| ((*name).to_owned(), text.clone())).collect();
    questions::ask(archive, question, &Asked::read(question, &pairs)?)
}

/// Some columns of a table of an answer.
fn told(answer: &Answer, table: &str, columns: &[&str]) -> Vec<Vec<Value>> {
    let table = answer.tables.iter().find(|it| it.name == table).expect("the table");
    let at = |name: &&str| table.columns.iter().position(|column| column == name).expect("the column");
    let places: Vec<usize> = columns.iter().map(at).collect();
    sorted(table.rows.iter().map(|row| places.iter().map(|&at| row[at].clone()).collect()).collect())
}

/// Columns of rows: truths are numbers there.
fn shown<'a>(rows: impl Iterator<Item = &'a Row>, columns: &[&str]) -> Vec<Vec<Value>> {
    let cell = |row: &Row, name: &&str| match (row.get(*name).unwrap_or_else(|| panic!("no {name}")), *name) {
        (Value::Number(n), "resource_there" | "reported" | "is_reported" | "has_expired") => {
            json!(n.as_i64() == Some(1))
        }
        (value, _) => value.clone(),
    };
    sorted(rows.map(|row| columns.iter().map(|name| cell(row, name)).collect()).collect())
}

fn sorted(mut rows: Vec<Vec<Value>>) -> Vec<Vec<Value>> {
    rows.sort_by_key(|row| row.iter().map(Value::to_string).collect::<Vec<_>>());
    rows
}

fn text(row: &Row, name: &str) -> String {
    row[name].as_str().unwrap_or_default().to_owned()
}

/// A story with its file.
struct Exported {
    _home: tempfile::TempDir,
    path: std::path::PathBuf,
    story: Story,
}

fn exported(seed: u64) -> Exported {
    // In every other one there are tokens that follow a member within what was authorised.
    let story = if seed.is_multiple_of(2) {
        Story::told(seed, BATCHES)
    } else {
        Story::told_with_authorizations(seed, BATCHES)
    };
    let home = tempfile::tempdir().expect("a directory");
    let path = home.path().join("ledger.sqlite");
    let archive = story.archive();
    export(&archive, &path, &Selection::default(), archive.head()).expect("it is exported");
    Exported { _home: home, path, story }
}

#[test]
fn who_could_and_who_did_are_what_the_question_answers() {
    let (mut asked, mut could_rows, mut did_rows) = (0, 0, 0);
    let mut oauth_rows: BTreeMap<String, usize> = BTreeMap::new();
    for seed in 0..SEEDS {
        let Exported { path, story, _home } = exported(seed);
        let archive = story.archive();
        let (could, did) = (query(&path, "SELECT * FROM who_could"), query(&path, "SELECT * FROM who_did"));
        let accounts = query(&path, "SELECT account_id FROM accounts");
        let mut scopes: BTreeMap<(u64, String), BTreeSet<String>> = BTreeMap::new();
        for row in query(
            &path,
            "SELECT account_id, scope_group, text FROM scope_names JOIN texts ON text_number = name_text WHERE text IS NOT NULL",
        ) {
            let of_group = scopes.entry((row["account_id"].as_u64().expect("a number"), text(&row, "scope_group")));
            of_group.or_default().insert(text(&row, "text"));
        }
        let groups: Vec<String> =
            query(&path, "SELECT scope_group FROM scope_groups").iter().map(|row| text(row, "scope_group")).collect();
        for account in accounts.iter().filter_map(|row| row["account_id"].as_u64()) {
            for group in &groups {
                let names = scopes.get(&(account, group.clone())).into_iter().flatten().take(NAMES);
                for name in names.map(String::as_str).chain(["*"]) {
                    for verb in ["read", "write"] {
                        let said = [
                            ("account", account.to_string()),
                            ("scope", format!("{group}:{name}")),
                            ("verb", verb.to_owned()),
                        ];
                        let answer =
                            ask(&archive, "who-could", &said).unwrap_or_else(|error| panic!("{said:?}: {error}"));
                        let is_it = |row: &&Row| {
                            row["account_id"] == account
                                && row["scope_group"] == group.as_str()
                                && row["resource"] == name
                        };
                        let columns = [
                            "token_id",
                            "token_name",
                            "kind",
                            "user_id",
                            "from",
                            "from_position",
                            "began_by",
                            "until",
                            "until_position",
                            "ended_by",
                            "coverage",
                            "resource_there",
                            "granted_position",
                            "granted_at",
                            "granted_by_event",
                        ];
                        let of_view = columns.map(|name| match name {
                            "from" => "from_at",
                            "until" => "until_at",
                            other => other,
                        });
                        let can = |row: &&Row| verb == "read" || row["can_write"] == 1;
                        let rows = shown(could.iter().filter(is_it).filter(can), &of_view);
                        assert_eq!(rows, told(&answer, "could", &columns), "seed {seed}: {said:?}");
                        could_rows += rows.len();
                        for row in rows.iter().filter(|row| row[2] == "oauth") {
                            let began = row[6].as_str().unwrap_or_default();
                            let coverage = row[10].as_str().unwrap_or_default();
                            *oauth_rows.entry(format!("{verb} {coverage}, by {began}")).or_default() += 1;
                        }
                        let columns = [
                            "token_id",
                            "token_name",
                            "kind",
                            "by",
                            "verb",
                            "outcome",
                            "count",
                            "first_position",
                            "last_position",
                        ];
                        let has = |row: &&Row| verb == "read" || row["verb"] == "write";
                        let rows = shown(did.iter().filter(is_it).filter(has), &columns);
                        assert_eq!(rows, told(&answer, "did", &columns), "seed {seed}: {said:?}");
                        did_rows += rows.len();
                        asked += 1;
                    }
                }
            }
        }
    }
    eprintln!("{asked} asked, {could_rows} and {did_rows} rows, {oauth_rows:?}");
    for way in ["read named", "read all", "write named", "write all"] {
        let turned = format!("{way}, by MemberAccessChanged");
        assert!(oauth_rows.contains_key(&turned), "no member's change made it: {turned}: {oauth_rows:?}");
    }
    assert!(asked > 500 && could_rows > 300 && did_rows > 50, "{asked} asked, {could_rows} and {did_rows} rows");
}

#[test]
fn what_was_used_and_what_was_not_is_what_least_privilege_answers() {
    let (mut used_rows, mut unused_rows) = (0, 0);
    for seed in 0..SEEDS {
        let Exported { path, story, _home } = exported(seed);
        let archive = story.archive();
        let (used, unused) = (query(&path, "SELECT * FROM scopes_used"), query(&path, "SELECT * FROM grants_unused"));
        let of_view = ["scope_group", "resource", "what"];
        let of_answer = ["group", "resource", "what"];
        for row in
            query(&path, "SELECT token_id, account_id FROM tokens WHERE account_id IS NOT NULL AND kind = 'account'")
        {
            let (token, account) = (&row["token_id"], &row["account_id"]);
            let answer = ask(&archive, "least-privilege", &[("token", token.to_string())]).expect("an answer");
            let columns = ["scope", "reported", "uses", "first_at", "first_position", "last_at", "last_position"];
            let is_it = |row: &&Row| row["token_id"] == *token && row["account_id"] == *account;
            let rows: Vec<Vec<Value>> = sorted(
                used.iter().filter(is_it).map(|row| columns.iter().map(|name| row[*name].clone()).collect()).collect(),
            );
            assert_eq!(rows, told(&answer, "scopes", &columns), "seed {seed}: token {token}");
            used_rows += rows.len();
            let rows = shown(unused.iter().filter(|row| row["token_id"] == *token), &of_view);
            assert_eq!(rows, told(&answer, "unused", &of_answer), "seed {seed}: token {token}");
            unused_rows += rows.len();
        }
        for row in query(&path, "SELECT user_id, account_id FROM memberships WHERE until_position IS NULL") {
            let (user, account) = (&row["user_id"], &row["account_id"]);
            let said = [("account", account.to_string()), ("user", user.to_string())];
            let answer = ask(&archive, "least-privilege", &said).expect("an answer");
            let is_it =
                |row: &&Row| row["user_id"] == *user && row["account_id"] == *account && row["token_id"].is_null();
            let rows = shown(unused.iter().filter(is_it), &of_view);
            assert_eq!(rows, told(&answer, "unused", &of_answer), "seed {seed}: {said:?}");
            unused_rows += rows.len();
        }
    }
    assert!(used_rows > 30 && unused_rows > 100, "{used_rows} and {unused_rows} rows");
}

#[test]
fn unused_tokens_and_quota_are_what_the_questions_answer() {
    let (mut unused_rows, mut shares) = (0, 0);
    for seed in 0..SEEDS {
        let Exported { path, story, _home } = exported(seed);
        let archive = story.archive();
        let answer = ask(&archive, "unused", &[("days", "1".to_owned()), ("expiring_within", "30".to_owned())])
            .expect("an answer");
        let columns = [
            "token_id",
            "token_name",
            "kind",
            "account_id",
            "user_id",
            "last_used_status",
            "last_used_at",
            "last_used_position",
            "unused_since",
            "unused_days",
        ];
        let rows = query(&path, "SELECT * FROM unused_tokens WHERE unused_days >= 1");
        assert_eq!(shown(rows.iter(), &columns), told(&answer, "unused", &columns), "seed {seed}");
        unused_rows += rows.len();
        let columns = ["token_id", "token_name", "kind", "account_id", "user_id", "expires_at", "has_expired"];
        let sql = "SELECT expiring_tokens.* FROM expiring_tokens, export
            WHERE julianday(expires_at) <= julianday(judged_at) + 30";
        assert_eq!(shown(query(&path, sql).iter(), &columns), told(&answer, "expiring", &columns), "seed {seed}");
        let (by_token, by_window) =
            (query(&path, "SELECT * FROM quota_by_token"), query(&path, "SELECT * FROM quota_by_window"));
        let research = query(&path, "SELECT * FROM research_months");
        for (whose, column) in [("account", "account_id"), ("user", "user_id")] {
            let ids = query(&path, &format!("SELECT {column} AS id FROM {whose}s"));
            for id in ids.iter().map(|row| &row["id"]) {
                let answer = ask(&archive, "quota", &[(whose, id.to_string())]).expect("an answer");
                let of_it = |row: &&Row| row[column] == *id;
                let columns = ["opened_at", "token_id", "used", "refused", "percent_of_limit"];
                let rows = shown(by_token.iter().filter(of_it), &columns);
                assert_eq!(rows, told(&answer, "by_token", &columns), "seed {seed}: {whose} {id}");
                shares += rows.len();
                let columns = ["opened_at", "limit", "used", "refused", "tokens", "percent_of_limit"];
                let of_view = columns.map(|name| if name == "limit" { "hourly_limit" } else { name });
                let rows = shown(by_window.iter().filter(of_it), &of_view);
                assert_eq!(rows, told(&answer, "windows", &columns), "seed {seed}: {whose} {id}");
                if whose == "account" {
                    let columns = ["month", "token_id", "used", "refused"];
                    let rows = shown(research.iter().filter(of_it), &columns);
                    assert_eq!(rows, told(&answer, "research", &columns), "seed {seed}: {whose} {id}");
                }
            }
        }
    }
    assert!(unused_rows > 0 && shares > 20, "{unused_rows} and {shares} rows");
}

/// Every row of every table, as texts, but for numbers that the file itself gives.
fn everything(path: &Path) -> BTreeMap<String, Vec<String>> {
    let tables = "SELECT name FROM sqlite_schema WHERE type = 'table' AND name NOT LIKE 'sqlite_%'";
    let names: Vec<String> = query(path, tables).iter().map(|row| text(row, "name")).collect();
    let columns = |name: &String| {
        let columns = query(path, &format!("SELECT name FROM pragma_table_info('{name}') WHERE name <> 'holding_id'"));
        columns.iter().map(|row| text(row, "name")).collect::<Vec<_>>().join(", ")
    };
    let of_table = |name: &String| format!("SELECT '{name}' AS t, json_array({}) AS row FROM {name}", columns(name));
    let mut rows: BTreeMap<String, Vec<String>> = names.iter().map(|name| (name.clone(), Vec::new())).collect();
    for row in query(path, &names.iter().map(of_table).collect::<Vec<_>>().join(" UNION ALL ")) {
        rows.entry(text(&row, "t")).or_default().push(text(&row, "row"));
    }
    rows.values_mut().for_each(|rows| rows.sort());
    rows
}

#[test]
fn a_file_gone_on_with_is_the_one_made_at_once() {
    let mut filled = BTreeSet::new();
    for seed in 0..SEEDS_IN_PARTS {
        let Exported { path, story, _home } = exported(seed);
        let archive = story.archive();
        let head = archive.head().0;
        let of_account = Selection { account: Some(AccountId(1)), ..Selection::default() };
        let of_token = Selection { token: Some(TokenId(5)), ..Selection::default() };
        for selection in [Selection::default(), of_account, of_token] {
            let (whole, parts) = (path.with_extension("whole"), path.with_extension("parts"));
            export(&archive, &whole, &selection, archive.head()).expect("at once");
            // Ends of requests: a served log's head is always one.
            let ends: Vec<Position> = story
                .records()
                .windows(2)
                .filter(|pair| pair[0].1.request != pair[1].1.request)
                .map(|pair| pair[0].0)
                .collect();
            for through in
                [head / 5, head / 3, head / 2, head * 9 / 10].map(|at| ends[ends.partition_point(|end| end.0 < at)])
            {
                export(&archive, &parts, &selection, through).expect("a part");
            }
            export(&archive, &parts, &selection, archive.head()).expect("the last part");
            let (whole_rows, parts_rows) = (everything(&whole), everything(&parts));
            for (name, rows) in &whole_rows {
                if selection == Selection::default() && !rows.is_empty() {
                    filled.insert(name.clone());
                }
                assert_eq!(rows, &parts_rows[name], "seed {seed}, {selection:?}: {name}");
            }
            std::fs::remove_file(&whole).expect("it goes");
            std::fs::remove_file(&parts).expect("it goes");
        }
    }
    assert_eq!(filled.len(), 22, "every table has rows somewhere: {filled:?}");
}

/// An account's file says of the account what the whole one says.
#[test]
fn a_part_says_of_its_account_what_the_whole_says() {
    let Exported { path, story, _home } = exported(1);
    let archive = story.archive();
    let part = path.with_extension("part");
    let selection = Selection { account: Some(AccountId(1)), ..Selection::default() };
    export(&archive, &part, &selection, archive.head()).expect("a part");
    for view in [
        "who_could",
        "who_did",
        "grants_unused",
        "scopes_used",
        "quota_by_token",
        "quota_by_window",
        "refusals_by_cause",
    ] {
        // Places by the clock are the first record in the file.
        let sql = format!("SELECT * FROM {view} WHERE account_id = 1");
        let rows = |path| -> Vec<Row> {
            let mut rows = query(path, &sql);
            for row in &mut rows {
                row.retain(|name, _| !matches!(name.as_str(), "from_position" | "until_position"));
            }
            rows
        };
        let key = |rows: Vec<Row>| {
            sorted(rows.into_iter().map(|row| row.into_iter().map(|(_, value)| value).collect()).collect())
        };
        assert_eq!(key(rows(&part)), key(rows(&path)), "{view}");
    }
    let others = query(&part, "SELECT count(*) AS n FROM events WHERE account_id <> 1");
    assert_eq!(others[0]["n"], 0);
}

/// What an OAuth token may follows its member, whose changes are in its file.
#[test]
fn a_file_of_an_oauth_token_alone_says_of_it_what_the_whole_says() {
    let Exported { path, story, _home } = exported(1);
    let archive = story.archive();
    let tokens = query(&path, "SELECT token_id FROM tokens WHERE kind = 'oauth'");
    let mut turned = 0;
    for token in tokens.iter().filter_map(|row| row["token_id"].as_u64()) {
        let part = path.with_extension(format!("token-{token}"));
        let selection = Selection { token: Some(TokenId(token)), ..Selection::default() };
        export(&archive, &part, &selection, archive.head()).expect("a part");
        let sql = format!("SELECT * FROM access_held WHERE token_id = {token}");
        let columns =
            ["user_id", "access_position", "member_access_position", "from_at", "began_by", "until_at", "ended_by"];
        let held = shown(query(&path, &sql).iter(), &columns);
        assert_eq!(shown(query(&part, &sql).iter(), &columns), held, "token {token}");
        turned += held.iter().filter(|row| row[4] == "MemberAccessChanged").count();
    }
    assert!(turned > 4, "members' changes turned an access {turned} times");
}

#[test]
fn lines_gone_on_with_are_those_made_at_once() {
    let story = Story::told(3, 60);
    let archive = story.archive();
    let home = tempfile::tempdir().expect("a directory");
    let head = archive.head();
    for form in [Form::Ndjson, Form::Csv] {
        for selection in [Selection::default(), Selection { account: Some(AccountId(1)), ..Selection::default() }] {
            let (whole, parts) = (home.path().join("whole"), home.path().join("parts"));
            let write = |path: &Path, through, mode| {
                file::write(&archive, &file::Wish { path, selection: &selection, form, through, mode }, &mut |_| {})
            };
            let once = write(&whole, head, Mode::New(Position::NONE)).expect("at once");
            for through in [Position(head.0 / 3), Position(head.0 / 3), Position(head.0 / 2), head] {
                write(&parts, through, Mode::Incremental).expect("a part");
            }
            let (whole_bytes, parts_bytes) =
                (std::fs::read(&whole).expect("read"), std::fs::read(&parts).expect("read"));
            assert!(whole_bytes == parts_bytes, "{form:?} {selection:?}");
            let lines = whole_bytes.iter().filter(|&&byte| byte == b'\n').count() as u64;
            assert_eq!(lines, once.events + u64::from(form == Form::Csv));
            for path in [whole, parts.clone(), home.path().join("parts.position.json")] {
                std::fs::remove_file(path).expect("it goes");
            }
        }
    }
}

/// What is gone on with is what was written, of this log, in this form.
#[test]
fn a_file_of_another_log_or_of_a_fork_or_changed_is_refused() {
    let (story, other) = (Story::told(5, 30), Story::told(6, 40));
    let home = tempfile::tempdir().expect("a directory");
    let (lines, relational) = (home.path().join("events.ndjson"), home.path().join("ledger.sqlite"));
    let everything = Selection::default();
    let one = Selection { account: Some(AccountId(1)), ..Selection::default() };
    let line = |story: &Story, selection: &Selection, form| {
        let archive = story.archive();
        let through = archive.head();
        file::write(
            &archive,
            &file::Wish { path: &lines, selection, form, through, mode: Mode::Incremental },
            &mut |_| {},
        )
    };
    let relation = |story: &Story, selection: &Selection| {
        let archive = story.archive();
        export(&archive, &relational, selection, archive.head())
    };
    line(&story, &everything, Form::Ndjson).expect("a file");
    relation(&story, &everything).expect("a file");
    let refused = |error: ExportError, words: &str| {
        assert!(error.to_string().contains(words), "{error}");
        assert!(matches!(error, ExportError::Target { .. }), "{error:?}");
    };
    let before = (std::fs::read(&lines).expect("read"), std::fs::read(&relational).expect("read"));
    // Stories begin under one name; one that was continued has another one too.
    refused(line(&other, &everything, Form::Ndjson).expect_err("a fork"), "log");
    refused(relation(&other, &everything).expect_err("a fork"), "log");
    refused(line(&story, &one, Form::Ndjson).expect_err("another selection"), "another selection");
    refused(relation(&story, &one).expect_err("another selection"), "another selection");
    refused(line(&story, &everything, Form::Csv).expect_err("another form"), "it is ndjson, not csv");
    let short = Story::told(5, 3);
    refused(line(&short, &everything, Form::Ndjson).expect_err("older"), "older copy");
    refused(relation(&short, &everything).expect_err("older"), "older copy");
    assert!(before == (std::fs::read(&lines).expect("read"), std::fs::read(&relational).expect("read")));
    let mut changed = before.0.clone();
    changed[10] ^= 1;
    std::fs::write(&lines, &changed).expect("written");
    refused(line(&story, &everything, Form::Ndjson).expect_err("changed"), "changed since");
    std::fs::write(&relational, b"not a database, but long enough to look at").expect("written");
    refused(relation(&story, &everything).expect_err("not ours"), "no export of this program");
    // What a crash between the two names leaves is written again.
    std::fs::write(&lines, [&before.0[..], b"{\"half a li"].concat()).expect("written");
    line(&story, &everything, Form::Ndjson).expect("goes on");
    assert!(before.0 == std::fs::read(&lines).expect("read"));
}
