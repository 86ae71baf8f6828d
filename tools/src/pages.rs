//! Every page of the service, and how it is asked for: of a furnished year with a long list of tokens.
//!
//! The match over the table of pages has no arm for the rest: a page that is added is added here, or this does not build.

use crate::AnyError;
use crate::big_log::Random;
use crate::browser::{Ask, Connection, encoded};
use serde_json::{Value, json};
use token_ledger::http::pages::table::PageOperation;

/// The account of the year that most of it belongs to.
const ACCOUNT: u64 = 1;
/// Its token with most to tell: full access, used all year.
const DEPLOY: u64 = 2;
/// Its token whose access was changed.
const PIPELINE: u64 = 14;
/// OAuth applications that the account has, and of them those that a member lets act on it.
const APPLICATIONS: u64 = 20;
const AUTHORIZED: usize = 5;
/// Where they wait for whoever comes back.
const CALLBACK: &str = "https://app.example/callback";

/// Who asks.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Who {
    /// Somebody who is not signed in.
    Nobody,
    /// A member with full access.
    Owner,
    /// An operator.
    Operator,
    /// An auditor.
    Auditor,
}

/// One way to ask for a page.
pub struct Case {
    /// The page, in words.
    pub name: String,
    /// Who asks.
    pub who: Who,
    /// What is answered.
    pub status: u16,
    /// Whether it is held to the goals of pages. A report is the whole answer to a question in a file that stands by
    /// itself: it is told, and held to nothing.
    pub is_held: bool,
    /// What is sent the n-th time.
    pub ask: Box<dyn FnMut(u64) -> Ask>,
}

impl std::fmt::Debug for Case {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Case({}, {:?})", self.name, self.who)
    }
}

/// How a page is measured.
#[derive(Debug)]
pub enum Measured {
    /// By these.
    Cases(Vec<Case>),
    /// Not, since what is answered is no page of its own.
    NoPage,
}

/// What the cases are of.
#[derive(Debug)]
pub struct Scene {
    /// The log's head when it was looked at.
    pub head: u64,
    /// When the year begins and ends, in seconds.
    pub year: (u64, u64),
    owner: String,
    operator: String,
    auditor: String,
    /// A link that nobody has used.
    link: String,
    /// What the forms of the owner and the operator carry.
    csrf: (String, String),
    client: String,
    review: u64,
    worker: u64,
    own_token: u64,
    deploy_version: String,
    /// Some of the account's, by what they are; the first of them from early in the year.
    events: Vec<(&'static str, u64)>,
}

/// Events that are looked at, by the query that finds them.
const EVENTS: [(&str, &str); 3] = [
    ("a creation", "type=TokenCreated&order=asc"),
    ("a use", "type=TokenUsed&order=desc"),
    ("a refusal, explained", "type=TokenUseRefused&outcome=missing_scope&order=desc"),
];

fn signed(cookie: &str, ask: Ask) -> Ask {
    Ask { cookie: Some(cookie.to_owned()), ..ask }
}

impl Scene {
    /// Signs everybody in, and makes what the year has none of: applications, an open review of all rows.
    pub fn set(connection: &mut Connection, operator: &str, year: (u64, u64)) -> Result<Self, AnyError> {
        let owner = connection.sign_in(operator, "users/1")?;
        let staff = connection.sign_in(operator, "staff-tokens/1")?;
        let auditor = connection.sign_in(operator, "staff-tokens/7")?;
        let made = connection.expect(201, &Ask::manage("/v1/users/1/sign-in-links", operator, &Value::Null))?.json()?;
        let link = made["url"].as_str().and_then(|url| url.rsplit('/').next()).ok_or("no link")?.to_owned();
        let list = format!("/accounts/{ACCOUNT}/access_tokens");
        let mut csrf_of = |cookie: &str| -> Result<String, AnyError> {
            connection.expect(200, &signed(cookie, Ask::get(list.as_str())))?.hidden("csrf")
        };
        let csrf = (csrf_of(&owner)?, csrf_of(&staff)?);
        let client = applications(connection, operator, (&owner, &csrf.0))?;
        let open = Ask::form("/staff/reviews", &[("csrf", &csrf.1), ("account", &ACCOUNT.to_string())]);
        let opened = connection.expect(303, &signed(&staff, open))?;
        let review = opened.header("location").and_then(|to| to.split(['/', '?']).nth(3)?.parse().ok());
        let edit = connection.expect(200, &signed(&owner, Ask::get(format!("{list}/{DEPLOY}/edit"))))?;
        let deploy_version = edit.hidden("version")?;
        let worker = Ask::get(format!("{list}?q=worker"));
        let found = connection.expect(200, &signed(&owner, worker))?;
        let worker = found.text.split("id=\"token-").nth(1).and_then(|rest| rest.split('"').next()?.parse().ok());
        let own = connection.expect(200, &signed(&owner, Ask::get("/user")))?;
        let own_token = own.text.split("href=\"/user/tokens/").nth(1).and_then(|rest| rest.split('"').next());
        let own_token = own_token.and_then(|number| number.parse().ok()).ok_or("the owner has no token")?;
        let mut find = |query: &str| -> Result<Value, AnyError> {
            let path = format!("/v1/events?account={ACCOUNT}&limit=1&{query}");
            let ask = Ask { method: "GET", ..Ask::manage(path, operator, &Value::Null) };
            connection.expect(200, &ask)?.json()
        };
        let head = find("order=desc")?["head"]["position"].as_u64().ok_or("no head")?;
        let events = EVENTS.iter().map(|(name, query)| {
            let position = find(query)?["data"][0]["position"].as_u64();
            Ok::<_, AnyError>((*name, position.ok_or_else(|| format!("there is no {name}"))?))
        });
        let events = events.collect::<Result<Vec<_>, _>>()?;
        Ok(Self {
            head,
            year,
            csrf,
            client,
            review: review.ok_or("no review")?,
            worker: worker.ok_or("no worker in the list")?,
            own_token,
            deploy_version,
            events,
            owner,
            operator: staff,
            auditor,
            link,
        })
    }

