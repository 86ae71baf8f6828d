//! Events: facts, in the past tense. What has happened is in the log; nothing here can fail.
//!
//! Each payload struct is the frozen layout of one (type, schema version): fields in this order are the bytes of
//! the record (`schema/codec.md`). Golden bytes hold them. A changed layout is a new struct with a new version and
//! an upcast in `log::codec`; type numbers are never used again. No serde `tag`, `untagged`, `flatten`, `skip*` or
//! `other`, and no 128-bit integers: bincode would write what it cannot read.

use super::access::{Access, GroupNumber, RequiredScope};
use super::conditions::Conditions;
use super::directory::{Plan, ResourceFacts};
use super::gateway::GatewayReach;
use super::history_read::{CountedReads, HistoryQuery, StreamEnd};
use super::idempotency::{AnswerSubject, KeyHash, RequestDigest};
use super::ids::{
    AccountId, ApplicationId, AuthorizationId, Position, RequestId, ResourceId, TextNumber, TokenId, UserId, Version,
};
use super::oauth::{Authorized, Bindings, ClientId, ClientKind, EndReason, ExchangeFault};
use super::report::ReportFlag;
use super::review::{ReviewCounts, ReviewRow, ReviewVerdict};
use super::sign_in::SignInCause;
use super::text::{Subject, TextKind};
use super::time::Timestamp;
use super::token::{Authority, Owner, Principal, Secret, TokenKind};
use super::token_text::TokenDigest;
use serde::{Deserialize, Serialize};

/// What every record says before its payload.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Header {
    /// When the writer decided, never before the record before it.
    pub recorded_at: Timestamp,
    /// Account it is about; none for the service's own.
    pub account: AccountId,
    /// Place among all records of that account, from 1; 0 where there is none.
    pub account_number: u64,
    /// Token it is about; none where it is about no token.
    pub token: TokenId,
    /// Place among all records of that token within that account, from 1; 0 where there is none.
    pub token_number: u64,
    /// Who acted.
    pub principal: Principal,
    /// With which token; none for the service itself and for local commands.
    pub credential: TokenId,
    /// The request it came from.
    pub request: RequestId,
}

/// Calls `$callback!` with the one table of event types: number, schema version, name. Numbers are never used again.
#[macro_export]
macro_rules! with_event_types {
    ($callback:ident) => {
        $callback! {
            1, 1, LedgerInitialized;
            2, 1, ScopeGroupDefined;
            3, 1, TextSeen;
            4, 1, RecordingStarted;
            5, 1, RecordingStopped;
            6, 1, RecordingResumed;
            7, 1, ClockStepped;
            8, 1, LogContinued;
            9, 1, PersonalDataErased;
            10, 1, UserCreated;
            11, 1, AccountCreated;
            12, 1, AccountRenamed;
            13, 1, PlanChanged;
            14, 1, HourlyLimitChanged;
            15, 1, ResearchActivated;
            16, 1, ResearchDeactivated;
            17, 1, MemberAdded;
            18, 1, MemberAccessChanged;
            19, 1, MemberRemoved;
            20, 1, ResourceAdded;
            21, 1, ResourceRemoved;
            30, 1, TokenCreated;
            31, 1, TokenRenamed;
            32, 1, TokenAccessChanged;
            33, 1, TokenExpiryChanged;
            34, 1, TokenRotated;
            35, 1, TokenDeleted;
            36, 1, TokenImported;
            37, 1, GatewayRightsChanged;
            38, 1, TokenConditionsChanged;
            40, 1, TokenUsed;
            41, 1, TokenUseRefused;
            42, 1, RefusalsSummed;
            43, 1, QuotaRefusalsTotalled;
            44, 1, ManagementRefused;
            45, 1, IdempotencyKeyKept;
            46, 1, ScopeMapDefined;
            48, 1, UseReported;
            50, 1, ScopeMapRejected;
            51, 1, HistoryRead;
            52, 1, HistoryStreamOpened;
            53, 1, HistoryStreamClosed;
            54, 1, AccessReviewOpened;
            55, 1, AccessReviewDecided;
            56, 1, AccessReviewClosed;
            58, 1, StateSealed;
            59, 1, LogKeyRotated;
            60, 1, SignInLinkCreated;
            61, 1, SignInLinkUsed;
            62, 1, SignInRefused;
            64, 1, ApplicationRegistered;
            65, 1, ApplicationChanged;
            66, 1, ApplicationSecretRotated;
            67, 1, ApplicationDeleted;
            68, 1, AuthorizationGranted;
            69, 1, AuthorizationCodeIssued;
            70, 1, CodeExchangeRefused;
            71, 1, AuthorizationRevoked;
        }
    };
}

