//! Notes, keys, checkpoints and receipts against published ones, and what must be refused.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on stops here")]

use super::*;
use merkle::{leaf_hash, node_hash};
use proptest::prelude::*;

// The example of the documentation of golang.org/x/mod/sumdb/note: key, seed and note.
const PETER: &str = "PeterNeumann+c74f20a3+ARpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TW";
const PETER_SECRET: &str = "AYEKFALVFGyNhPJEMzD1QIDr+Y7hfZx09iUvxdXHKDFz";
const PETER_TEXT: &str =
    "If you think cryptography is the answer to your problem,\nthen you don't know what your problem is.\n";
const PETER_LINE: &str =
    "— PeterNeumann x08go/ZJkuBS9UG/SffcvIAQxVBtiFupLLr8pAcElZInNIuGUgYN1FFYC2pZSNXgKvqfqdngotpRZb6KE6RyyBwJnAM=\n";

// The Go checksum database: its key, and three of the tree heads it has signed.
const SUMDB: &str = "sum.golang.org+033de0ae+Ac4zctda0e5eza+HJyk9SxEdh+s3Ux18htTTAD8OuAn8";
const SUMDB_HEADS: [(u64, &str, &str); 3] = [
    (
        6_476_701,
        "mb8QLQIs0Z0yP5Cstq6guj87oXWeC9gEM8oVikmm9Wk=",
        "Az3grsLX85Gz+s1SiTbgkuqxgItqFq7gsMUEyVnrsa9LM7Us9S+1xbFIGu95949rj4nPRYfvimWEPWL+o3GeoWwOoAw=",
    ),
    (
        20_852_163,
        "CsUYapGGPo4dkMgIAUqom/Xajj7h2fB2MPA3j2jxq2I=",
        "Az3grlgtzPICa5OS8npVmf1Myq/5IZniMp+ZJurmRDeOoRDe4URYN7u5/Zhcyv2q1gGzGku9nTo+zyWE+xeMcTOAYQ8=",
    ),
    (
        65_209_736,
        "5+uGFjx6xBZG8ip1+wi77v+grwbhhukIrxEUS8PXvRo=",
        "Az3grnbssgK7ubgFX36gVETtNv0U23qxyAhAMai2QUfeGa3nB/akvkMdlUErfcZz7l/R3cVtYspg3dxXABkGZZKdsQ8=",
    ),
];

const NAME: &str = "ledger.example.org/tokens";

fn vkey(text: &str) -> Vkey {
    text.parse().unwrap()
}

fn log_key() -> LogKey {
    LogKey::from_seed(NAME, &[1; 32]).unwrap()
}

fn peter_note() -> String {
    format!("{PETER_TEXT}\n{PETER_LINE}")
}

fn head(size: u64, root: Hash) -> Checkpoint {
    Checkpoint { origin: NAME.to_owned(), size, root }
}

#[test]
fn published_verifier_keys_come_back() {
    let keys = [
        PETER,
        SUMDB,
        "EnochRoot+af0cfe78+ATtqJ7zOtqQtYqOo0CpvDXNlMhV3HeJDpjrASKGLWdop",
        "example.com/foo+530d903a+AekyeRrm56hApGFkyQR4ZCbV54Id2LKaANYcrnKv3U2k",
        // This one has a plus in its base64.
        "TEST+7997405c+AQcC+FTVKf0jlTdHDY3rbevmnKxxPjigCXlVtGe6RIr6",
    ];
    for text in keys {
        assert_eq!(vkey(text).to_string(), text);
    }
    assert_eq!((vkey(PETER).name(), vkey(PETER).key_id()), ("PeterNeumann", [0xc7, 0x4f, 0x20, 0xa3]));
}

