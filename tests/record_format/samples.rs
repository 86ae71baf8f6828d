//! One event at least of every type, and between them every variant, none and some, and every width of a number.

use bincode1::Options;
use serde::de::DeserializeOwned;
use token_ledger::domain::access::{Access, Coverage, Grant, Level, RequiredScope, Target, Verb, group};
use token_ledger::domain::conditions::{AddressRange, Conditions};
use token_ledger::domain::directory::{CertificateFacts, DomainFacts, DomainState, Plan, ResourceFacts, ZoneFacts};
use token_ledger::domain::event::*;
use token_ledger::domain::gateway::{GatewayReach, GatewayRight};
use token_ledger::domain::history_read::{CountedReads, HistoryQuery, StreamEnd};
use token_ledger::domain::idempotency::{AnswerSubject, KeyHash, RequestDigest};
use token_ledger::domain::ids::{
    AccountId, ApplicationId, AuthorizationId, Position, RequestId, ResourceId, TextNumber, TokenId, UserId, Version,
};
use token_ledger::domain::oauth::{Authorized, Bindings, BoundText, ClientId, ClientKind, EndReason, ExchangeFault};
use token_ledger::domain::review::{ReviewCounts, ReviewRow, ReviewVerdict};
use token_ledger::domain::sign_in::SignInCause;
use token_ledger::domain::text::{Subject, TEXT_KINDS};
use token_ledger::domain::time::Timestamp;
use token_ledger::domain::token::{Authority, Owner, Principal, Secret, TokenKind};
use token_ledger::domain::token_text::TokenDigest;

/// 2026-03-01T12:00:00.123456Z.
const NOW: Timestamp = Timestamp(1_772_366_400_123_456);
/// Where the width of a number in the record changes.
pub const BOUNDARIES: [u64; 7] = [250, 251, 65_535, 65_536, 0xffff_ffff, 0x1_0000_0000, u64::MAX];

/// An event with its header, under a name that the golden file keeps.
pub struct Sample {
    /// Unlike every other sample's.
    pub name: String,
    /// The header.
    pub header: Header,
    /// The event.
    pub event: Event,
}

/// All samples, in the order of the golden file.
pub fn samples() -> Vec<Sample> {
    let mut samples = Samples::default();
    samples.service();
    samples.continued();
    samples.directory();
    samples.members_and_resources();
    samples.tokens();
    samples.conditions();
    samples.uses();
    samples.refusals();
    samples.reports();
    samples.idempotency();
    samples.history_reads();
    samples.reviews();
    samples.sign_ins();
    samples.applications();
    samples.authorizations();
    samples.headers();
    samples.0
}

/// Every variant of an enumeration by number, from 0. What a variant carries is all zeros.
pub fn variants<T: DeserializeOwned>() -> Vec<T> {
    let read = |index: u8| {
        let mut bytes = [0; 64];
        bytes[0] = index;
        bincode1::DefaultOptions::new().allow_trailing_bytes().deserialize(&bytes).ok()
    };
    (0..=250).map_while(read).collect()
}

#[derive(Default)]
struct Samples(Vec<Sample>);

impl Samples {
    fn add(&mut self, name: impl Into<String>, header: Header, event: impl Into<Event>) {
        self.0.push(Sample { name: name.into(), header, event: event.into() });
    }

