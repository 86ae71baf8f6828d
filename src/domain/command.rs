//! Commands: requests to change, or to use, as they reach the writer.

use super::access::{GroupNumber, Level, Verb};
use super::conditions::{Conditions, ConditionsEdit};
use super::directory::{CertificateFacts, DomainFacts, Plan, ZoneFacts};
use super::event::{ManagementOperation, MapRejection, MappedRoute, OutageCause, Route, StateSealed};
use super::gateway::{GatewayReach, GatewayRight};
use super::history_read::{CountedReads, HistoryQuery, StreamEnd};
use super::idempotency::RequestDigest;
use super::ids::{
    AccountId, ApplicationId, AuthorizationId, Position, RequestId, ResourceId, TextNumber, TokenId, UserId, Version,
};
use super::oauth::{Bindings, BoundText, ClientId, ClientKind};
use super::rejection::FieldFault;
use super::reported_use::ReportedUse;
use super::review::{ReviewRow, ReviewVerdict};
use super::scope_map::MapGroup;
use super::text::{PersonalText, Subject};
use super::time::Timestamp;
use super::token::{Owner, Principal, TokenKind};
use super::token_text::TokenDigest;
use core::net::IpAddr;

/// Where a command came from.
#[derive(Clone, Debug, Default)]
pub struct Origin {
    /// The request.
    pub request: RequestId,
    /// Client address, as it is recorded.
    pub address: Option<PersonalText>,
    /// Client address, as conditions on tokens are judged by it. None where nobody knows it: what stands for the client
    /// in the record may then be a gateway.
    pub from: Option<IpAddr>,
    /// Client agent.
    pub agent: Option<PersonalText>,
}

/// What a path asks for.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum AskedTarget {
    /// Nothing of an account.
    None,
    /// A list.
    List,
    /// A resource by its normalised name.
    Name(PersonalText),
    /// A resource by its number.
    Number(u64),
    /// Something that cannot be read, in path or query: only whether the token still works is judged.
    Unreadable,
    /// Every resource of the scope's group.
    All,
}

/// A request to the guarded API.
#[derive(Clone, Debug)]
pub struct Use {
    /// Digest of the bearer text.
    pub digest: TokenDigest,
    /// The route.
    pub route: Route,
    /// The account in the path.
    pub account: Option<AccountId>,
    /// What of it.
    pub target: AskedTarget,
    /// Scope group and verb, of a mapped route that needs a scope. The service's own routes say theirs themselves.
    pub mapped: Option<(GroupNumber, Verb)>,
    /// Number of the certificate asked for.
    pub certificate: Option<u64>,
    /// Whether the question is valid; an invalid one is judged and drawn all the same, then answered 400.
    pub valid: bool,
}

/// Who gives a management command.
#[derive(Clone, Copy, Debug)]
pub enum Actor {
    /// Whoever shows this token.
    Bearer(TokenDigest),
    /// The browser that has this session. Sessions are shown by browsers alone, never as bearer tokens.
    Session(TokenDigest),
    /// Whoever shows this sign-in link.
    Link(TokenDigest),
    /// A person on the machine, through the data directory (Unix user id).
    Local(u32),
    /// `init`.
    Init,
}

/// Which resources a requested grant covers.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum CoverageRequest {
    /// All.
    All,
    /// These names, as sent.
    Named(Vec<PersonalText>),
}

/// A requested grant.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct GrantRequest {
    /// Name of the scope group.
    pub group: String,
    /// Level.
    pub level: Level,
    /// Coverage.
    pub coverage: CoverageRequest,
}

/// A requested access.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum AccessRequest {
    /// Full.
    Full,
    /// Exactly these grants.
    Granted(Vec<GrantRequest>),
}

/// What the writer is told of a new secret; the text stays with the request.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct NewSecret {
    /// Its digest.
    pub digest: TokenDigest,
    /// Its last four characters.
    pub hint: [u8; 4],
}