#[test]
fn malformed_verifier_keys_are_refused() {
    let key = "ARpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TW";
    // An Ed25519 point of small order: everything could be signed with it.
    let mut weak = [0; 33];
    (weak[0], weak[1]) = (1, 1);
    let weak_key = VerifyingKey::from_bytes(weak[1..].try_into().unwrap()).unwrap();
    let weak = Vkey::new("PeterNeumann".to_owned(), weak_key).to_string();
    let rows = [
        ("", NoteError::Vkey),
        ("PeterNeumann", NoteError::Vkey),
        ("PeterNeumann+c74f20a3", NoteError::Vkey),
        ("PeterNeumann+c74f20a3+", NoteError::Vkey),
        ("PeterNeumann+c74f20a3+!!!!", NoteError::Vkey),
        (&format!("+c74f20a3+{key}"), NoteError::Name),
        (&format!("Peter Neumann+c74f20a3+{key}"), NoteError::Name),
        (&format!("Peter\u{2003}Neumann+c74f20a3+{key}"), NoteError::Name),
        (&format!("Peter\u{7}Neumann+c74f20a3+{key}"), NoteError::Name),
        (&format!("PeterNeumann+c74f20a4+{key}"), NoteError::KeyId),
        (&format!("PeterNeumann+C74F20A3+{key}"), NoteError::KeyId),
        (&format!("PeterNeumann+0c74f20a3+{key}"), NoteError::KeyId),
        (&format!("PeterNeuman+c74f20a3+{key}"), NoteError::KeyId),
        (&format!("PeterNeumann+c74f20a3+{key}\n"), NoteError::Vkey),
        (&format!("PeterNeumann+c74f20a3+{key}AAAA"), NoteError::Vkey),
        (&format!("PeterNeumann+c74f20a3+{}", &key[..40]), NoteError::Vkey),
        // The same key under another signature type.
        ("PeterNeumann+173116ae+ZRpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TW", NoteError::Vkey),
        ("remora.n621.de+da77ade7+BOvN63jn/bLvkieywe8R6UYAtVtNbZpXh34x7onlmtw2", NoteError::Vkey),
        (&weak, NoteError::Vkey),
    ];
    for (text, error) in rows {
        assert_eq!(text.parse::<Vkey>(), Err(error), "{text:?}");
    }
}

#[test]
fn the_published_note_opens_and_is_signed_to_the_byte() {
    assert_eq!(open_note(&peter_note(), &vkey(PETER)), Ok(PETER_TEXT));
    let secret = decode_base64(PETER_SECRET).unwrap();
    let key = LogKey::from_seed("PeterNeumann", secret[1..].try_into().unwrap()).unwrap();
    assert_eq!(key.sign(PETER_TEXT), PETER_LINE);
    assert_eq!(key.vkey(), vkey(PETER));
}

#[test]
fn published_tree_heads_verify() {
    for (size, root, signature) in SUMDB_HEADS {
        let note = format!("go.sum database tree\n{size}\n{root}\n\n— sum.golang.org {signature}\n");
        let body = open_note(&note, &vkey(SUMDB)).unwrap();
        let checkpoint = Checkpoint::parse_body(body).unwrap();
        assert_eq!((checkpoint.size, STANDARD.encode(checkpoint.root).as_str()), (size, root));
        assert_eq!(checkpoint.body(), body);
        // That log's key has another name than its origin, which a ledger never does.
        assert_eq!(Checkpoint::verify(&note, &vkey(SUMDB)), Err(NoteError::Origin));
    }
}

#[test]
fn a_secret_key_is_not_printed() {
    assert_eq!(format!("{:?}", log_key()), "LogKey(ledger.example.org/tokens, redacted)");
}

#[test]
fn names_no_note_could_carry_are_refused() {
    for name in ["", " ", "a b", "a+b", "a\nb", "a\tb", "a\u{a0}b", "a\u{2028}b", "a\0b"] {
        assert_eq!(LogKey::from_seed(name, &[0; 32]).unwrap_err(), NoteError::Name, "{name:?}");
    }
    assert!(LogKey::from_seed("зерно.example/жетоны", &[0; 32]).is_ok());
}

#[test]
fn a_checkpoint_comes_back_from_its_note() {
    for checkpoint in [head(0, merkle::empty_root()), head(1, [7; 32]), head(u64::MAX, [255; 32])] {
        let note = checkpoint.sign(&log_key()).unwrap();
        assert_eq!(Checkpoint::verify(&note, &log_key().vkey()), Ok(checkpoint));
    }
}

#[test]
fn a_key_signs_for_its_own_log_only() {
    let foreign = Checkpoint { origin: "elsewhere.example".to_owned(), ..head(1, [7; 32]) };
    assert_eq!(foreign.sign(&log_key()), Err(NoteError::Origin));
}

#[test]
fn unknown_signatures_are_passed_over_wherever_they_stand() {
    let checkpoint = head(5, [7; 32]);
    let body = checkpoint.body();
    let own = log_key().sign(&body);
    let same_name = LogKey::from_seed(NAME, &[2; 32]).unwrap().sign("something else\n");
    let other = LogKey::from_seed("witness.example", &[3; 32]).unwrap().sign(&body);
    let long = format!("— witness.example {}\n", STANDARD.encode([9; 2424]));
    for lines in
        [[&other, &same_name, &long, &own], [&own, &other, &same_name, &long], [&same_name, &own, &own, &other]]
    {
        let note = format!("{body}\n{}", lines.map(String::as_str).concat());
        assert_eq!(Checkpoint::verify(&note, &log_key().vkey()).as_ref(), Ok(&checkpoint));
    }
    let unsigned = format!("{body}\n{other}{same_name}{long}");
    assert_eq!(Checkpoint::verify(&unsigned, &log_key().vkey()), Err(NoteError::NotSigned));
}

