//! The log as others check it: tiles, entry bundles and proofs, up to what is published and no further.

use crate::house::House;
use crate::wire::{self, Ask, Told};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use token_ledger::audit::tiles;
use token_ledger::domain::ids::Position;
use token_ledger::entropy::Entropy;
use token_ledger::http::server::{ServerLimits, serve};
use token_ledger::http::{App, entry};
use token_ledger::log::consistency_proof::ConsistencyProof;
use token_ledger::log::merkle::{Hash, leaf_hash, node_hash, verify_consistency, verify_inclusion};
use token_ledger::log::note::{Checkpoint, TlogProof, Vkey};
use token_ledger::log::reader::LogReader;

/// A log long enough for full tiles, all of it published.
async fn house() -> House {
    let mut house = House::new().await;
    house.fill_to(700).await;
    house.restart(false).await;
    house
}

async fn vkey(house: &House) -> Vkey {
    house.ask(Ask::get("/vkeys")).await.expect(200).text().lines().next().unwrap().parse().unwrap()
}

/// What is published, verified.
async fn published(house: &House) -> (String, Checkpoint) {
    let note = house.ask(Ask::get("/checkpoint")).await.expect(200).text().to_owned();
    let checkpoint = Checkpoint::verify(&note, &vkey(house).await).unwrap();
    (note, checkpoint)
}

fn log(house: &House) -> LogReader {
    LogReader::open(house.ledger.dir()).unwrap()
}

fn records(house: &House, first: u64, last: u64) -> Vec<Vec<u8>> {
    let log = log(house);
    (first..=last).map(|position| log.record(Position(position)).unwrap().unwrap()).collect()
}

fn leaves(house: &House, first: u64, last: u64) -> Vec<Hash> {
    records(house, first, last).iter().map(|record| leaf_hash(record)).collect()
}

/// RFC 6962 2.1, word for word.
fn tree_hash(leaves: &[Hash]) -> Hash {
    if let [leaf] = leaves {
        return *leaf;
    }
    let (left, right) = leaves.split_at(leaves.len().next_power_of_two() / 2);
    node_hash(&tree_hash(left), &tree_hash(right))
}

#[tokio::test(flavor = "multi_thread")]
async fn tiles_and_bundles_are_the_records_that_the_checkpoint_speaks_of() {
    let house = house().await;
    let (_, checkpoint) = published(&house).await;
    assert!(checkpoint.size >= 700);
    let all = leaves(&house, 1, checkpoint.size);
    assert_eq!(checkpoint.root, tree_hash(&all));
    assert_eq!(house.look("/tile/0/000").await.expect(200).body, all[..256].as_flattened());
    assert_eq!(house.look("/tile/0/001").await.expect(200).body, all[256..512].as_flattened());
    let above = [tree_hash(&all[..256]), tree_hash(&all[256..512])];
    assert_eq!(house.look("/tile/1/000.p/2").await.expect(200).body, above.as_flattened());
    // Every width that any published size had.
    for width in [1, 2, 100, 187, 188] {
        let told = house.look(format!("/tile/0/002.p/{width}")).await.expect(200);
        assert_eq!(told.body, all[512..512 + width].as_flattened());
        assert_eq!(house.look(format!("/tile/0/000.p/{width}")).await.expect(200).body, all[..width].as_flattened());
        let bundle = house.look(format!("/tile/entries/002.p/{width}")).await.expect(200).body;
        assert_eq!(entries(&bundle), records(&house, 513, 512 + width as u64));
    }
    let bundle = house.get(&house.auditor.text, "/tile/entries/001").await.expect(200);
    assert_eq!(entries(&bundle.body), records(&house, 257, 512));
    for path in ["/tile/0/001", "/tile/0/002.p/7", "/tile/entries/001", "/tile/entries/002.p/7"] {
        let told = house.look(path).await.expect(200);
        assert_eq!(told.header("content-type"), Some("application/octet-stream"), "{path}");
        assert_eq!(told.header("cache-control"), Some("private, max-age=31536000, immutable"), "{path}");
    }
}

/// The entries of a bundle: each has its length before it, in two bytes, big-endian.
fn entries(mut bundle: &[u8]) -> Vec<Vec<u8>> {
    let mut entries = Vec::new();
    while let Some((length, rest)) = bundle.split_first_chunk() {
        let (entry, behind) = rest.split_at(u16::from_be_bytes(*length).into());
        entries.push(entry.to_vec());
        bundle = behind;
    }
    entries
}

