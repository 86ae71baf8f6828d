//! Bundles of random selections over random histories: both verifiers find nothing wrong, say the same sentences, and
//! what they count is what a look at every record counts.

use replay_tests::checks::text_numbers;
use replay_tests::random::Random;
use replay_tests::story::Story;
use serde_json::{Value, json};
use std::collections::{BTreeMap, BTreeSet};
use std::process::{self, Stdio};
use token_ledger::audit::bundle::Selection;
use token_ledger::audit::bundle::check::{Report, Trust, check};
use token_ledger::audit::bundle::write::{Wish, write};
use token_ledger::audit::history::{Filter, PAGE_MAX, Page, page};
use token_ledger::audit::receipts::Published;
use token_ledger::domain::command::{Actor, Change, Command, Origin};
use token_ledger::domain::event::{Event, Header};
use token_ledger::domain::ids::{AccountId, Position, TextNumber, TokenId};
use token_ledger::domain::mentioned_texts::mentioned_texts;
use token_ledger::domain::time::Timestamp;
use token_ledger::entropy::Entropy;
use token_ledger::ledger::core::Core;
use token_ledger::log::merkle::leaf_hash;
use token_ledger::log::note::{Checkpoint, LogKey};
use token_ledger::log::reader::LogReader;
use token_ledger::log::signed_head::root_at;
use token_ledger::projections::seal::seal_at_once;

const SEEDS: u64 = 10;
const BATCHES: usize = 90;
const SELECTIONS: usize = 8;
const NAME: &str = "ledger.example/bundles";

type Records = Vec<(Position, Header, Event)>;

/// The checkpoint of a size, which whoever checks trusts.
fn published(story: &Story, size: Position) -> Published {
    let root = root_at(&LogReader::open(&story.dir).expect("the log opens"), size).expect("there is a root");
    let key = LogKey::from_seed(NAME, &[7; 32]).expect("it is a name");
    let checkpoint = Checkpoint { origin: NAME.to_owned(), size: size.0, root };
    Published::of(&checkpoint.sign(&key).expect("it is its key")).expect("it is a checkpoint")
}

/// A seal of all that there is, as the service takes one now and then.
fn seal(story: &Story) {
    let (mut core, _) = Core::open(&story.dir, story.clock.clone(), Entropy::system()).expect("the ledger opens");
    let sealed = seal_at_once(core.state()).expect("a state can be sealed");
    let command = Command::Manage(Actor::Init, Box::new(Change::SealState(sealed)));
    core.execute(command, Origin::default()).expect("the seal is appended");
}

fn bundle(story: &Story, published: &Published, selection: Selection) -> Vec<u8> {
    let wish = Wish { selection, with_texts: true, old_checkpoint: None };
    let mut out = Vec::new();
    let archive = story.archive();
    write(&story.dir, &archive, published, &wish, &mut out, &mut |_| {}).expect("it can be written");
    out
}

fn checked(bundle: &[u8], published: &Published) -> Report {
    let trust = Trust { checkpoint: Some(published.note.clone()), ..Trust::default() };
    check(bundle, &trust).expect("it can be read")
}

fn to_json(report: &Report) -> Value {
    let findings: Vec<Value> =
        report.findings.iter().map(|finding| json!({ "place": finding.place, "what": finding.what })).collect();
    json!({ "proved": report.proved, "not_proved": report.not_proved, "findings": findings })
}

/// What the program in Python says of it.
fn said_elsewhere(bundle: &[u8], published: &Published) -> Value {
    let place = tempfile::tempdir().expect("a directory can be made");
    let (file, kept) = (place.path().join("bundle"), place.path().join("kept"));
    std::fs::write(&file, bundle).expect("it can be written");
    std::fs::write(&kept, &published.note).expect("it can be written");
    let python = std::env::var("TOKEN_LEDGER_PYTHON").unwrap_or_else(|_| "python3".to_owned());
    let script = concat!(env!("CARGO_MANIFEST_DIR"), "/../tools/verify_bundle.py");
    let output = process::Command::new(python)
        .args([script, "--json", "--checkpoint"])
        .args([&kept, &file])
        .stdin(Stdio::null())
        .output()
        .expect("a Python with tools/requirements.txt is there");
    let stderr = String::from_utf8_lossy(&output.stderr);
    serde_json::from_slice(&output.stdout).unwrap_or_else(|error| panic!("{error}: {stderr}"))
}

