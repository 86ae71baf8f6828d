//! The handle: what HTTP, the local socket and the command line hold of a running ledger.

use super::Reply;
use super::anchor::{self, Anchor};
use super::callers;
use super::condition::{ClockState, Health, Readiness, Unavailable};
use super::core::{Core, SharedDigests};
use super::keeper::{self, Closing};
use super::projector::{self, Feed};
use super::queue::Queue;
use super::rotation;
use super::signer::{self, Unsigned};
use super::unrecorded_reads::Unrecorded;
use super::writer::{self, Counters, Replies, Request};
use crate::clock::Clock;
use crate::domain::command::{Command, Origin};
use crate::domain::digests::Digests;
use crate::domain::idempotency::RequestDigest;
use crate::domain::ids::Position;
use crate::domain::time::Timestamp;
use crate::domain::token_text::TokenDigest;
use crate::entropy::Entropy;
use crate::log::key_file::KeyFile;
use crate::log::personal::TextReader;
use crate::log::reader::LogReader;
use crate::log::request_digest::RequestDigests;
use crate::log::signed_head::{HeadFile, SignedHead, check_before_start};
use crate::log::space::{LOW_WATER_BYTES, Space};
use crate::log::writer::AppendError;
use crate::log::{DataDir, LogError};
use crate::projections::Projections;
use crate::projections::history::History;
use crate::projections::index::SEGMENT_EVENTS;
use crate::projections::index::tail::Tail;
use crate::projections::rebuild::{self, Loaded};
use parking_lot::{Mutex, RwLock};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread::JoinHandle;
use tokio::sync::{mpsc, oneshot, watch};

/// What may be set.
#[derive(Clone, Copy, Debug)]
pub struct Settings {
    /// Commands that wait for the writer before further ones are turned away.
    pub queue_max: usize,
    /// Records between two snapshots.
    pub snapshot_events: u64,
    /// Records between two seals; 0: none is made.
    pub seal_events: u64,
    /// Commands that must wait before the writer is woken for them. Above 1, whoever runs the callers calls
    /// [`Ledger::hand_over`] whenever it has nothing else to do: then a burst of requests is one commit, not one
    /// commit for its first and another for its rest, and nobody waits for a timer.
    pub wake_at: usize,
    /// Free bytes on the disk below which uses and creations are refused; 0: never.
    pub low_water_bytes: u64,
    /// Bytes of the ballast that is kept for deletions on a full disk; 0: none. `serve` sets it.
    pub ballast_bytes: u64,
    /// Positions of a segment of the index: a power of two. Segments of another size are made anew. 0: none is made.
    pub index_segment_events: u64,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            queue_max: 1_024,
            snapshot_events: 250_000,
            seal_events: 10_000,
            wake_at: 1,
            low_water_bytes: LOW_WATER_BYTES,
            ballast_bytes: 0,
            index_segment_events: SEGMENT_EVENTS,
        }
    }
}

/// What all threads of a ledger share.
#[derive(Debug)]
pub(super) struct Shared {
    pub queue: Queue<Request>,
    pub feed: Feed,
    pub projections: RwLock<Projections>,
    pub counters: Counters,
    pub settings: Settings,
    pub unsigned: Unsigned,
    pub texts: Arc<TextReader>,
    /// The last signed checkpoint.
    pub checkpoint: RwLock<Option<Arc<str>>>,
    pub space: Space,
    pub unrecorded: Unrecorded,
    pub closing: Closing,
    pub clock_state: Mutex<ClockState>,
    pub anchor: Option<anchor::Keeper>,
    /// A reader found the views file damaged: the projector makes it anew.
    pub views_are_spoilt: AtomicBool,
    /// Why the last head could not be signed, as long as that is so.
    pub unsigned_because: Mutex<Option<String>>,
    digests: SharedDigests,
    head: AtomicU64,
    folded: watch::Sender<u64>,
    /// The last wish to move history that was answered, see [`Feed::want_history`].
    pub history_moved: watch::Sender<u64>,
    health: watch::Sender<Health>,
    impaired: AtomicBool,
    replies: mpsc::UnboundedSender<Replies>,
}