#[tokio::test(flavor = "multi_thread")]
async fn what_the_checkpoint_does_not_imply_and_what_is_no_name_is_not_there() {
    let house = house().await;
    // The tile that grows, a width that it does not have yet, and the tile after it.
    let (edge, width) = (house.head() / 256, house.head() % 256 + 40);
    assert!(edge > 2 && width < 256, "{edge} {width}");
    let names = [
        &format!("/tile/0/{edge:03}"),
        &format!("/tile/0/{edge:03}.p/{width}"),
        &format!("/tile/0/{:03}.p/1", edge + 1),
        &format!("/tile/entries/{edge:03}"),
        &format!("/tile/entries/{edge:03}.p/{width}"),
        "/tile/1/000",
        &format!("/tile/1/000.p/{}", edge + 1),
        "/tile/2/000.p/1",
        "/tile/64/000.p/1",
        "/tile/256/000",
        "/tile/00/000",
        "/tile/-1/000",
        "/tile/0/0",
        "/tile/0/0000",
        "/tile/0/x000/000",
        "/tile/0/x001",
        "/tile/0/000.p/0",
        "/tile/0/000.p/256",
        "/tile/0/000.p/01",
        "/tile/0/000.p/",
        "/tile/0/000/",
        "/tile/0/..%2f000",
        "/tile/entries/000.p/0",
        "/tile/entries/x000/000",
        "/tile/entries/18446744073709551616",
    ];
    for name in names {
        let told = house.look(name).await;
        assert_eq!(told.status, 404, "{name}");
        assert_eq!(told.header("cache-control"), Some("no-store"), "{name}: it may be there later");
    }
    assert_eq!(house.look("/tile/0/000?size=1").await.status, 200);
    assert_eq!(house.ask(Ask::new("DELETE", "/tile/0/000").bearer(&house.operator)).await.status, 405);
}

#[tokio::test(flavor = "multi_thread")]
async fn records_that_are_not_published_yet_do_not_show() {
    let house = house().await;
    let log = log(&house);
    // As if the last checkpoint were of these sizes, with a log that went on.
    for (size, there, not_there) in [
        (600, ["0/002.p/88", "1/000.p/2"], ["0/002.p/89", "1/000.p/3"]),
        (512, ["0/001", "0/001.p/255"], ["0/002.p/1", "2/000.p/1"]),
        (511, ["0/001.p/255", "1/000.p/1"], ["0/001", "1/000.p/2"]),
    ] {
        let ask = |name: &str| tiles::hash_tile(&log, Position(size), name).unwrap();
        assert!(there.iter().all(|name| ask(name).is_some()), "{size}");
        assert!(not_there.iter().all(|name| ask(name).is_none()), "{size}");
        for (names, is_there) in [(there, true), (not_there, false)] {
            let bundles = names.iter().filter_map(|name| name.strip_prefix("0/"));
            for name in bundles {
                assert_eq!(tiles::entries(&log, Position(size), name).unwrap().is_some(), is_there, "{size} {name}");
            }
        }
    }
}

fn as_json(told: &Told) -> (Vec<Hash>, Hash) {
    let hash =
        |text: &serde_json::Value| -> Hash { STANDARD.decode(text.as_str().unwrap()).unwrap().try_into().unwrap() };
    let data = told.data();
    (data["hashes"].as_array().unwrap().iter().map(hash).collect(), hash(&data["root_hash"]))
}