    fn service(&mut self) {
        let began = LedgerInitialized {
            origin: "ledger.example/log/1".to_owned(),
            log_vkey: "ledger.example/log/1+6d6a1b9c+AWq5Zb0c".to_owned(),
        };
        self.add("ledger_initialized", of_service(), began);
        let other = LedgerInitialized { origin: "журнал 🦀".to_owned(), log_vkey: String::new() };
        self.add("ledger_initialized_texts_empty_and_not_ascii", of_service(), other);
        for (number, name, restrictable, has_write, needs_research) in [
            (1, "account", false, true, false),
            (5, "domain_research", false, false, true),
            (11, "zones", true, true, false),
            (250, "g250", false, false, false),
            (251, "g251", false, false, false),
            (u16::MAX, "g65535", true, true, true),
        ] {
            let name = name.to_owned();
            let defined = ScopeGroupDefined { group: number, name, restrictable, has_write, needs_research };
            self.add(format!("scope_group_defined_{number}"), of_service(), defined);
        }
        let subjects = [Subject::Service, Subject::Account(AccountId(7)), Subject::User(UserId(3))];
        for (kind, subject) in TEXT_KINDS.into_iter().zip(subjects.into_iter().cycle()) {
            let seen = TextSeen { number: TextNumber(41), subject, kind, commitment: counted_from(0x20) };
            self.add(format!("text_seen_{kind:?}"), of_token(), seen);
        }
        for after_clean_stop in [true, false] {
            let name = format!("recording_started_after_clean_stop_{after_clean_stop}");
            self.add(name, of_service(), RecordingStarted { after_clean_stop });
        }
        for appended in [0, 1].into_iter().chain(BOUNDARIES) {
            self.add(format!("recording_stopped_{appended}"), of_service(), RecordingStopped { appended });
        }
        for (subject, ranges) in subjects.into_iter().zip([vec![], vec![(1, 1)], vec![(2, 250), (251, 65_536)]]) {
            let texts = ranges.into_iter().map(|(first, last)| (TextNumber(first), TextNumber(last))).collect();
            let erased = PersonalDataErased { subject, texts, by: operator() };
            self.add(format!("personal_data_erased_of_{}", word(&subject)), by_operator(of_token()), erased);
        }
        let map = ScopeMapDefined { map: 1, name: "dnsimple-v2".to_owned(), hash: counted_from(0x20), routes: 104 };
        self.add("scope_map_defined", of_service(), map);
        for (cause, line) in variants::<MapRejection>().into_iter().zip([0, 7, 70_000]) {
            let hash = (cause != MapRejection::Unreadable).then(|| counted_from(0x20));
            let rejected = ScopeMapRejected { hash, cause, faults: line.min(2), line, kept: 1 };
            self.add(format!("scope_map_rejected_{cause:?}"), of_service(), rejected);
        }
        self.outages_and_clock();
        self.seals();
    }

    fn outages_and_clock(&mut self) {
        for (cause, turned_away) in variants::<OutageCause>().into_iter().zip([0, 251, 65_536]) {
            let resumed = RecordingResumed { since: Timestamp(NOW.0 - 90_000_000), cause, turned_away };
            self.add(format!("recording_resumed_{cause:?}"), of_service(), resumed);
        }
        let (seen_at, wall) = (Timestamp(NOW.0 - 600_000_000), NOW.plus_seconds(3_600));
        let seen = ClockStepped { seen_at: NOW, kept: NOW, wall, followed: false, by: None };
        self.add("clock_stepped_forward", of_service(), seen);
        let back = Timestamp(NOW.0 - 3_600_000_000);
        let lasted = ClockStepped { seen_at, kept: NOW, wall: back, followed: true, by: None };
        self.add("clock_stepped_back_followed", of_service(), lasted);
        let accepted = ClockStepped { seen_at, kept: NOW, wall, followed: true, by: Some(operator()) };
        self.add("clock_stepped_accepted", by_operator(of_service()), accepted);
    }

    fn seals(&mut self) {
        for at in [1, 250, 70_000] {
            let (streams_root, state_root) = (counted_from(0x40), counted_from(0x60));
            let sealed = StateSealed { at_position: Position(at), seal_version: 1, streams_root, state_root };
            self.add(format!("state_sealed_{at}"), of_service(), sealed);
        }
    }

    fn continued(&mut self) {
        let name =
            |number: u8| (format!("ledger.example/log/{number}"), format!("ledger.example/log/{number}+6d6a1b9c"));
        let ((old_origin, old_vkey), (origin, log_vkey)) = (name(1), name(2));
        let note = format!("{old_origin}\n70000\nAWq5Zb0c\n\n\u{2014} {old_origin} bWobnA\n");
        let continued = LogContinued {
            old_origin,
            old_vkey,
            last_checkpoint: note,
            lost_through: Position(70_000),
            origin,
            log_vkey,
        };
        let nothing_known =
            LogContinued { last_checkpoint: String::new(), lost_through: Position::NONE, ..continued.clone() };
        self.add("log_continued", of_service(), continued);
        self.add("log_continued_nothing_known", of_service(), nothing_known);
        let (log_vkey, old_vkey) = (format!("{}+0b1c2d3e", name(2).0), name(2).1);
        let header = Header { principal: Principal::Local(1_000), ..of_service() };
        self.add("log_key_rotated", header, LogKeyRotated { old_vkey, log_vkey, signs_until: NOW, by: local() });
    }