/// A token of another system, to be taken over.
#[derive(Clone, Debug)]
pub struct NewImport {
    /// Its name.
    pub name: PersonalText,
    /// Its access.
    pub access: AccessRequest,
    /// Digest and hint of the text that its holder has already.
    pub secret: NewSecret,
    /// When the other system made it, if that is known.
    pub created_at: Option<Timestamp>,
    /// When it stops working by itself.
    pub expires_at: Option<Timestamp>,
    /// Its conditions.
    pub conditions: Conditions,
}

/// One line of an import. One that could not be read comes along with its faults, so that all are told together.
#[derive(Clone, Debug)]
pub struct ImportLine {
    /// Its number in the body, from 1.
    pub line: u64,
    /// What it says.
    pub token: Result<NewImport, Vec<FieldFault>>,
}

/// A change of gateway tokens.
#[derive(Clone, Debug)]
pub enum GatewayChange {
    /// Create one.
    Create {
        /// Its name.
        name: PersonalText,
        /// Its rights and accounts.
        reach: GatewayReach,
        /// When it stops working by itself.
        expires_at: Option<Timestamp>,
        /// Its conditions.
        conditions: Conditions,
        /// Its first secret.
        secret: NewSecret,
    },
    /// Edit one; what is absent stays.
    Update {
        /// Which.
        token: TokenId,
        /// Name.
        name: Option<PersonalText>,
        /// Rights.
        rights: Option<Vec<GatewayRight>>,
        /// Accounts.
        accounts: Option<Vec<AccountId>>,
        /// Expiry; `Some(None)` takes it away.
        expires_at: Option<Option<Timestamp>>,
        /// Conditions.
        conditions: ConditionsEdit,
        /// Version that the sender saw.
        if_match: Option<Version>,
    },
    /// Give one a new secret.
    Rotate {
        /// Which.
        token: TokenId,
        /// How long the secret before goes on working.
        overlap_seconds: u64,
        /// The new secret.
        secret: NewSecret,
        /// Version that the sender saw.
        if_match: Option<Version>,
    },
    /// Delete one.
    Delete {
        /// Which.
        token: TokenId,
        /// Version that the sender saw.
        if_match: Option<Version>,
    },
}

impl GatewayChange {
    fn operation(&self) -> ManagementOperation {
        match self {
            Self::Create { .. } => ManagementOperation::CreateToken,
            Self::Update { .. } => ManagementOperation::UpdateToken,
            Self::Rotate { .. } => ManagementOperation::RotateToken,
            Self::Delete { .. } => ManagementOperation::DeleteToken,
        }
    }
}

/// What the log keeps of a scope map.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct MapDefinition {
    /// What it calls itself.
    pub name: String,
    /// SHA-256 of its text.
    pub hash: [u8; 32],
    /// How many routes it has.
    pub routes: u32,
    /// Scope groups it brings.
    pub groups: Vec<MapGroup>,
}

/// What the log keeps of a text that is no scope map.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct MapFaults {
    /// SHA-256 of the text; none if it could not be read whole.
    pub hash: Option<[u8; 32]>,
    /// Why it is none.
    pub cause: MapRejection,
    /// How many faults it has.
    pub faults: u32,
    /// Line of the first, from 1; 0 where it is in no line.
    pub line: u32,
}

/// A certificate's texts on their way in, beside its other facts.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct CertificateTexts {
    /// Common name; the domain's name if absent.
    pub common_name: Option<PersonalText>,
    /// Further names.
    pub alternate_names: Vec<PersonalText>,
    /// Signing request.
    pub signing_request: Option<PersonalText>,
}

/// A resource to be added.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum ResourceRequest {
    /// A domain.
    Domain(DomainFacts),
    /// A zone.
    Zone(ZoneFacts),
    /// A certificate; the numbers of its texts are not filled in yet.
    Certificate(CertificateFacts, CertificateTexts),
}

/// Looks of one token at history that went unrecorded.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct UnrecordedReads {
    /// The token of staff that looked; none where it is not known any more.
    pub token: TokenId,
    /// What the first of them asked.
    pub asked: HistoryQuery,
    /// How many they are.
    pub counted: CountedReads,
}