impl Shared {
    /// Whether the head is past what the signer was offered.
    pub fn has_unsigned(&self) -> bool {
        self.unsigned.offered() < Position(self.head.load(Ordering::Acquire))
    }

    /// Offers the durable head to the signer, at most once a period unless it is the last.
    pub fn offer_head(&self, core: &Core, is_last: bool) {
        self.unsigned.offer(core.head(), is_last, || (core.log().root(), core.state().log_signers()));
    }

    pub fn set_head(&self, head: Position) {
        self.head.store(head.0, Ordering::Release);
    }

    pub fn folded(&self) -> Position {
        Position(*self.folded.borrow())
    }

    pub fn follow_folded(&self) -> watch::Receiver<u64> {
        self.folded.subscribe()
    }

    pub fn set_folded(&self, position: Position) {
        self.folded.send_replace(position.0);
    }

    /// One message a batch: the runtime wakes the callers itself.
    pub fn answer(&self, replies: Replies) {
        if !replies.is_empty() {
            let _ = self.replies.send(replies);
        }
    }

    pub fn note_recording(&self) {
        if !self.impaired.swap(false, Ordering::Relaxed) {
            return;
        }
        // What failed for good, in whatever thread, is not made good by a batch that was recorded.
        let recovered = self.health.send_if_modified(|health| {
            let is_impaired = matches!(health, Health::Impaired(_));
            if is_impaired {
                *health = Health::Recording;
            }
            is_impaired
        });
        if recovered {
            tracing::info!("recording again");
        }
    }

    pub fn note_failure(&self, error: &AppendError) {
        tracing::error!(%error, "a batch was not recorded");
        self.counters.rolled_back.fetch_add(1, Ordering::Relaxed);
        match error {
            AppendError::RolledBack(cause) => self.worsen(Health::Impaired(cause.to_string())),
            AppendError::Unknown(cause) => self.note_unknown(cause),
        }
    }

    /// It is not known what is in a file: nothing may be written after it by this process.
    pub fn note_unknown(&self, cause: &LogError) {
        self.worsen(Health::Failed(cause.to_string()));
    }

    fn worsen(&self, to: Health) {
        self.impaired.store(true, Ordering::Relaxed);
        self.health.send_if_modified(|health| {
            let is_final = matches!(health, Health::Failed(_));
            if !is_final {
                *health = to;
            }
            !is_final
        });
    }
}

impl Shared {
    /// The file cannot be relied on any more, though all that was committed is in the write-ahead log.
    pub fn note_unreliable(&self, error: &LogError) {
        tracing::error!(%error, "the write-ahead log was not moved into the ledger file");
        self.note_unknown(error);
    }
}

impl Shared {
    /// Has the published checkpoint anchored, where there is an anchor.
    pub fn anchor_checkpoint(&self) {
        if let (Some(anchor), Some(note)) = (&self.anchor, self.checkpoint.read().as_deref()) {
            anchor.offer(note);
        }
    }
}

/// A running ledger. Cloning shares it.
#[derive(Clone, Debug)]
pub struct Ledger {
    pub(super) shared: Arc<Shared>,
    requests: Arc<RequestDigests>,
    readers: Arc<Mutex<Vec<LogReader>>>,
    dir: DataDir,
    pub(super) clock: Clock,
    threads: Arc<Mutex<Vec<JoinHandle<()>>>>,
    /// Held while the signing key is changed.
    rotation: Arc<tokio::sync::Mutex<()>>,
}

/// Read state at one position, together with the texts it names.
#[derive(Clone, Copy, Debug)]
pub struct View<'a> {
    /// The read models.
    pub projections: &'a Projections,
    /// Texts by number.
    pub texts: &'a TextReader,
    /// The time to judge expiry and windows by.
    pub now: Timestamp,
}

/// A ledger with its lock held and its read models built, that records nothing yet: whatever else a server needs
/// can still fail without a trace in the log.
#[derive(Debug)]
pub struct OpenLedger {
    core: Core,
    loaded: Loaded,
    head_file: HeadFile,
    requests: RequestDigests,
    dir: DataDir,
    clock: Clock,
    anchor: Option<Anchor>,
}