    fn directory(&mut self) {
        let (name, email) = (TextNumber(12), TextNumber(13));
        for authority in authorities() {
            let by = By { authority, ..operator() };
            let created = UserCreated { user: UserId(3), email, name, hourly_limit: 2_400, by };
            self.add(format!("user_created_by_{}", word(&authority)), by_operator(of_service()), created);
        }
        for plan in variants() {
            let created = AccountCreated { name, email, plan, hourly_limit: 2_400, by: operator() };
            self.add(format!("account_created_{plan:?}"), by_operator(of_account()), created);
        }
        let renamed = AccountRenamed { name: TextNumber(300), email, by: operator() };
        self.add("account_renamed", by_operator(of_account()), renamed);
        for (from, to) in [(Plan::Solo, Plan::Teams), (Plan::Teams, Plan::Enterprise), (Plan::Enterprise, Plan::Solo)] {
            let changed = PlanChanged { from, to, by: operator() };
            self.add(format!("plan_changed_{from:?}_to_{to:?}"), by_operator(of_account()), changed);
        }
        let changed = HourlyLimitChanged { from: 2_400, to: 1_000_000_000, by: operator() };
        self.add("hourly_limit_changed", by_operator(of_account()), changed);
        for (word, monthly_cap) in [("uncapped", None), ("capped", Some(1_000))] {
            let on = ResearchActivated { monthly_cap, by: operator() };
            self.add(format!("research_activated_{word}"), by_operator(of_account()), on);
        }
        let off = ResearchDeactivated { by: operator() };
        self.add("research_deactivated", by_operator(of_account()), off);
    }

    fn members_and_resources(&mut self) {
        let (user, header) = (UserId(3), by_operator(of_account()));
        self.add("member_added_full", header, MemberAdded { user, access: Access::Full, by: operator() });
        let member = By { authority: Authority::Membership(Version(2)), secret: 251, ..operator() };
        let added = MemberAdded { user, access: zones_and_domains(), by: member };
        self.add("member_added_granted", Header { principal: Principal::User(UserId(1)), ..header }, added);
        for (word, access) in [("granted", zones_and_domains()), ("nothing", Access::Granted(Vec::new()))] {
            let changed = MemberAccessChanged { user, access, by: operator() };
            self.add(format!("member_access_changed_{word}"), header, changed);
        }
        self.add("member_removed", header, MemberRemoved { user, by: operator() });
        for (word, facts) in resource_facts() {
            let (resource, name, by) = (ResourceId(19), TextNumber(21), operator());
            self.add(format!("resource_added_{word}"), header, ResourceAdded { resource, name, facts, by });
        }
        let removed = ResourceRemoved { resource: ResourceId(19), by: operator() };
        self.add("resource_removed", header, removed);
    }

    fn tokens(&mut self) {
        let header = by_operator(of_token());
        for kind in variants() {
            let (owner, access, expires_at) = made_for(kind);
            let (name, secret, by) = (TextNumber(14), secret(1, None), operator());
            let gateway = (kind == TokenKind::Gateway).then(|| reach(variants()));
            let authorized = (kind == TokenKind::OAuth).then(authorized);
            let created = TokenCreated { kind, owner, name, access, gateway, authorized, secret, expires_at, by };
            self.add(format!("token_created_{kind:?}"), header, created);
        }
        self.add("token_renamed", header, TokenRenamed { name: TextNumber(301), by: operator() });
        for (word, access) in [("full", Access::Full), ("granted", zones_and_domains())] {
            let changed = TokenAccessChanged { access, by: operator() };
            self.add(format!("token_access_changed_{word}"), header, changed);
        }
        for (word, expires_at) in [("never", None), ("later", Some(NOW.plus_seconds(86_400)))] {
            let changed = TokenExpiryChanged { expires_at, by: operator() };
            self.add(format!("token_expiry_changed_{word}"), header, changed);
        }
        for (word, not_after) in [("open", None), ("ending", Some(NOW))] {
            let secret = secret(2, not_after);
            let rotated = TokenRotated { secret, ends: 1, ends_at: NOW.plus_seconds(86_400), by: operator() };
            self.add(format!("token_rotated_to_{word}"), header, rotated);
        }
        for reason in variants::<EndReason>() {
            let deleted = TokenDeleted { reason, by: operator() };
            self.add(format!("token_deleted_{reason:?}"), header, deleted);
        }
        for (word, access, time) in [("full", Access::Full, None), ("granted", zones_and_domains(), Some(NOW))] {
            let (kind, owner) = (TokenKind::Account, Owner::Account(AccountId(7)));
            let (name, secret, by) = (TextNumber(14), secret(1, None), operator());
            let (created_at, expires_at) = (time, time.map(|at| at.plus_seconds(86_400)));
            let imported = TokenImported { kind, owner, name, access, secret, created_at, expires_at, by };
            self.add(format!("token_imported_{word}"), header, imported);
        }
        let of_service = Header { account: AccountId::NONE, account_number: 0, ..header };
        for right in variants() {
            let changed = GatewayRightsChanged { gateway: reach(vec![right]), by: operator() };
            self.add(format!("gateway_rights_changed_to_{right:?}"), of_service, changed);
        }
    }

