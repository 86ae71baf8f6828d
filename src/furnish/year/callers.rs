//! Who calls all year, how often, and for what.

use super::super::asks::{Ask, From};
use super::super::rhythm::Rhythm;
use super::Wish;
use super::cast::*;
use crate::domain::ids::AccountId;

/// One habit of one token's holder.
#[derive(Debug)]
pub(super) struct Caller {
    pub token: TokenName,
    /// Which of its secrets; the newest if none.
    pub secret: Option<usize>,
    /// From this day up to, not including, that one.
    pub days: (u64, u64),
    /// Calls on an average day.
    pub a_day: f64,
    pub rhythm: Rhythm,
    /// Weight, account, what.
    pub asks: &'static [(u64, AccountId, Wish)],
    pub from: &'static [From<'static>],
}

/// To the end of the history.
const EVER: u64 = u64::MAX;

const fn api(ask: Ask) -> Wish {
    Wish::Api(ask)
}

const fn caller(
    token: TokenName,
    days: (u64, u64),
    a_day: f64,
    rhythm: Rhythm,
    asks: &'static [(u64, AccountId, Wish)],
    from: &'static [From<'static>],
) -> Caller {
    Caller { token, secret: None, days, a_day, rhythm, asks, from }
}

pub(super) static CALLERS: &[Caller] = &[
    caller(DEPLOY, (0, EVER), 25.0, Rhythm::Customers, DEPLOY_ASKS, DEPLOY_FROM),
    caller(DEPLOY, (20, EVER), 3.0, Rhythm::Office, &[(1, TEAMS, Wish::Write("example.com"))], DEPLOY_FROM),
    caller(ROBOT, (0, EVER), 8.0, Rhythm::Nightly, ROBOT_ASKS, &[ROBOT_CLIENT]),
    // Until somebody looks why nothing is renewed any more.
    caller(ROBOT, (0, 96), 4.0, Rhythm::Nightly, &[(1, TEAMS, api(Ask::Zone("example.org")))], &[ROBOT_CLIENT]),
    caller(ADA_LAPTOP, (0, EVER), 6.0, Rhythm::Office, ADA_ASKS, &[("192.0.2.21", "dnsimple-ruby/9.0.0")]),
    caller(HOME_SERVER, (0, EVER), 24.0, Rhythm::Steady, SOLO_ASKS, &[("203.0.113.17", "ddclient/4.0.0")]),
    caller(SHOP_BACKEND, (2, EVER), 36.0, Rhythm::Customers, SHOP_ASKS, SHOP_FROM),
    caller(SHOP_BACKEND, (3, EVER), 8.0, Rhythm::Customers, &[(1, ENTERPRISE, Wish::Write("shop.example"))], SHOP_FROM),
    // A server that was forgotten at the second rotation.
    Caller {
        token: SHOP_BACKEND,
        secret: Some(2),
        days: (220, 224),
        a_day: 6.0,
        rhythm: Rhythm::Steady,
        asks: &[(1, ENTERPRISE, api(Ask::Zone("shop.example")))],
        from: &[("198.51.100.43", "dnsimple-go/6.0.0")],
    },
    caller(MONITORING, (2, EVER), 36.0, Rhythm::Steady, MONITORING_ASKS, &[MONITORING_CLIENT]),
    caller(REPORT_RUNNER, (2, EVER), 12.0, Rhythm::Nightly, RESEARCH_ASKS, &[("198.51.100.50", "report-runner/2")]),
    caller(BARBARA_LAPTOP, (2, EVER), 5.0, Rhythm::Office, BARBARA_ASKS, &[("198.51.100.12", "Mozilla/5.0")]),
    caller(EDSGER_NOTEBOOK, (2, 296), 5.0, Rhythm::Office, EDSGER_ASKS, EDSGER_FROM),
    caller(CI, (5, EVER), 15.0, Rhythm::Office, CI_ASKS, &[("192.0.2.61", "ci/1.0"), ("192.0.2.62", "ci/1.0")]),
    caller(STATUS_PAGE, (6, 187), 12.0, Rhythm::Steady, STATUS_ASKS, &[("192.0.2.70", "status/3.1")]),
    caller(GRACE_LAPTOP, (8, EVER), 6.0, Rhythm::Office, GRACE_ASKS, GRACE_FROM),
    caller(ALAN_LAPTOP, (41, 208), 8.0, Rhythm::Office, ALAN_ASKS, &[("203.0.113.90", "dnsimple-python/4.0.0")]),
    caller(SITE, (60, EVER), 10.0, Rhythm::Customers, SITE_ASKS, &[("203.0.113.120", "site/1.4")]),
    caller(MARGARET_PHONE, (61, EVER), 3.0, Rhythm::Office, PHONE_ASKS, &[("2001:db8:4::7", "Mozilla/5.0")]),
    caller(LEGACY_CRM, (70, EVER), 6.0, Rhythm::Office, CRM_ASKS, &[("198.51.100.88", "crm/11")]),
    caller(OFFICE_ONLY, (110, EVER), 8.0, Rhythm::Office, OFFICE_ASKS, &[("198.51.100.12", "Mozilla/5.0")]),
    caller(OFFICE_ONLY, (110, EVER), 0.2, Rhythm::Customers, OFFICE_ASKS, &[("203.0.113.5", "Mozilla/5.0")]),
    caller(LANDING_PAGE, (125, 334), 6.0, Rhythm::Customers, LANDING_ASKS, &[("203.0.113.121", "site/1.4")]),
    caller(PARTNER_FEED, (300, EVER), 4.0, Rhythm::Nightly, PARTNER_ASKS, &[("203.0.113.200", "partner/0.9")]),
    caller(SHOP_BACKEND, (357, 364), 14.0, Rhythm::Nightly, LEAK_ASKS, &[LEAK_CLIENT]),
];

