//! A log of millions of uses over a year, the same for the same number: many tokens of which few are busy, one with a
//! hundredth of all uses, refusals, and changes now and then.

use crate::{AnyError, ENDLESS};
use token_ledger::clock::Clock;
use token_ledger::domain::access::Level;
use token_ledger::domain::command::{
    AccessRequest, Actor, AskedTarget, Change, Command, CoverageRequest, GrantRequest, NewSecret, Origin,
    ResourceRequest, Use,
};
use token_ledger::domain::decide::{Answer, Done, DoneSubject};
use token_ledger::domain::directory::{DomainFacts, Plan};
use token_ledger::domain::event::Route;
use token_ledger::domain::ids::{AccountId, RequestId, TokenId};
use token_ledger::domain::text::PersonalText;
use token_ledger::domain::time::Timestamp;
use token_ledger::domain::token::{Owner, TokenKind};
use token_ledger::domain::token_text::{TokenDigest, TokenSecret};
use token_ledger::entropy::Entropy;
use token_ledger::ledger::DataDir;
use token_ledger::ledger::core::{Core, Job};
use token_ledger::ledger::initialize::initialize;

/// Accounts.
pub const ACCOUNTS: u64 = 200;
/// Tokens of each.
pub const TOKENS_EACH: u64 = 25;
/// Domains of each.
const DOMAINS_EACH: u64 = 5;
/// Commands of a batch, as a busy server has them.
const BATCH: u64 = 1_024;
/// Of so many uses one is the busy token's.
const BUSY_SHARE: u64 = 100;
/// Batches between two changes of access.
const BATCHES_A_CHANGE: u64 = 10;

/// Where it was made, and what is in it.
#[derive(Debug)]
pub struct BigLog {
    /// The token that has a hundredth of all uses, of the first account.
    pub busy: TokenId,
    /// Bearer texts of all tokens.
    pub texts: Vec<String>,
    /// When it begins.
    pub begin: Timestamp,
}

struct Holder {
    id: TokenId,
    account: u64,
    digest: TokenDigest,
    /// Of a hundred uses so many are of a domain that it has no access to.
    refused: u64,
}

/// The name of a domain of an account.
pub fn domain_of(account: u64, number: u64) -> String {
    format!("domain-{number}.account-{account}.example")
}

/// Of what is kept beside a log: the busy token, the beginning in microseconds, the texts.
type Kept = (u64, u64, Vec<String>);

/// Makes it, or takes the one that a run before left there.
pub fn make_or_take(dir: &DataDir, commands: u64, progress: &mut dyn FnMut(u64)) -> Result<BigLog, AnyError> {
    let kept = dir.path().with_extension("kept.json");
    if dir.ledger().exists() && kept.exists() {
        let (busy, begin, texts): Kept = serde_json::from_slice(&std::fs::read(&kept)?)?;
        return Ok(BigLog { busy: TokenId(busy), texts, begin: Timestamp(begin) });
    }
    let log = make(dir, commands, progress)?;
    let whole: Kept = (log.busy.0, log.begin.0, log.texts.clone());
    std::fs::write(kept, serde_json::to_vec(&whole)?)?;
    Ok(log)
}

/// Makes it: so many commands, evenly spread over the year that ends now. `progress` is told how many are left.
pub fn make(dir: &DataDir, commands: u64, progress: &mut dyn FnMut(u64)) -> Result<BigLog, AnyError> {
    let begin = Timestamp(Clock::system().now().0 - 365 * 86_400 * 1_000_000);
    let clock = Clock::manual(begin);
    let (_, mut core) = initialize(dir, None, "bench", clock.clone(), Entropy::system())?;
    let (mut texts, holders) = people(&mut core)?;
    let mut random = Random(7);
    let step = 364 * 86_400 * 1_000_000 / (commands / BATCH).max(1);
    let (mut left, mut batches) = (commands, 0);
    while left > 0 {
        let mut jobs: Vec<Job> = (0..left.min(BATCH)).map(|_| use_by(&holders, &mut random)).collect();
        if batches % BATCHES_A_CHANGE == 0 {
            jobs.push(change(&holders[random.below(holders.len() as u64) as usize], &mut random));
        }
        clock.set(Timestamp(clock.now().0 + step));
        core.commit(&jobs)?;
        left -= left.min(BATCH);
        batches += 1;
        progress(left);
    }
    core.log().checkpoint_wal()?;
    texts.truncate((ACCOUNTS * TOKENS_EACH) as usize);
    Ok(BigLog { busy: holders[0].id, texts, begin })
}

fn local(change: Change) -> Job {
    (Command::Manage(Actor::Local(0), Box::new(change)), Origin::default())
}

