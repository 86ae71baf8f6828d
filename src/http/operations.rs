//! The one table of routes: path, method, operation. The document in `schema/openapi.yaml` is held against it.
//!
//! Pages for people are no part of that document: their rows are in [`PAGES`], and are looked up after these.

use super::pages::table::{PAGES, PageOperation};

/// What a request can ask of the service.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
#[allow(missing_docs, reason = "the table below says method and path of each")]
pub enum Operation {
    Whoami,
    ListAccounts,
    ListDomains,
    GetDomain,
    ListZones,
    GetZone,
    ListCertificates,
    GetCertificate,
    ResearchStatus,
    ExchangeCode,
    CreateUser,
    ListUsers,
    GetUser,
    CreateAccount,
    ListManagedAccounts,
    GetAccount,
    UpdateAccount,
    ActivateResearch,
    DeactivateResearch,
    ListMembers,
    PutMember,
    RemoveMember,
    AddResource,
    ListResources,
    RemoveResource,
    CreateAccountToken,
    ListAccountTokens,
    GetAccountToken,
    UpdateAccountToken,
    DeleteAccountToken,
    RotateAccountToken,
    NarrowAccountToken,
    CreateApplication,
    ListApplications,
    GetApplication,
    UpdateApplication,
    DeleteApplication,
    RotateApplicationSecret,
    RevokeApplication,
    ListAuthorizations,
    RevokeAuthorization,
    CreateUserToken,
    ListUserTokens,
    GetUserToken,
    UpdateUserToken,
    DeleteUserToken,
    RotateUserToken,
    CreateStaffToken,
    ListStaffTokens,
    DeleteStaffToken,
    CreateUserSignInLink,
    CreateStaffSignInLink,
    ListUserSessions,
    ListStaffSessions,
    EndUserSession,
    EndStaffSession,
    ImportTokens,
    CreateGatewayToken,
    ListGatewayTokens,
    GetGatewayToken,
    UpdateGatewayToken,
    DeleteGatewayToken,
    RotateGatewayToken,
    EraseUserTexts,
    EraseAccountTokenTexts,
    EraseUserTokenTexts,
    GetUsage,
    GetUsageHistory,
    GetAccountTokenUsage,
    GetUserTokenUsage,
    GetSelf,
    ListEvents,
    StreamEvents,
    ExportBundle,
    GetEvent,
    OpenReview,
    DecideReview,
    CloseReview,
    AskLeakOfText,
    /// A question over the past, by its name in [`QUESTIONS`](crate::audit::questions::QUESTIONS).
    Question(&'static str),
    ForwardAuthNginx,
    ForwardAuthCaddy,
    ForwardAuthTraefik,
    ForwardAuthEnvoy,
    Authorize,
    ReportUses,
    LookUpToken,
    Introspect,
    Revoke,
    Health,
    Ready,
    Metrics,
    Document,
    AcceptClock,
    Checkpoint,
    HashTile,
    EntryBundle,
    InclusionProof,
    ConsistencyProof,
    VerifierKeys,
    ProblemPage,
    /// A page for people, or what a form of one sends.
    Page(PageOperation),
}

/// A row: path template, method, operation.
pub type Row = (&'static str, &'static str, Operation);

/// Every operation. Where two templates match a path, the earlier row is meant.
pub const OPERATIONS: &[Row] = {
    use Operation::*;
    &[
        ("/v2/whoami", "GET", Whoami),
        ("/v2/accounts", "GET", ListAccounts),
        ("/v2/{account}/domains", "GET", ListDomains),
        ("/v2/{account}/domains/research/status", "GET", ResearchStatus),
        ("/v2/{account}/domains/{domain}", "GET", GetDomain),
        ("/v2/{account}/domains/{domain}/certificates", "GET", ListCertificates),
        ("/v2/{account}/domains/{domain}/certificates/{certificate}", "GET", GetCertificate),
        ("/v2/{account}/zones", "GET", ListZones),
        ("/v2/{account}/zones/{zone}", "GET", GetZone),
        ("/v2/oauth/access_token", "POST", ExchangeCode),
        ("/v1/users", "POST", CreateUser),
        ("/v1/users", "GET", ListUsers),
        ("/v1/users/{user}", "GET", GetUser),
        ("/v1/users/{user}/tokens", "POST", CreateUserToken),
        ("/v1/users/{user}/tokens", "GET", ListUserTokens),
        ("/v1/users/{user}/tokens/{token}", "GET", GetUserToken),
        ("/v1/users/{user}/tokens/{token}", "PATCH", UpdateUserToken),
        ("/v1/users/{user}/tokens/{token}", "DELETE", DeleteUserToken),
        ("/v1/users/{user}/tokens/{token}/rotate", "POST", RotateUserToken),
        ("/v1/users/{user}/tokens/{token}/usage", "GET", GetUserTokenUsage),
        ("/v1/users/{user}/sign-in-links", "POST", CreateUserSignInLink),
        ("/v1/users/{user}/sessions", "GET", ListUserSessions),
        ("/v1/users/{user}/sessions/{session}", "DELETE", EndUserSession),
        ("/v1/accounts", "POST", CreateAccount),
        ("/v1/accounts", "GET", ListManagedAccounts),
        ("/v1/accounts/{account}", "GET", GetAccount),
        ("/v1/accounts/{account}", "PATCH", UpdateAccount),
        ("/v1/accounts/{account}/features/domain_research", "PUT", ActivateResearch),
        ("/v1/accounts/{account}/features/domain_research", "DELETE", DeactivateResearch),
        ("/v1/accounts/{account}/members", "GET", ListMembers),
        ("/v1/accounts/{account}/members/{user}", "PUT", PutMember),
        ("/v1/accounts/{account}/members/{user}", "DELETE", RemoveMember),
        ("/v1/accounts/{account}/resources", "POST", AddResource),
        ("/v1/accounts/{account}/resources", "GET", ListResources),
        ("/v1/accounts/{account}/resources/{resource}", "DELETE", RemoveResource),
        ("/v1/accounts/{account}/tokens", "POST", CreateAccountToken),
        ("/v1/accounts/{account}/tokens", "GET", ListAccountTokens),
        ("/v1/accounts/{account}/tokens/import", "POST", ImportTokens),
        ("/v1/accounts/{account}/tokens/{token}", "GET", GetAccountToken),
        ("/v1/accounts/{account}/tokens/{token}", "PATCH", UpdateAccountToken),
        ("/v1/accounts/{account}/tokens/{token}", "DELETE", DeleteAccountToken),
        ("/v1/accounts/{account}/tokens/{token}/rotate", "POST", RotateAccountToken),
        ("/v1/accounts/{account}/tokens/{token}/least-privilege", "POST", NarrowAccountToken),
        ("/v1/accounts/{account}/tokens/{token}/usage", "GET", GetAccountTokenUsage),
        ("/v1/accounts/{account}/oauth-applications", "POST", CreateApplication),
        ("/v1/accounts/{account}/oauth-applications", "GET", ListApplications),
        ("/v1/accounts/{account}/oauth-applications/{application}", "GET", GetApplication),
        ("/v1/accounts/{account}/oauth-applications/{application}", "PATCH", UpdateApplication),
        ("/v1/accounts/{account}/oauth-applications/{application}", "DELETE", DeleteApplication),
        ("/v1/accounts/{account}/oauth-applications/{application}/rotate", "POST", RotateApplicationSecret),
        ("/v1/accounts/{account}/oauth-applications/{application}/authorizations", "DELETE", RevokeApplication),
        ("/v1/accounts/{account}/oauth-authorizations", "GET", ListAuthorizations),
        ("/v1/accounts/{account}/oauth-authorizations/{authorization}", "DELETE", RevokeAuthorization),
        ("/v1/users/{user}/personal-texts", "DELETE", EraseUserTexts),
        ("/v1/users/{user}/tokens/{token}/personal-texts", "DELETE", EraseUserTokenTexts),
        ("/v1/accounts/{account}/tokens/{token}/personal-texts", "DELETE", EraseAccountTokenTexts),
        ("/v1/accounts/{account}/usage", "GET", GetUsage),
        ("/v1/accounts/{account}/usage/history", "GET", GetUsageHistory),
        ("/v1/staff-tokens", "POST", CreateStaffToken),
        ("/v1/staff-tokens", "GET", ListStaffTokens),
        ("/v1/staff-tokens/{token}", "DELETE", DeleteStaffToken),
        ("/v1/staff-tokens/{token}/sign-in-links", "POST", CreateStaffSignInLink),
        ("/v1/staff-tokens/{token}/sessions", "GET", ListStaffSessions),
        ("/v1/staff-tokens/{token}/sessions/{session}", "DELETE", EndStaffSession),
        ("/v1/gateway-tokens", "POST", CreateGatewayToken),
        ("/v1/gateway-tokens", "GET", ListGatewayTokens),
        ("/v1/gateway-tokens/{token}", "GET", GetGatewayToken),
        ("/v1/gateway-tokens/{token}", "PATCH", UpdateGatewayToken),
        ("/v1/gateway-tokens/{token}", "DELETE", DeleteGatewayToken),
        ("/v1/gateway-tokens/{token}/rotate", "POST", RotateGatewayToken),
        ("/v1/self", "GET", GetSelf),
        ("/v1/clock/accept", "POST", AcceptClock),
        ("/v1/events", "GET", ListEvents),
        ("/v1/events/stream", "GET", StreamEvents),
        ("/v1/events/{position}", "GET", GetEvent),
        ("/v1/audit/bundle", "GET", ExportBundle),
        ("/v1/audit/state", "GET", Question("state")),
        ("/v1/audit/who-could", "GET", Question("who-could")),
        ("/v1/audit/what-if", "GET", Question("what-if")),
        ("/v1/audit/least-privilege", "GET", Question("least-privilege")),
        ("/v1/audit/unused", "GET", Question("unused")),
        ("/v1/audit/quota", "GET", Question("quota")),
        ("/v1/audit/leak", "GET", Question("leak")),
        ("/v1/audit/leak", "POST", AskLeakOfText),
        ("/v1/audit/authority", "GET", Question("authority")),
        ("/v1/audit/growth", "GET", Question("growth")),
        ("/v1/audit/changes", "GET", Question("changes")),
        ("/v1/audit/access-review", "GET", Question("access-review")),
        ("/v1/audit/reviews", "POST", OpenReview),
        ("/v1/audit/reviews", "GET", Question("reviews")),
        ("/v1/audit/review", "GET", Question("review")),
        ("/v1/audit/since-review", "GET", Question("since-review")),
        ("/v1/audit/reviews/{review}/decisions", "POST", DecideReview),
        ("/v1/audit/reviews/{review}/close", "POST", CloseReview),
        ("/forward-auth/nginx", "GET", ForwardAuthNginx),
        ("/forward-auth/caddy", "GET", ForwardAuthCaddy),
        ("/forward-auth/traefik", "GET", ForwardAuthTraefik),
        ("/forward-auth/envoy/{path}", "GET", ForwardAuthEnvoy),
        ("/v1/authorize", "POST", Authorize),
        ("/v1/uses", "POST", ReportUses),
        ("/v1/tokens/lookup", "POST", LookUpToken),
        ("/oauth/introspect", "POST", Introspect),
        ("/oauth/revoke", "POST", Revoke),
        ("/healthz", "GET", Health),
        ("/readyz", "GET", Ready),
        ("/metrics", "GET", Metrics),
        ("/openapi.yaml", "GET", Document),
        ("/checkpoint", "GET", Checkpoint),
        ("/tile/entries/{bundle}", "GET", EntryBundle),
        ("/tile/{level}/{tile}", "GET", HashTile),
        ("/proof/inclusion", "GET", InclusionProof),
        ("/proof/consistency", "GET", ConsistencyProof),
        ("/vkeys", "GET", VerifierKeys),
        ("/problems/{slug}", "GET", ProblemPage),
    ]
};

/// What the table says of a path and method.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Found<'a> {
    /// The operation, with the raw values of the template's variables in order.
    Operation(Operation, Vec<&'a str>),
    /// The path is there, the method is not; these are.
    OtherMethods(Vec<&'static str>),
    /// No such path.
    Nothing,
}

/// Looks a raw path and method up.
pub fn find<'a>(path: &'a str, method: &str) -> Found<'a> {
    let mut methods = Vec::new();
    let mut matched: Option<&'static str> = None;
    for (template, row_method, operation) in OPERATIONS.iter().chain(PAGES) {
        if matched.is_some_and(|matched| matched != *template) || !has_shape(template, path) {
            continue;
        }
        matched = Some(template);
        if *row_method == method {
            return Found::Operation(*operation, variables(template, path));
        }
        methods.push(*row_method);
    }
    if methods.is_empty() { Found::Nothing } else { Found::OtherMethods(methods) }
}

