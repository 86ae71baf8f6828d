//! Signed text: verifier keys, signed notes, checkpoints and inclusion receipts.
//!
//! Owns the text forms of C2SP signed-note (Ed25519, signature type 0x01), tlog-checkpoint and tlog-proof@v1, down to
//! the byte: whoever reads one here may print it again and get the same bytes. Refuses to know: where keys and notes
//! are kept, when to sign, and whether a size may be signed. That a head only moves forward is the caller's promise.

use super::merkle::{self, Hash};
use base64::{Engine, engine::general_purpose::STANDARD};
use ed25519_dalek::{Signature, Signer, SigningKey, VerifyingKey};
use sha2::{Digest, Sha256};
use std::fmt;
use std::str::FromStr;
use thiserror::Error;

/// Longest signed note that is read: room for 16 post-quantum cosignatures of 2.5 kB.
pub const NOTE_BYTES_MAX: usize = 64 * 1024;

/// Most signature lines of one note. signed-note asks for at least 16.
pub const SIGNATURE_LINES_MAX: usize = 32;

/// Most hashes of an inclusion proof: more than any tree that will be built.
pub const PROOF_HASHES_MAX: usize = 63;

/// Longest receipt that is read: a note, its hashes and room for extra data.
pub const PROOF_BYTES_MAX: usize = 2 * NOTE_BYTES_MAX;

/// The signature type of plain Ed25519 (signed-note, "Signature types").
const ED25519_TYPE: u8 = 0x01;

const KEY_ID_BYTES: usize = 4;

/// What a signature line begins with: an em dash and a space.
const SIGNATURE_MARK: &str = "\u{2014} ";

const PROOF_MAGIC: &str = "c2sp.org/tlog-proof@v1";

type KeyId = [u8; KEY_ID_BYTES];

/// Why a key, a note, a checkpoint or a receipt is refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum NoteError {
    /// A key name is empty, or has a plus, a space or a control character.
    #[error("a key name is empty, or has a plus, a space or a control character")]
    Name,
    /// A verifier key is not `name+hex+base64` of an Ed25519 key.
    #[error("the verifier key is malformed or of another type")]
    Vkey,
    /// The id in a verifier key is not the one that follows from name and key.
    #[error("the id of the verifier key does not belong to its name and key")]
    KeyId,
    /// The text is longer than this reader allows.
    #[error("the text is too long")]
    TooLong,
    /// A control character other than newline.
    #[error("the note has a control character")]
    ControlCharacter,
    /// Not a text, an empty line and signature lines.
    #[error("the note is not a text, an empty line and signature lines")]
    Form,
    /// More signature lines than this reader allows.
    #[error("the note has too many signatures")]
    TooManySignatures,
    /// A line after the text that is no signature line.
    #[error("a signature line is malformed")]
    SignatureLine,
    /// No signature by the expected key.
    #[error("the note is not signed by the expected key")]
    NotSigned,
    /// A signature that claims to be by the expected key and is not.
    #[error("a signature by the expected key is wrong")]
    BadSignature,
    /// Not origin, size and root.
    #[error("the text is not the three lines of a checkpoint")]
    Body,
    /// The origin is not the name of the key.
    #[error("the origin of the checkpoint is not the name of the key")]
    Origin,
    /// Not a tlog-proof@v1.
    #[error("the receipt is malformed")]
    Proof,
    /// The hashes do not lead from the older signed root to the newer one.
    #[error("the proof does not show the newer signed tree to have grown out of the older one")]
    NotConsistent,
    /// The hashes do not lead from the record to the signed root.
    #[error("the receipt does not show the record in the signed tree")]
    NotIncluded,
}

/// Key names are non-empty, without plus and without Unicode spaces; notes admit no control characters (signed-note,
/// "Format").
fn is_key_name(name: &str) -> bool {
    let refused = |letter: char| letter == '+' || letter.is_whitespace() || is_control(letter);
    !name.is_empty() && !name.contains(refused)
}

fn is_control(letter: char) -> bool {
    letter < '\u{20}'
}

/// The key id of an Ed25519 key (signed-note, "Ed25519 signatures").
fn key_id(name: &str, key: &VerifyingKey) -> KeyId {
    let digest =
        Sha256::new().chain_update(name).chain_update([b'\n', ED25519_TYPE]).chain_update(key.as_bytes()).finalize();
    let [a, b, c, d, ..] = Hash::from(digest);
    [a, b, c, d]
}

/// Base64 as every format here takes it: padded, standard alphabet, one spelling for a value.
fn decode_base64(text: &str) -> Option<Vec<u8>> {
    STANDARD.decode(text).ok()
}

fn decode_hash(text: &str) -> Option<Hash> {
    decode_base64(text)?.try_into().ok()
}