#[tokio::test(flavor = "multi_thread")]
async fn an_inclusion_proof_verifies_offline() {
    let house = house().await;
    let (vkey, (_, checkpoint)) = (vkey(&house).await, published(&house).await);
    for position in [1, 2, 255, 256, 257, 512, 513, 699, checkpoint.size] {
        let told = house.look(format!("/proof/inclusion?position={position}")).await.expect(200);
        assert_eq!(told.header("content-type"), Some("text/plain; charset=utf-8"));
        assert!(told.text().starts_with(&format!("c2sp.org/tlog-proof@v1\nindex {}\n", position - 1)));
        let proof = TlogProof::parse(told.text()).unwrap();
        let leaf = leaves(&house, position, position)[0];
        assert!(proof.verify(&leaf, &vkey).unwrap().size >= checkpoint.size);
        let other = leaves(&house, position % 699 + 1, position % 699 + 1)[0];
        assert!(proof.verify(&other, &vkey).is_err());
    }
    // JSON has every size up to the published one.
    for (position, size) in [(1, 1), (5, 300), (257, 257), (300, 699)] {
        let path = format!("/proof/inclusion?position={position}&size={size}");
        let told = house.ask(Ask::get(&path).bearer(&house.operator).header("Accept", "application/json")).await;
        let data = told.data();
        assert_eq!((data["position"].as_u64(), data["size"].as_u64()), (Some(position), Some(size)));
        let (hashes, root) = as_json(&told);
        let leaf = leaves(&house, position, position)[0];
        assert_eq!(data["leaf_hash"], STANDARD.encode(leaf));
        assert!(verify_inclusion(&leaf, position - 1, size, &hashes, &root), "{path}");
        assert_eq!(root, tree_hash(&leaves(&house, 1, size)));
        assert_eq!(house.look(format!("{path}&format=json")).await.expect(200).data(), data);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_consistency_proof_shows_that_the_log_grew_out_of_a_kept_checkpoint() {
    let mut house = house().await;
    let (kept, before) = published(&house).await;
    house.fill_to(1_000).await;
    house.restart(false).await;
    let vkeys = [vkey(&house).await];
    let told = house.look(format!("/proof/consistency?old={}", before.size)).await.expect(200);
    let proof = ConsistencyProof::parse(told.text()).unwrap();
    let (old, new) = proof.verify(&kept, &vkeys).unwrap();
    assert!(old == before && new.size >= 1_000);
    // Of the size of a stored checkpoint there still is a text.
    let again = house.look(format!("/proof/consistency?old=300&size={}", before.size)).await.expect(200);
    assert!(
        again.text().starts_with("old 300\n") && again.text().ends_with(&format!("\n\n{kept}")),
        "{}",
        again.text()
    );
    for (old, size) in [(0, 1), (1, 1), (1, 2), (3, 7), (256, 512), (255, 700), (512, 1_000)] {
        let told = house.look(format!("/proof/consistency?old={old}&size={size}&format=json")).await.expect(200);
        let (hashes, root) = as_json(&told);
        let old_root = match old {
            0 => token_ledger::log::merkle::empty_root(),
            _ => tree_hash(&leaves(&house, 1, old)),
        };
        assert_eq!(told.data()["old_root_hash"], STANDARD.encode(old_root));
        assert!(verify_consistency(old, size, &hashes, &old_root, &root), "{old} {size}");
        assert_eq!(root, tree_hash(&leaves(&house, 1, size)));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_proof_that_is_not_to_be_had_is_refused_with_the_reason() {
    let house = house().await;
    let beyond = house.head() + 100;
    for (path, status, words) in [
        ("inclusion", 400, "position is missing"),
        ("inclusion?position=x", 400, "position must be a number"),
        ("inclusion?position=1&position=1", 400, "position is given twice"),
        ("inclusion?position=1&old=1", 400, "old is not a parameter"),
        ("inclusion?position=1&format=xml", 400, "format must be text or json"),
        ("inclusion?position=0", 404, "no record at position 0"),
        (&format!("inclusion?position={beyond}"), 404, "no record at position"),
        ("inclusion?position=9&size=8", 404, "no record at position 9 in a log of size 8"),
        (&format!("inclusion?position=1&size={beyond}"), 404, "not published"),
        ("inclusion?position=1&size=3", 404, "no checkpoint of size 3 is stored"),
        ("consistency", 400, "old is missing"),
        ("consistency?old=-1", 400, "old must be a number"),
        ("consistency?old=1&position=1", 400, "position is not a parameter"),
        ("consistency?old=9&size=8", 400, "the old size 9 is larger than 8"),
        (&format!("consistency?old=1&size={beyond}"), 404, "not published"),
        ("consistency?old=1&size=3", 404, "no checkpoint of size 3 is stored"),
    ] {
        let told = house.look(format!("/proof/{path}")).await.expect(status);
        assert!(told.text().contains(words), "{path}: {}", told.text());
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn with_public_tiles_everybody_may_check_the_tree_and_only_staff_read_records() {
    let house = house().await;
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let app = App::new(house.ledger.clone(), Entropy::system(), 0).with_public_tiles(true);
    tokio::spawn(serve(listener, entry::routes(app), ServerLimits::default(), std::future::pending()));
    let head = house.head();
    for path in ["/tile/0/000", "/tile/0/002.p/5", "/proof/inclusion?position=1", "/proof/consistency?old=1"] {
        let told = wire::ask(address, &Ask::get(path)).await.expect(200);
        if path.starts_with("/tile/") {
            assert_eq!(told.header("cache-control"), Some("public, max-age=31536000, immutable"), "{path}");
        }
    }
    assert_eq!(wire::ask(address, &Ask::get("/tile/entries/000")).await.status, 401);
    assert_eq!(wire::ask(address, &Ask::get("/tile/entries/000").bearer(&house.full.text)).await.status, 403);
    let told = wire::ask(address, &Ask::get("/tile/entries/000").bearer(&house.auditor.text)).await.expect(200);
    assert_eq!(told.header("cache-control"), Some("private, max-age=31536000, immutable"));
    // What anybody may see leaves nothing; the refusal is a record, with the texts of whoever tried, and so is the auditor's
    // look at records.
    let left = house.events_after(head).await;
    let kinds: Vec<_> =
        left.iter().map(|event| event["type"].as_str().unwrap()).filter(|kind| *kind != "TextSeen").collect();
    assert_eq!(kinds, ["ManagementRefused", "HistoryRead"]);
}
