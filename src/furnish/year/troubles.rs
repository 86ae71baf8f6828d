//! What went wrong in the year: what an auditor is to find.

use super::super::asks::{self, Ask, all, granted};
use super::Year;
use super::cast::*;
use super::story::{Edit, edit};
use crate::domain::access::Level::{FullAccess, ReadOnly};
use crate::domain::command::{Actor, Change, Command};
use crate::domain::directory::Plan;
use crate::domain::event::ManagementOperation;
use crate::domain::ids::AccountId;
use crate::domain::token::Owner;
use crate::domain::token_text::TokenDigest;
use crate::furnish::FurnishError;

type Made = Result<(), FurnishError>;

/// The robot does not understand that example.org is no longer its zone: more in a minute than is recorded one by one.
pub(super) fn robot_tries_on(year: &mut Year<'_>) -> Made {
    // Thirty past the sixty.
    year.storm(ROBOT, (TEAMS, Ask::Zone("example.org")), 90, 600_000, ROBOT_CLIENT)
}

/// In the night, by an operator who is not there any more ten days later: the pipeline may write to every zone.
pub(super) fn night_shift_widens(year: &mut Year<'_>) -> Made {
    let access = granted([all("domains", ReadOnly), all("zones", FullAccess)]);
    let change = edit(year.owner(CI)?, number_of(CI), Edit::Access(access));
    let who = year.held(NIGHT_SHIFT)?;
    year.change_by(who, NIGHT_CLIENT, change).map(drop)
}

pub(super) fn night_shift_comes_back(year: &mut Year<'_>) -> Made {
    let who = year.held(NIGHT_SHIFT)?;
    year.try_to_manage(who, NIGHT_CLIENT, &[ManagementOperation::ReadTokens, ManagementOperation::UpdateToken])
}

/// One request a second and more, until the account's hour is used up and past that.
pub(super) fn monitoring_runs_wild(year: &mut Year<'_>) -> Made {
    year.storm(MONITORING, (ENTERPRISE, Ask::Zone("pay.example")), 260, 900_000, MONITORING_CLIENT)
}

/// Going down to Solo is refused while a token has grants: nothing is recorded of it.
pub(super) fn startup_cannot_go_down_yet(year: &mut Year<'_>) -> Made {
    let plan = Some(Plan::Solo);
    let change =
        Change::UpdateAccount { account: STARTUP, name: None, email: None, plan, hourly_limit: None, if_match: None };
    let origin = asks::origin(OPERATOR_CLIENT, &mut year.chance);
    let command = Command::Manage(Actor::Bearer(year.operator), Box::new(change));
    year.maker.attempt(year.at, command, origin).map(drop)
}

/// Whoever found the shop's secret looks what else it opens.
pub(super) fn leaked_token_tries_to_manage(year: &mut Year<'_>) -> Made {
    let who = year.held(SHOP_BACKEND)?;
    use ManagementOperation::{CreateToken, ReadAccounts, ReadTokens};
    year.try_to_manage(who, LEAK_CLIENT, &[ReadAccounts, ReadTokens, CreateToken])
}

impl Year<'_> {
    /// So many requests, so many microseconds apart.
    fn storm(
        &mut self,
        token: TokenName,
        (account, ask): (AccountId, Ask),
        requests: u64,
        micros: u64,
        from: asks::From<'static>,
    ) -> Made {
        let (digest, begin) = (self.held(token)?, self.at.0);
        for number in 0..requests {
            let at = crate::domain::time::Timestamp(begin + number * micros);
            let origin = asks::origin(from, &mut self.chance);
            self.maker.put(at, ask.command(digest, account), origin)?;
        }
        // What was only counted is known from here on, so that it is recorded when it is due.
        self.maker.settle()
    }

    fn try_to_manage(&mut self, who: TokenDigest, from: asks::From<'_>, what: &[ManagementOperation]) -> Made {
        for operation in what {
            self.at = self.at.plus_seconds(3);
            let origin = asks::origin(from, &mut self.chance);
            let change = Box::new(Change::Attempt(*operation, Owner::Service));
            self.maker.attempt(self.at, Command::Manage(Actor::Bearer(who), change), origin)?;
        }
        Ok(())
    }
}
