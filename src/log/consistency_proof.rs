//! The text of a consistency proof: the part of a request to a C2SP tlog-witness (`add-checkpoint`) that a log sends. It
//! says what a log was before and what it is now, so that whoever kept an older checkpoint can check it offline.
//!
//! ```text
//! old <decimal>
//! <base64 hash>, one a line
//!
//! <the signed checkpoint of the new size, verbatim>
//! ```

use super::merkle::{self, HASH_BYTES, Hash};
use super::note::{Checkpoint, NoteError, PROOF_BYTES_MAX, PROOF_HASHES_MAX, Vkey};
use base64::{Engine, engine::general_purpose::STANDARD};
use std::fmt;

/// Such a proof.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct ConsistencyProof {
    /// The older size.
    pub old: u64,
    /// The proof, as RFC 9162 2.1.4.1 orders it.
    pub hashes: Vec<Hash>,
    /// The signed note of the newer size, as the log gave it out.
    pub checkpoint: String,
}

impl ConsistencyProof {
    /// Reads one. Nothing in it is to be believed before [`ConsistencyProof::verify`].
    pub fn parse(text: &str) -> Result<Self, NoteError> {
        if text.len() > PROOF_BYTES_MAX {
            return Err(NoteError::TooLong);
        }
        let (head, checkpoint) = text.split_once("\n\n").ok_or(NoteError::Proof)?;
        Self::read(head, checkpoint).ok_or(NoteError::Proof)
    }

    fn read(head: &str, checkpoint: &str) -> Option<Self> {
        let mut lines = head.split('\n');
        let old = lines.next()?.strip_prefix("old ")?;
        let number: u64 = old.parse().ok().filter(|number: &u64| number.to_string() == old)?;
        let hash = |line: &str| <[u8; HASH_BYTES]>::try_from(STANDARD.decode(line).ok()?).ok();
        let hashes: Option<Vec<Hash>> = lines.take(PROOF_HASHES_MAX + 1).map(hash).collect();
        let hashes = hashes.filter(|hashes| hashes.len() <= PROOF_HASHES_MAX)?;
        Some(Self { old: number, hashes, checkpoint: checkpoint.to_owned() })
    }

    /// Verifies both signatures and the proof, always all: gives the older and the newer checkpoint, of which the newer
    /// log begins with the older.
    pub fn verify(&self, older_note: &str, vkeys: &[Vkey]) -> Result<(Checkpoint, Checkpoint), NoteError> {
        let older = Checkpoint::verify_by_any(older_note, vkeys)?;
        let newer = Checkpoint::verify_by_any(&self.checkpoint, vkeys)?;
        let grew = older.size == self.old
            && merkle::verify_consistency(older.size, newer.size, &self.hashes, &older.root, &newer.root);
        if grew { Ok((older, newer)) } else { Err(NoteError::NotConsistent) }
    }
}

impl fmt::Display for ConsistencyProof {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(out, "old {}", self.old)?;
        self.hashes.iter().try_for_each(|hash| writeln!(out, "{}", STANDARD.encode(hash)))?;
        write!(out, "\n{}", self.checkpoint)
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test that cannot go on stops here")]
mod tests {
    use super::*;
    use crate::log::note::LogKey;
    use merkle::{leaf_hash, node_hash};

    const NAME: &str = "ledger.example.org/tokens";

    fn signed(size: u64, root: Hash) -> String {
        let key = LogKey::from_seed(NAME, &[1; 32]).unwrap();
        Checkpoint { origin: NAME.to_owned(), size, root }.sign(&key).unwrap()
    }

    fn vkeys() -> Vec<Vkey> {
        [2, 1].map(|seed| LogKey::from_seed(NAME, &[seed; 32]).unwrap().vkey()).to_vec()
    }

    /// Three leaves: the old root is the left node of the new one (RFC 9162 2.1.5 has the shape).
    fn proof() -> (String, ConsistencyProof) {
        let [a, b, c] = [b"a", b"b", b"c"].map(|record| leaf_hash(record));
        let old_root = node_hash(&a, &b);
        let checkpoint = signed(3, node_hash(&old_root, &c));
        (signed(2, old_root), ConsistencyProof { old: 2, hashes: vec![c], checkpoint })
    }

    #[test]
    fn a_proof_comes_back_and_verifies() {
        let (older, proof) = proof();
        let read = ConsistencyProof::parse(&proof.to_string()).unwrap();
        assert_eq!(read, proof);
        let (old, new) = read.verify(&older, &vkeys()).unwrap();
        assert_eq!((old.size, new.size), (2, 3));
        let text = proof.to_string();
        assert!(text.starts_with("old 2\n") && text.contains(&format!("\n\n{NAME}\n3\n")), "{text}");
    }

    #[test]
    fn whatever_is_changed_is_refused() {
        let (older, proof) = proof();
        let other_old = signed(2, [7; 32]);
        assert_eq!(proof.verify(&other_old, &vkeys()), Err(NoteError::NotConsistent));
        for (changed, error) in [
            (ConsistencyProof { old: 1, ..proof.clone() }, NoteError::NotConsistent),
            (ConsistencyProof { hashes: Vec::new(), ..proof.clone() }, NoteError::NotConsistent),
            (ConsistencyProof { hashes: vec![[7; 32]], ..proof.clone() }, NoteError::NotConsistent),
            (ConsistencyProof { hashes: vec![proof.hashes[0]; 2], ..proof.clone() }, NoteError::NotConsistent),
            (ConsistencyProof { checkpoint: signed(3, [7; 32]), ..proof.clone() }, NoteError::NotConsistent),
        ] {
            assert_eq!(changed.verify(&older, &vkeys()), Err(error), "{changed}");
        }
        assert_eq!(proof.verify(&older, &vkeys()[..1]), Err(NoteError::NotSigned));
        for text in ["", "old 2", "old 02\n\nx", "old -1\n\nx", "new 2\n\nx", "old 2\n!!\n\nx", "old 2\nAAAA\n\nx"] {
            assert_eq!(ConsistencyProof::parse(text), Err(NoteError::Proof), "{text:?}");
        }
        let many = format!("old 2\n{}\nx", format!("{}\n", STANDARD.encode([0; 32])).repeat(64));
        assert_eq!(ConsistencyProof::parse(&many), Err(NoteError::Proof));
    }
}