    fn conditions(&mut self) {
        let header = by_operator(of_token());
        let ranges = vec![
            AddressRange::V4 { network: [10, 0, 0, 0], prefix: 8 },
            AddressRange::V4 { network: [192, 0, 2, 255], prefix: 32 },
            AddressRange::V6 { network: counted_from(0x20), prefix: 128 },
        ];
        for (word, not_before, ranges) in [
            ("none", None, Vec::new()),
            ("later", Some(NOW.plus_seconds(60)), Vec::new()),
            ("ranges", None, variants()),
            ("both", Some(NOW), ranges),
        ] {
            let conditions = Conditions::new(not_before, ranges);
            let changed = TokenConditionsChanged { conditions, by: operator() };
            self.add(format!("token_conditions_changed_{word}"), header, changed);
        }
    }

    fn uses(&mut self) {
        for route in variants() {
            let name = format!("{route:?}");
            let name = name.split('(').next().unwrap_or_default();
            self.add(format!("token_used_{name}"), of_token(), used(route, Outcome::Ok));
        }
        let mapped = Route::Mapped(MappedRoute { map: 251, line: 70_000 });
        self.add("token_used_mapped_far", of_token(), used(mapped, Outcome::UnknownUpstream));
        let mapped = Some(MappedRoute { map: 1, line: 65_536 });
        let asked = Route::Asked(AskedRoute { gateway: TokenId(70_000), secret: 251, mapped });
        self.add("token_used_asked_by_path", of_token(), used(asked, Outcome::UnknownUpstream));
        for outcome in variants() {
            self.add(format!("token_used_{outcome:?}"), of_token(), used(Route::Zone, outcome));
        }
        let sources: Vec<AccessSource> = variants();
        for (source, version) in sources.into_iter().zip(1..) {
            let source = with_version(source, Version(version));
            let event = TokenUsed { source, ..used(Route::Domain, Outcome::Ok) };
            self.add(format!("token_used_by_{}", word(&source)), of_token(), event);
        }
        for (word, verb, target) in [
            ("read_list", Verb::Read, Target::List),
            ("write_name", Verb::Write, Target::Name(TextNumber(21))),
            ("read_number", Verb::Read, Target::Number(u64::MAX)),
            ("write_all", Verb::Write, Target::All),
        ] {
            let scope = Some(RequiredScope { group: group::DOMAINS, verb, target });
            let event = TokenUsed { scope, ..used(Route::Domain, Outcome::NotFound) };
            self.add(format!("token_used_scope_{word}"), of_token(), event);
        }
        let most =
            TokenUsed { secret: u32::MAX, general: 255, research: 251, ..used(Route::ResearchStatus, Outcome::Ok) };
        self.add("token_used_drawing_the_most", of_token(), most);
    }

    fn refusals(&mut self) {
        for cause in variants() {
            let TokenUsed { secret, source, scope, route, address, agent, .. } = used(Route::Zone, Outcome::Ok);
            let scope = scope.filter(|_| matches!(cause, Cause::MissingScope | Cause::QuotaExceeded));
            let asked_account = AccountId(if cause == Cause::ForeignAccount { u64::MAX } else { 7 });
            let refused = TokenUseRefused { secret, source, scope, route, asked_account, address, agent, cause };
            self.add(format!("token_use_refused_{cause:?}"), of_token(), refused);
        }
        let header = Header { principal: Principal::Service, credential: TokenId::NONE, ..of_token() };
        let counts = variants().into_iter().zip([60, 1, 250, 251, 65_535, 65_536, 3, 4, 5, 6, 7, 8, 9]).collect();
        let addresses = (1..=8).map(TextNumber).collect();
        let (first, last) = (NOW, NOW.plus_seconds(59));
        self.add("refusals_summed", header, RefusalsSummed { counts, first, last, addresses });
        let empty = RefusalsSummed { counts: Vec::new(), first, last, addresses: Vec::new() };
        self.add("refusals_summed_nothing", header, empty);
        let header = Header { token: TokenId::NONE, token_number: 0, ..header };
        let counts = vec![(TokenId(9), 1), (TokenId(250), 251), (TokenId(70_000), u64::MAX)];
        let window_opened_at = NOW.seconds();
        let total = QuotaRefusalsTotalled { user: UserId::NONE, window_opened_at, counts };
        self.add("quota_refusals_totalled_of_account", header, total);
        let total = QuotaRefusalsTotalled { user: UserId(3), window_opened_at, counts: vec![(TokenId(9), 2)] };
        let header = Header { account: AccountId::NONE, account_number: 0, ..header };
        self.add("quota_refusals_totalled_of_user", header, total);
        for operation in variants() {
            let (secret, address, agent, cause) = (2, TextNumber(31), TextNumber(32), Cause::WrongKind);
            let refused = ManagementRefused { operation, secret, address, agent, cause };
            self.add(format!("management_refused_{operation:?}"), of_token(), refused);
        }
    }