macro_rules! define_event {
    ($($number:literal, $version:literal, $name:ident;)+) => {
        /// One event. Never encoded itself: the record's envelope says type and version, the payload is the struct.
        #[derive(Clone, PartialEq, Eq, Debug)]
        pub enum Event {
            $(
                #[doc = concat!("Type ", stringify!($number), ".")]
                $name($name),
            )+
        }

        impl Event {
            /// Type number in the envelope.
            pub fn type_number(&self) -> u16 {
                match self { $(Self::$name(_) => $number,)+ }
            }

            /// Schema version written today.
            pub fn schema_version(&self) -> u8 {
                match self { $(Self::$name(_) => $version,)+ }
            }

            /// Name in answers and filters.
            pub fn type_name(&self) -> &'static str {
                match self { $(Self::$name(_) => stringify!($name),)+ }
            }
        }

        $(
            impl From<$name> for Event {
                fn from(payload: $name) -> Self {
                    Self::$name(payload)
                }
            }
        )+

        /// Every event type: number, schema version written today, name.
        pub const EVENT_TYPES: &[(u16, u8, &str)] = &[$(($number, $version, stringify!($name)),)+];
    };
}

with_event_types!(define_event);

/// A payload struct's derives, in one place.
macro_rules! payload {
    ($($(#[$doc:meta])* $name:ident { $($(#[$field_doc:meta])* $field:ident: $type:ty,)* })+) => {$(
        $(#[$doc])*
        #[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
        pub struct $name { $($(#[$field_doc])* pub $field: $type,)* }
    )+};
}

payload! {
    /// The log began. Always position 1.
    LedgerInitialized {
        /// Name of the log: its C2SP origin.
        origin: String,
        /// Verifier key that checkpoints are checked with (C2SP signed-note).
        log_vkey: String,
    }

    /// A scope group exists from here on.
    ScopeGroupDefined {
        /// Its number.
        group: GroupNumber,
        /// Its name.
        name: String,
        /// Whether grants can name resources.
        restrictable: bool,
        /// Whether there is a full-access level.
        has_write: bool,
        /// Whether it exists only with Domain Research.
        needs_research: bool,
    }

    /// A scope map is in force from here on: requests that gateways ask about are read by it.
    ScopeMapDefined {
        /// Its number: 1 for the first of the log, then counting up.
        map: u32,
        /// What it calls itself.
        name: String,
        /// SHA-256 of its text.
        hash: [u8; 32],
        /// How many routes it has.
        routes: u32,
    }

    /// The scope map was to be read again, and what was there is none: the one in force stays.
    ScopeMapRejected {
        /// SHA-256 of the text; none if it could not be read whole.
        hash: Option<[u8; 32]>,
        /// Why.
        cause: MapRejection,
        /// How many faults it has.
        faults: u32,
        /// Line of the first, from 1; 0 where it is in no line.
        line: u32,
        /// Number of the map that stays in force; 0: none.
        kept: u32,
    }

    /// A personal text got its number. The text and salt are in the `personal` table, and can be erased there.
    TextSeen {
        /// Its number.
        number: TextNumber,
        /// Whose it is.
        subject: Subject,
        /// Its kind.
        kind: TextKind,
        /// SHA-256(salt ‖ text).
        commitment: [u8; 32],
    }

    /// The service began to record. Refusals that were only counted before it may be missing from summaries.
    RecordingStarted {
        /// Whether the run before ended by `RecordingStopped`; if not, its last summaries may be short.
        after_clean_stop: bool,
    }

    /// The service stopped recording in order.
    RecordingStopped {
        /// Records appended by this run, this one included.
        appended: u64,
    }

    /// Recording goes on after a time in which requests were refused unrecorded. Its own time is the end of that time.
    RecordingResumed {
        /// When the first of them was refused, or when it became clear that they would have to be.
        since: Timestamp,
        /// Why.
        cause: OutageCause,
        /// How many commands were turned away.
        turned_away: u64,
    }

    /// What the state and the streams were at an earlier position, as two roots of sorted maps (`schema/seals.md`).
    #[derive(Copy)]
    StateSealed {
        /// The position it is about: all records up to and with it.
        at_position: Position,
        /// Which rules say what is in the maps.
        seal_version: u8,
        /// Root of the map of streams: of each its last number and last position.
        streams_root: [u8; 32],
        /// Root of the map of what decisions depend on.
        state_root: [u8; 32],
    }

    /// The wall clock left the time that records are given, or is followed from here on.
    ClockStepped {
        /// When it was first seen, in the time that records are given.
        seen_at: Timestamp,
        /// The time that records are given, at the comparison.
        kept: Timestamp,
        /// What the wall clock said then.
        wall: Timestamp,
        /// Whether the wall clock is followed from here on. Times of records never go back: they stand still until it
        /// has passed the last of them.
        followed: bool,
        /// By what right, and from where it was accepted; none where the service saw or followed it by itself.
        by: Option<By>,
    }

    /// A restored copy goes on under another name and key. Every record before this one is the old log's; what that
    /// log recorded from this position on is lost.
    LogContinued {
        /// Name of the log before.
        old_origin: String,
        /// Verifier key of the log before.
        old_vkey: String,
        /// The last checkpoint known of the log before, with that log's signature alone; empty if none is known.
        last_checkpoint: String,
        /// The last position that the log before is known to have had and that is not here; none if none is known.
        lost_through: Position,
        /// Name of the log from here on.
        origin: String,
        /// Verifier key from here on.
        log_vkey: String,
    }

    /// The log is signed with another key from here on, this record included. The one before goes on signing beside it
    /// for a while, so that whoever has only that one misses nothing.
    LogKeyRotated {
        /// Verifier key before.
        old_vkey: String,
        /// Verifier key from here on, under the same name.
        log_vkey: String,
        /// Checkpoints whose last record is of before this time are signed with the key before, too.
        signs_until: Timestamp,
        /// By what right, and from where.
        by: By,
    }

    /// Personal texts were erased: their rows of the `personal` table are gone with this record.
    PersonalDataErased {
        /// Whose they were.
        subject: Subject,
        /// Their numbers, as ranges from the first to the last of each, sorted.
        texts: Vec<(TextNumber, TextNumber)>,
        /// By what right, and from where.
        by: By,
    }

    /// A person became known.
    UserCreated {
        /// Its number.
        user: UserId,
        /// E-mail address.
        email: TextNumber,
        /// Name.
        name: TextNumber,
        /// Requests an hour of its own window, which calls on no account draw from.
        hourly_limit: u64,
        /// By what right, and from where.
        by: By,
    }

    /// An account was opened.
    AccountCreated {
        /// Name.
        name: TextNumber,
        /// Contact address.
        email: TextNumber,
        /// Plan.
        plan: Plan,
        /// Requests an hour.
        hourly_limit: u64,
        /// By what right, and from where.
        by: By,
    }

    /// An account got another name or contact address.
    AccountRenamed {
        /// Name from here on.
        name: TextNumber,
        /// Contact address from here on.
        email: TextNumber,
        /// By what right, and from where.
        by: By,
    }

    /// An account changed its plan.
    PlanChanged {
        /// Before.
        from: Plan,
        /// From here on.
        to: Plan,
        /// By what right, and from where.
        by: By,
    }

    /// An account's hourly limit changed; it acts at once, in the running window too.
    HourlyLimitChanged {
        /// Before.
        from: u64,
        /// From here on.
        to: u64,
        /// By what right, and from where.
        by: By,
    }

    /// Domain Research became active, or its cap changed.
    ResearchActivated {
        /// Most checks a calendar month, if capped.
        monthly_cap: Option<u64>,
        /// By what right, and from where.
        by: By,
    }

    /// Domain Research ended.
    ResearchDeactivated {
        /// By what right, and from where.
        by: By,
    }

    /// A person became a member of the account.
    MemberAdded {
        /// Who.
        user: UserId,
        /// With what access.
        access: Access,
        /// By what right, and from where.
        by: By,
    }

    /// A member's access changed. Their user tokens follow at once.
    MemberAccessChanged {
        /// Who.
        user: UserId,
        /// Access from here on, replacing all before.
        access: Access,
        /// By what right, and from where.
        by: By,
    }

    /// A member left.
    MemberRemoved {
        /// Who.
        user: UserId,
        /// By what right, and from where.
        by: By,
    }

    /// A resource was added to the account.
    ResourceAdded {
        /// Its number.
        resource: ResourceId,
        /// Name that grants and paths say.
        name: TextNumber,
        /// What it is.
        facts: ResourceFacts,
        /// By what right, and from where.
        by: By,
    }

    /// A resource left the account. Grants that name it stay; a resource added under the name is covered again.
    ResourceRemoved {
        /// Its number.
        resource: ResourceId,
        /// By what right, and from where.
        by: By,
    }

    /// A token was created.
    TokenCreated {
        /// Its kind.
        kind: TokenKind,
        /// Whose it is.
        owner: Owner,
        /// Its name.
        name: TextNumber,
        /// Its own access.
        access: Access,
        /// Rights and accounts of a gateway token; none for every other kind.
        gateway: Option<GatewayReach>,
        /// By whose word an OAuth token was made; none for every other kind.
        authorized: Option<Authorized>,
        /// Its first secret.
        secret: Secret,
        /// When it stops working by itself.
        expires_at: Option<Timestamp>,
        /// By what right, and from where.
        by: By,
    }

    /// A token got another name.
    TokenRenamed {
        /// Name from here on.
        name: TextNumber,
        /// By what right, and from where.
        by: By,
    }

    /// A token's access was replaced (a scope update).
    TokenAccessChanged {
        /// Access from here on, replacing all before.
        access: Access,
        /// By what right, and from where.
        by: By,
    }

    /// A token's expiry changed.
    TokenExpiryChanged {
        /// When it stops working by itself, from here on.
        expires_at: Option<Timestamp>,
        /// By what right, and from where.
        by: By,
    }

    /// A token got a new secret; the one before ends.
    TokenRotated {
        /// The new secret.
        secret: Secret,
        /// Number of the secret before.
        ends: u32,
        /// When that one stops working.
        ends_at: Timestamp,
        /// By what right, and from where.
        by: By,
    }

    /// A token was deleted. Final.
    TokenDeleted {
        /// Why.
        reason: EndReason,
        /// By what right, and from where.
        by: By,
    }

    /// A token of another system was taken over by its digest. Its uses before are unknown.
    TokenImported {
        /// Its kind from here on.
        kind: TokenKind,
        /// Whose it is.
        owner: Owner,
        /// Its name.
        name: TextNumber,
        /// Its own access.
        access: Access,
        /// Its first secret: the text that it has already.
        secret: Secret,
        /// When the other system made it, as far as was told.
        created_at: Option<Timestamp>,
        /// When it stops working by itself.
        expires_at: Option<Timestamp>,
        /// By what right, and from where.
        by: By,
    }

    /// A gateway token's rights or accounts were replaced.
    GatewayRightsChanged {
        /// Rights and accounts from here on, replacing all before.
        gateway: GatewayReach,
        /// By what right, and from where.
        by: By,
    }

    /// A token's conditions were replaced. Of a new token right behind its creation, in the same change.
    TokenConditionsChanged {
        /// Conditions from here on, replacing all before.
        conditions: Conditions,
        /// By what right, and from where.
        by: By,
    }

    /// A request was allowed. Whose window it drew from: the header's account, or the user's own where it has none.
    TokenUsed {
        /// Which of the token's secrets was shown.
        secret: u32,
        /// Where the access came from, and its version judged.
        source: AccessSource,
        /// The scope judged; none where the route needs none.
        scope: Option<RequiredScope>,
        /// The route.
        route: Route,
        /// The resource that was found: domain, zone or certificate, of the list of certificates their domain. None
        /// for other lists, where none was found, and where no account was entered.
        resource: ResourceId,
        /// Client address.
        address: TextNumber,
        /// Client agent.
        agent: TextNumber,
        /// Drawn from the general window.
        general: u8,
        /// Drawn from the research month.
        research: u8,
        /// How it ended.
        outcome: Outcome,
    }

    /// A request of a known token was refused.
    TokenUseRefused {
        /// Which of the token's secrets was shown.
        secret: u32,
        /// Where the access came from, and its version judged.
        source: AccessSource,
        /// The scope judged, where it came to that.
        scope: Option<RequiredScope>,
        /// The route.
        route: Route,
        /// The account that the path named, there or not; none where it named none.
        asked_account: AccountId,
        /// Client address.
        address: TextNumber,
        /// Client agent.
        agent: TextNumber,
        /// Why.
        cause: Cause,
    }

    /// Refusals of one token that went past the number recorded one by one.
    RefusalsSummed {
        /// How many for each cause, sorted by cause.
        counts: Vec<(Cause, u64)>,
        /// Time of the first refusal counted here.
        first: Timestamp,
        /// Time of the last refusal counted here.
        last: Timestamp,
        /// The first eight client addresses they came from.
        addresses: Vec<TextNumber>,
    }

    /// Refusals for quota of one window, its first (recorded by itself) included. A window can have several of these,
    /// to be added up: its tokens are spread over as many as it takes, and a stop of recording totals it early.
    QuotaRefusalsTotalled {
        /// User whose own window it was; none for the header's account.
        user: UserId,
        /// Unix seconds at which the window opened.
        window_opened_at: u64,
        /// How many for each token, sorted by token.
        counts: Vec<(TokenId, u64)>,
    }

    /// A change or an operator's query was refused to a known token.
    ManagementRefused {
        /// What was tried.
        operation: ManagementOperation,
        /// Which of the token's secrets was shown.
        secret: u32,
        /// Client address.
        address: TextNumber,
        /// Client agent.
        agent: TextNumber,
        /// Why.
        cause: Cause,
    }

    /// A gateway told of a use that it had decided by itself. Not a decision of this service.
    UseReported {
        /// The reporter's key of the line, hashed together with who reported.
        key: KeyHash,
        /// What the line said.
        content: RequestDigest,
        /// When the use was, by the reporter's clock.
        occurred_at: Timestamp,
        /// The last position that the reporter knew of when it decided.
        known_position: Position,
        /// Which of the token's secrets was shown; 0 where the reporter named the token by its number.
        secret: u32,
        /// The scope that was needed; none where a token that works would do.
        scope: Option<RequiredScope>,
        /// The route of the scope map that said so; none where the reporter did.
        mapped: Option<MappedRoute>,
        /// HTTP status of the answer behind the gateway; 0 where it was not told.
        status: u16,
        /// Client address, as the reporter tells it.
        address: TextNumber,
        /// What is remarkable in it, sorted.
        flags: Vec<ReportFlag>,
        /// By what right, and from where it was reported.
        by: By,
    }

    /// A change was carried out under an idempotency key: right behind the change's own events.
    IdempotencyKeyKept {
        /// Which key, and whose.
        key: KeyHash,
        /// What was sent.
        request: RequestDigest,
        /// HTTP status of the answer.
        status: u16,
        /// What the answer showed.
        subject: AnswerSubject,
    }

    /// Staff looked at history. The first look of its shape in a minute; or looks that went unrecorded, counted.
    HistoryRead {
        /// What was asked.
        asked: HistoryQuery,
        /// None of a look that is recorded before it was answered; of those told afterwards how many, and when.
        counted: Option<CountedReads>,
        /// By what right, and from where; of looks told afterwards only the right.
        by: By,
    }

    /// Staff began to follow the log.
    HistoryStreamOpened {
        /// What was asked.
        asked: HistoryQuery,
        /// By what right, and from where.
        by: By,
    }

    /// Staff no longer follow the log.
    HistoryStreamClosed {
        /// Position of the record that says it was opened.
        opened: Position,
        /// The last position that was looked at for it.
        through: Position,
        /// How many events were sent.
        sent: u64,
        /// Why it ended.
        end: StreamEnd,
    }

    /// Somebody began to go through what an account's tokens and members may.
    AccessReviewOpened {
        /// Its number: 1 for the first of the log, then counting up.
        review: u64,
        /// What is looked at: the state at this position.
        position: Position,
        /// Root of the tree over the records up to there.
        root: [u8; 32],
        /// The time that the state is judged at.
        at: Timestamp,
        /// How many rows there are.
        rows: u64,
        /// By what right, and from where.
        by: By,
    }

    /// Somebody decided of one row. Nothing changes by it.
    AccessReviewDecided {
        /// Of which review.
        review: u64,
        /// The position that it looks at.
        position: Position,
        /// Root of the tree over the records up to there.
        root: [u8; 32],
        /// Which row.
        row: ReviewRow,
        /// What was decided.
        verdict: ReviewVerdict,
        /// Why; none where nothing is said.
        note: TextNumber,
        /// By what right, and from where.
        by: By,
    }

    /// A review is over.
    AccessReviewClosed {
        /// Which.
        review: u64,
        /// The position that it looked at.
        position: Position,
        /// Root of the tree over the records up to there.
        root: [u8; 32],
        /// How its rows were decided.
        counts: ReviewCounts,
        /// By what right, and from where.
        by: By,
    }

    /// A one-time link was made that signs a user in, or staff. Its secret is shown once.
    #[derive(Copy)]
    SignInLinkCreated {
        /// Its number: 1 for the first of the log, then counting up.
        link: u64,
        /// Whom it signs in: a user, or staff by a token.
        who: Principal,
        /// SHA-256 of its secret.
        digest: TokenDigest,
        /// When it stops working by itself.
        expires_at: Timestamp,
        /// By what right, and from where.
        by: By,
    }

    /// A link was used: it signs nobody in again. Right behind the creation of the session that it opened, which the
    /// header names.
    #[derive(Copy)]
    SignInLinkUsed {
        /// Which.
        link: u64,
        /// By the right of the link, and from where.
        by: By,
    }

    /// A link that is known was shown, and signed nobody in. The first ten of a link are recorded; of one that is
    /// unknown, or has expired, none.
    #[derive(Copy)]
    SignInRefused {
        /// Which.
        link: u64,
        /// Client address.
        address: TextNumber,
        /// Client agent.
        agent: TextNumber,
        /// Why.
        cause: SignInCause,
    }

    /// An account registered an OAuth application.
    ApplicationRegistered {
        /// Its number.
        application: ApplicationId,
        /// Its public name, chosen by the service.
        client: ClientId,
        /// What it calls itself.
        name: TextNumber,
        /// Where browsers may be sent back to.
        redirect_uris: Vec<TextNumber>,
        /// Whether it can keep a secret.
        kind: ClientKind,
        /// Its first secret; none of a public one.
        secret: Option<Secret>,
        /// By what right, and from where.
        by: By,
    }

    /// An OAuth application's name or redirect URIs were replaced.
    ApplicationChanged {
        /// Which.
        application: ApplicationId,
        /// Name from here on.
        name: TextNumber,
        /// Redirect URIs from here on, replacing all before.
        redirect_uris: Vec<TextNumber>,
        /// By what right, and from where.
        by: By,
    }

    /// An OAuth application got a new secret; the one before ends.
    ApplicationSecretRotated {
        /// Which.
        application: ApplicationId,
        /// The new secret.
        secret: Secret,
        /// Number of the secret before.
        ends: u32,
        /// When that one stops working.
        ends_at: Timestamp,
        /// By what right, and from where.
        by: By,
    }

    /// An OAuth application was deleted. Final. Its authorizations and their tokens end with it, each by an event of its own.
    ApplicationDeleted {
        /// Which.
        application: ApplicationId,
        /// By what right, and from where.
        by: By,
    }

    /// A member authorised an OAuth application to act on the account.
    AuthorizationGranted {
        /// Its number.
        authorization: AuthorizationId,
        /// Which application.
        application: ApplicationId,
        /// Who.
        user: UserId,
        /// Version of the membership under which it was granted.
        membership: Version,
        /// What was authorised.
        access: Access,
        /// By what right, and from where.
        by: By,
    }

    /// A code was given out under an authorization, to be exchanged for a token once.
    AuthorizationCodeIssued {
        /// Of which authorization.
        authorization: AuthorizationId,
        /// SHA-256 of the code.
        code: TokenDigest,
        /// When it ends.
        expires_at: Timestamp,
        /// The registered redirect URI that the browser was sent to, or below.
        redirect_uri: TextNumber,
        /// What it was asked for with, as digests under the code.
        bindings: Bindings,
        /// By what right, and from where.
        by: By,
    }

    /// A code was not exchanged, and is worth nothing from here on.
    CodeExchangeRefused {
        /// Of which authorization the code was.
        authorization: AuthorizationId,
        /// SHA-256 of the code.
        code: TokenDigest,
        /// Why.
        cause: ExchangeFault,
        /// By what right, and from where.
        by: By,
    }

    /// An authorization ended. Final. Its tokens end with it, each by an event of its own.
    AuthorizationRevoked {
        /// Which.
        authorization: AuthorizationId,
        /// Of which application.
        application: ApplicationId,
        /// Who had given it.
        user: UserId,
        /// Why.
        reason: EndReason,
        /// By what right, and from where.
        by: By,
    }
}

/// By what right a change was made, or history looked at, with which secret, and from where: what a leaked token did is
/// known by it.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Serialize, Deserialize)]
pub struct By {
    /// By what right.
    pub authority: Authority,
    /// Which of the credential's secrets was shown; 0 without a credential.
    pub secret: u32,
    /// Client address; none without a credential.
    pub address: TextNumber,
    /// Client agent; none without a credential.
    pub agent: TextNumber,
}

/// Why nothing could be recorded. Numbers are part of the record format: append only.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Serialize, Deserialize)]
pub enum OutageCause {
    /// The disk was full, or nearly so. Deletions and narrower accesses may have been recorded all the same.
    DiskFull,
    /// The log could not be written.
    WriteFailed,
    /// The wall clock was behind the log. Deletions and narrower accesses may have been recorded all the same.
    ClockBehind,
}

impl OutageCause {
    /// Spelling in answers.
    pub fn name(self) -> &'static str {
        match self {
            Self::DiskFull => "disk_full",
            Self::WriteFailed => "write_failed",
            Self::ClockBehind => "clock_behind",
        }
    }
}

/// Where the access of a request came from, with the version judged. Numbers are part of the record format: append
/// only.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Serialize, Deserialize)]
pub enum AccessSource {
    /// The token itself.
    Token(Version),
    /// The token user's membership in the account.
    Membership(Version),
    /// No account was entered: the route only says who the token is.
    Identity(Version),
    /// What was authorised for the token, of this version, as far as the membership of whoever authorised it, of this
    /// one, goes.
    Authorization(Version, Version),
}

/// Routes of the guarded API. Numbers are part of the record format: append only.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Serialize, Deserialize)]
pub enum Route {
    /// `GET /v2/whoami`.
    Whoami,
    /// `GET /v2/accounts`.
    Accounts,
    /// `GET /v2/{account}/domains`.
    Domains,
    /// `GET /v2/{account}/domains/{domain}`.
    Domain,
    /// `GET /v2/{account}/zones`.
    Zones,
    /// `GET /v2/{account}/zones/{zone}`.
    Zone,
    /// `GET /v2/{account}/domains/{domain}/certificates`.
    Certificates,
    /// `GET /v2/{account}/domains/{domain}/certificates/{certificate}`.
    Certificate,
    /// `GET /v2/{account}/domains/research/status`.
    ResearchStatus,
    /// A route of a scope map, asked about by a gateway.
    Mapped(MappedRoute),
    /// A question that a gateway token asked of another API's request.
    Asked(AskedRoute),
}

/// Who asked, and by which route of a scope map.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Serialize, Deserialize)]
pub struct AskedRoute {
    /// The gateway token.
    pub gateway: TokenId,
    /// Which of its secrets was shown.
    pub secret: u32,
    /// The route that said the scope; none where the gateway said it itself.
    pub mapped: Option<MappedRoute>,
}

/// A route of a scope map.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Serialize, Deserialize)]
pub struct MappedRoute {
    /// The map's number.
    pub map: u32,
    /// Line of its text where the route begins, from 1.
    pub line: u32,
}

impl Route {
    /// Path template of the service's own routes; a mapped route's stands in its map.
    pub fn template(self) -> &'static str {
        match self {
            Self::Whoami => "/v2/whoami",
            Self::Accounts => "/v2/accounts",
            Self::Domains => "/v2/{account}/domains",
            Self::Domain => "/v2/{account}/domains/{domain}",
            Self::Zones => "/v2/{account}/zones",
            Self::Zone => "/v2/{account}/zones/{zone}",
            Self::Certificates => "/v2/{account}/domains/{domain}/certificates",
            Self::Certificate => "/v2/{account}/domains/{domain}/certificates/{certificate}",
            Self::ResearchStatus => "/v2/{account}/domains/research/status",
            Self::Mapped(_) => "mapped",
            Self::Asked(_) => "asked",
        }
    }
}

/// How an allowed request ended. Numbers are part of the record format: append only.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Serialize, Deserialize)]
pub enum Outcome {
    /// Answered.
    Ok,
    /// There is no such resource.
    NotFound,
    /// The question itself was not valid.
    Invalid,
    /// A gateway asked; what its upstream answered is not known.
    UnknownUpstream,
}

/// Every outcome.
pub const OUTCOMES: [Outcome; 4] = [Outcome::Ok, Outcome::NotFound, Outcome::Invalid, Outcome::UnknownUpstream];

impl Outcome {
    /// Spelling in answers.
    pub fn name(self) -> &'static str {
        match self {
            Self::Ok => "ok",
            Self::NotFound => "not_found",
            Self::Invalid => "invalid",
            Self::UnknownUpstream => "unknown_upstream",
        }
    }
}

/// Why a text does not come into force as a scope map. Numbers are part of the record format: append only.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub enum MapRejection {
    /// It could not be read: not there, forbidden, no UTF-8, or longer than a map may be.
    Unreadable,
    /// It has faults.
    Faulty,
    /// The ledger cannot take it: it has one of the map's groups with other properties, or too many groups.
    NotTaken,
}

impl MapRejection {
    /// Spelling in answers.
    pub fn name(self) -> &'static str {
        match self {
            Self::Unreadable => "unreadable",
            Self::Faulty => "faulty",
            Self::NotTaken => "not_taken",
        }
    }
}

