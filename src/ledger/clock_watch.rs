//! When a step of the wall clock is news, and when it is followed. Pure: both clocks are read by whoever asks.

use super::condition::{ClockState, Step};
use crate::domain::command::Change;
use crate::domain::time::{CLOCK_STEP_MICROS, MICROS_PER_SECOND, Timestamp};

/// A step is more than this.
const STEP_MICROS: i64 = CLOCK_STEP_MICROS.cast_signed();
/// How long a step must last before it is followed by itself.
const FOLLOW_AFTER_MICROS: i64 = 600 * MICROS_PER_SECOND.cast_signed();

/// Both clocks at one moment.
#[derive(Clone, Copy, Debug)]
pub(super) struct Reading {
    /// The time that records are given, were there none later already.
    pub now: Timestamp,
    /// What the wall clock says.
    pub wall: Timestamp,
    /// Time of the last record.
    pub last_recorded_at: Timestamp,
}

impl Reading {
    fn step(&self) -> i64 {
        self.wall.micros_since(self.now)
    }
}

/// What is known of the clock so far.
#[derive(Debug)]
pub(super) struct ClockWatch {
    state: ClockState,
}

impl ClockWatch {
    /// At a start: a wall clock well behind the log is not believed.
    pub fn begin(reading: Reading) -> Self {
        let is_behind = reading.last_recorded_at.micros_since(reading.wall) > STEP_MICROS;
        Self { state: ClockState { step: None, is_behind } }
    }

    pub fn state(&self) -> ClockState {
        self.state
    }

    /// The wall clock is followed from here on: what was wrong with it is settled.
    pub fn settle(&mut self) {
        self.state = ClockState::default();
    }

    /// What is to be recorded now. It is asked for again until it was: call [`Self::recorded`] then.
    pub fn look(&mut self, reading: Reading) -> Option<Change> {
        if self.state.is_behind {
            return self.look_whether_caught_up(reading);
        }
        let by = reading.step();
        if by.abs() <= STEP_MICROS {
            self.state.step = None;
            return None;
        }
        match self.state.step {
            Some(step) if (by - step.by).abs() <= STEP_MICROS => {
                let lasted = reading.now.micros_since(step.seen_at);
                (lasted >= FOLLOW_AFTER_MICROS).then(|| change(reading, step.seen_at, true))
            }
            // The first, or another one, whose ten minutes begin now.
            _ => Some(change(reading, reading.now, false)),
        }
    }

    /// A change that [`Self::look`] gave is in the log.
    pub fn recorded(&mut self, change: &Change) {
        let Change::StepClock { seen_at, kept, wall, followed } = change else { return };
        if *followed {
            self.settle();
        } else {
            self.state.step = Some(Step { by: wall.micros_since(*kept), seen_at: *seen_at });
        }
    }

    /// A clock that was wrong at the start was never believed, so what sets it right is followed at once.
    fn look_whether_caught_up(&mut self, reading: Reading) -> Option<Change> {
        if reading.last_recorded_at.micros_since(reading.wall) > STEP_MICROS {
            return None;
        }
        if reading.step().abs() > STEP_MICROS {
            return Some(change(reading, reading.now, true));
        }
        self.settle();
        None
    }
}

fn change(reading: Reading, seen_at: Timestamp, followed: bool) -> Change {
    Change::StepClock { seen_at, kept: reading.now, wall: reading.wall, followed }
}

#[cfg(test)]
mod tests {
    use super::*;

    const BEGIN: u64 = 1_000_000;

    /// Seconds of the service's time since its start, and how far the wall clock is ahead of it.
    fn at(seconds: u64, ahead: i64) -> Reading {
        let now = Timestamp::from_seconds(BEGIN + seconds);
        let wall = Timestamp(now.0.saturating_add_signed(ahead * 1_000_000));
        Reading { now, wall, last_recorded_at: now }
    }

    fn watch() -> ClockWatch {
        ClockWatch::begin(at(0, 0))
    }

    /// What is recorded at a reading: whether it is followed.
    fn noted(watch: &mut ClockWatch, reading: Reading) -> Option<bool> {
        let change = watch.look(reading)?;
        watch.recorded(&change);
        match change {
            Change::StepClock { followed, .. } => Some(followed),
            _ => None,
        }
    }

    #[test]
    fn a_step_is_more_than_sixty_seconds_either_way() {
        for (ahead, is_step) in [(59, false), (60, false), (61, true), (-59, false), (-60, false), (-61, true)] {
            let mut watch = watch();
            assert_eq!(noted(&mut watch, at(1, ahead)), is_step.then_some(false), "{ahead}");
            assert_eq!(watch.state().step.is_some(), is_step, "{ahead}");
            assert_eq!(noted(&mut watch, at(2, ahead)), None, "{ahead}: it is said once");
        }
    }

    #[test]
    fn a_step_is_followed_when_it_has_lasted_ten_minutes() {
        for ahead in [3_600, -3_600] {
            let mut watch = watch();
            assert_eq!(noted(&mut watch, at(100, ahead)), Some(false));
            assert_eq!(noted(&mut watch, at(699, ahead)), None);
            assert_eq!(noted(&mut watch, at(700, ahead)), Some(true));
            assert_eq!(watch.state(), ClockState::default());
        }
    }

    #[test]
    fn a_step_that_goes_away_is_forgotten_and_another_one_has_its_own_ten_minutes() {
        let mut watch = watch();
        assert_eq!(noted(&mut watch, at(0, 3_600)), Some(false));
        assert_eq!(noted(&mut watch, at(300, 0)), None);
        assert_eq!(watch.state().step, None);
        assert_eq!(noted(&mut watch, at(400, 3_600)), Some(false));
        assert_eq!(noted(&mut watch, at(800, 7_200)), Some(false));
        assert_eq!(noted(&mut watch, at(1_000, 7_200)), None, "ten minutes after the first");
        assert_eq!(noted(&mut watch, at(1_400, 7_200)), Some(true));
    }

    #[test]
    fn what_could_not_be_recorded_is_asked_for_again() {
        let mut watch = watch();
        assert!(watch.look(at(0, 61)).is_some());
        assert!(watch.look(at(1, 61)).is_some());
        assert_eq!(watch.state().step, None);
    }

    #[test]
    fn a_start_behind_the_log_waits_for_the_wall_clock() {
        let log = Timestamp::from_seconds(BEGIN + 1_000);
        let reading = |seconds, ahead| Reading { last_recorded_at: log, ..at(seconds, ahead) };
        assert!(!ClockWatch::begin(reading(940, 0)).state().is_behind, "sixty seconds are not well behind");
        let mut watch = ClockWatch::begin(reading(939, 0));
        assert!(watch.state().is_behind);
        assert_eq!(noted(&mut watch, reading(939, 0)), None);
        // It caught up by waiting.
        assert_eq!(noted(&mut watch, reading(940, 0)), None);
        assert_eq!(watch.state(), ClockState::default());
        // It was set right.
        let mut watch = ClockWatch::begin(reading(0, 0));
        assert_eq!(noted(&mut watch, reading(1, 938)), None);
        assert!(watch.state().is_behind);
        assert_eq!(noted(&mut watch, reading(1, 1_000)), Some(true));
        assert_eq!(watch.state(), ClockState::default());
        // An operator accepted it as it is.
        let mut watch = ClockWatch::begin(reading(0, 0));
        watch.settle();
        assert_eq!(noted(&mut watch, reading(1, 0)), None);
        assert!(!watch.state().is_behind);
    }
}