/// A decimal without sign and without leading zeroes.
fn parse_decimal(text: &str) -> Option<u64> {
    text.parse().ok().filter(|number: &u64| number.to_string() == text)
}

// ---- Keys ----

/// The public half of a log key under its name. Its text is `name+keyid+base64(0x01 || public key)` with the id in
/// lower-case hex.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Vkey {
    name: String,
    id: KeyId,
    key: VerifyingKey,
}

impl Vkey {
    fn new(name: String, key: VerifyingKey) -> Vkey {
        Vkey { id: key_id(&name, &key), name, key }
    }

    /// The key name; for a log also its origin.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The first four bytes of SHA-256 over name, newline, type and public key.
    pub fn key_id(&self) -> [u8; 4] {
        self.id
    }

    fn is_signer_of(&self, line: &SignatureLine<'_>) -> bool {
        self.name == line.name && self.id == line.key_id
    }

    fn verify(&self, text: &str, signature: &[u8]) -> Result<(), NoteError> {
        let signature = Signature::from_slice(signature).map_err(|_| NoteError::BadSignature)?;
        // Strict: every verifier agrees on a strict signature, batch or single.
        self.key.verify_strict(text.as_bytes(), &signature).map_err(|_| NoteError::BadSignature)
    }
}

impl fmt::Display for Vkey {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let id = u32::from_be_bytes(self.id);
        let typed = [&[ED25519_TYPE], self.key.as_bytes().as_slice()].concat();
        write!(out, "{}+{id:08x}+{}", self.name, STANDARD.encode(typed))
    }
}

impl FromStr for Vkey {
    type Err = NoteError;

    fn from_str(text: &str) -> Result<Vkey, NoteError> {
        // The base64 may hold a plus of its own, the name may not.
        let mut parts = text.splitn(3, '+');
        let (Some(name), Some(id), Some(typed)) = (parts.next(), parts.next(), parts.next()) else {
            return Err(NoteError::Vkey);
        };
        if !is_key_name(name) {
            return Err(NoteError::Name);
        }
        let key = parse_public_key(typed).ok_or(NoteError::Vkey)?;
        let vkey = Vkey::new(name.to_owned(), key);
        if format!("{:08x}", u32::from_be_bytes(vkey.id)) == id { Ok(vkey) } else { Err(NoteError::KeyId) }
    }
}

fn parse_public_key(typed: &str) -> Option<VerifyingKey> {
    let bytes = decode_base64(typed)?;
    let key = bytes.strip_prefix(&[ED25519_TYPE])?.try_into().ok()?;
    let key = VerifyingKey::from_bytes(key).ok()?;
    // A weak key would verify a signature that nobody made.
    (!key.is_weak()).then_some(key)
}

/// The Ed25519 key a log signs with, bound to its name, which is the origin of the log. It cannot be printed or
/// cloned, and its bytes are wiped when it is dropped.
pub struct LogKey {
    name: String,
    id: KeyId,
    key: SigningKey,
}

impl LogKey {
    /// The key that follows from a 32-byte seed (RFC 8032 5.1.5), under `name`.
    pub fn from_seed(name: &str, seed: &[u8; 32]) -> Result<LogKey, NoteError> {
        if !is_key_name(name) {
            return Err(NoteError::Name);
        }
        let key = SigningKey::from_bytes(seed);
        Ok(LogKey { id: key_id(name, &key.verifying_key()), name: name.to_owned(), key })
    }

    /// The key name, which is the origin of the log.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// What others verify with.
    pub fn vkey(&self) -> Vkey {
        Vkey::new(self.name.clone(), self.key.verifying_key())
    }

    /// The signature line for a note text, newline included (signed-note, "Signatures"). The text must end in a
    /// newline; it belongs before an empty line and this line.
    pub fn sign(&self, text: &str) -> String {
        debug_assert!(text.ends_with('\n'), "a note text ends in a newline");
        let signature = self.key.sign(text.as_bytes()).to_bytes();
        let encoded = STANDARD.encode([self.id.as_slice(), &signature].concat());
        format!("{SIGNATURE_MARK}{} {encoded}\n", self.name)
    }
}

impl fmt::Debug for LogKey {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "LogKey({}, redacted)", self.name)
    }
}

// ---- Notes ----

struct SignatureLine<'n> {
    name: &'n str,
    key_id: KeyId,
    signature: Vec<u8>,
}

