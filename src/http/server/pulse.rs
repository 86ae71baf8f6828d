//! What one connection is doing, since when, and until when it may.
//!
//! Owns the phases and their deadlines. Refuses to know sockets, HTTP types and timers: others report to it and ask it.
//!
//! The socket, the routes' future and the answer's body of a connection all live in its one task, so relaxed atomics
//! are enough, and they cost plain loads and stores. A request body may be read from another task; the worst a stale
//! value does there is to judge a deadline one wake-up later.

use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, AtomicU8, AtomicU32, AtomicU64, Ordering::Relaxed};
use std::time::Duration;

use tokio::time::Instant;

use super::ServerLimits;
use super::guard::Refusal;

/// Why time ran out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Late {
    Idle,
    Head,
    Body,
    Answer,
    Write,
    Linger,
}

impl Late {
    /// The answer that can still be given. The other cases have nobody waiting for one.
    pub(super) fn refusal(self) -> Option<Refusal> {
        match self {
            Self::Body => Some(Refusal::BodyLate),
            Self::Answer => Some(Refusal::AnswerLate),
            Self::Idle | Self::Head | Self::Write | Self::Linger => None,
        }
    }
}

// Phases, in the order a request passes them. Numbers, since they live in an atomic.
const IDLE: u8 = 0;
const HEAD: u8 = 1;
const SERVING: u8 = 2;
const ANSWERING: u8 = 3;
const LINGERING: u8 = 4;

// What is known of the request body.
const BODY_ENDED: u8 = 0;
const BODY_UNREAD: u8 = 1;
const BODY_AWAITED: u8 = 2;

const NOT_CONDEMNED: u8 = 0;
const CONDEMNED_BODY: u8 = 1;
const CONDEMNED_ANSWER: u8 = 2;

/// Stands for "not stalled"; a connection is never that old.
const NEVER: u64 = u64::MAX;
/// Kept for the next head; a larger copy of an unusual one is given back.
const HEAD_COPY_KEPT: usize = 4 * 1024;

pub(super) struct Pulse {
    opened: Instant,
    /// Read once per wake-up, not once per report. All times are microseconds since `opened`.
    now: AtomicU64,
    phase: AtomicU8,
    phase_since: AtomicU64,
    has_body: AtomicBool,
    body: AtomicU8,
    body_since: AtomicU64,
    stalled_since: AtomicU64,
    condemned: AtomicU8,
    /// The last bytes received do not end a head: more of that head, or a body, is to come.
    open_tail: AtomicBool,
    /// Bytes received since the last head's first one; see `head_has_line`.
    head_copy: Mutex<Vec<u8>>,
    /// Heads parsed out of that copy.
    heads_taken: AtomicU32,
}

impl Pulse {
    pub(super) fn new() -> Self {
        Self {
            opened: Instant::now(),
            now: AtomicU64::new(0),
            phase: AtomicU8::new(IDLE),
            phase_since: AtomicU64::new(0),
            has_body: AtomicBool::new(false),
            body: AtomicU8::new(BODY_ENDED),
            body_since: AtomicU64::new(0),
            stalled_since: AtomicU64::new(NEVER),
            condemned: AtomicU8::new(NOT_CONDEMNED),
            open_tail: AtomicBool::new(false),
            head_copy: Mutex::new(Vec::new()),
            heads_taken: AtomicU32::new(0),
        }
    }

    /// The task woke: look at the clock once for all that follows.
    pub(super) fn tick(&self) {
        self.now.store(self.elapsed(), Relaxed);
    }

    /// The socket delivered bytes. Between requests, the first ones start a head.
    pub(super) fn received(&self, bytes: &[u8]) {
        self.open_tail.store(!bytes.ends_with(b"\n\r\n") && !bytes.ends_with(b"\n\n"), Relaxed);
        match self.phase.load(Relaxed) {
            IDLE => {
                self.enter(HEAD);
                self.heads_taken.store(0, Relaxed);
                self.copy_head(bytes, true);
            }
            HEAD if self.heads_taken.load(Relaxed) == 0 => self.copy_head(bytes, false),
            _ => {}
        }
    }