/// A token, an account, or a token in an account, sometimes one that is not there; of all time or of a part.
fn selection(random: &mut Random, records: &Records, size: Position) -> Selection {
    let at = |random: &mut Random| &records[random.below(size.0) as usize].1;
    let header = *at(random);
    let nobody = 1_000 + random.below(5);
    let token = Some(if random.percent(85) && !header.token.is_none() { header.token } else { TokenId(nobody) });
    let account = Some(if random.percent(85) { header.account } else { AccountId(nobody) });
    let named = match random.below(3) {
        0 => Selection { token, ..Selection::default() },
        1 if account.is_some_and(|account| !account.is_none()) => Selection { account, ..Selection::default() },
        _ => Selection { token, account, ..Selection::default() },
    };
    let mut times = [at(random).recorded_at, Timestamp(at(random).recorded_at.0 + random.below(3))];
    times.sort();
    let [from, to] = times.map(|time| random.percent(60).then_some(time));
    Selection { from, to, ..named }
}

fn is_selected(selection: &Selection, header: &Header) -> bool {
    selection.token.is_none_or(|token| header.token == token)
        && selection.account.is_none_or(|account| header.account == account)
        && selection.from.is_none_or(|from| header.recorded_at >= from)
        && selection.to.is_none_or(|to| header.recorded_at < to)
}

/// The sentence of what was selected, from a look at every record.
fn expected(records: &Records, size: Position, selection: &Selection) -> Option<String> {
    let selected = records.iter().take(size.0 as usize).filter(|(_, header, _)| is_selected(selection, header));
    let selected: Vec<_> = selected.collect();
    let (first, last) = (selected.first()?.0, selected.last()?.0);
    let mut types: BTreeMap<&str, usize> = BTreeMap::new();
    selected.iter().for_each(|(_, _, event)| *types.entry(event.type_name()).or_default() += 1);
    let types: Vec<String> = types.iter().map(|(name, count)| format!("{name} {count}")).collect();
    Some(format!("at positions {first} to {last}: {}.", types.join(", ")))
}

#[test]
fn bundles_of_anything_verify_and_hold_what_was_asked_for() {
    let (mut with_seal, mut whole, mut absent, mut elsewhere) = (0, 0, 0, 0);
    for seed in 0..SEEDS {
        let story = Story::told(seed, BATCHES);
        // Some have nothing but the seals that came by chance.
        if seed % 4 != 0 {
            seal(&story);
        }
        let records = story.records();
        let mut random = Random::new(seed);
        for number in 0..SELECTIONS {
            let all = records.len() as u64;
            let size = Position(if random.percent(60) { all } else { all - random.below(1 + all / 2) });
            let selection = selection(&mut random, &records, size);
            let published = published(&story, size);
            let bundle = bundle(&story, &published, selection);
            let report = checked(&bundle, &published);
            let what = format!("seed {seed}, number {number}, {selection:?} at size {size}");
            assert_eq!(report.findings, [], "{what}");
            let said = report.proved.join("\n");
            match expected(&records, size, &selection) {
                Some(sentence) => assert!(said.contains(&sentence), "{what}: {sentence}\n{said}"),
                None => assert!(said.contains("None of them is a record of"), "{what}: {said}"),
            }
            with_seal += usize::from(said.contains("seals what the log was"));
            whole += usize::from(said.contains("no other is of that time") || said.contains("is of after"));
            absent += usize::from(said.contains("no record of"));
            // A process each: enough of them, and each kind among them.
            if number % 2 == 0 {
                assert_eq!(said_elsewhere(&bundle, &published), to_json(&report), "{what}");
                elsewhere += 1;
            }
        }
    }
    assert!(with_seal > 20 && whole > 10 && absent > 2 && elsewhere > 20, "{with_seal} {whole} {absent}");
}