impl<'n> SignatureLine<'n> {
    fn parse(line: &'n str) -> Option<SignatureLine<'n>> {
        let (name, encoded) = line.strip_prefix(SIGNATURE_MARK)?.split_once(' ')?;
        let bytes = decode_base64(encoded)?;
        let (key_id, signature) = bytes.split_first_chunk()?;
        let sound = is_key_name(name) && !signature.is_empty();
        sound.then(|| SignatureLine { name, key_id: *key_id, signature: signature.to_vec() })
    }
}

/// The text of a signed note, given out only when the key has signed it (signed-note). Signatures by other keys are
/// passed over wherever they stand, but each must have the form of one; any wrong signature under the key's name and
/// id refuses the note.
pub fn open_note<'n>(note: &'n str, vkey: &Vkey) -> Result<&'n str, NoteError> {
    let (text, lines) = split_note(note)?;
    let mut signed = false;
    for line in lines.iter().filter(|line| vkey.is_signer_of(line)) {
        vkey.verify(text, &line.signature)?;
        signed = true;
    }
    if signed { Ok(text) } else { Err(NoteError::NotSigned) }
}

/// The same note with the signatures of `vkey` alone: all of it is what that key vouches for.
pub fn signed_by_only(note: &str, vkey: &Vkey) -> Result<String, NoteError> {
    let text = open_note(note, vkey)?;
    let (_, lines) = split_note(note)?;
    let mut alone = format!("{text}\n");
    for line in lines.iter().filter(|line| vkey.is_signer_of(line)) {
        let encoded = STANDARD.encode([line.key_id.as_slice(), &line.signature].concat());
        alone.push_str(&format!("{SIGNATURE_MARK}{} {encoded}\n", line.name));
    }
    Ok(alone)
}

/// Text and signature lines, nothing verified.
fn split_note(note: &str) -> Result<(&str, Vec<SignatureLine<'_>>), NoteError> {
    if note.len() > NOTE_BYTES_MAX {
        return Err(NoteError::TooLong);
    }
    if note.contains(|letter| is_control(letter) && letter != '\n') {
        return Err(NoteError::ControlCharacter);
    }
    // The text may have empty lines; the last one in the note ends it.
    let gap = note.rfind("\n\n").ok_or(NoteError::Form)?;
    let (text, signatures) = (&note[..=gap], &note[gap + 2..]);
    let lines: Vec<&str> = signatures.strip_suffix('\n').ok_or(NoteError::Form)?.split('\n').collect();
    if lines.len() > SIGNATURE_LINES_MAX {
        return Err(NoteError::TooManySignatures);
    }
    let parsed: Option<Vec<_>> = lines.into_iter().map(SignatureLine::parse).collect();
    Ok((text, parsed.ok_or(NoteError::SignatureLine)?))
}

// ---- Checkpoints ----

/// The head of a log: what it holds, said by whom (tlog-checkpoint). Extension lines are neither written nor read, as
/// no log monitor can audit them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Checkpoint {
    /// The identity of the log, which is also the name of its key.
    pub origin: String,
    /// The number of records.
    pub size: u64,
    /// The root of the tree over them.
    pub root: Hash,
}

impl Checkpoint {
    /// The text that is signed: origin, size in decimal and root in base64, a line each.
    pub fn body(&self) -> String {
        format!("{}\n{}\n{}\n", self.origin, self.size, STANDARD.encode(self.root))
    }

    /// Reads the three lines of [`Checkpoint::body`] and nothing else.
    pub fn parse_body(body: &str) -> Result<Checkpoint, NoteError> {
        Checkpoint::read(body).ok_or(NoteError::Body)
    }

    fn read(body: &str) -> Option<Checkpoint> {
        let mut lines = body.strip_suffix('\n')?.split('\n');
        let (origin, size, root) = (lines.next()?, lines.next()?, lines.next()?);
        let checkpoint = Checkpoint { origin: origin.to_owned(), size: parse_decimal(size)?, root: decode_hash(root)? };
        let sound_origin = !origin.is_empty() && !origin.contains(is_control);
        let sound_root = checkpoint.size > 0 || checkpoint.root == merkle::empty_root();
        (lines.next().is_none() && sound_origin && sound_root).then_some(checkpoint)
    }

    /// The signed note. Refused when the key belongs to another log. For a second signature append
    /// [`LogKey::sign`] of the body.
    pub fn sign(&self, key: &LogKey) -> Result<String, NoteError> {
        if self.origin != key.name {
            return Err(NoteError::Origin);
        }
        let body = self.body();
        let signature = key.sign(&body);
        Ok(format!("{body}\n{signature}"))
    }

    /// The checkpoint in a note that `vkey` has signed and whose origin is the name of that key.
    pub fn verify(note: &str, vkey: &Vkey) -> Result<Checkpoint, NoteError> {
        let checkpoint = Checkpoint::parse_body(open_note(note, vkey)?)?;
        if checkpoint.origin == vkey.name { Ok(checkpoint) } else { Err(NoteError::Origin) }
    }
}