#[test]
fn one_wrong_signature_of_the_key_refuses_the_note() {
    let body = head(5, [7; 32]).body();
    let (good, wrong) = (log_key().sign(&body), log_key().sign("something else\n"));
    let short = format!("— {NAME} {}\n", STANDARD.encode([&log_key().id[..], &[0; 63]].concat()));
    for lines in [[&good, &wrong], [&wrong, &good], [&good, &short]] {
        let note = format!("{body}\n{}", lines.map(String::as_str).concat());
        assert_eq!(Checkpoint::verify(&note, &log_key().vkey()), Err(NoteError::BadSignature));
    }
}

#[test]
fn the_last_empty_line_ends_the_text() {
    let text = "one\n\ntwo\n";
    let note = format!("{text}\n{}", log_key().sign(text));
    assert_eq!(open_note(&note, &log_key().vkey()), Ok(text));
    assert_eq!(Checkpoint::verify(&note, &log_key().vkey()), Err(NoteError::Body));
}

#[test]
fn hostile_notes_are_refused() {
    let signature = PETER_LINE.strip_prefix("— PeterNeumann ").unwrap().trim_end();
    let note = peter_note();
    let rows = [
        ("".to_owned(), NoteError::Form),
        (PETER_TEXT.to_owned(), NoteError::Form),
        (format!("{PETER_TEXT}\n"), NoteError::Form),
        (format!("{PETER_TEXT}{PETER_LINE}"), NoteError::Form),
        (note.trim_end().to_owned(), NoteError::Form),
        (format!("{note}\n"), NoteError::Form),
        (format!("{note}\n\n"), NoteError::Form),
        (format!("{note}trailing\n"), NoteError::SignatureLine),
        (note.replace('\n', "\r\n"), NoteError::ControlCharacter),
        (note.replace("problem", "prob\0lem"), NoteError::ControlCharacter),
        (note.replace("— ", "- "), NoteError::SignatureLine),
        (note.replace("— ", "—  "), NoteError::SignatureLine),
        (note.replace("— ", "—\u{a0}"), NoteError::SignatureLine),
        (note.replace("— ", " — "), NoteError::SignatureLine),
        (note.replace("PeterNeumann ", "PeterNeumann  "), NoteError::SignatureLine),
        (note.replace("PeterNeumann ", "PeterNeumann\u{2003}"), NoteError::SignatureLine),
        (note.replace("PeterNeumann ", "Peter+Neumann "), NoteError::SignatureLine),
        (note.replace("PeterNeumann ", ""), NoteError::SignatureLine),
        (note.replace(signature, ""), NoteError::SignatureLine),
        (note.replace(signature, "x08gow=="), NoteError::SignatureLine),
        (note.replace(signature, &format!("{signature} ")), NoteError::SignatureLine),
        (note.replace(signature, signature.trim_end_matches('=')), NoteError::SignatureLine),
        // The same bytes, spelled with a stray bit in the padding.
        (note.replace("nAM=", "nAN="), NoteError::SignatureLine),
        (note.replace("x08go/", "x08go_"), NoteError::SignatureLine),
        (note.replace("PeterNeumann ", "PeterNeuman "), NoteError::NotSigned),
        (note.replace("x08go/", "x08gp/"), NoteError::NotSigned),
        (note.replace("nAM=", "nAI="), NoteError::BadSignature),
        (note.replace("problem is", "problem was"), NoteError::BadSignature),
        (format!("\n{note}"), NoteError::BadSignature),
        (format!("{PETER_TEXT}\n{}", PETER_LINE.repeat(33)), NoteError::TooManySignatures),
        (format!("{}{note}", " ".repeat(NOTE_BYTES_MAX)), NoteError::TooLong),
    ];
    for (note, error) in rows {
        assert_eq!(open_note(&note, &vkey(PETER)), Err(error), "{note:?}");
    }
    assert!(open_note(&format!("{PETER_TEXT}\n{}", PETER_LINE.repeat(32)), &vkey(PETER)).is_ok());
}

