//! Every noun with its verbs.

mod accounts;
mod applications;
mod events;
mod features;
mod gateway_tokens;
mod members;
mod resources;
mod reviews;
mod service;
mod staff_tokens;
mod tokens;
mod usage;
mod users;

use super::table::Noun;

/// Every noun, as `--help` lists them.
pub const NOUNS: &[Noun] = &[
    accounts::ACCOUNTS,
    users::USERS,
    members::MEMBERS,
    resources::RESOURCES,
    features::FEATURES,
    tokens::TOKENS,
    staff_tokens::STAFF_TOKENS,
    gateway_tokens::GATEWAY_TOKENS,
    applications::APPLICATIONS,
    applications::AUTHORIZATIONS,
    usage::USAGE,
    events::EVENTS,
    reviews::REVIEWS,
    service::SELF,
    service::CLOCK,
];