impl OpenLedger {
    /// Keeps the last published checkpoint in an anchor that the log was held against.
    #[must_use]
    pub fn with_anchor(self, anchor: Option<Anchor>) -> Self {
        Self { anchor, ..self }
    }

    /// Opens the ledger of a directory.
    pub fn open(dir: &DataDir, clock: Clock, entropy: Entropy) -> Result<Self, LogError> {
        check_before_start(dir).map_err(|error| deeper_cause(dir, error))?;
        let (mut core, mut loaded) = Core::open_to_serve(dir, clock.clone(), entropy)?;
        // Under the lock, so that no `init` is at work.
        dir.check_finished()?;
        for snapshot in &loaded.passed_over {
            tracing::warn!(position = snapshot.position.0, reason = snapshot.reason, "snapshot passed over");
        }
        if let Some(reason) = &loaded.views_unreadable {
            tracing::warn!(reason, "the views file cannot be read; everything was replayed from the log");
        }
        let head_file = HeadFile::open(dir, &core.state().origin)?;
        head_file.check_signers(&core.state().log_signers())?;
        head_file.check(&LogReader::open(dir)?)?;
        let requests = RequestDigests::open(dir)?;
        core.settle_erasures().map_err(AppendError::into_cause)?;
        rebuild::replay_into(dir, &mut loaded.projections, core.head(), &mut |_| {})?;
        rotation::drop_ended_keys(dir, core.state())?;
        Ok(Self { core, loaded, head_file, requests, dir: dir.clone(), clock, anchor: None })
    }

    /// Its directory.
    pub fn dir(&self) -> &DataDir {
        &self.dir
    }

    /// The name of its log.
    pub fn origin(&self) -> &str {
        &self.core.state().origin
    }

    /// Carries out one command by itself, where no server runs, and signs the head that it leaves. A crash after the
    /// commit leaves a log that is ahead of the signed head, as a crash of a server does; the next start signs it.
    pub fn execute(mut self, command: Command, origin: Origin) -> Result<Reply, AppendError> {
        let (reply, _) = self.core.execute(command, origin)?;
        let signed = SignedHead { size: self.core.head(), root: self.core.log().root() };
        if let Err(error) = self.head_file.sign(signed, &self.core.state().log_signers()) {
            tracing::warn!(%error, "the change is durable, its head is signed at the next start");
        }
        self.core.log().checkpoint_wal().map_err(AppendError::Unknown)?;
        Ok(reply)
    }

    /// Starts its threads, which first record that recording started. Must be called on a tokio runtime, which wakes
    /// the callers of commands.
    pub fn start(self, settings: Settings) -> Result<Ledger, LogError> {
        let Self { core, mut loaded, mut head_file, requests, dir, clock, anchor } = self;
        fill_history(&dir, &mut loaded);
        let (folded, events) = (loaded.projections.position, settings.index_segment_events);
        loaded.projections.index = (events > 0).then(|| Tail::after(folded, events));
        // What is there already is signed before anything is served, so that there always is a checkpoint.
        let signed = SignedHead { size: core.head(), root: core.log().root() };
        let (checkpoint, signed_size) = match head_file.sign(signed, &core.state().log_signers()) {
            Ok(checkpoint) => (Some(checkpoint), signed.size),
            // It is signed when there is room again. The first head of a log is not put off: once something is recorded, a
            // log without a signed head would be taken for one that lost it.
            Err(error) if error.is_disk_full() && head_file.signed_head()?.is_some() => {
                tracing::warn!(%error, "the disk is full: the head is not signed yet");
                (head_file.latest()?, Position(0))
            }
            Err(error) => return Err(error),
        };
        let (anchor_path, anchored) = anchor.map(Anchor::into_parts).unzip();
        let (sender, receiver) = mpsc::unbounded_channel();
        let texts = Arc::new(LogReader::texts(&dir)?);
        let shared = Arc::new(Shared {
            queue: Queue::new(settings.queue_max, settings.wake_at),
            feed: Feed::default(),
            counters: Counters::default(),
            settings,
            unsigned: Unsigned::after(signed_size),
            checkpoint: RwLock::new(checkpoint.map(Into::into)),
            space: Space::new(&dir, settings.low_water_bytes, settings.ballast_bytes),
            unrecorded: Unrecorded::default(),
            closing: Closing::default(),
            clock_state: Mutex::default(),
            anchor: anchor_path.map(anchor::Keeper::new),
            views_are_spoilt: AtomicBool::new(false),
            unsigned_because: Mutex::new(None),
            digests: core.digests(),
            head: AtomicU64::new(core.head().0),
            folded: watch::Sender::new(loaded.projections.position.0),
            history_moved: watch::Sender::new(0),
            projections: RwLock::new(loaded.projections),
            health: watch::Sender::new(Health::Recording),
            impaired: AtomicBool::new(false),
            replies: sender,
            texts,
        });
        shared.look_at_space_first();
        shared.anchor_checkpoint();
        spawn_anchor(&dir, &shared, anchored.flatten())?;
        tokio::spawn(callers::wake(receiver, Arc::clone(&shared.texts)));
        let threads = Arc::new(Mutex::new(spawn_threads(&dir, core, head_file, &shared)?));
        let requests = Arc::new(requests);
        Ok(Ledger { shared, requests, readers: Arc::default(), dir, clock, threads, rotation: Arc::default() })
    }
}

