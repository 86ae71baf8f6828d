//! Questions held against slow, obvious references: a plain fold over the decoded log, looked at after every record. The
//! references share the rules of the domain with the service, and nothing of `audit` but the form of its answers.

#[path = "questions/told.rs"]
mod told;

#[path = "questions/authority.rs"]
mod authority;
#[path = "questions/bounds.rs"]
mod bounds;
#[path = "questions/counted_uses.rs"]
mod counted_uses;
#[path = "questions/growth.rs"]
mod growth;
#[path = "questions/leak.rs"]
mod leak;
#[path = "questions/least_privilege.rs"]
mod least_privilege;
#[path = "questions/quota.rs"]
mod quota;
#[path = "questions/reviews.rs"]
mod reviews;
#[path = "questions/unused.rs"]
mod unused;
#[path = "questions/who_could.rs"]
mod who_could;
