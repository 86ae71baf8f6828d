//! The only place that draws random bytes.

use std::sync::Arc;

/// Bytes drawn from the operating system at a time, so that one request id does not cost one system call.
const POOL_BYTES: usize = 4_096;

/// A source of random bytes.
pub struct Entropy {
    pool: Vec<u8>,
    source: Source,
}

enum Source {
    System,
    Seeded { counter: Arc<std::sync::atomic::AtomicU64> },
}

impl Entropy {
    /// The operating system's.
    pub fn system() -> Self {
        Self { pool: Vec::new(), source: Source::System }
    }

    /// Foreseeable bytes, for cases with golden answers only.
    pub fn seeded(seed: u64) -> Self {
        let counter = Arc::new(std::sync::atomic::AtomicU64::new(seed));
        Self { pool: Vec::new(), source: Source::Seeded { counter } }
    }

    /// Another source of the same kind: bytes drawn from one are never drawn from the other.
    #[must_use]
    pub fn split(&self) -> Self {
        let source = match &self.source {
            Source::System => Source::System,
            Source::Seeded { counter } => Source::Seeded { counter: Arc::clone(counter) },
        };
        Self { pool: Vec::new(), source }
    }

    /// 16 random bytes.
    pub fn bytes_16(&mut self) -> [u8; 16] {
        self.draw()
    }

    /// 32 random bytes.
    pub fn bytes_32(&mut self) -> [u8; 32] {
        self.draw()
    }

    fn draw<const N: usize>(&mut self) -> [u8; N] {
        if self.pool.len() < N {
            self.fill();
        }
        let mut out = [0; N];
        let rest = self.pool.len().saturating_sub(N);
        out.copy_from_slice(&self.pool[rest..]);
        // Bytes handed out do not stay in the pool.
        self.pool[rest..].fill(0);
        self.pool.truncate(rest);
        out
    }

    fn fill(&mut self) {
        self.pool.resize(POOL_BYTES, 0);
        match &self.source {
            // Without randomness no secret can be made: there is nothing sensible to go on with.
            Source::System => {
                getrandom::fill(&mut self.pool).expect("the operating system gives random bytes");
            }
            Source::Seeded { counter } => {
                use sha2::{Digest, Sha256};
                for chunk in self.pool.chunks_mut(32) {
                    let number = counter.fetch_add(1, std::sync::atomic::Ordering::SeqCst);
                    chunk.copy_from_slice(&Sha256::digest(number.to_le_bytes()));
                }
            }
        }
    }
}

impl std::fmt::Debug for Entropy {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Entropy")
    }
}