/// A refused start looks further, still changing nothing: a record that cannot be read, or a key of another log, says
/// more than that what was signed is not there.
fn deeper_cause(dir: &DataDir, error: LogError) -> LogError {
    let state = match rebuild::load(dir) {
        Ok(loaded) => loaded.projections.state,
        Err(cause) => return cause,
    };
    match KeyFile::read(&dir.key()).map(|file| file.check(&state.origin, &state.log_vkey)) {
        Ok(Err(cause)) => cause,
        _ => error,
    }
}

impl Ledger {
    /// Opens the ledger of a directory and starts its threads. Must be called on a tokio runtime.
    pub fn start(dir: &DataDir, clock: Clock, entropy: Entropy, settings: Settings) -> Result<Self, LogError> {
        OpenLedger::open(dir, clock, entropy)?.start(settings)
    }

    /// Hands a command to the writer and waits until it is durable.
    pub async fn submit(&self, command: Command, origin: Origin) -> Result<Reply, Unavailable> {
        let (reply, receiver) = oneshot::channel();
        if self.shared.queue.push(Request { job: (command, origin), reply }).is_err() {
            self.shared.counters.turned_away.fetch_add(1, Ordering::Relaxed);
            return Err(match *self.shared.health.borrow() {
                Health::Failed(_) => Unavailable::NotRecording,
                _ => Unavailable::Busy,
            });
        }
        receiver.await.unwrap_or(Err(Unavailable::NotRecording))
    }

    /// Wakes the writer for whatever waits (see [`Settings::wake_at`]).
    pub fn hand_over(&self) {
        self.shared.queue.hand_over();
    }

    /// Whether a digest is a token's, of any kind and state. Asks nobody. Certain enough to turn strangers away; whoever
    /// lets anybody in looks at the token's row.
    pub fn knows(&self, digest: &TokenDigest) -> bool {
        self.shared.digests.read().may_have(digest)
    }

    /// Looks at the read models as of a position at or after the head committed when this was called.
    pub async fn view<T>(&self, look: impl FnOnce(View<'_>) -> T) -> T {
        self.catch_up().await;
        let projections = self.shared.projections.read();
        let now = self.clock.now().max(projections.state.last_recorded_at);
        look(View { projections: &projections, texts: &self.shared.texts, now })
    }

    /// Looks long at a copy of the read models, on a thread of its own. Nothing waits for it.
    pub async fn examine<T: Send + 'static>(&self, look: impl FnOnce(&Projections) -> T + Send + 'static) -> T {
        self.catch_up().await;
        let frozen = self.shared.projections.read().freeze();
        match tokio::task::spawn_blocking(move || look(&frozen)).await {
            Ok(looked) => looked,
            Err(panic) => std::panic::resume_unwind(panic.into_panic()),
        }
    }