/// Why a request of a known token was refused. Numbers are part of the record format: append only.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Serialize, Deserialize)]
pub enum Cause {
    /// The token was deleted.
    TokenDeleted,
    /// The token expired.
    TokenExpired,
    /// A rotation ended the secret that was shown.
    SecretEnded,
    /// Tokens of this kind do not call this part of the service.
    WrongKind,
    /// The path names another account, or another person.
    ForeignAccount,
    /// The access does not cover the scope.
    MissingScope,
    /// The account lacks the feature.
    MissingFeature,
    /// The hourly window is used up.
    QuotaExceeded,
    /// The month's research cap is reached.
    MonthlyCapReached,
    /// A gateway's route names no account, and the token acts on more than one.
    NoAccount,
    /// The token's `not_before` has not come yet.
    NotYetValid,
    /// The client's address is in none of the token's ranges, or nobody knows it.
    AddressNotAllowed,
    /// The gateway token does not have the right.
    MissingRight,
}

/// Every cause, those first that are looked for most.
pub const CAUSES: [Cause; 13] = [
    Cause::MissingScope,
    Cause::QuotaExceeded,
    Cause::MonthlyCapReached,
    Cause::MissingFeature,
    Cause::TokenDeleted,
    Cause::TokenExpired,
    Cause::SecretEnded,
    Cause::NotYetValid,
    Cause::AddressNotAllowed,
    Cause::ForeignAccount,
    Cause::WrongKind,
    Cause::NoAccount,
    Cause::MissingRight,
];