    fn reports(&mut self) {
        let header = Header { principal: Principal::Staff(TokenId(251)), credential: TokenId(251), ..of_token() };
        let (address, agent) = (TextNumber(33), TextNumber(34));
        let least = UseReported {
            key: KeyHash(counted_from(0x70)),
            content: RequestDigest(counted_from(0x80)),
            occurred_at: Timestamp(NOW.0 - 1),
            known_position: Position(1),
            secret: 0,
            scope: None,
            mapped: None,
            status: 0,
            address: TextNumber::NONE,
            flags: Vec::new(),
            by: By { authority: Authority::Gateway(Version(1)), secret: 1, address, agent },
        };
        self.add("use_reported_by_token_number", header, least.clone());
        let of_user = Header { account: AccountId::NONE, account_number: 0, ..header };
        self.add("use_reported_on_no_account", of_user, UseReported { secret: 2, status: 200, ..least.clone() });
        let scope =
            Some(RequiredScope { group: group::ZONES, verb: Verb::Write, target: Target::Name(TextNumber(21)) });
        for flag in variants() {
            let name = format!("use_reported_{flag:?}");
            self.add(name, header, UseReported { scope, flags: vec![flag], ..least.clone() });
        }
        let mapped = Some(MappedRoute { map: 251, line: 70_000 });
        let most = UseReported {
            known_position: Position(u64::MAX),
            secret: u32::MAX,
            scope,
            mapped,
            status: 599,
            address: TextNumber(70_000),
            flags: variants(),
            ..least
        };
        self.add("use_reported_saying_the_most", header, most);
    }

    fn idempotency(&mut self) {
        for (subject, number) in variants::<AnswerSubject>().into_iter().zip(1..) {
            let subject = with_numbers(subject, number);
            let (key, request) = (KeyHash(counted_from(0x50)), RequestDigest(counted_from(0x60)));
            let kept = IdempotencyKeyKept { key, request, status: 200 + u16::from(number % 2 == 0), subject };
            self.add(format!("idempotency_key_kept_{}", word(&subject)), by_operator(of_token()), kept);
        }
    }

    fn history_reads(&mut self) {
        let header = by_operator(of_service());
        let asked = HistoryQuery::of("events", Position(70_000));
        let read = HistoryRead { asked: asked.clone(), counted: None, by: operator() };
        self.add("history_read", header, read);
        let most = HistoryQuery::of("who_could", Position(u64::MAX))
            .about_account(AccountId(7))
            .about_token(TokenId(9))
            .about_user(UserId(3))
            .about_resource(ResourceId(19))
            .between(Some(NOW), Some(NOW.plus_seconds(3_600)))
            .after(Position(251));
        let by = By { authority: Authority::Auditor(Version(251)), ..operator() };
        self.add("history_read_saying_the_most", header, HistoryRead { asked: most.clone(), counted: None, by });
        let counted = Some(CountedReads { reads: 300, first: Timestamp(NOW.0 - 90_000_000), last: NOW });
        let by = By { secret: 0, address: TextNumber::NONE, agent: TextNumber::NONE, ..by };
        self.add("history_read_counted", header, HistoryRead { asked, counted, by });
        let asked = HistoryQuery { through: Position::NONE, ..most };
        self.add("history_stream_opened", header, HistoryStreamOpened { asked, by: operator() });
        for (end, sent) in variants::<StreamEnd>().into_iter().zip([0, 1, 250, 251, 65_536, 70_000]) {
            let closed = HistoryStreamClosed { opened: Position(41), through: Position(70_000), sent, end };
            self.add(format!("history_stream_closed_{end:?}"), header, closed);
        }
    }

    fn reviews(&mut self) {
        let (position, root) = (Position(70_000), counted_from(0x20));
        let opened = AccessReviewOpened { review: 1, position, root, at: NOW, rows: 251, by: operator() };
        self.add("access_review_opened", by_operator(of_account()), opened);
        let rows = [ReviewRow::Token(TokenId(9)), ReviewRow::Member(UserId(3)), ReviewRow::Token(TokenId(70_000))];
        for (verdict, row) in variants::<ReviewVerdict>().into_iter().zip(rows) {
            let note = if verdict == ReviewVerdict::Keep { TextNumber::NONE } else { TextNumber(41) };
            let decided = AccessReviewDecided { review: 1, position, root, row, verdict, note, by: operator() };
            self.add(format!("access_review_decided_{verdict:?}"), by_operator(of_token()), decided);
        }
        let counts = ReviewCounts { kept: 250, narrowed: 251, deleted: 0, undecided: 65_536 };
        let closed = AccessReviewClosed { review: 1, position, root, counts, by: operator() };
        self.add("access_review_closed", by_operator(of_account()), closed);
    }