    /// The cookie of whoever asks.
    pub fn cookie(&self, who: Who) -> Option<String> {
        match who {
            Who::Nobody => None,
            Who::Owner => Some(self.owner.clone()),
            Who::Operator => Some(self.operator.clone()),
            Who::Auditor => Some(self.auditor.clone()),
        }
    }

    /// How a page is asked for.
    pub fn cases(&self, page: PageOperation) -> Measured {
        use PageOperation as Op;
        let list = format!("/accounts/{ACCOUNT}/access_tokens");
        let of = |token: u64, rest: &str| format!("{list}/{token}{rest}");
        let account = |rest: &str| format!("/accounts/{ACCOUNT}/{rest}");
        let cases = match page {
            Op::Home => vec![self.fixed("home", Who::Operator, "/"), self.fixed("home", Who::Auditor, "/")],
            Op::SignIn => vec![self.fixed("sign in", Who::Nobody, "/sign-in")],
            Op::SignInLink => vec![self.fixed("a sign-in link", Who::Nobody, &format!("/sign-in/{}", self.link))],
            Op::Own => {
                vec![self.fixed("your page", Who::Owner, "/user"), self.fixed("your page", Who::Operator, "/user")]
            }
            Op::OwnToken => {
                vec![self.fixed("a user token", Who::Owner, &format!("/user/tokens/{}", self.own_token))]
            }
            Op::AccessTokens => self.lists(&list),
            Op::NewToken => vec![self.fixed("generate", Who::Owner, &format!("{list}/new"))],
            Op::EditToken => vec![
                self.fixed("edit", Who::Owner, &of(self.worker, "/edit")),
                self.fixed("edit, narrowed to what is used", Who::Owner, &of(DEPLOY, "/edit?narrow=used")),
            ],
            Op::AskRotate => vec![self.fixed("rotate", Who::Owner, &of(DEPLOY, "/rotate"))],
            Op::AskDelete => vec![self.fixed("delete", Who::Owner, &of(DEPLOY, "/delete"))],
            Op::Token => self.lives(&list),
            Op::Usage => self.usages(&account("usage")),
            Op::History => self.histories(&account("history")),
            Op::Event => self.events(&account("history")),
            Op::StaffSearch => vec![
                self.fixed("search, nothing asked", Who::Operator, "/staff"),
                self.fixed("search, one found", Who::Operator, "/staff?q=deploy"),
                self.fixed("search, most found", Who::Auditor, "/staff?q=worker"),
            ],
            Op::StaffHealth => vec![self.fixed("log health", Who::Operator, "/staff/health")],
            Op::StaffReports => vec![self.fixed("reports", Who::Auditor, "/staff/reports")],
            Op::StaffReport => self.reports(),
            Op::StaffReviews => vec![self.fixed("reviews", Who::Operator, "/staff/reviews")],
            Op::StaffReview => vec![
                self.fixed("a review that is over", Who::Auditor, "/staff/reviews/1"),
                self.fixed("a review of all tokens", Who::Operator, &format!("/staff/reviews/{}", self.review)),
            ],
            Op::AskAuthorization => vec![self.fixed("authorize an application", Who::Owner, &authorize(&self.client))],
            Op::Applications => vec![self.fixed("OAuth applications", Who::Owner, &account("oauth_applications"))],
            Op::Application => {
                vec![self.fixed("an OAuth application", Who::Owner, &account("oauth_applications/1"))]
            }
            // Forms that are answered with a page.
            Op::UpdateToken => self.previews(&list),
            Op::GenerateToken => vec![self.sent("a generated token's secret", &list, &|n| {
                vec![("key", format!("generate-{n}")), ("name", format!("made {n}")), ("access", "full".to_owned())]
            })],
            Op::RotateToken => vec![self.sent("a rotated token's secret", &of(PIPELINE, "/rotate"), &|n| {
                vec![("key", format!("rotate-{n}")), ("version", String::new()), ("overlap", "0".to_owned())]
            })],
            Op::NewOwnToken => vec![self.sent("a generated user token's secret", "/user/tokens", &|n| {
                vec![("key", format!("own-{n}")), ("name", format!("made {n}")), ("expires_at", String::new())]
            })],
            Op::RotateOwnToken => {
                let path = format!("/user/tokens/{}/rotate", self.own_token);
                vec![self.sent("a rotated user token's secret", &path, &|n| {
                    vec![("key", format!("own-rotate-{n}")), ("overlap_seconds", "0".to_owned())]
                })]
            }
            Op::RotateApplication => {
                vec![Case {
                    status: 200,
                    ..self.sent("an application's new secret", &account("oauth_applications/1/rotate"), &|n| {
                        vec![("key", format!("application-{n}"))]
                    })
                }]
            }
            Op::RegisterApplication => {
                let faulty = |n| {
                    let fields = [("name", ""), ("redirect_uris", "nowhere"), ("kind", "public")];
                    let key = ("key", format!("register-{n}"));
                    fields.map(|(name, value)| (name, value.to_owned())).into_iter().chain([key]).collect()
                };
                let path = account("oauth_applications");
                vec![Case { status: 422, ..self.sent("a faulty registration", &path, &faulty) }]
            }
            // Files.
            Op::Asset | Op::ExportHistory | Op::EventProof => return Measured::NoPage,
            // Forms that lead to a page of above.
            Op::Enter
            | Op::SignOut
            | Op::UpdateOwnToken
            | Op::DeleteOwnToken
            | Op::EndOwnSession
            | Op::DeleteToken
            | Op::OpenStaffReview
            | Op::DecideStaffReview
            | Op::CloseStaffReview
            | Op::AnswerAuthorization
            | Op::EditApplication
            | Op::RevokeApplication
            | Op::DeleteApplication
            | Op::RevokeAuthorization
            | Op::RevokeOwnAuthorization => return Measured::NoPage,
        };
        Measured::Cases(cases)
    }