/// Every word that a use or a refusal can be looked for by.
pub fn outcomes_and_causes() -> impl Iterator<Item = &'static str> {
    OUTCOMES.iter().map(|outcome| outcome.name()).chain(CAUSES.iter().map(|cause| cause.name()))
}

impl Cause {
    /// Whether the token, or the secret that was shown, opens no door at all: 401, of which less is told.
    pub fn is_closed(self) -> bool {
        matches!(self, Self::TokenDeleted | Self::TokenExpired | Self::SecretEnded | Self::NotYetValid)
    }

    /// Spelling in answers.
    pub fn name(self) -> &'static str {
        match self {
            Self::TokenDeleted => "token_deleted",
            Self::TokenExpired => "token_expired",
            Self::SecretEnded => "secret_ended",
            Self::WrongKind => "wrong_kind",
            Self::ForeignAccount => "foreign_account",
            Self::MissingScope => "missing_scope",
            Self::MissingFeature => "missing_feature",
            Self::QuotaExceeded => "quota_exceeded",
            Self::MonthlyCapReached => "monthly_cap_reached",
            Self::NoAccount => "no_account",
            Self::NotYetValid => "not_yet_valid",
            Self::AddressNotAllowed => "address_not_allowed",
            Self::MissingRight => "missing_right",
        }
    }
}