    /// Looks at read models and digests together.
    pub async fn view_with_digests<T>(&self, look: impl FnOnce(View<'_>, &Digests) -> T) -> T {
        self.view(|view| look(view, &self.shared.digests.read())).await
    }

    /// Has everything that is folded by now moved into the history tables, or knows that it could not be.
    pub async fn move_history(&self) {
        self.catch_up().await;
        let mut moved = self.shared.history_moved.subscribe();
        let wish = self.shared.feed.want_history();
        let _ = moved.wait_for(|&answered| answered >= wish).await;
    }

    pub(super) async fn catch_up(&self) {
        let head = self.head();
        if self.shared.folded() >= head {
            return;
        }
        let mut folded = self.shared.folded.subscribe();
        self.shared.feed.want();
        let _ = folded.wait_for(|&position| position >= head.0).await;
    }

    /// Runs a read of the log itself on a thread of its own.
    pub async fn read_log<T: Send + 'static>(
        &self,
        read: impl FnOnce(&LogReader) -> Result<T, LogError> + Send + 'static,
    ) -> Result<T, LogError> {
        let kept = self.readers.lock().pop();
        let (readers, dir) = (Arc::clone(&self.readers), self.dir.clone());
        let task = tokio::task::spawn_blocking(move || {
            let reader = kept.map_or_else(|| LogReader::open(&dir), Ok)?;
            let result = read(&reader);
            readers.lock().push(reader);
            result
        });
        match task.await {
            Ok(result) => result,
            Err(panic) => std::panic::resume_unwind(panic.into_panic()),
        }
    }

    /// The last durable position.
    pub fn head(&self) -> Position {
        Position(self.shared.head.load(Ordering::Acquire))
    }

    /// The last signed checkpoint, as it is stored; none before the first.
    pub fn checkpoint(&self) -> Option<Arc<str>> {
        self.shared.checkpoint.read().clone()
    }

    /// Texts by number.
    pub fn texts(&self) -> &TextReader {
        &self.shared.texts
    }

    pub(super) fn shared_texts(&self) -> Arc<TextReader> {
        Arc::clone(&self.shared.texts)
    }

    /// Digest of what was sent under an idempotency key: its method, its path and query, its body.
    pub fn digest_request(&self, method: &str, target: &str, body: &[u8]) -> RequestDigest {
        self.requests.of(&[method.as_bytes(), target.as_bytes(), body])
    }

    /// Digest of what a line of a report says, given in parts. The label keeps it apart from requests.
    pub fn digest_report(
        &self,
        facts: &[u8],
        scope: &[u8],
        method: &[u8],
        path: &[u8],
        address: &[u8],
    ) -> RequestDigest {
        self.requests.of(&[b"reported use", facts, scope, method, path, address])
    }

    /// Counts of the writer.
    pub fn counters(&self) -> &Counters {
        &self.shared.counters
    }

    /// How it is now, and how it becomes.
    pub fn health(&self) -> watch::Receiver<Health> {
        self.shared.health.subscribe()
    }

    /// Whether it can do all of its work, and what somebody should look at.
    pub fn readiness(&self) -> Readiness {
        let mut readiness = Readiness::default();
        readiness.note_health(&self.shared.health.borrow());
        readiness.note_space(&self.shared.space);
        let (last_recorded_at, has_given_up) = {
            let projections = self.shared.projections.read();
            let history = projections.history.as_ref();
            (projections.state.last_recorded_at, history.is_some_and(History::is_given_up))
        };
        if has_given_up {
            let what = "views.db holds no history any more: usage of the past is not answered until the next start, which makes it anew";
            readiness.warnings.push(what.to_owned());
        }
        readiness.note_clock(self.clock_state(), self.clock.now(), last_recorded_at);
        readiness.warnings.extend(self.warning());
        readiness.warnings.extend(self.shared.anchor.as_ref().and_then(anchor::Keeper::warning));
        readiness
    }

    /// What the writer thinks of the clock.
    pub fn clock_state(&self) -> ClockState {
        *self.shared.clock_state.lock()
    }

    /// The room that its disk has.
    pub fn space(&self) -> &Space {
        &self.shared.space
    }