/// A stream of events that has ended.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct ClosedStream {
    /// The token of staff that opened it.
    pub token: TokenId,
    /// Position of the record that says so.
    pub opened: Position,
    /// The last position looked at for it.
    pub through: Position,
    /// Events sent.
    pub sent: u64,
    /// Why it ended.
    pub end: StreamEnd,
}

/// A decision of one row of a review.
#[derive(Clone, Debug)]
pub struct Decided {
    /// Of which review.
    pub review: u64,
    /// Which row.
    pub row: ReviewRow,
    /// What is decided.
    pub verdict: ReviewVerdict,
    /// Why, if that is said.
    pub note: Option<PersonalText>,
}

/// A change of access reviews.
#[derive(Clone, Debug)]
pub enum ReviewChange {
    /// Begin one. Position, root, time and rows are the service's own reading of its log.
    Open {
        /// Of which account.
        account: AccountId,
        /// What is looked at.
        position: Position,
        /// Root of the tree over the records up to there.
        root: [u8; 32],
        /// The time that the state is judged at.
        at: Timestamp,
        /// How many rows there are.
        rows: u64,
    },
    /// Decide of one row.
    Decide(Decided),
    /// End one.
    Close {
        /// Which.
        review: u64,
    },
}

/// A change of sign-in links and sessions.
#[derive(Clone, Debug)]
pub enum SignInChange {
    /// Make a link.
    CreateLink {
        /// Whom it signs in: a user, or staff.
        who: Principal,
        /// SHA-256 of its secret.
        digest: TokenDigest,
    },
    /// Open a session by a link: only by whoever shows one.
    UseLink {
        /// What the session is called.
        name: PersonalText,
        /// Its secret.
        secret: NewSecret,
    },
    /// End a session.
    EndSession {
        /// Whose it must be.
        who: Principal,
        /// Which.
        session: TokenId,
    },
}

impl SignInChange {
    /// The operation's name, for refusals.
    pub fn operation(&self) -> ManagementOperation {
        match self {
            Self::CreateLink { .. } => ManagementOperation::CreateSignInLink,
            Self::UseLink { .. } => ManagementOperation::SignIn,
            Self::EndSession { .. } => ManagementOperation::EndSession,
        }
    }
}

/// A change of OAuth applications, or of what members authorised them to do.
#[derive(Clone, Debug)]
pub enum OAuthChange {
    /// Register an application.
    Register {
        /// Of which account.
        account: AccountId,
        /// What it calls itself.
        name: PersonalText,
        /// Where browsers may be sent back to.
        redirect_uris: Vec<PersonalText>,
        /// Whether it can keep a secret.
        kind: ClientKind,
        /// Its public name.
        client: ClientId,
        /// Its secret; a public one takes none.
        secret: NewSecret,
    },
    /// Edit one; what is absent stays.
    Update {
        /// Whose it must be.
        account: AccountId,
        /// Which.
        application: ApplicationId,
        /// Name.
        name: Option<PersonalText>,
        /// Redirect URIs, replacing all before.
        redirect_uris: Option<Vec<PersonalText>>,
        /// Version that the sender saw.
        if_match: Option<Version>,
    },
    /// Give one a new secret.
    RotateSecret {
        /// Whose it must be.
        account: AccountId,
        /// Which.
        application: ApplicationId,
        /// How long the secret before goes on working.
        overlap_seconds: u64,
        /// The new secret.
        secret: NewSecret,
        /// Version that the sender saw.
        if_match: Option<Version>,
    },
    /// Delete one, with all that was authorised for it.
    Delete {
        /// Whose it must be.
        account: AccountId,
        /// Which.
        application: ApplicationId,
        /// Version that the sender saw.
        if_match: Option<Version>,
    },
    /// End all that was authorised for one.
    RevokeAll {
        /// Whose it must be.
        account: AccountId,
        /// Which.
        application: ApplicationId,
    },
    /// Authorise an application, and give out a code for it. Only a member can, for themself.
    Authorize(Box<NewAuthorization>),
    /// End an authorization.
    Revoke {
        /// On which account it must be.
        account: AccountId,
        /// Which.
        authorization: AuthorizationId,
    },
    /// End one of a person's own, whatever else the person may do on the account.
    RevokeOwn {
        /// Whose it must be.
        user: UserId,
        /// Which.
        authorization: AuthorizationId,
    },
}

