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
mod tests;