fn people(core: &mut Core) -> Result<(Vec<String>, Vec<Holder>), AnyError> {
    let mut entropy = Entropy::system();
    let (mut texts, mut holders) = (Vec::new(), Vec::new());
    for account in 1..=ACCOUNTS {
        let create = Change::CreateAccount {
            name: PersonalText::new(format!("Account {account}")),
            email: PersonalText::new(format!("account-{account}@example.com")),
            plan: Plan::Teams,
            hourly_limit: Some(ENDLESS),
        };
        let add = |number: u64| Change::AddResource {
            account: AccountId(account),
            name: PersonalText::new(domain_of(account, number)),
            resource: ResourceRequest::Domain(DomainFacts::default()),
        };
        let mut jobs = vec![local(create)];
        jobs.extend((0..DOMAINS_EACH).map(|number| local(add(number))));
        let first = holders.len();
        for number in 0..TOKENS_EACH {
            let secret = TokenSecret::from_random(TokenKind::Account, &entropy.bytes_32());
            let new = NewSecret { digest: secret.digest(), hint: secret.hint() };
            texts.push(secret.reveal_once());
            let refused = if number % 3 == 1 { 10 } else { 0 };
            holders.push(Holder { id: TokenId::NONE, account, digest: new.digest, refused });
            jobs.push(local(Change::CreateToken {
                owner: Owner::Account(AccountId(account)),
                kind: TokenKind::Account,
                name: PersonalText::new(format!("Token {number}")),
                access: Some(if refused > 0 { first_domains(account, 2) } else { AccessRequest::Full }),
                expires_at: None,
                conditions: Default::default(),
                secret: new,
            }));
        }
        let replies = core.commit(&jobs)?.replies;
        let made = replies.iter().filter_map(|reply| match &reply.answer {
            Answer::Done(Done { subject: DoneSubject::Token(token), .. }) => Some(*token),
            _ => None,
        });
        holders[first..].iter_mut().zip(made).for_each(|(holder, token)| holder.id = token);
    }
    if holders.iter().any(|holder| holder.id.is_none()) {
        return Err("a token was not made".into());
    }
    Ok((texts, holders))
}

fn first_domains(account: u64, count: u64) -> AccessRequest {
    let names = (0..count).map(|number| PersonalText::new(domain_of(account, number))).collect();
    let (group, level) = ("domains".to_owned(), Level::ReadOnly);
    AccessRequest::Granted(vec![GrantRequest { group, level, coverage: CoverageRequest::Named(names) }])
}

/// A use by a token drawn so that some are much busier than others.
fn use_by(holders: &[Holder], random: &mut Random) -> Job {
    let (count, draw) = (holders.len() as u64, random.below(1 << 20));
    let drawn = if random.below(BUSY_SHARE) == 0 { 0 } else { draw * draw / (1 << 20) * count / (1 << 20) };
    let holder = &holders[drawn as usize];
    let number = match (holder.refused, random.below(100)) {
        (0, number) => number % DOMAINS_EACH,
        (refused, number) if number < refused => DOMAINS_EACH - 1,
        (_, number) => number % 2,
    };
    let command = Command::Use(Use {
        digest: holder.digest,
        route: Route::Domain,
        account: Some(AccountId(holder.account)),
        target: AskedTarget::Name(PersonalText::new(domain_of(holder.account, number))),
        mapped: None,
        certificate: None,
        valid: true,
    });
    let mut request = [0; 16];
    request[..8].copy_from_slice(&random.draw().to_le_bytes());
    request[8..].copy_from_slice(&random.draw().to_le_bytes());
    let address = PersonalText::new(format!("192.0.{}.{}", holder.account % 250, drawn % 40 + random.below(2)));
    let agent = Some(PersonalText::new("bench-client/1.0"));
    (command, Origin { request: RequestId(request), address: Some(address), agent, from: None })
}

/// The access of a token is changed, to what it allows already or a little more.
fn change(holder: &Holder, random: &mut Random) -> Job {
    let access = match holder.refused {
        0 => AccessRequest::Full,
        _ => first_domains(holder.account, 2 + random.below(2)),
    };
    local(Change::UpdateToken {
        owner: Owner::Account(AccountId(holder.account)),
        token: holder.id,
        name: None,
        access: Some(access),
        expires_at: None,
        conditions: Default::default(),
        if_match: None,
    })
}

/// SplitMix64: foreseeable, so that every run draws the same.
#[derive(Debug)]
pub struct Random(pub u64);

impl Random {
    /// The next number.
    pub fn draw(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mixed = (self.0 ^ self.0 >> 30).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let mixed = (mixed ^ mixed >> 27).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ mixed >> 31
    }

    /// The next number below a bound.
    pub fn below(&mut self, bound: u64) -> u64 {
        self.draw() % bound.max(1)
    }
}