/// What a member authorises.
#[derive(Clone, Debug)]
pub struct NewAuthorization {
    /// On which account.
    pub account: AccountId,
    /// Which application.
    pub client: ClientId,
    /// What it may, as far as the member may.
    pub access: AccessRequest,
    /// The redirect URI that the client asked for, or the registered one that stands for none.
    pub redirect_uri: PersonalText,
    /// The registered one that it is, or is below.
    pub registered_uri: PersonalText,
    /// Digest of the code that is given out.
    pub code: TokenDigest,
    /// What it was asked for with.
    pub bindings: Bindings,
}

impl OAuthChange {
    fn operation(&self) -> ManagementOperation {
        match self {
            Self::Authorize(_) => ManagementOperation::AuthorizeApplication,
            Self::Revoke { .. } | Self::RevokeOwn { .. } => ManagementOperation::RevokeAuthorizations,
            _ => ManagementOperation::ChangeApplications,
        }
    }

    /// Whose things it changes.
    fn whose(&self) -> Owner {
        match self {
            Self::Register { account, .. }
            | Self::Update { account, .. }
            | Self::RotateSecret { account, .. }
            | Self::Delete { account, .. }
            | Self::RevokeAll { account, .. }
            | Self::Revoke { account, .. } => Owner::Account(*account),
            Self::Authorize(new) => Owner::Account(new.account),
            Self::RevokeOwn { user, .. } => Owner::User(*user),
        }
    }
}

/// A client exchanges a code for a token.
#[derive(Clone, Debug)]
pub struct Exchange {
    /// Which application the client says it is.
    pub client: ClientId,
    /// Digest of the secret that it shows.
    pub client_secret: Option<TokenDigest>,
    /// Digest of the code.
    pub code: TokenDigest,
    /// The redirect URI that it sends, bound to the code.
    pub redirect_uri: Option<BoundText>,
    /// The `state` that it sends, bound to the code.
    pub state: Option<BoundText>,
    /// The challenge that its verifier answers, bound to the code.
    pub verifier: Option<BoundText>,
    /// The token's secret.
    pub secret: NewSecret,
}

