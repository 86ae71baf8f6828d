//! Foreseeable numbers: one seed, one history.

/// SplitMix64 (Steele, Lea and Flood, 2014).
#[derive(Clone, Debug)]
pub(super) struct Chance(u64);

impl Chance {
    pub(super) fn new(seed: u64) -> Self {
        Self(seed)
    }

    /// Numbers of their own for one part of a history, whatever the other parts draw.
    pub(super) fn of(seed: u64, part: u64, of_part: u64) -> Self {
        let mut mixed = Self(seed ^ part.wrapping_mul(0xa076_1d64_78bd_642f));
        let begin = mixed.number() ^ of_part.wrapping_mul(0xe703_7ed1_a0b4_28db);
        Self(begin)
    }

    pub(super) fn number(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    /// A number below `end`; 0 if there is none.
    pub(super) fn below(&mut self, end: u64) -> u64 {
        self.number().checked_rem(end).unwrap_or(0)
    }

    /// An index into so many things.
    pub(super) fn index(&mut self, length: usize) -> usize {
        usize::try_from(self.below(length as u64)).unwrap_or(0)
    }

    /// True so many times in a thousand.
    pub(super) fn per_mille(&mut self, times: u64) -> bool {
        self.below(1_000) < times
    }

    /// From 0 up to, not including, 1.
    pub(super) fn fraction(&mut self) -> f64 {
        // 53 bits are what the number holds exactly.
        (self.number() >> 11) as f64 / (1u64 << 53) as f64
    }

    /// A whole number that is `wanted` on average.
    pub(super) fn about(&mut self, wanted: f64) -> u64 {
        let whole = wanted.max(0.0).floor();
        let more = self.fraction() < wanted - whole;
        // Far below what a float holds exactly.
        whole as u64 + u64::from(more)
    }

    /// 16 bytes: the number of a request.
    pub(super) fn bytes_16(&mut self) -> [u8; 16] {
        (u128::from(self.number()) << 64 | u128::from(self.number())).to_le_bytes()
    }
}