    fn case(&self, name: &str, who: Who, ask: impl FnMut(u64) -> Ask + 'static) -> Case {
        let (name, cookie) = (name.to_owned(), self.cookie(who));
        let mut ask = ask;
        Case { name, who, status: 200, is_held: true, ask: Box::new(move |n| Ask { cookie: cookie.clone(), ..ask(n) }) }
    }

    fn fixed(&self, name: &str, who: Who, path: &str) -> Case {
        let path = path.to_owned();
        self.case(name, who, move |_| Ask::get(path.as_str()))
    }

    /// The same page at another point of the past each time.
    fn past(&self, name: &str, path: &str) -> Case {
        let (path, head, mut random) = (path.to_owned(), self.head, Random(3));
        let sign = if path.contains('?') { '&' } else { '?' };
        // In the first tenth of the year there is little of it yet.
        self.case(name, Who::Owner, move |_| {
            let position = head / 10 + random.below(head - head / 10);
            Ask::get(format!("{path}{sign}as_of_position={position}"))
        })
    }

    /// A form of the owner's, with what it says the n-th time.
    fn sent(
        &self,
        name: &str,
        path: &str,
        fields: &(impl Fn(u64) -> Vec<(&'static str, String)> + Clone + 'static),
    ) -> Case {
        let (path, csrf, fields) = (path.to_owned(), self.csrf.0.clone(), fields.clone());
        let case = self.case(name, Who::Owner, move |n| {
            let mut ask = Ask::form(path.as_str(), &[("csrf", &csrf)]);
            ask.fields.extend(fields(n));
            ask
        });
        Case { status: 201, ..case }
    }

    fn lists(&self, list: &str) -> Vec<Case> {
        vec![
            self.fixed("API & Access", Who::Owner, list),
            self.fixed("API & Access", Who::Auditor, list),
            self.fixed("API & Access, page 3 by last use", Who::Owner, &format!("{list}?sort=used&page=3")),
            self.fixed("API & Access, searched", Who::Owner, &format!("{list}?q=example.com")),
            self.past("API & Access as of", list),
        ]
    }

    fn lives(&self, list: &str) -> Vec<Case> {
        let (deploy, pipeline) = (format!("{list}/{DEPLOY}"), format!("{list}/{PIPELINE}"));
        let (day, of_day) = (self.day_of(), pipeline.clone());
        vec![
            self.fixed("a token used all year", Who::Owner, &deploy),
            self.fixed("a token with a story", Who::Auditor, &pipeline),
            self.fixed("a worker's token", Who::Owner, &format!("{list}/{}", self.worker)),
            self.case("a token, a past day", Who::Owner, move |n| Ask::get(format!("{of_day}?day={}", day(n)))),
            self.past("a token as of", &deploy),
        ]
    }

    fn usages(&self, usage: &str) -> Vec<Case> {
        let (day, path) = (self.day_of(), usage.to_owned());
        vec![
            self.fixed("usage today", Who::Owner, usage),
            self.case("usage, a past day", Who::Owner, move |n| Ask::get(format!("{path}?day={}", day(n)))),
            self.past("usage as of", usage),
        ]
    }

    /// A day of the year, another one each time.
    fn day_of(&self) -> impl Fn(u64) -> String + 'static {
        let (begin, end) = self.year;
        let days = ((end - begin) / 86_400).max(1);
        move |n| {
            let at = begin + n * 37 % days * 86_400;
            token_ledger::domain::time::Timestamp::from_seconds(at).to_seconds_text()[..10].to_owned()
        }
    }