    /// A head is complete and goes to the routes.
    pub(super) fn serving(&self, has_body: bool) {
        self.enter(SERVING);
        self.heads_taken.store(self.heads_taken.load(Relaxed).saturating_add(1), Relaxed);
        self.has_body.store(has_body, Relaxed);
        self.body.store(if has_body { BODY_UNREAD } else { BODY_ENDED }, Relaxed);
    }

    /// The routes wait for the body. Its time starts here and not at the head: a route that had other work first must
    /// not be told that the client was late. A fresh look at the clock, for this may run in another task.
    pub(super) fn body_awaited(&self) {
        if self.body.load(Relaxed) == BODY_UNREAD {
            self.body_since.store(self.elapsed(), Relaxed);
            self.body.store(BODY_AWAITED, Relaxed);
        }
    }

    pub(super) fn body_ended(&self) {
        self.body.store(BODY_ENDED, Relaxed);
    }

    /// The answer's head exists; its body, if any, follows.
    pub(super) fn answering(&self) {
        self.enter(ANSWERING);
    }

    /// The answer's body is used up or given up.
    ///
    /// Part of the next head may have come along with this request, and no read will tell: after a request without a
    /// body, bytes that do not end a head say so. After a body there is no telling; such a half head is given the idle
    /// time until its next byte, which is nothing its sender would not have by staying silent.
    pub(super) fn answered(&self) {
        if self.phase.load(Relaxed) == ANSWERING {
            let in_next_head = self.open_tail.load(Relaxed) && !self.has_body.load(Relaxed);
            self.enter(if in_next_head { HEAD } else { IDLE });
        }
    }

    /// The socket takes no more bytes.
    pub(super) fn write_stalled(&self) {
        if self.stalled_since.load(Relaxed) == NEVER {
            self.stalled_since.store(self.now.load(Relaxed), Relaxed);
        }
    }

    /// The socket took bytes. If it had been stuck, idling starts only now.
    pub(super) fn write_moved(&self) {
        if self.stalled_since.load(Relaxed) != NEVER {
            self.stalled_since.store(NEVER, Relaxed);
            if self.phase.load(Relaxed) == IDLE {
                self.enter(IDLE);
            }
        }
    }

    /// Whether the socket has to be read dry before it is closed. Asked anew at every wake-up, timed from the first.
    pub(super) fn lingers(&self) -> bool {
        let phase = self.phase.load(Relaxed);
        // A client still sending something nobody will read: a head hyper refused, or the rest of a body.
        let refused_midway = phase == HEAD || self.body.load(Relaxed) != BODY_ENDED;
        if phase != LINGERING && refused_midway {
            self.enter(LINGERING);
        }
        phase == LINGERING || refused_midway
    }

    /// From now on the routes' answer is not waited for. False where that was already tried or cannot help.
    pub(super) fn condemn(&self, late: Late) -> bool {
        let sentence = match late {
            Late::Body => CONDEMNED_BODY,
            Late::Answer => CONDEMNED_ANSWER,
            Late::Idle | Late::Head | Late::Write | Late::Linger => return false,
        };
        self.condemned.swap(sentence, Relaxed) == NOT_CONDEMNED
    }

    pub(super) fn condemned(&self) -> Option<Late> {
        match self.condemned.load(Relaxed) {
            CONDEMNED_BODY => Some(Late::Body),
            CONDEMNED_ANSWER => Some(Late::Answer),
            _ => None,
        }
    }

    /// The time of the last `tick`.
    pub(super) fn now(&self) -> u64 {
        self.now.load(Relaxed)
    }

    /// A time of this pulse as the runtime's timers want it.
    pub(super) fn instant(&self, time: u64) -> Instant {
        self.opened + Duration::from_micros(time)
    }