/// Variables that stand for the rest of a path: its index is written in groups of digits (C2SP tlog-tiles).
const REST: [&str; 2] = ["{bundle}", "{tile}"];

fn has_shape(template: &str, path: &str) -> bool {
    let (mut wanted, mut given) = (template.split('/'), path.split('/'));
    loop {
        match (wanted.next(), given.next()) {
            (None, None) => return true,
            (Some(wanted), Some(given)) if wanted == given => {}
            (Some(wanted), Some(given)) if REST.contains(&wanted) => return !given.is_empty(),
            (Some(wanted), Some(given)) if wanted.starts_with('{') && !given.is_empty() => {}
            _ => return false,
        }
    }
}

fn variables<'a>(template: &str, path: &'a str) -> Vec<&'a str> {
    template
        .split('/')
        .zip(path.split('/'))
        .filter(|(wanted, _)| wanted.starts_with('{'))
        .map(|(_, given)| given)
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_finds_its_operation_and_variables() {
        assert_eq!(find("/v2/whoami", "GET"), Found::Operation(Operation::Whoami, vec![]));
        assert_eq!(find("/v2/7/zones/a%2Eb", "GET"), Found::Operation(Operation::GetZone, vec!["7", "a%2Eb"]));
        let research = find("/v2/7/domains/research/status", "GET");
        assert_eq!(research, Found::Operation(Operation::ResearchStatus, vec!["7"]));
    }

    #[test]
    fn the_index_of_a_tile_has_as_many_segments_as_it_needs() {
        for (path, operation) in [
            ("/tile/0/000", Operation::HashTile),
            ("/tile/1/x001/x234/067.p/8", Operation::HashTile),
            ("/tile/entries/x001/234", Operation::EntryBundle),
            ("/tile/entries/000.p/8", Operation::EntryBundle),
        ] {
            assert!(matches!(find(path, "GET"), Found::Operation(found, _) if found == operation), "{path}");
            assert_eq!(find(path, "HEAD"), Found::OtherMethods(vec!["GET"]));
        }
        for path in ["/tile", "/tile/", "/tile/0", "/tile/0/", "/tile/entries", "/tile/entries/"] {
            assert_eq!(find(path, "GET"), Found::Nothing, "{path}");
        }
    }

    #[test]
    fn a_known_path_with_another_method_names_its_methods() {
        assert_eq!(find("/v2/whoami", "HEAD"), Found::OtherMethods(vec!["GET"]));
        assert_eq!(find("/v1/users", "DELETE"), Found::OtherMethods(vec!["POST", "GET"]));
    }

    #[test]
    fn anything_else_is_nothing() {
        for path in ["", "/v2", "/v2/", "/v2/whoami/", "//v2/whoami", "/v2//domains", "/v2/7/domains/", "/V2/whoami"] {
            assert_eq!(find(path, "GET"), Found::Nothing, "{path}");
        }
    }
}