    fn histories(&self, history: &str) -> Vec<Case> {
        let (head, path, mut random) = (self.head, history.to_owned(), Random(5));
        vec![
            self.fixed("history", Who::Owner, history),
            self.case("history, further back", Who::Owner, move |_| {
                Ask::get(format!("{path}?before={}", 1 + random.below(head)))
            }),
            self.fixed("history, changes", Who::Auditor, &format!("{history}?show=changes")),
            self.fixed("history, refusals", Who::Owner, &format!("{history}?show=refusals")),
            self.fixed("history, of one token", Who::Owner, &format!("{history}?token={PIPELINE}")),
            self.fixed("history, one type", Who::Owner, &format!("{history}?type=TokenAccessChanged")),
            self.fixed("history, one resource", Who::Owner, &format!("{history}?resource=example.net")),
            self.fixed("history, one cause", Who::Owner, &format!("{history}?outcome=missing_scope")),
            self.past("history as of", history),
        ]
    }

    fn events(&self, history: &str) -> Vec<Case> {
        let path = |position: u64| format!("{history}/{position}");
        let mut cases: Vec<Case> = self
            .events
            .iter()
            .map(|(name, position)| self.fixed(&format!("an event: {name}"), Who::Owner, &path(*position)))
            .collect();
        cases.extend(self.events.first().map(|(_, position)| self.past("an event as of", &path(*position))));
        cases
    }