    fn sign_ins(&mut self) {
        let (digest, expires_at) = (TokenDigest(counted_from(0x80)), NOW.plus_seconds(900));
        for (link, who) in [(1, Principal::User(UserId(3))), (70_000, Principal::Staff(TokenId(2)))] {
            let created = SignInLinkCreated { link, who, digest, expires_at, by: operator() };
            self.add(format!("sign_in_link_created_{}", word(&who)), by_operator(of_service()), created);
        }
        let (user, address, agent) = (Principal::User(UserId(3)), TextNumber(31), TextNumber(32));
        let used =
            SignInLinkUsed { link: 1, by: By { authority: Authority::SignInLink(1), secret: 0, address, agent } };
        let header = Header { account: AccountId::NONE, account_number: 0, credential: TokenId::NONE, ..of_token() };
        self.add("sign_in_link_used", Header { principal: user, ..header }, used);
        for cause in variants::<SignInCause>() {
            let refused = SignInRefused { link: 251, address, agent: TextNumber::NONE, cause };
            self.add(format!("sign_in_refused_{cause:?}"), of_service(), refused);
        }
        let by = By { authority: Authority::Own, secret: 1, address, agent };
        self.add(
            "session_ended_by_its_own",
            Header { principal: user, ..of_token() },
            TokenDeleted { reason: EndReason::Asked, by },
        );
    }

    fn applications(&mut self) {
        let (application, client, header) = (ApplicationId(5), ClientId(counted_from(0x40)), by_operator(of_account()));
        let (name, redirect_uris) = (TextNumber(51), vec![TextNumber(52), TextNumber(251)]);
        for kind in variants::<ClientKind>() {
            let (redirect_uris, by) = (redirect_uris.clone(), operator());
            let secret = (kind == ClientKind::Confidential).then(|| secret(1, None));
            let registered = ApplicationRegistered { application, client, name, redirect_uris, kind, secret, by };
            self.add(format!("application_registered_{kind:?}"), header, registered);
        }
        let changed = ApplicationChanged { application, name, redirect_uris, by: operator() };
        self.add("application_changed", header, changed);
        let (secret, ends_at) = (secret(2, None), NOW.plus_seconds(86_400));
        let rotated = ApplicationSecretRotated { application, secret, ends: 1, ends_at, by: operator() };
        self.add("application_secret_rotated", header, rotated);
        self.add("application_deleted", header, ApplicationDeleted { application, by: operator() });
    }

    fn authorizations(&mut self) {
        let header = Header { principal: Principal::User(UserId(3)), credential: TokenId(8), ..of_account() };
        let Authorized { authorization, application, user, membership, code } = authorized();
        let by = By { authority: Authority::Membership(membership), ..operator() };
        for (word, access) in [("full", Access::Full), ("granted", zones_and_domains())] {
            let granted = AuthorizationGranted { authorization, application, user, membership, access, by };
            self.add(format!("authorization_granted_{word}"), header, granted);
        }
        let bound = |first| BoundText(counted_from(first));
        for redirect_uri_sent in [true, false] {
            let challenge = redirect_uri_sent.then(|| bound(0x10));
            let bindings = Bindings { redirect_uri: bound(0x30), redirect_uri_sent, state: bound(0x50), challenge };
            let (expires_at, redirect_uri) = (NOW.plus_seconds(300), TextNumber(52));
            let issued = AuthorizationCodeIssued { authorization, code, expires_at, redirect_uri, bindings, by };
            self.add(format!("authorization_code_issued_redirect_uri_sent_{redirect_uri_sent}"), header, issued);
        }
        let exchanging = Header { principal: Principal::Application(application), ..of_account() };
        for cause in variants::<ExchangeFault>() {
            let by = By { authority: Authority::Application(Version(2)), ..operator() };
            let refused = CodeExchangeRefused { authorization, code, cause, by };
            self.add(format!("code_exchange_refused_{cause:?}"), exchanging, refused);
        }
        let reason = EndReason::MemberRemoved;
        let revoked = AuthorizationRevoked { authorization, application, user, reason, by: operator() };
        self.add("authorization_revoked", by_operator(of_account()), revoked);
    }