/// Operations of the management and audit surface. Numbers are part of the record format: append only.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Serialize, Deserialize)]
pub enum ManagementOperation {
    /// Open an account.
    CreateAccount,
    /// Change an account.
    UpdateAccount,
    /// Look at accounts.
    ReadAccounts,
    /// Make a person known.
    CreateUser,
    /// Look at users.
    ReadUsers,
    /// Change members.
    ChangeMembers,
    /// Change features.
    ChangeFeatures,
    /// Add or remove resources.
    ChangeResources,
    /// Look at resources.
    ReadResources,
    /// Create a token.
    CreateToken,
    /// Edit a token.
    UpdateToken,
    /// Rotate a token.
    RotateToken,
    /// Delete a token.
    DeleteToken,
    /// Look at tokens.
    ReadTokens,
    /// Look at usage.
    ReadUsage,
    /// Look at events.
    ReadEvents,
    /// Create or delete staff tokens.
    ChangeStaffTokens,
    /// Look at staff tokens.
    ReadStaffTokens,
    /// Accept what the wall clock says.
    AcceptClock,
    /// Erase personal texts.
    ErasePersonalTexts,
    /// Ask whether requests to another API may pass.
    Authorize,
    /// Ask what a token is.
    Introspect,
    /// Tell of uses afterwards.
    ReportUses,
    /// Open, decide and close access reviews.
    ChangeReviews,
    /// Take over tokens of another system.
    ImportTokens,
    /// Make a sign-in link.
    CreateSignInLink,
    /// Sign in by a link.
    SignIn,
    /// Look at sessions.
    ReadSessions,
    /// End a session.
    EndSession,
    /// Register, change or delete OAuth applications.
    ChangeApplications,
    /// Look at OAuth applications.
    ReadApplications,
    /// Authorise an OAuth application.
    AuthorizeApplication,
    /// Revoke authorizations of OAuth applications.
    RevokeAuthorizations,
    /// Look at authorizations of OAuth applications.
    ReadAuthorizations,
}