impl Checkpoint {
    /// Like [`Checkpoint::verify`] for a log that had several keys: by the first of them that has signed. A wrong
    /// signature by any of those before it refuses the note.
    pub fn verify_by_any(note: &str, vkeys: &[Vkey]) -> Result<Checkpoint, NoteError> {
        let verified = vkeys.iter().map(|vkey| Checkpoint::verify(note, vkey));
        verified.into_iter().find(|result| *result != Err(NoteError::NotSigned)).unwrap_or(Err(NoteError::NotSigned))
    }
}

// ---- Receipts ----

/// A receipt that verifies offline: where a record stands, the hashes up to the root, and the signed checkpoint of
/// that root (tlog-proof@v1).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TlogProof {
    /// Data beside the proof, covered by no signature; never empty.
    pub extra: Option<Vec<u8>>,
    /// The zero-based index of the record.
    pub index: u64,
    /// The inclusion proof, from the leaf's sibling up.
    pub hashes: Vec<Hash>,
    /// The signed note, as the log gave it out.
    pub checkpoint: String,
}

/// The tlog-proof@v1 text of an inclusion proof in the tree of `signed_checkpoint`, without extra data:
///
/// ```text
/// c2sp.org/tlog-proof@v1
/// index <decimal>
/// <base64 hash>, one a line, from the leaf's sibling up
///
/// <the signed checkpoint, verbatim>
/// ```
pub fn proof_text(index: u64, proof: &[Hash], signed_checkpoint: &str) -> String {
    let hashes: String = proof.iter().map(|hash| STANDARD.encode(hash) + "\n").collect();
    format!("{PROOF_MAGIC}\nindex {index}\n{hashes}\n{signed_checkpoint}")
}

impl TlogProof {
    /// Reads a receipt. Nothing in it is to be believed before [`TlogProof::verify`].
    pub fn parse(text: &str) -> Result<TlogProof, NoteError> {
        if text.len() > PROOF_BYTES_MAX {
            return Err(NoteError::TooLong);
        }
        // The part before the note has no empty line, so the first one is the end of it.
        let (head, checkpoint) = text.split_once("\n\n").ok_or(NoteError::Proof)?;
        let (body, _) = split_note(checkpoint)?;
        Checkpoint::parse_body(body)?;
        TlogProof::read(head, checkpoint).ok_or(NoteError::Proof)
    }

    fn read(head: &str, checkpoint: &str) -> Option<TlogProof> {
        let mut lines = head.strip_prefix(PROOF_MAGIC)?.strip_prefix('\n')?.split('\n').peekable();
        let extra = match lines.next_if(|line| line.starts_with("extra ")) {
            Some(line) => Some(decode_base64(line.strip_prefix("extra ")?).filter(|extra| !extra.is_empty())?),
            None => None,
        };
        let index = parse_decimal(lines.next()?.strip_prefix("index ")?)?;
        // One more than allowed is enough to see that there are too many.
        let hashes: Option<Vec<Hash>> = lines.take(PROOF_HASHES_MAX + 1).map(decode_hash).collect();
        let hashes = hashes.filter(|hashes| hashes.len() <= PROOF_HASHES_MAX)?;
        Some(TlogProof { extra, index, hashes, checkpoint: checkpoint.to_owned() })
    }

    /// Verifies the signature and the proof, always both: hashes under an unsigned root prove nothing. Gives the
    /// checkpoint whose tree holds, at [`TlogProof::index`], the record with the leaf hash `leaf`.
    pub fn verify(&self, leaf: &Hash, vkey: &Vkey) -> Result<Checkpoint, NoteError> {
        self.verify_by_any(leaf, std::slice::from_ref(vkey))
    }

    /// The same for a log that had several keys.
    pub fn verify_by_any(&self, leaf: &Hash, vkeys: &[Vkey]) -> Result<Checkpoint, NoteError> {
        let checkpoint = Checkpoint::verify_by_any(&self.checkpoint, vkeys)?;
        let included = merkle::verify_inclusion(leaf, self.index, checkpoint.size, &self.hashes, &checkpoint.root);
        if included { Ok(checkpoint) } else { Err(NoteError::NotIncluded) }
    }
}

impl fmt::Display for TlogProof {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let plain = proof_text(self.index, &self.hashes, &self.checkpoint);
        match &self.extra {
            None => out.write_str(&plain),
            Some(extra) => {
                let after_magic = &plain[PROOF_MAGIC.len()..];
                write!(out, "{PROOF_MAGIC}\nextra {}{after_magic}", STANDARD.encode(extra))
            }
        }
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test that cannot go on stops here")]
mod tests {
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
}