/// What a management command wants.
#[derive(Clone, Debug)]
pub enum Change {
    /// Define the built-in scope groups and name the log: the first command of a ledger.
    Initialize {
        /// C2SP origin.
        origin: String,
        /// Verifier key of the log.
        log_vkey: String,
    },
    /// Go on under another name and key: the first command of a restored copy that is behind what was signed.
    ContinueLog {
        /// The last checkpoint known of the log so far, empty if none is.
        last_checkpoint: String,
        /// The last position known of the log so far that is not here; none if none is known.
        lost_through: Position,
        /// C2SP origin from here on.
        origin: String,
        /// Verifier key from here on.
        log_vkey: String,
    },
    /// Sign with another key from here on, beside the one before for a while. Only from the machine itself.
    RotateLogKey {
        /// Verifier key from here on, under the log's name.
        log_vkey: String,
        /// How long the key before goes on signing.
        overlap_seconds: u64,
    },
    /// Recording begins.
    StartRecording,
    /// A scope map is in force from here on. Only the service itself says so.
    DefineScopeMap(MapDefinition),
    /// What was to become the scope map is none. Only the service itself says so.
    RejectScopeMap(MapFaults),
    /// Recording ends, after this many records of the run.
    StopRecording {
        /// Records appended by the run so far.
        appended: u64,
    },
    /// Recording goes on after an outage.
    ResumeRecording {
        /// When it began.
        since: Timestamp,
        /// Why.
        cause: OutageCause,
        /// Commands turned away meanwhile.
        turned_away: u64,
    },
    /// The wall clock left the time that records are given; with `followed` it is taken over from here on.
    StepClock {
        /// When it was first seen.
        seen_at: Timestamp,
        /// The time that records are given.
        kept: Timestamp,
        /// What the wall clock says.
        wall: Timestamp,
        /// Whether it is followed.
        followed: bool,
    },
    /// Seal an earlier position. Only the service itself does.
    SealState(StateSealed),
    /// Make a person known.
    CreateUser {
        /// E-mail address.
        email: PersonalText,
        /// Name.
        name: PersonalText,
    },
    /// Open an account.
    CreateAccount {
        /// Name.
        name: PersonalText,
        /// Contact address.
        email: PersonalText,
        /// Plan.
        plan: Plan,
        /// Requests an hour; the default if absent.
        hourly_limit: Option<u64>,
    },
    /// Change an account; what is absent stays.
    UpdateAccount {
        /// Which.
        account: AccountId,
        /// Name.
        name: Option<PersonalText>,
        /// Contact address.
        email: Option<PersonalText>,
        /// Plan.
        plan: Option<Plan>,
        /// Requests an hour.
        hourly_limit: Option<u64>,
        /// Version that the sender saw.
        if_match: Option<Version>,
    },
    /// Switch Domain Research on, or change its cap.
    ActivateResearch {
        /// Which account.
        account: AccountId,
        /// Most checks a month.
        monthly_cap: Option<u64>,
        /// Version of the account that the sender saw.
        if_match: Option<Version>,
    },
    /// Switch Domain Research off.
    DeactivateResearch {
        /// Which account.
        account: AccountId,
        /// Version of the account that the sender saw.
        if_match: Option<Version>,
    },
    /// Make a user a member, or change a member's access.
    PutMember {
        /// Which account.
        account: AccountId,
        /// Who.
        user: UserId,
        /// With what access.
        access: AccessRequest,
        /// Version of the membership that the sender saw.
        if_match: Option<Version>,
    },
    /// End a membership.
    RemoveMember {
        /// Which account.
        account: AccountId,
        /// Whose.
        user: UserId,
        /// Version of the membership that the sender saw.
        if_match: Option<Version>,
    },
    /// Add a resource.
    AddResource {
        /// To which account.
        account: AccountId,
        /// Its domain or zone name, as sent.
        name: PersonalText,
        /// What it is.
        resource: ResourceRequest,
    },
    /// Remove a resource.
    RemoveResource {
        /// From which account.
        account: AccountId,
        /// Which.
        resource: ResourceId,
    },
    /// Create a token.
    CreateToken {
        /// Whose.
        owner: Owner,
        /// What kind.
        kind: TokenKind,
        /// Its name.
        name: PersonalText,
        /// Its access; absent for kinds that have none of their own.
        access: Option<AccessRequest>,
        /// When it stops working by itself.
        expires_at: Option<Timestamp>,
        /// Its conditions.
        conditions: Conditions,
        /// Its first secret.
        secret: NewSecret,
    },
    /// Edit a token; what is absent stays.
    UpdateToken {
        /// Whose it must be.
        owner: Owner,
        /// Which.
        token: TokenId,
        /// Name.
        name: Option<PersonalText>,
        /// Access.
        access: Option<AccessRequest>,
        /// Expiry; `Some(None)` takes it away.
        expires_at: Option<Option<Timestamp>>,
        /// Conditions.
        conditions: ConditionsEdit,
        /// Version that the sender saw.
        if_match: Option<Version>,
    },
    /// Give a token a new secret.
    RotateToken {
        /// Whose it must be.
        owner: Owner,
        /// Which.
        token: TokenId,
        /// How long the secret before goes on working.
        overlap_seconds: u64,
        /// The new secret.
        secret: NewSecret,
        /// Version that the sender saw.
        if_match: Option<Version>,
    },
    /// Delete a token.
    DeleteToken {
        /// Whose it must be.
        owner: Owner,
        /// Which.
        token: TokenId,
        /// Version that the sender saw.
        if_match: Option<Version>,
    },
    /// Erase the personal texts of a user.
    EraseUserTexts {
        /// Whose.
        user: UserId,
    },
    /// Erase the personal texts of a token.
    EraseTokenTexts {
        /// Whose token it must be; absent: anybody's.
        owner: Option<Owner>,
        /// Which.
        token: TokenId,
    },
    /// Erase texts that were erased before and came back with an older copy of the file.
    EraseAgain {
        /// Whose they are.
        subject: Subject,
        /// Which.
        texts: Vec<TextNumber>,
    },
    /// Take over tokens of another system, all or none.
    ImportTokens {
        /// Into which account.
        account: AccountId,
        /// The tokens.
        lines: Vec<ImportLine>,
    },
    /// Change gateway tokens.
    Gateway(GatewayChange),
    /// Change access reviews.
    Review(ReviewChange),
    /// Change sign-in links and sessions.
    SignIn(SignInChange),
    /// Change OAuth applications, or what was authorised for them.
    OAuth(OAuthChange),
    /// Carry out a change once: sent again under its key, it is only answered again.
    Once {
        /// The idempotency key, as sent.
        key: PersonalText,
        /// What was sent.
        request: RequestDigest,
        /// The change.
        change: Box<Change>,
    },
    /// Look at history: recorded, once a minute and shape, before it is answered.
    ReadHistory(Box<HistoryQuery>),
    /// Looks that went unrecorded. Only the service itself says so.
    CountReads(Vec<UnrecordedReads>),
    /// Follow the log from here on.
    OpenStream(Box<HistoryQuery>),
    /// Somebody no longer follows the log. Only the service itself says so.
    CloseStream(ClosedStream),
    /// Look at something of this owner's; changes nothing. Sent only when the read side refused, so that the refusal is
    /// recorded.
    Look(ManagementOperation, Owner),
    /// A change of something of this owner's that the sender may not make, sent without its content so that the refusal
    /// is recorded.
    Attempt(ManagementOperation, Owner),
}