impl ManagementOperation {
    /// Spelling in answers.
    pub fn name(self) -> &'static str {
        match self {
            Self::CreateAccount => "create_account",
            Self::UpdateAccount => "update_account",
            Self::ReadAccounts => "read_accounts",
            Self::CreateUser => "create_user",
            Self::ReadUsers => "read_users",
            Self::ChangeMembers => "change_members",
            Self::ChangeFeatures => "change_features",
            Self::ChangeResources => "change_resources",
            Self::ReadResources => "read_resources",
            Self::CreateToken => "create_token",
            Self::UpdateToken => "update_token",
            Self::RotateToken => "rotate_token",
            Self::DeleteToken => "delete_token",
            Self::ReadTokens => "read_tokens",
            Self::ReadUsage => "read_usage",
            Self::ReadEvents => "read_events",
            Self::ChangeStaffTokens => "change_staff_tokens",
            Self::ReadStaffTokens => "read_staff_tokens",
            Self::AcceptClock => "accept_clock",
            Self::ErasePersonalTexts => "erase_personal_texts",
            Self::Authorize => "authorize",
            Self::Introspect => "introspect",
            Self::ReportUses => "report_uses",
            Self::ChangeReviews => "change_reviews",
            Self::ImportTokens => "import_tokens",
            Self::CreateSignInLink => "create_sign_in_link",
            Self::SignIn => "sign_in",
            Self::ReadSessions => "read_sessions",
            Self::EndSession => "end_session",
            Self::ChangeApplications => "change_applications",
            Self::ReadApplications => "read_applications",
            Self::AuthorizeApplication => "authorize_application",
            Self::RevokeAuthorizations => "revoke_authorizations",
            Self::ReadAuthorizations => "read_authorizations",
        }
    }
}
