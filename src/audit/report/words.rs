//! A question as a person says it, and how it is checked.

use crate::audit::answer::Answer;
use crate::audit::in_words::said;
use crate::audit::questions;
use serde_json::Value;

/// The title of a report.
pub(super) fn title(question: &str) -> String {
    let own = match question {
        "who-could" => "Access report",
        "quota" => "Usage report",
        "review" => "Access review",
        "access-review" => "Access to review",
        "leak" => "Leak report",
        "least-privilege" => "Least privilege",
        "what-if" => "What a change would have refused",
        "unused" => "Unused and stale tokens",
        "authority" => "Authority of changes",
        "growth" => "Growth of privileges",
        "since-review" => "What changed since the review",
        other => return capitalized(&other.replace('-', " ")),
    };
    own.to_owned()
}

/// What was asked, as a sentence.
pub(super) fn sentence(answer: &Answer) -> String {
    let asked = |name: &str| answer.asked.get(name).and_then(said);
    let found = |name: &str| answer.summary.get(name).and_then(said);
    let account = asked("account").or_else(|| found("account")).map(|account| format!("account {account}"));
    let account = account.unwrap_or_else(|| "the service".to_owned());
    let question = match answer.question {
        "who-could" => {
            let scope = found("scope").or_else(|| asked("scope")).unwrap_or_default();
            format!(
                "Which tokens could touch {scope} of {account}, when, and by which grants; which did, and which did not?"
            )
        }
        "quota" => {
            let whose = asked("user").map_or(account, |user| format!("user {user}"));
            format!("Who used how much of the hourly limit of {whose}, and who was refused for it?")
        }
        "review" => {
            format!("How was access review {} decided, and what became of it?", asked("review").unwrap_or_default())
        }
        "access-review" => format!("What may each token and each member of {account}?"),
        "leak" => {
            let token = asked("token").or_else(|| found("token")).unwrap_or_default();
            format!("What was done with token {token} since it may have leaked, and what could have been done?")
        }
        name => {
            let about = questions::question(name).map_or(name, |question| question.about);
            return format!("{about}.");
        }
    };
    format!("{question}{}", period(answer))
}

fn period(answer: &Answer) -> String {
    let asked = |name: &str| answer.asked.get(name).and_then(said);
    match (asked("from").or_else(|| asked("since")), asked("to")) {
        (Some(from), Some(to)) => format!(" From {from} up to {to}."),
        (Some(from), None) => format!(" From {from} on."),
        (None, Some(to)) => format!(" Up to {to}."),
        (None, None) => String::new(),
    }
}

/// What was said with the question.
pub(super) fn asked(answer: &Answer) -> Vec<(String, String)> {
    let known = |value: &Value| said(value).unwrap_or_else(|| "none".to_owned());
    answer.asked.iter().map(|(name, value)| (label(name), known(value))).collect()
}

/// A name as a label.
pub(super) fn label(name: &str) -> String {
    capitalized(&name.replace('_', " "))
}

fn capitalized(text: &str) -> String {
    let mut letters = text.chars();
    letters.next().map(|first| first.to_uppercase().chain(letters).collect()).unwrap_or_default()
}

/// How it is checked: a command, and what it does.
pub(super) fn commands(answer: &Answer, has_checkpoint: bool) -> Vec<(String, &'static str)> {
    let mut again = format!("token-ledger audit {} --data LEDGER", answer.question);
    for (name, value) in &answer.asked {
        let text = match value {
            Value::String(text) => text.clone(),
            other => other.to_string(),
        };
        again.push_str(&format!(" --{} {}", name.replace('_', "-"), quoted(&text)));
    }
    let mut commands = vec![
        (again, "asks the same again, of the ledger, a backup of it or a restored one"),
        ("token-ledger verify --data LEDGER".to_owned(), "checks every record, the tree, and every signed checkpoint"),
    ];
    if has_checkpoint {
        commands.push((
            "token-ledger verify --data LEDGER --checkpoint checkpoint.txt".to_owned(),
            "checks that the ledger grew out of the checkpoint below, saved as it stands",
        ));
    }
    commands.push((
        "token-ledger proof inclusion --data LEDGER --position N".to_owned(),
        "proves that the record at a position named here is in the signed log",
    ));
    commands
}

/// For a shell.
fn quoted(text: &str) -> String {
    let is_plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-_.:/".contains(&byte);
    if !text.is_empty() && text.bytes().all(is_plain) {
        text.to_owned()
    } else {
        format!("'{}'", text.replace('\'', "'\\''"))
    }
}

#[cfg(test)]
mod tests {
    use super::quoted;

    #[test]
    fn what_a_shell_would_take_apart_is_quoted() {
        for (text, expected) in [
            ("zones:example.com", "zones:example.com"),
            ("", "''"),
            ("a b", "'a b'"),
            ("it's; rm -rf /", "'it'\\''s; rm -rf /'"),
            ("$(id)", "'$(id)'"),
        ] {
            assert_eq!(quoted(text), expected);
        }
    }
}