    /// What is wrong though it records: why no checkpoint is signed at the moment.
    pub fn warning(&self) -> Option<String> {
        self.shared.unsigned_because.lock().as_ref().map(|why| format!("no checkpoint is signed: {why}"))
    }

    /// Its directory.
    pub fn dir(&self) -> &DataDir {
        &self.dir
    }

    pub(super) fn rotation(&self) -> &tokio::sync::Mutex<()> {
        &self.rotation
    }

    /// The clock it judges by.
    pub fn clock(&self) -> &Clock {
        &self.clock
    }

    /// Ends in order: what waits is carried out, counted refusals and the stop are recorded, a snapshot is taken.
    /// Blocks; call it where blocking is allowed.
    pub fn stop(&self) {
        self.shared.queue.close();
        let mut threads = self.threads.lock();
        for (index, thread) in threads.drain(..).enumerate() {
            match index {
                1 => self.shared.feed.close(),
                2 => self.shared.unsigned.close(),
                3 => self.shared.closing.close(),
                _ => {}
            }
            if thread.join().is_err() {
                tracing::error!("a ledger thread panicked");
            }
        }
        // After the signer, whose last checkpoint it is to have. Not joined: its place may never answer.
        if let Some(anchor) = &self.shared.anchor {
            anchor.close();
        }
    }
}

/// Where more is missing in the history tables than a load gathers, they are filled from the first record on.
fn fill_history(dir: &DataDir, loaded: &mut Loaded) {
    let Some(history) = loaded.projections.history.as_mut().filter(|history| history.is_given_up()) else {
        return;
    };
    tracing::info!("filling the history tables from the log");
    match rebuild::fill_history(dir, loaded.projections.position) {
        Ok(filled) => *history = filled,
        // They are disposable: everything else is served without them.
        Err(error) => tracing::warn!(%error, "the history tables could not be filled"),
    }
}

fn spawn_anchor(dir: &DataDir, shared: &Arc<Shared>, anchored: Option<String>) -> Result<(), LogError> {
    let keeping = Arc::clone(shared);
    let run = move || {
        if let Some(anchor) = &keeping.anchor {
            anchor.run(anchored);
        }
    };
    if shared.anchor.is_some() {
        let spawned = std::thread::Builder::new().name("anchor".to_owned()).spawn(run);
        spawned.map_err(|source| LogError::Io { path: dir.path().to_owned(), source })?;
    }
    Ok(())
}

/// A thread of the ledger that panicked does its work no more: nothing is relied on any longer, and everybody is told.
struct Watch {
    shared: Arc<Shared>,
    name: &'static str,
}

impl Drop for Watch {
    fn drop(&mut self) {
        if std::thread::panicking() {
            self.shared.note_unknown(&LogError::DamagedTree(format!("the {} thread panicked", self.name)));
        }
    }
}

/// Writer first, then projector, signer and keeper: [`Ledger::stop`] ends them in this order.
fn spawn_threads(
    dir: &DataDir,
    core: Core,
    head_file: HeadFile,
    shared: &Arc<Shared>,
) -> Result<Vec<JoinHandle<()>>, LogError> {
    let spawn = |name: &'static str, run: Box<dyn FnOnce() + Send>| {
        let watch = Watch { shared: Arc::clone(shared), name };
        let watched = move || {
            let _watch = watch;
            run();
        };
        std::thread::Builder::new()
            .name(name.to_owned())
            .spawn(watched)
            .map_err(|source| LogError::Io { path: dir.path().to_owned(), source })
    };
    let [writing, folding, signing, keeping] = [(); 4].map(|()| Arc::clone(shared));
    let folding_dir = dir.clone();
    let writer = spawn("writer", Box::new(move || writer::run(core, &writing)))?;
    let projector = spawn("projector", Box::new(move || projector::run(&folding_dir, &folding)))?;
    let signer = spawn("signer", Box::new(move || signer::run(head_file, &signing)))?;
    let keeper = spawn("keeper", Box::new(move || keeper::run(&keeping)))?;
    Ok(vec![writer, projector, signer, keeper])
}