const DEPLOY_FROM: &[From<'static>] = &[("192.0.2.50", "deploy/2.1"), ("192.0.2.51", "deploy/2.1")];
const SHOP_FROM: &[From<'static>] = &[("198.51.100.41", "dnsimple-go/6.0.0"), ("198.51.100.42", "dnsimple-go/6.0.0")];
const EDSGER_FROM: &[From<'static>] = &[("198.51.100.14", "Mozilla/5.0"), ("2001:db8:5::14", "curl/8.14.1")];
const GRACE_FROM: &[From<'static>] = &[("192.0.2.22", "Mozilla/5.0"), ("203.0.113.33", "Mozilla/5.0")];

const DEPLOY_ASKS: &[(u64, AccountId, Wish)] = &[
    (60, TEAMS, api(Ask::Zone("example.com"))),
    (20, TEAMS, api(Ask::Zones)),
    (12, TEAMS, api(Ask::Zone("example.net"))),
    (8, TEAMS, api(Ask::Whoami)),
    (3, TEAMS, api(Ask::Zone("staging.example.com"))),
];
const ROBOT_ASKS: &[(u64, AccountId, Wish)] =
    &[(5, TEAMS, api(Ask::Zone("example.com"))), (3, TEAMS, api(Ask::Zone("example.net")))];
const ADA_ASKS: &[(u64, AccountId, Wish)] = &[
    (2, TEAMS, api(Ask::Accounts)),
    (2, TEAMS, api(Ask::Whoami)),
    (4, TEAMS, api(Ask::Domains)),
    (2, TEAMS, api(Ask::Domain("example.com"))),
    (1, TEAMS, api(Ask::Zone("example.org"))),
    (1, TEAMS, api(Ask::Certificates("example.com"))),
    (2, SOLO, api(Ask::Zone("solo.example"))),
];
const SOLO_ASKS: &[(u64, AccountId, Wish)] =
    &[(20, SOLO, api(Ask::Zone("solo.example"))), (1, SOLO, api(Ask::Domain("solo.example")))];
const SHOP_ASKS: &[(u64, AccountId, Wish)] = &[
    (30, ENTERPRISE, api(Ask::Zone("shop.example"))),
    (5, ENTERPRISE, api(Ask::Domains)),
    (3, ENTERPRISE, api(Ask::Domain("shop.example"))),
    (1, ENTERPRISE, api(Ask::Whoami)),
];
const MONITORING_ASKS: &[(u64, AccountId, Wish)] = &[
    (4, ENTERPRISE, api(Ask::Zone("shop.example"))),
    (4, ENTERPRISE, api(Ask::Zone("pay.example"))),
    (2, ENTERPRISE, api(Ask::Zone("intra.example"))),
    (1, ENTERPRISE, api(Ask::Zones)),
];
const RESEARCH_ASKS: &[(u64, AccountId, Wish)] =
    &[(11, ENTERPRISE, api(Ask::Research)), (1, ENTERPRISE, api(Ask::Domains))];
const BARBARA_ASKS: &[(u64, AccountId, Wish)] = &[
    (2, ENTERPRISE, api(Ask::Domains)),
    (2, ENTERPRISE, api(Ask::Certificates("shop.example"))),
    (1, ENTERPRISE, api(Ask::Certificate("shop.example", SHOP_CERTIFICATE))),
    (1, ENTERPRISE, api(Ask::Accounts)),
];
const EDSGER_ASKS: &[(u64, AccountId, Wish)] = &[
    (4, ENTERPRISE, api(Ask::Zone("shop.example"))),
    (3, ENTERPRISE, api(Ask::Domains)),
    (1, ENTERPRISE, api(Ask::Zone("intra.example"))),
];
const CI_ASKS: &[(u64, AccountId, Wish)] =
    &[(9, TEAMS, api(Ask::Zone("example.com"))), (2, TEAMS, api(Ask::Zones)), (1, TEAMS, api(Ask::Whoami))];
const STATUS_ASKS: &[(u64, AccountId, Wish)] =
    &[(3, TEAMS, api(Ask::Domains)), (1, TEAMS, api(Ask::Domain("example.com")))];
const GRACE_ASKS: &[(u64, AccountId, Wish)] = &[
    (6, TEAMS, api(Ask::Zone("example.com"))),
    (1, TEAMS, api(Ask::Zone("example.org"))),
    (1, TEAMS, api(Ask::Zones)),
    (1, TEAMS, api(Ask::Accounts)),
];
const ALAN_ASKS: &[(u64, AccountId, Wish)] = &[
    (4, TEAMS, api(Ask::Domains)),
    (3, TEAMS, api(Ask::Zone("example.net"))),
    (2, TEAMS, api(Ask::Zone("example.org"))),
    (1, TEAMS, api(Ask::Accounts)),
];
const SITE_ASKS: &[(u64, AccountId, Wish)] =
    &[(5, STARTUP, api(Ask::Zone("startup.example"))), (1, STARTUP, api(Ask::Zone("startup-app.example")))];
const PHONE_ASKS: &[(u64, AccountId, Wish)] = &[(2, STARTUP, api(Ask::Domains)), (1, STARTUP, api(Ask::Accounts))];
const CRM_ASKS: &[(u64, AccountId, Wish)] =
    &[(3, ENTERPRISE, api(Ask::Domains)), (1, ENTERPRISE, api(Ask::Domain("pay.example")))];
const OFFICE_ASKS: &[(u64, AccountId, Wish)] =
    &[(3, ENTERPRISE, api(Ask::Zone("intra.example"))), (1, ENTERPRISE, api(Ask::Zones))];
const LANDING_ASKS: &[(u64, AccountId, Wish)] = &[(1, STARTUP, api(Ask::Zone("startup.example")))];
const PARTNER_ASKS: &[(u64, AccountId, Wish)] = &[(1, TEAMS, api(Ask::Domains))];
const LEAK_ASKS: &[(u64, AccountId, Wish)] = &[
    (4, ENTERPRISE, api(Ask::Zones)),
    (4, ENTERPRISE, api(Ask::Zone("shop.example"))),
    (3, ENTERPRISE, api(Ask::Domains)),
    (2, ENTERPRISE, api(Ask::Domain("pay.example"))),
    (2, ENTERPRISE, api(Ask::Zone("intra.example"))),
    (1, ENTERPRISE, api(Ask::Zone("pay.example"))),
    (1, ENTERPRISE, api(Ask::Certificates("shop.example"))),
];