    fn previews(&self, list: &str) -> Vec<Case> {
        let of = |name: &str, token: u64, version: &str, title: &str| {
            let (version, title) = (version.to_owned(), title.to_owned());
            let case = self.sent(name, &format!("{list}/{token}/edit"), &move |_| {
                let fields = [
                    ("version", version.as_str()),
                    ("step", "look"),
                    ("name", &title),
                    ("access", "granted"),
                    ("level.zones", "read_only"),
                    ("cover.zones", "named"),
                    ("names.zones", "example.com"),
                    ("more.zones", ""),
                    ("expires_at", ""),
                    ("not_before", ""),
                    ("addresses", ""),
                ];
                fields.map(|(name, value)| (name, value.to_owned())).into()
            });
            Case { status: 200, ..case }
        };
        vec![of("preview of an edit", DEPLOY, &self.deploy_version, "deploy")]
    }

    fn reports(&self) -> Vec<Case> {
        let (_, end) = self.year;
        let at = |days: u64| {
            let at = end.saturating_sub(days * 86_400);
            encoded(&token_ledger::domain::time::Timestamp::from_seconds(at).to_seconds_text())
        };
        let report = |kind: &str, query: &str| {
            let path = format!("/staff/reports/{kind}?{query}");
            Case { is_held: false, ..self.fixed(&format!("report: {kind}"), Who::Auditor, &path) }
        };
        vec![
            report("access", &format!("account={ACCOUNT}&scope=zones%3Aexample.com&from={}", at(30))),
            report("usage", &format!("account={ACCOUNT}&from={}", at(2))),
            report("review", "review=1"),
            report("leak", &format!("token=8&since={}", at(8))),
        ]
    }
}

fn authorize(client: &str) -> String {
    let pairs = [("response_type", "code"), ("client_id", client), ("redirect_uri", CALLBACK), ("state", "s")];
    let query: Vec<String> = pairs.iter().map(|(name, value)| format!("{name}={}", encoded(value))).collect();
    format!("/oauth/authorize?{}", query.join("&"))
}

/// Registers the applications, lets some of them act on the account; gives the client of one that does not yet.
fn applications(connection: &mut Connection, operator: &str, (owner, csrf): (&str, &str)) -> Result<String, AnyError> {
    let path = format!("/v1/accounts/{ACCOUNT}/oauth-applications");
    let mut clients = Vec::new();
    for number in 1..=APPLICATIONS {
        let body =
            json!({ "name": format!("application {number}"), "redirect_uris": [CALLBACK], "kind": "confidential" });
        let made = connection.expect(201, &Ask::manage(path.as_str(), operator, &body))?.json()?;
        clients.push(made["data"]["client_id"].as_str().ok_or("no client")?.to_owned());
    }
    let account = ACCOUNT.to_string();
    for client in clients.iter().take(AUTHORIZED) {
        let fields = [("csrf", csrf), ("account", account.as_str()), ("decision", "allow")];
        connection.expect(303, &signed(owner, Ask::form(authorize(client), &fields)))?;
    }
    clients.pop().ok_or_else(|| "no application".into())
}
