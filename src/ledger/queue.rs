//! The bounded queue to the writer: pushed one by one, taken whole.

use parking_lot::{Condvar, Mutex};

/// A queue that is full.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Full;

/// Jobs for one consumer.
#[derive(Debug)]
pub struct Queue<T> {
    inner: Mutex<Inner<T>>,
    filled: Condvar,
    capacity: usize,
}

#[derive(Debug)]
struct Inner<T> {
    jobs: Vec<T>,
    closed: bool,
}

/// Why the consumer woke up.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Woken {
    /// There are jobs.
    Jobs,
    /// The time to wait is over.
    Idle,
    /// The queue is closed and empty.
    Closed,
}

impl<T> Queue<T> {
    /// An empty queue that takes `capacity` jobs.
    pub fn new(capacity: usize) -> Self {
        let inner = Inner { jobs: Vec::with_capacity(capacity), closed: false };
        Self { inner: Mutex::new(inner), filled: Condvar::new(), capacity }
    }

    /// Adds a job.
    pub fn push(&self, job: T) -> Result<(), Full> {
        let mut inner = self.inner.lock();
        if inner.closed || inner.jobs.len() >= self.capacity {
            return Err(Full);
        }
        let was_empty = inner.jobs.is_empty();
        inner.jobs.push(job);
        drop(inner);
        if was_empty {
            self.filled.notify_one();
        }
        Ok(())
    }

    /// Swaps all waiting jobs into `jobs`, which must be empty; waits at most `patience` for the first.
    pub fn take(&self, jobs: &mut Vec<T>, patience: std::time::Duration) -> Woken {
        let mut inner = self.inner.lock();
        if inner.jobs.is_empty() && !inner.closed {
            self.filled.wait_for(&mut inner, patience);
        }
        std::mem::swap(&mut inner.jobs, jobs);
        match (jobs.is_empty(), inner.closed) {
            (false, _) => Woken::Jobs,
            (true, true) => Woken::Closed,
            (true, false) => Woken::Idle,
        }
    }

    /// Takes no more jobs; the ones inside are still handed out.
    pub fn close(&self) {
        self.inner.lock().closed = true;
        self.filled.notify_one();
    }
}
