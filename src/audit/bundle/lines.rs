//! Lines of a bundle as they are read: each is one of these and nothing else, or the file is none.

use super::Selection;
use crate::domain::ids::{AccountId, TokenId};
use crate::domain::time::Timestamp;
use crate::log::merkle::Hash;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde::{Deserialize, Deserializer};

/// Longest line that is read. A record takes at most a tenth of it.
pub(super) const LINE_BYTES_MAX: usize = 1 << 20;

/// A line.
#[derive(Debug, Deserialize)]
#[serde(untagged)]
pub(super) enum Line {
    Head(HeadLine),
    Checkpoint(CheckpointLine),
    Vkeys(VkeysLine),
    GrownFrom(GrownFromLine),
    Node(NodeLine),
    Record(RecordLine),
    Text(TextLine),
    Erased(ErasedLine),
    Withheld(WithheldLine),
    Seal(SealLine),
    Entry(EntryLine),
    End(EndLine),
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct HeadLine {
    pub bundle: String,
    pub version: u64,
    pub origin: String,
    pub selection: SelectionMember,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct SelectionMember {
    #[serde(default, deserialize_with = "given")]
    token: Option<u64>,
    #[serde(default, deserialize_with = "given")]
    account: Option<u64>,
    #[serde(default, deserialize_with = "given")]
    from: Option<String>,
    #[serde(default, deserialize_with = "given")]
    to: Option<String>,
}

/// A member that may be left out, and is not null.
fn given<'de, T: Deserialize<'de>, D: Deserializer<'de>>(member: D) -> Result<Option<T>, D::Error> {
    T::deserialize(member).map(Some)
}

impl SelectionMember {
    /// What is selected; none if it is nothing that a bundle can be about.
    pub fn read(&self) -> Option<Selection> {
        let time = |text: &Option<String>| match text {
            // One spelling of a time: the one that is written.
            Some(text) => Timestamp::parse(text).filter(|at| at.to_micros_text() == *text).map(Some),
            None => Some(None),
        };
        let token = self.token.map(TokenId);
        let account = self.account.map(AccountId);
        let selection = Selection { token, account, from: time(&self.from)?, to: time(&self.to)? };
        selection.is_named().then_some(selection)
    }
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct CheckpointLine {
    pub checkpoint: String,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct VkeysLine {
    pub vkeys: Vec<String>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct GrownFromLine {
    pub grown_from: String,
    pub hashes: Vec<String>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct NodeLine {
    pub covers: (u64, u64),
    pub hash: String,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct RecordLine {
    pub position: u64,
    pub leaf: String,
    pub record: String,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct TextLine {
    pub text: u64,
    pub salt: String,
    pub value: String,
}

impl std::fmt::Debug for TextLine {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "TextLine({})", self.text)
    }
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct ErasedLine {
    pub text: u64,
    pub erased: bool,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct WithheldLine {
    pub text: u64,
    pub withheld: bool,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct SealLine {
    pub seal: u64,
    pub entries: u64,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct EntryLine {
    pub entry: u64,
    pub key: String,
    pub value: String,
    pub proof: Vec<String>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct EndLine {
    pub end: bool,
    pub records: u64,
    pub texts: u64,
}

impl Line {
    /// Reads one, without its line break.
    pub fn parse(bytes: &[u8]) -> Option<Self> {
        let line = serde_json::from_slice(bytes).ok()?;
        match line {
            Self::Erased(ErasedLine { erased: false, .. })
            | Self::Withheld(WithheldLine { withheld: false, .. })
            | Self::End(EndLine { end: false, .. }) => None,
            line => Some(line),
        }
    }
}

/// Bytes as base64, in the one spelling.
pub(super) fn bytes(text: &str) -> Option<Vec<u8>> {
    STANDARD.decode(text).ok()
}

/// A hash.
pub(super) fn hash(text: &str) -> Option<Hash> {
    bytes(text)?.try_into().ok()
}

/// A proof.
pub(super) fn hashes(texts: &[String]) -> Option<Vec<Hash>> {
    texts.iter().map(|text| hash(text)).collect()
}