    /// The next deadline. None while an answer is streamed to a client that reads.
    pub(super) fn due(&self, limits: &ServerLimits) -> Option<(u64, Late)> {
        let phase_since = self.phase_since.load(Relaxed);
        let of_phase = match self.phase.load(Relaxed) {
            IDLE => Some((after(phase_since, limits.idle_time_max), Late::Idle)),
            HEAD => Some((after(phase_since, limits.head_time_max), Late::Head)),
            SERVING => Some(self.serving_due(phase_since, limits)),
            LINGERING => Some((after(phase_since, limits.linger_time_max), Late::Linger)),
            _ => None,
        };
        let stalled_since = self.stalled_since.load(Relaxed);
        if stalled_since == NEVER {
            return of_phase;
        }
        let of_write = (after(stalled_since, limits.write_stall_max), Late::Write);
        Some(of_phase.map_or(of_write, |due| if due.0 < of_write.0 { due } else { of_write }))
    }

    fn serving_due(&self, phase_since: u64, limits: &ServerLimits) -> (u64, Late) {
        let answer = after(phase_since, limits.answer_time_max);
        if self.body.load(Relaxed) != BODY_AWAITED {
            return (answer, Late::Answer);
        }
        // Whichever comes first, a client that still owes its body is the one who is late.
        (after(self.body_since.load(Relaxed), limits.body_time_max).min(answer), Late::Body)
    }

    /// Whether the head just parsed has a line of this name, as received. hyper takes Content-Length away when
    /// Transfer-Encoding is there too, so the only witness of the pair is the copy.
    ///
    /// Only the first head of a copy can be told apart from its neighbours; for a later one the answer is no, and
    /// hyper's own reading stands: chunked counts, and the connection closes after the answer.
    pub(super) fn head_has_line(&self, name: &[u8]) -> bool {
        if self.heads_taken.load(Relaxed) != 1 {
            return false;
        }
        let Ok(copy) = self.head_copy.lock() else {
            return false;
        };
        let mut lines =
            copy.split(|byte| *byte == b'\n').map(<[u8]>::trim_ascii_end).skip_while(|line| line.is_empty());
        // The request line.
        lines.next();
        lines.take_while(|line| !line.is_empty()).any(|line| is_header_line(line, name))
    }

    /// Whether the target of the head just parsed has a fragment, as received. hyper cuts it off and says nothing, and
    /// what is judged without it may be served with it. Of a head behind another one it is not known: it may.
    pub(super) fn may_have_fragment(&self) -> bool {
        let Ok(copy) = self.head_copy.lock() else { return true };
        let mut lines = copy.split(|byte| *byte == b'\n').filter(|line| !line.trim_ascii_end().is_empty());
        self.heads_taken.load(Relaxed) != 1 || lines.next().is_none_or(|line| line.contains(&b'#'))
    }

    fn copy_head(&self, bytes: &[u8], fresh: bool) {
        let Ok(mut copy) = self.head_copy.lock() else {
            return;
        };
        if fresh {
            copy.clear();
            copy.shrink_to(HEAD_COPY_KEPT);
        }
        copy.extend_from_slice(bytes);
    }

    fn enter(&self, phase: u8) {
        self.phase.store(phase, Relaxed);
        self.phase_since.store(self.now.load(Relaxed), Relaxed);
    }

    fn elapsed(&self) -> u64 {
        u64::try_from(self.opened.elapsed().as_micros()).unwrap_or(NEVER - 1)
    }
}

fn after(since: u64, wait: Duration) -> u64 {
    since.saturating_add(u64::try_from(wait.as_micros()).unwrap_or(NEVER))
}

fn is_header_line(line: &[u8], name: &[u8]) -> bool {
    line.split_at_checked(name.len())
        .is_some_and(|(start, rest)| start.eq_ignore_ascii_case(name) && rest.first() == Some(&b':'))
}
