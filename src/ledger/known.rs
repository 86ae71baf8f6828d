//! A filter before the digests. With a million tokens their table is far bigger than any cache of the processor, and
//! looking a digest up waits for memory twice. The filter takes two bytes a secret: what it does not know is no
//! token's, and what it may know the writer is asked, which looks the digest up among a whole batch of others.

use crate::domain::state::Digests;
use crate::domain::token_text::TokenDigest;

/// Secrets for each word of 64 bits: about one unknown digest in a hundred may be known then.
const SECRETS_A_WORD: usize = 4;
/// Words of the smallest filter.
const WORDS_MIN: usize = 64;

/// Which digests may be a token's: a Bloom filter whose bits of one digest are all in one word, so that it waits for
/// memory once. Digests are SHA-256, so their own bits serve as hashes.
#[derive(Debug)]
pub struct KnownDigests {
    words: Vec<u64>,
    kept: usize,
}

impl KnownDigests {
    /// Of all digests there are.
    pub fn of(digests: &Digests) -> Self {
        // Twice the room, so that it is not made anew with the next secret.
        let words = (digests.len() * 2 / SECRETS_A_WORD).next_power_of_two().max(WORDS_MIN);
        let mut known = Self { words: vec![0; words], kept: 0 };
        digests.keys().for_each(|digest| known.add(digest));
        known
    }

    /// Adds one.
    pub fn add(&mut self, digest: &TokenDigest) {
        let (word, bits) = self.place(digest);
        if let Some(word) = self.words.get_mut(word) {
            *word |= bits;
        }
        self.kept += 1;
    }

    /// Whether it holds more than it was made for, and is better made anew.
    pub fn is_full(&self) -> bool {
        self.kept > self.words.len() * SECRETS_A_WORD
    }

    /// False: no token has this digest. True: one may.
    pub fn may_have(&self, digest: &TokenDigest) -> bool {
        let (word, bits) = self.place(digest);
        self.words.get(word).is_some_and(|word| word & bits == bits)
    }

    /// The word, and the bits in it. The number of words is a power of two.
    fn place(&self, digest: &TokenDigest) -> (usize, u64) {
        let [a, b, c, d, first, second, ..] = digest.0;
        let word = u32::from_le_bytes([a, b, c, d]) as usize & (self.words.len() - 1);
        (word, 1 << (first % 64) | 1 << (second % 64))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::ids::TokenId;

    fn digest(number: u64) -> TokenDigest {
        TokenDigest::of(&number.to_string())
    }

    #[test]
    fn it_may_have_every_digest_that_was_added_and_few_others() {
        let mut digests = Digests::default();
        digests.extend((0..1_000).map(|number| (digest(number), (TokenId(number), 1))));
        let mut known = KnownDigests::of(&digests);
        for number in 1_000..20_000 {
            if known.is_full() {
                known = KnownDigests::of(&digests);
            }
            digests.insert(digest(number), (TokenId(number), 1));
            known.add(&digest(number));
            assert!(known.may_have(&digest(number)));
        }
        assert!((0..20_000).all(|number| known.may_have(&digest(number))));
        let mistaken = (20_000..120_000).filter(|&number| known.may_have(&digest(number))).count();
        assert!(mistaken < 3_000, "{mistaken} of 100,000");
    }

    #[test]
    fn an_empty_one_has_nothing() {
        let known = KnownDigests::of(&Digests::default());
        assert!((0..1_000).all(|number| !known.may_have(&digest(number))));
    }
}
