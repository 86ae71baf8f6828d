//! Who is in the year: numbers, names and places that story and callers agree on.

use super::super::asks::From;
use crate::domain::ids::{AccountId, TokenId, UserId};

pub(super) const TEAMS: AccountId = AccountId(1);
pub(super) const SOLO: AccountId = AccountId(2);
pub(super) const ENTERPRISE: AccountId = AccountId(3);
pub(super) const STARTUP: AccountId = AccountId(4);

/// Number of the certificate of shop.example.
pub(super) const SHOP_CERTIFICATE: u64 = 17;

pub(super) const ADA: UserId = UserId(1);
pub(super) const GRACE: UserId = UserId(2);
pub(super) const BARBARA: UserId = UserId(3);
pub(super) const EDSGER: UserId = UserId(4);
pub(super) const ALAN: UserId = UserId(5);
pub(super) const MARGARET: UserId = UserId(6);

/// A token's name within the year.
pub(super) type TokenName = &'static str;

pub(super) const DEPLOY: TokenName = "deploy";
pub(super) const ROBOT: TokenName = "certificate robot";
pub(super) const ADA_LAPTOP: TokenName = "laptop";
pub(super) const HOME_SERVER: TokenName = "home server";
pub(super) const NIGHT_SHIFT: TokenName = "night shift";
pub(super) const YEARLY_AUDIT: TokenName = "yearly audit";
pub(super) const SHOP_BACKEND: TokenName = "shop backend";
pub(super) const MONITORING: TokenName = "monitoring";
pub(super) const REPORT_RUNNER: TokenName = "report runner";
pub(super) const BARBARA_LAPTOP: TokenName = "laptop of Barbara";
pub(super) const EDSGER_NOTEBOOK: TokenName = "notebook";
pub(super) const EDGE_GATEWAY: TokenName = "edge gateway";
pub(super) const CI: TokenName = "ci pipeline";
pub(super) const STATUS_PAGE: TokenName = "status page";
pub(super) const OLD_BACKUP: TokenName = "old backup job";
pub(super) const GRACE_LAPTOP: TokenName = "laptop of Grace";
pub(super) const ALAN_LAPTOP: TokenName = "laptop of Alan";
pub(super) const SITE: TokenName = "site";
pub(super) const MARGARET_PHONE: TokenName = "phone";
pub(super) const LEGACY_CRM: TokenName = "legacy crm";
pub(super) const LEGACY_CRON: TokenName = "legacy cron";
pub(super) const OFFICE_ONLY: TokenName = "office only";
pub(super) const LANDING_PAGE: TokenName = "landing page";
pub(super) const HOLIDAY_COVER: TokenName = "holiday cover";
pub(super) const PARTNER_FEED: TokenName = "partner feed";

/// Tokens in the order they are made, from the log's second on: its first is the operator's.
const TOKENS: [TokenName; 25] = [
    DEPLOY,
    ROBOT,
    ADA_LAPTOP,
    HOME_SERVER,
    NIGHT_SHIFT,
    YEARLY_AUDIT,
    SHOP_BACKEND,
    MONITORING,
    REPORT_RUNNER,
    BARBARA_LAPTOP,
    EDSGER_NOTEBOOK,
    EDGE_GATEWAY,
    CI,
    STATUS_PAGE,
    OLD_BACKUP,
    GRACE_LAPTOP,
    ALAN_LAPTOP,
    SITE,
    MARGARET_PHONE,
    LEGACY_CRM,
    LEGACY_CRON,
    OFFICE_ONLY,
    LANDING_PAGE,
    HOLIDAY_COVER,
    PARTNER_FEED,
];

/// A token's number; none for a name that is not in the cast.
pub(super) fn number_of(token: TokenName) -> TokenId {
    (2..).zip(TOKENS).find(|(_, name)| *name == token).map_or(TokenId::NONE, |(number, _)| TokenId(number))
}

/// Tokens that the demo shows, each with what it is for.
pub(super) const SHOWN: [(TokenName, &str); 6] = [
    (DEPLOY, "account token, full access"),
    (ROBOT, "account token, zones example.com and example.net only"),
    (ADA_LAPTOP, "user token of Ada, member of two accounts"),
    (HOME_SERVER, "account token of the Solo account"),
    (YEARLY_AUDIT, "auditor token"),
    (SHOP_BACKEND, "account token of the Enterprise account, leaked a while ago"),
];

pub(super) const OPERATOR_CLIENT: From<'_> = ("192.0.2.10", "token-ledger/0.1");
pub(super) const NIGHT_CLIENT: From<'_> = ("198.51.100.77", "curl/8.14.1");
pub(super) const GATEWAY_CLIENT: From<'_> = ("192.0.2.40", "nginx");
pub(super) const LEAK_CLIENT: From<'_> = ("203.0.113.66", "python-requests/2.32.4");
pub(super) const MONITORING_CLIENT: From<'_> = ("2001:db8:3::9", "blackbox/0.27");
pub(super) const ROBOT_CLIENT: From<'_> = ("192.0.2.31", "lego/4.25");