impl Change {
    /// The operation's name, for refusals.
    pub fn operation(&self) -> ManagementOperation {
        use ManagementOperation as Op;
        match self {
            Self::Initialize { .. }
            | Self::ContinueLog { .. }
            | Self::RotateLogKey { .. }
            | Self::StartRecording
            | Self::StopRecording { .. }
            | Self::ResumeRecording { .. }
            | Self::DefineScopeMap(_)
            | Self::RejectScopeMap(_)
            | Self::SealState(_) => Op::ChangeStaffTokens,
            Self::StepClock { .. } => Op::AcceptClock,
            Self::CreateUser { .. } => Op::CreateUser,
            Self::CreateAccount { .. } => Op::CreateAccount,
            Self::UpdateAccount { .. } => Op::UpdateAccount,
            Self::ActivateResearch { .. } | Self::DeactivateResearch { .. } => Op::ChangeFeatures,
            Self::PutMember { .. } | Self::RemoveMember { .. } => Op::ChangeMembers,
            Self::AddResource { .. } | Self::RemoveResource { .. } => Op::ChangeResources,
            Self::CreateToken { owner: Owner::Service, .. } | Self::DeleteToken { owner: Owner::Service, .. } => {
                Op::ChangeStaffTokens
            }
            Self::CreateToken { .. } => Op::CreateToken,
            Self::ImportTokens { .. } => Op::ImportTokens,
            Self::Gateway(change) => change.operation(),
            Self::Review(_) => Op::ChangeReviews,
            Self::OAuth(change) => change.operation(),
            Self::SignIn(change) => change.operation(),
            Self::UpdateToken { .. } => Op::UpdateToken,
            Self::RotateToken { .. } => Op::RotateToken,
            Self::DeleteToken { .. } => Op::DeleteToken,
            Self::EraseUserTexts { .. } | Self::EraseTokenTexts { .. } | Self::EraseAgain { .. } => {
                Op::ErasePersonalTexts
            }
            Self::Once { change, .. } => change.operation(),
            Self::ReadHistory(_) | Self::CountReads(_) | Self::OpenStream(_) | Self::CloseStream(_) => Op::ReadEvents,
            Self::Look(operation, _) | Self::Attempt(operation, _) => *operation,
        }
    }

