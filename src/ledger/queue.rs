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
    wake_at: usize,
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
    /// An empty queue that takes `capacity` jobs and wakes its consumer at the `wake_at`th that waits, or when told
    /// to by [`Self::hand_over`].
    pub fn new(capacity: usize, wake_at: usize) -> Self {
        let inner = Inner { jobs: Vec::with_capacity(capacity), closed: false };
        Self { inner: Mutex::new(inner), filled: Condvar::new(), capacity, wake_at }
    }

    /// Adds a job.
    pub fn push(&self, job: T) -> Result<(), Full> {
        let mut inner = self.inner.lock();
        if inner.closed || inner.jobs.len() >= self.capacity {
            return Err(Full);
        }
        inner.jobs.push(job);
        let waiting = inner.jobs.len();
        drop(inner);
        if waiting == self.wake_at {
            self.filled.notify_one();
        }
        Ok(())
    }

    /// Wakes the consumer if anything waits.
    pub fn hand_over(&self) {
        if !self.inner.lock().jobs.is_empty() {
            self.filled.notify_one();
        }
    }

    /// Wakes the consumer whether anything waits or not.
    pub fn nudge(&self) {
        self.filled.notify_one();
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

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::Arc;
    use std::time::Duration;

    const LONG: Duration = Duration::from_secs(60);

    #[test]
    fn a_full_queue_turns_away_and_a_closed_one_hands_out_what_is_inside() {
        let queue = Queue::new(2, 1);
        assert_eq!((queue.push(1), queue.push(2), queue.push(3)), (Ok(()), Ok(()), Err(Full)));
        queue.close();
        assert_eq!(queue.push(4), Err(Full));
        let mut jobs = Vec::new();
        assert_eq!((queue.take(&mut jobs, LONG), jobs.as_slice()), (Woken::Jobs, &[1, 2][..]));
        jobs.clear();
        assert_eq!(queue.take(&mut jobs, LONG), Woken::Closed);
    }

    #[test]
    fn an_empty_queue_says_so_after_a_while() {
        let queue = Queue::<u8>::new(2, 1);
        assert_eq!(queue.take(&mut Vec::new(), Duration::from_millis(1)), Woken::Idle);
    }

    #[test]
    fn a_sleeping_consumer_is_woken_by_enough_jobs_or_by_a_hand_over() {
        let queue = Arc::new(Queue::new(8, 3));
        for (pushed, handed_over) in [(3, false), (1, true)] {
            let consumer = {
                let queue = Arc::clone(&queue);
                std::thread::spawn(move || {
                    let mut jobs = Vec::new();
                    let woken = queue.take(&mut jobs, LONG);
                    (woken, jobs.len())
                })
            };
            for job in 0..pushed {
                queue.push(job).expect("there is room");
            }
            if handed_over {
                queue.hand_over();
            }
            let (woken, taken) = consumer.join().expect("it does not panic");
            assert_eq!(woken, Woken::Jobs);
            // One that was not asleep yet takes what is there at once; nothing is lost either way.
            let mut rest = Vec::new();
            queue.take(&mut rest, Duration::ZERO);
            assert_eq!(taken + rest.len(), pushed);
        }
    }
}