#[test]
fn a_checkpoint_body_has_one_spelling() {
    let root = STANDARD.encode([7; 32]);
    let good = format!("{NAME}\n5\n{root}\n");
    assert!(Checkpoint::parse_body(&good).is_ok());
    let rows = [
        "".to_owned(),
        "\n\n\n".to_owned(),
        good.trim_end().to_owned(),
        format!("{good}\n"),
        format!("{good}extension\n"),
        format!("\n5\n{root}\n"),
        format!("{NAME}\n\n{root}\n"),
        format!("{NAME}\n05\n{root}\n"),
        format!("{NAME}\n+5\n{root}\n"),
        format!("{NAME}\n-5\n{root}\n"),
        format!("{NAME}\n 5\n{root}\n"),
        format!("{NAME}\n5 \n{root}\n"),
        format!("{NAME}\n٥\n{root}\n"),
        format!("{NAME}\n18446744073709551616\n{root}\n"),
        // Only one root belongs to the tree without records.
        format!("{NAME}\n0\n{root}\n"),
        format!("{NAME}\n5\n{}\n", root.trim_end_matches('=')),
        format!("{NAME}\n5\n{}\n", root.replace("Bwc=", "Bwd=")),
        format!("{NAME}\n5\n{root}=\n"),
        format!("{NAME}\n5\n{}\n", STANDARD.encode([7; 31])),
        format!("{NAME}\n5\n{}\n", STANDARD.encode([7; 33])),
        format!("{NAME}\r\n5\n{root}\n"),
        format!("{NAME}\n5\n\n"),
    ];
    for body in rows {
        assert_eq!(Checkpoint::parse_body(&body), Err(NoteError::Body), "{body:?}");
    }
}

// ---- Receipts ----

/// A receipt for the second of three records, the leaf hash and the text.
fn receipt() -> (Hash, String) {
    let [first, second, third] = [b"a", b"b", b"c"].map(|record| leaf_hash(record));
    let root = node_hash(&node_hash(&first, &second), &third);
    let note = head(3, root).sign(&log_key()).unwrap();
    (second, proof_text(1, &[first, third], &note))
}

#[test]
fn a_receipt_has_the_form_of_the_standard() {
    let (_, text) = receipt();
    let mut lines = text.lines();
    assert_eq!(lines.next(), Some("c2sp.org/tlog-proof@v1"));
    assert_eq!(lines.next(), Some("index 1"));
    assert_eq!(lines.next(), Some(STANDARD.encode(leaf_hash(b"a")).as_str()));
    assert_eq!(lines.next(), Some(STANDARD.encode(leaf_hash(b"c")).as_str()));
    assert_eq!(lines.next(), Some(""));
    assert_eq!(lines.next(), Some(NAME));
    assert!(text.ends_with("=\n"));
}

#[test]
fn a_receipt_verifies_offline_and_comes_back() {
    let (leaf, text) = receipt();
    let proof = TlogProof::parse(&text).unwrap();
    assert_eq!(proof.verify(&leaf, &log_key().vkey()).unwrap().size, 3);
    assert_eq!(proof.to_string(), text);
    assert_eq!(proof_text(proof.index, &proof.hashes, &proof.checkpoint), text);

    let extra = text.replace("index 1", "extra aGVsbG8=\nindex 1");
    let proof = TlogProof::parse(&extra).unwrap();
    assert_eq!(proof.extra.as_deref(), Some(b"hello".as_slice()));
    assert!(proof.verify(&leaf, &log_key().vkey()).is_ok());
    assert_eq!(proof.to_string(), extra);
}

#[test]
fn the_receipt_of_an_only_record_has_no_hashes() {
    let leaf = leaf_hash(b"only");
    let text = proof_text(0, &[], &head(1, leaf).sign(&log_key()).unwrap());
    assert!(text.starts_with("c2sp.org/tlog-proof@v1\nindex 0\n\nledger.example.org/tokens\n1\n"));
    let proof = TlogProof::parse(&text).unwrap();
    assert!(proof.hashes.is_empty() && proof.verify(&leaf, &log_key().vkey()).is_ok());
}