    /// The same small event under every kind of header.
    fn headers(&mut self) {
        let event = TokenDeleted { reason: EndReason::Asked, by: local() };
        let principals = [
            Principal::Service,
            Principal::Account(AccountId(7)),
            Principal::User(UserId(3)),
            Principal::Staff(TokenId(2)),
            Principal::Local(1_000),
            Principal::Application(ApplicationId(5)),
        ];
        for principal in principals {
            self.add(format!("header_{}", word(&principal)), Header { principal, ..of_token() }, event.clone());
        }
        for uid in BOUNDARIES.into_iter().map_while(|number| u32::try_from(number).ok()) {
            let header = Header { principal: Principal::Local(uid), credential: TokenId::NONE, ..of_token() };
            self.add(format!("header_local_{uid}"), header, event.clone());
        }
        let largest = Header {
            recorded_at: Timestamp(u64::MAX),
            account: AccountId(u64::MAX),
            account_number: u64::MAX,
            token: TokenId(u64::MAX),
            token_number: u64::MAX,
            principal: Principal::Account(AccountId(u64::MAX)),
            credential: TokenId(u64::MAX),
            request: RequestId([u8::MAX; 16]),
        };
        self.add("header_largest", largest, event.clone());
        let smallest = Header { recorded_at: Timestamp(0), request: RequestId([0; 16]), ..of_service() };
        self.add("header_smallest", smallest, event);
    }
}

/// Name of a variant without what it carries, in small letters.
fn word(value: &impl std::fmt::Debug) -> String {
    let text = format!("{value:?}");
    text.split('(').next().unwrap_or_default().to_lowercase()
}

fn with_numbers(subject: AnswerSubject, number: u8) -> AnswerSubject {
    let number = u64::from(number);
    match subject {
        AnswerSubject::Service => AnswerSubject::Service,
        AnswerSubject::Account(_) => AnswerSubject::Account(AccountId(number)),
        AnswerSubject::User(_) => AnswerSubject::User(UserId(number)),
        AnswerSubject::Member(..) => AnswerSubject::Member(AccountId(number), UserId(number + 70_000)),
        AnswerSubject::Resource(_) => AnswerSubject::Resource(ResourceId(number)),
        AnswerSubject::Token(_) => AnswerSubject::Token(TokenId(number)),
        AnswerSubject::Review(_) => AnswerSubject::Review(number),
        AnswerSubject::SignInLink(_) => AnswerSubject::SignInLink(number),
        AnswerSubject::Application(_) => AnswerSubject::Application(ApplicationId(number)),
        AnswerSubject::Tokens(..) => AnswerSubject::Tokens(TokenId(number), number + 70_000),
    }
}

fn counted_from<const N: usize>(first: u8) -> [u8; N] {
    let mut next = first;
    [(); N].map(|()| {
        next += 1;
        next - 1
    })
}

fn of_service() -> Header {
    Header {
        recorded_at: NOW,
        account: AccountId::NONE,
        account_number: 0,
        token: TokenId::NONE,
        token_number: 0,
        principal: Principal::Service,
        credential: TokenId::NONE,
        request: RequestId(counted_from(0xa0)),
    }
}

fn of_account() -> Header {
    Header { account: AccountId(7), account_number: 251, ..of_service() }
}

fn of_token() -> Header {
    let (token, principal) = (TokenId(9), Principal::Account(AccountId(7)));
    Header { account_number: 70_000, token, token_number: 250, principal, credential: token, ..of_account() }
}

fn by_operator(header: Header) -> Header {
    Header { principal: Principal::Staff(TokenId(1)), credential: TokenId(1), ..header }
}

fn operator() -> By {
    By { authority: Authority::Operator(Version(1)), secret: 1, address: TextNumber(31), agent: TextNumber(32) }
}

fn local() -> By {
    By { authority: Authority::Local, secret: 0, address: TextNumber::NONE, agent: TextNumber::NONE }
}

fn authorities() -> [Authority; 9] {
    let (member, gateway) = (Authority::Membership(Version(4)), Authority::Gateway(Version(5)));
    let (auditor, link) = (Authority::Auditor(Version(6)), Authority::SignInLink(251));
    let application = Authority::Application(Version(7));
    [
        Authority::Init,
        Authority::Local,
        operator().authority,
        member,
        gateway,
        auditor,
        link,
        Authority::Own,
        application,
    ]
}

fn zones_and_domains() -> Access {
    Access::Granted(vec![
        Grant { group: group::CERTIFICATES, level: Level::ReadOnly, coverage: Coverage::Named(Vec::new()) },
        Grant {
            group: group::DOMAINS,
            level: Level::FullAccess,
            coverage: Coverage::Named(vec![TextNumber(21), TextNumber(251)]),
        },
        Grant { group: group::ZONES, level: Level::ReadOnly, coverage: Coverage::All },
    ])
}