/// What a bundle shows of a selection is what `/v1/events` shows, record by record.
#[test]
fn the_records_are_those_that_the_service_shows() {
    let story = Story::told(77, BATCHES);
    let records = story.records();
    let size = Position(records.len() as u64);
    let published = published(&story, size);
    let archive = story.archive();
    let mut random = Random::new(77);
    for _ in 0..20 {
        let selection = selection(&mut random, &records, size);
        if selection.account.is_some_and(|account| account.is_none()) {
            continue;
        }
        let Selection { account, token, from, to } = selection;
        let filter = Filter { account, token, from, to, ..Filter::default() };
        let all = Page { after: Position::NONE, before: None, descending: false, limit: PAGE_MAX };
        let shown = page(&archive, &filter, &all).expect("the log can be read").events;
        let shown: BTreeMap<u64, String> = shown
            .iter()
            .map(|event| {
                (
                    event["position"].as_u64().expect("it has one"),
                    event["leaf_hash"].as_str().expect("it has one").to_owned(),
                )
            })
            .collect();
        let lines = bundle(&story, &published, selection);
        let lines = lines.split(|byte| *byte == b'\n').filter(|line| !line.is_empty());
        let lines = lines.map(|line| serde_json::from_slice::<Value>(line).expect("it is JSON"));
        let held: BTreeMap<u64, String> = lines
            .filter_map(|line| Some((line["position"].as_u64()?, line["leaf"].as_str()?.to_owned())))
            .filter(|(position, _)| is_selected(&selection, &records[*position as usize - 1].1))
            .collect();
        assert_eq!(held, shown, "{selection:?}");
    }
}

/// Any one byte of a bundle changed: never again what was proved before, in either program.
#[test]
fn no_changed_byte_goes_unnoticed() {
    let story = Story::told(5, 30);
    let records = story.records();
    let size = Position(records.len() as u64);
    let published = published(&story, size);
    let token = records.iter().find_map(|(_, header, _)| (!header.token.is_none()).then_some(header.token));
    let bundle = bundle(&story, &published, Selection { token, ..Selection::default() });
    let good = checked(&bundle, &published);
    assert_eq!(good.findings, []);
    let mut random = Random::new(5);
    for round in 0..600 {
        let mut changed = bundle.clone();
        let at = random.below(changed.len() as u64) as usize;
        changed[at] ^= 1 << random.below(7);
        let report = checked(&changed, &published);
        // The signature itself is not looked at here: the checkpoint is trusted by its root.
        let in_signature = std::str::from_utf8(&bundle[..at])
            .is_ok_and(|before| before.matches('\n').count() == 1 && before.contains("\u{2014}"));
        assert!(!report.findings.is_empty() || in_signature, "byte {at} of {}", bundle.len());
        if round % 50 == 0 {
            assert_eq!(said_elsewhere(&changed, &published), to_json(&report), "byte {at}");
        }
    }
}

/// Found by the types of fields, texts are those that somebody wrote down by hand, event by event.
#[test]
fn texts_that_records_mention_are_found_by_their_type() {
    let mut compared = 0;
    for seed in 0..4 {
        for (position, _, event) in Story::told(seed, BATCHES).records() {
            if matches!(event, Event::TextSeen(_) | Event::PersonalDataErased(_)) {
                continue;
            }
            let by_hand: BTreeSet<TextNumber> =
                text_numbers(&event).into_iter().filter(|text| !text.is_none()).collect();
            let found: BTreeSet<TextNumber> = mentioned_texts(&event).into_iter().collect();
            assert_eq!(found, by_hand, "{event:?} at {position}");
            compared += found.len();
        }
    }
    assert!(compared > 1_000, "{compared}");
}

#[test]
fn a_leaf_hash_is_that_of_its_record() {
    // The vector of the empty leaf in RFC 6962's own test data.
    let empty = "6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d";
    let hex: String = leaf_hash(b"").iter().map(|byte| format!("{byte:02x}")).collect();
    assert_eq!(hex, empty);
}