#[test]
fn a_receipt_for_something_else_is_refused() {
    let (leaf, text) = receipt();
    let verify = |text: &str, leaf: &Hash, key: &LogKey| TlogProof::parse(text)?.verify(leaf, &key.vkey());
    let other_key = LogKey::from_seed(NAME, &[2; 32]).unwrap();
    assert_eq!(verify(&text, &leaf_hash(b"c"), &log_key()), Err(NoteError::NotIncluded));
    assert_eq!(verify(&text.replace("index 1", "index 0"), &leaf, &log_key()), Err(NoteError::NotIncluded));
    assert_eq!(verify(&text.replace("index 1", "index 3"), &leaf, &log_key()), Err(NoteError::NotIncluded));
    assert_eq!(verify(&text, &leaf, &other_key), Err(NoteError::NotSigned));
    let larger = text.replace("tokens\n3\n", "tokens\n4\n");
    assert_eq!(verify(&larger, &leaf, &log_key()), Err(NoteError::BadSignature));
}

#[test]
fn malformed_receipts_are_refused() {
    let (_, text) = receipt();
    let hash = STANDARD.encode(leaf_hash(b"a")) + "\n";
    let rows = [
        ("".to_owned(), NoteError::Proof),
        (text.replace("@v1", "@v2"), NoteError::Proof),
        (text.replace("@v1\n", "@v1 \n"), NoteError::Proof),
        (format!("\n{text}"), NoteError::Proof),
        (text.replace("index 1\n", ""), NoteError::Proof),
        (text.replace("index 1", "index 01"), NoteError::Proof),
        (text.replace("index 1", "index  1"), NoteError::Proof),
        (text.replace("index 1", "index +1"), NoteError::Proof),
        (text.replace("index 1", "Index 1"), NoteError::Proof),
        (text.replace("index 1", "index 1\nextra aGVsbG8="), NoteError::Proof),
        (text.replace("index 1", "extra\nindex 1"), NoteError::Proof),
        (text.replace("index 1", "extra \nindex 1"), NoteError::Proof),
        (text.replace("index 1", "extra aGVsbG8\nindex 1"), NoteError::Proof),
        (text.replace("index 1", "extra aGk=\nextra aGk=\nindex 1"), NoteError::Proof),
        (text.replace(&hash, &hash[..40]), NoteError::Proof),
        (text.replace(&hash, &format!("{}\n", STANDARD.encode([7; 31]))), NoteError::Proof),
        (text.replace(&hash, &hash.repeat(63)), NoteError::Proof),
        (text.replace(&hash, &format!("\n{hash}")), NoteError::Body),
        (text.split_once("\n\n").unwrap().0.to_owned(), NoteError::Proof),
        (text.split_once("\n\n").unwrap().0.to_owned() + "\n\n", NoteError::Form),
        (text.replace("tokens\n3\n", "tokens\n03\n"), NoteError::Body),
        (text.replace("— ", "- "), NoteError::SignatureLine),
        (" ".repeat(PROOF_BYTES_MAX + 1), NoteError::TooLong),
    ];
    for (text, error) in rows {
        assert_eq!(TlogProof::parse(&text), Err(error), "{text:?}");
    }
    assert!(TlogProof::parse(&text.replace(&hash, &hash.repeat(62))).is_ok());
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn every_checkpoint_and_key_come_back(seed: [u8; 32], size in 1..=u64::MAX, root: Hash, name in "[^+\\s[:cntrl:]]{1,20}") {
        let key = LogKey::from_seed(&name, &seed).unwrap();
        prop_assert_eq!(key.vkey().to_string().parse::<Vkey>(), Ok(key.vkey()));
        let checkpoint = Checkpoint { origin: name, size, root };
        let note = checkpoint.sign(&key).unwrap();
        prop_assert_eq!(Checkpoint::verify(&note, &key.vkey()), Ok(checkpoint));
    }

    #[test]
    fn a_changed_byte_never_verifies(at: prop::sample::Index, byte in 0x20..0x7fu8) {
        let note = head(1_234_567, [7; 32]).sign(&log_key()).unwrap();
        let mut bytes = note.clone().into_bytes();
        let at = at.index(bytes.len());
        bytes[at] = byte;
        if let Ok(changed) = String::from_utf8(bytes) && changed != note {
            prop_assert!(Checkpoint::verify(&changed, &log_key().vkey()).is_err());
        }
    }

    #[test]
    fn no_text_stops_a_reader(text in "(c2sp.org/tlog-proof@v1\n)?(index [0-9]{1,3}\n)?(.|\n|— |\n\n|[A-Z]{4}){0,30}") {
        let _ = open_note(&text, &vkey(PETER));
        let _ = Checkpoint::parse_body(&text);
        let _ = text.parse::<Vkey>();
        if let Ok(proof) = TlogProof::parse(&text) {
            prop_assert_eq!(proof.to_string(), text);
        }
    }
}