fn resource_facts() -> Vec<(String, ResourceFacts)> {
    let mut all = Vec::new();
    for state in variants::<DomainState>() {
        let (registrant_id, expires_at) = match state {
            DomainState::Hosted => (None, None),
            _ => (Some(2_715), Some(NOW.plus_seconds(31_536_000))),
        };
        let (auto_renew, private_whois, trustee) = (true, false, true);
        let facts = DomainFacts { registrant_id, state, auto_renew, private_whois, trustee, expires_at };
        all.push((format!("domain_{state:?}"), ResourceFacts::Domain(facts)));
    }
    let primary = ZoneFacts { reverse: false, secondary: false, active: true, last_transferred_at: None };
    let secondary = ZoneFacts { reverse: true, secondary: true, active: false, last_transferred_at: Some(NOW) };
    all.push(("zone_primary".to_owned(), ResourceFacts::Zone(primary)));
    all.push(("zone_secondary".to_owned(), ResourceFacts::Zone(secondary)));
    let issued = CertificateFacts {
        common_name: TextNumber(21),
        alternate_names: vec![TextNumber(22), TextNumber(23)],
        contact_id: Some(2_511),
        years: 1,
        signing_request: TextNumber(24),
        issued: true,
        auto_renew: false,
        lets_encrypt: true,
        expires_at: Some(NOW.plus_seconds(7_776_000)),
    };
    let requested = CertificateFacts { common_name: TextNumber(21), years: 255, ..CertificateFacts::default() };
    all.push(("certificate_issued".to_owned(), ResourceFacts::Certificate(issued)));
    all.push(("certificate_requested".to_owned(), ResourceFacts::Certificate(requested)));
    all
}

fn authorized() -> Authorized {
    Authorized {
        authorization: AuthorizationId(6),
        application: ApplicationId(5),
        user: UserId(3),
        membership: Version(4),
        code: TokenDigest(counted_from(0x70)),
    }
}

fn made_for(kind: TokenKind) -> (Owner, Access, Option<Timestamp>) {
    let nothing = Access::Granted(Vec::new());
    match kind {
        TokenKind::Account => (Owner::Account(AccountId(7)), Access::Full, None),
        TokenKind::OAuth => (Owner::Account(AccountId(7)), zones_and_domains(), Some(NOW.plus_seconds(3_600))),
        TokenKind::User | TokenKind::Session => (Owner::User(UserId(3)), nothing, Some(NOW.plus_seconds(3_600))),
        TokenKind::Gateway | TokenKind::Operator | TokenKind::Auditor => (Owner::Service, nothing, None),
    }
}

fn reach(rights: Vec<GatewayRight>) -> GatewayReach {
    GatewayReach { rights, accounts: vec![AccountId(1), AccountId(251), AccountId(70_000)] }
}

fn secret(number: u32, not_after: Option<Timestamp>) -> Secret {
    Secret { number, digest: TokenDigest(counted_from(0x60)), hint: *b"W8f.", not_after }
}

fn with_version(source: AccessSource, version: Version) -> AccessSource {
    match source {
        AccessSource::Token(_) => AccessSource::Token(version),
        AccessSource::Membership(_) => AccessSource::Membership(version),
        AccessSource::Identity(_) => AccessSource::Identity(version),
        AccessSource::Authorization(..) => AccessSource::Authorization(version, Version(4)),
    }
}

/// A use as the rules would record it: routes on no account need no scope, research draws from the month too.
fn used(route: Route, outcome: Outcome) -> TokenUsed {
    let named = Target::Name(TextNumber(21));
    let asked = match route {
        Route::Whoami | Route::Accounts => None,
        Route::Domains => Some((group::DOMAINS, Target::List)),
        Route::Domain => Some((group::DOMAINS, named)),
        Route::Zones => Some((group::ZONES, Target::List)),
        Route::Zone => Some((group::ZONES, named)),
        Route::Certificates | Route::Certificate => Some((group::CERTIFICATES, named)),
        Route::ResearchStatus => Some((group::DOMAIN_RESEARCH, Target::List)),
        Route::Mapped(_) | Route::Asked(_) => Some((group::ZONES, Target::All)),
    };
    let found = outcome == Outcome::Ok && asked.is_some_and(|(_, target)| target != Target::List);
    TokenUsed {
        secret: 1,
        source: if asked.is_some() { AccessSource::Token(Version(3)) } else { AccessSource::Identity(Version(3)) },
        scope: asked.map(|(group, target)| RequiredScope { group, verb: Verb::Read, target }),
        route,
        resource: if found { ResourceId(19) } else { ResourceId::NONE },
        address: TextNumber(31),
        agent: TextNumber::NONE,
        general: 1,
        research: u8::from(route == Route::ResearchStatus),
        outcome,
    }
}
