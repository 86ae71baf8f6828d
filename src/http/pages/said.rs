//! Sentences as HTML: names set off, erased ones said to be so, and what can be looked at linked.

use super::words::{Escaped, Time, kind_label};
use crate::audit::told::{Part, Phrase};
use crate::domain::event::Header;
use crate::domain::ids::{AccountId, ApplicationId, ResourceId, TextNumber, TokenId, UserId};
use crate::domain::time::Timestamp;
use crate::domain::token::{Owner, Principal};
use crate::http::shapes;
use crate::ledger::View;
use askama::filters::HtmlSafe;
use std::fmt::{self, Write};

/// HTML that was made here, of escaped parts.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Said(String);

impl HtmlSafe for Said {}

impl fmt::Display for Said {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl Said {
    /// Words of ours, or of anybody.
    pub fn plain(text: &str) -> Self {
        Self(Escaped(text).to_string())
    }

    /// An instant.
    pub fn time(at: Timestamp) -> Self {
        Self(Time(at).to_string())
    }

    /// Goes on with another.
    #[must_use]
    pub fn then(mut self, other: &Self) -> Self {
        self.0.push_str(&other.0);
        self
    }
}

/// Who says sentences of an account's page.
#[derive(Clone, Copy, Debug)]
pub struct Speaker<'a> {
    /// Names as they are in it.
    pub view: &'a View<'a>,
    /// Of which account.
    pub account: AccountId,
    /// What links within the account end with: the point of the past, or nothing.
    pub suffix: &'a str,
}

impl Speaker<'_> {
    /// A sentence.
    pub fn say(&self, phrase: &Phrase) -> Said {
        let mut html = String::new();
        for part in &phrase.0 {
            // Writing into memory cannot fail.
            let _ = match part {
                Part::Words(words) => write!(html, "{}", Escaped(words)),
                Part::Text(text) => self.text(*text, &mut html),
                Part::Token(token) => self.token(*token, &mut html),
                Part::User(user) => self.user(*user, &mut html),
                Part::Resource(resource) => self.resource(*resource, &mut html),
                Part::Application(application) => self.application(*application, &mut html),
                Part::Time(at) => write!(html, "{}", Time(*at)),
                Part::Record(position) => write!(html, "record {position}"),
            };
        }
        Said(html)
    }

    /// A text alone.
    pub fn say_text(&self, text: TextNumber) -> Said {
        self.say(&Phrase::new().part(Part::Text(text)))
    }

    /// A token alone.
    pub fn say_token(&self, token: TokenId) -> Said {
        self.say(&Phrase::new().part(Part::Token(token)))
    }

    /// Who acted, and with which token where that says more.
    pub fn who(&self, header: &Header) -> Said {
        let mut html = String::new();
        let credential = header.credential;
        let _ = match header.principal {
            Principal::Service => html.write_str("the service by itself"),
            Principal::Account(_) => html.write_str("the token itself"),
            Principal::User(user) => self.user(user, &mut html),
            Principal::Staff(token) => self.staff(token, &mut html),
            Principal::Local(uid) => write!(html, "somebody on the server itself (Unix user {uid})"),
            Principal::Application(application) => self.application(application, &mut html),
        };
        if matches!(header.principal, Principal::User(_)) && !credential.is_none() {
            let _ = html.write_str(" with ").and_then(|()| self.token(credential, &mut html));
        }
        Said(html)
    }

    fn text(&self, text: TextNumber, html: &mut String) -> fmt::Result {
        match shapes::text(self.view.texts, text) {
            Some(text) => write!(html, "<bdi>{}</bdi>", Escaped(&text)),
            None => html.write_str("<em>(erased)</em>"),
        }
    }

    /// Tokens that have a page of this account lead to it.
    fn token(&self, token: TokenId, html: &mut String) -> fmt::Result {
        let state = &self.view.projections.state;
        let Some(known) = state.token(token).filter(|known| !known.id.is_none()) else {
            return write!(html, "token {token}");
        };
        let is_here = match known.owner {
            Owner::Account(account) => account == self.account,
            Owner::User(user) => known.kind.is_consumer() && is_or_was_member(self.view, self.account, user),
            Owner::Service => false,
        };
        if !is_here {
            let kind = kind_label(known.kind).to_lowercase();
            return write!(html, "{kind} {token}");
        }
        write!(html, "<a href=\"/accounts/{}/access_tokens/{token}{}\">", self.account, Escaped(self.suffix))?;
        self.text(known.name, html)?;
        html.write_str("</a>")
    }

    fn user(&self, user: UserId, html: &mut String) -> fmt::Result {
        match self.view.projections.state.user(user).filter(|known| !known.id.is_none()) {
            Some(known) => self.text(known.name, html),
            None => write!(html, "user {user}"),
        }
    }

    fn staff(&self, token: TokenId, html: &mut String) -> fmt::Result {
        match self.view.projections.state.token(token).filter(|known| !known.id.is_none()) {
            Some(known) => {
                html.write_str("staff: ")?;
                self.text(known.name, html)
            }
            None => write!(html, "staff (token {token})"),
        }
    }

    /// Applications of other accounts are not there in the past.
    fn application(&self, application: ApplicationId, html: &mut String) -> fmt::Result {
        match self.view.projections.state.applications.get(application.0).filter(|known| !known.id.is_none()) {
            Some(known) => html.write_str("application ").and_then(|()| self.text(known.name, html)),
            None => write!(html, "application {application}"),
        }
    }

    fn resource(&self, resource: ResourceId, html: &mut String) -> fmt::Result {
        let known = self.view.projections.state.resources.get(resource.0);
        match known.filter(|known| known.account == self.account) {
            Some(known) => {
                write!(html, "{} ", known.facts.kind().name())?;
                self.text(known.name, html)
            }
            None => write!(html, "resource {resource}"),
        }
    }
}

/// Whether somebody is a member of an account, or was one.
pub fn is_or_was_member(view: &View<'_>, account: AccountId, user: UserId) -> bool {
    let found = view.projections.state.account(account);
    found.is_some_and(|found| found.members.contains_key(&user) || found.past_members.contains_key(&user))
}