    /// Whose things it is about, as far as a person may see or change them: an account's, a person's, or the service's.
    pub fn whose(&self) -> Owner {
        match self {
            Self::UpdateAccount { account, .. }
            | Self::ActivateResearch { account, .. }
            | Self::DeactivateResearch { account, .. }
            | Self::PutMember { account, .. }
            | Self::RemoveMember { account, .. }
            | Self::AddResource { account, .. }
            | Self::RemoveResource { account, .. }
            | Self::ImportTokens { account, .. }
            | Self::Review(ReviewChange::Open { account, .. }) => Owner::Account(*account),
            Self::CreateToken { owner, .. }
            | Self::UpdateToken { owner, .. }
            | Self::RotateToken { owner, .. }
            | Self::DeleteToken { owner, .. }
            | Self::EraseTokenTexts { owner: Some(owner), .. }
            | Self::Look(_, owner)
            | Self::Attempt(_, owner) => *owner,
            Self::OAuth(change) => change.whose(),
            Self::EraseUserTexts { user } => Owner::User(*user),
            Self::SignIn(SignInChange::CreateLink { who, .. } | SignInChange::EndSession { who, .. }) => match who {
                Principal::User(user) => Owner::User(*user),
                _ => Owner::Service,
            },
            Self::ReadHistory(asked) | Self::OpenStream(asked) => asked.whose(),
            Self::Once { change, .. } => change.whose(),
            _ => Owner::Service,
        }
    }
}

/// A request to the writer.
#[derive(Clone, Debug)]
pub enum Command {
    /// Use a token.
    Use(Use),
    /// Change, or look at, something by management.
    Manage(Actor, Box<Change>),
    /// Do something with the token of a gateway.
    Gateway(Box<GatewayCall>),
    /// Exchange the code of an authorization for a token.
    Exchange(Box<Exchange>),
}

impl Command {
    /// How many decisions it takes: a batch is bounded by them.
    pub fn weight(&self) -> usize {
        match self {
            Self::Gateway(call) => match &call.wish {
                GatewayWish::Authorize { questions, .. } => questions.len().max(1),
                GatewayWish::Report { lines } => lines.len().max(1),
                _ => 1,
            },
            _ => 1,
        }
    }
}

/// What whoever shows a gateway token wants.
#[derive(Clone, Debug)]
pub struct GatewayCall {
    /// Digest of the gateway token.
    pub gateway: TokenDigest,
    /// What is wanted.
    pub wish: GatewayWish,
}

/// What a gateway wants.
#[derive(Clone, Debug)]
pub enum GatewayWish {
    /// To know whether requests with a token may pass. Each that may is a use; they are decided one after another,
    /// each on what those before it drew.
    Authorize {
        /// Digest of the token that the requests came with.
        shown: TokenDigest,
        /// The client of the requests.
        client: Client,
        /// The requests.
        questions: Vec<Question>,
        /// To be told only: nothing is recorded and nothing drawn.
        dry_run: bool,
    },
    /// To delete a token that was shown to it.
    Revoke {
        /// Digest of the token.
        shown: TokenDigest,
    },
    /// To tell of uses that it decided by itself.
    Report {
        /// The uses, decided one after another.
        lines: Vec<ReportedUse>,
    },
    /// To look at something. Sent only when the read side refused, so that the refusal is recorded.
    Look(GatewayRight, ManagementOperation),
}

/// The client that a gateway's question is about, as far as the gateway says.
#[derive(Clone, Debug, Default)]
pub struct Client {
    /// Its address. Tokens that take certain addresses only are refused without one.
    pub address: Option<IpAddr>,
    /// Its agent.
    pub agent: Option<PersonalText>,
}

/// One question of a gateway.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Question {
    /// The account that it names.
    pub account: Option<AccountId>,
    /// What of it. [`AskedTarget::Unreadable`]: something that cannot be decided.
    pub target: AskedTarget,
    /// Scope group and verb; none where a token that works will do.
    pub scope: Option<(GroupNumber, Verb)>,
    /// The route of the scope map that says so; none where the gateway does.
    pub mapped: Option<MappedRoute>,
}
