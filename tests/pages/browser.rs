//! A browser without a script: it follows links, keeps what a page says, and sends its forms.

use crate::house::House;
use crate::wire::{self, Ask, Told};
use token_ledger::domain::command::{Actor, Change, Command, NewSecret, Origin, SignInChange};
use token_ledger::domain::decide::Answer;
use token_ledger::domain::ids::{TokenId, UserId};
use token_ledger::domain::text::PersonalText;
use token_ledger::domain::token::{Principal, TokenKind};
use token_ledger::domain::token_text::{TokenDigest, TokenSecret};
use token_ledger::entropy::Entropy;

/// What every answer of HTML must have.
const HEADERS: [(&str, &str); 5] = [
    ("content-type", "text/html; charset=utf-8"),
    (
        "content-security-policy",
        "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; \
         form-action 'self'; frame-ancestors 'none'; base-uri 'none'",
    ),
    ("cache-control", "no-store"),
    ("referrer-policy", "same-origin"),
    ("x-content-type-options", "nosniff"),
];

/// Asks as a browser does, with no session.
pub async fn visit(house: &House, path: &str) -> Told {
    send(house, Ask::get(path)).await
}

/// Sends what a browser sends, and holds every page against what all pages have in common.
pub async fn send(house: &House, ask: Ask) -> Told {
    let told = wire::ask(house.address, &ask.clone().header("Accept", "text/html,*/*;q=0.8")).await;
    check(&ask, &told);
    told
}

/// What holds for every answer.
#[track_caller]
fn check(ask: &Ask, told: &Told) {
    let at = format!("{} {} -> {}", ask.method, ask.path, told.status);
    if (300..400).contains(&told.status) {
        let to = told.header("location").unwrap_or_else(|| panic!("{at}: nowhere"));
        assert!(to.starts_with('/') && !to.starts_with("//"), "{at}: leaves the site to {to}");
        assert_eq!(told.header("cache-control"), Some("no-store"), "{at}");
        return;
    }
    let is_file = ask.path.starts_with("/assets/") || ask.path.ends_with("/proof");
    if is_file && told.status == 200 {
        return;
    }
    for (name, value) in HEADERS {
        assert_eq!(told.header(name), Some(value), "{at}: {name}");
    }
    let html = told.text();
    assert!(html.starts_with("<!doctype html>\n<html lang=\"en\">"), "{at}");
    // Nothing that the policy would stop, and nothing from elsewhere.
    for inline in [" style=\"", "<style", " onclick=", " onload=", "href=\"javascript:", "src=\"http", "href=\"//"] {
        assert!(!html.contains(inline), "{at}: {inline}");
    }
    for once in ["<h1>", "<main id=\"main\"", "</title>\n<link", "class=\"skip\" href=\"#main\""] {
        assert_eq!(html.matches(once).count(), 1, "{at}: {once} in\n{html}");
    }
    assert!(html.len() < 100 * 1024, "{at}: {} bytes", html.len());
    let mut ids: Vec<&str> = html.split(" id=\"").skip(1).filter_map(|rest| rest.split('"').next()).collect();
    ids.sort_unstable();
    assert!(ids.windows(2).all(|two| two[0] != two[1]), "{at}: an id stands twice: {ids:?}");
}

/// Somebody's browser, signed in.
pub struct Browser<'a> {
    house: &'a House,
    cookie: String,
}

impl<'a> Browser<'a> {
    /// Of a user.
    pub async fn of_user(house: &'a House, user: u64) -> Self {
        Self::of(house, Principal::User(UserId(user))).await
    }

    /// Of staff, by their token.
    pub async fn of_staff(house: &'a House, token: u64) -> Self {
        Self::of(house, Principal::Staff(TokenId(token))).await
    }

    async fn of(house: &'a House, who: Principal) -> Self {
        let mut entropy = Entropy::system();
        let link = TokenSecret::of_link(&entropy.bytes_32());
        let digest = link.digest();
        let operator = Actor::Bearer(TokenDigest::of(&house.operator));
        let secret = TokenSecret::from_random(TokenKind::Session, &entropy.bytes_32());
        let new = NewSecret { digest: secret.digest(), hint: secret.hint() };
        let name = PersonalText::new("a browser");
        let steps = [
            (operator, SignInChange::CreateLink { who, digest }),
            (Actor::Link(digest), SignInChange::UseLink { name, secret: new }),
        ];
        for (actor, step) in steps {
            let command = Command::Manage(actor, Box::new(Change::SignIn(step)));
            let reply = house.ledger.submit(command, Origin::default()).await.unwrap();
            assert!(matches!(reply.answer, Answer::Done(_)), "{:?}", reply.answer);
        }
        Self { house, cookie: format!("token-ledger-session={}", secret.reveal_once()) }
    }

    /// Asks with the session.
    pub async fn send(&self, ask: Ask) -> Told {
        send(self.house, ask.header("Cookie", &self.cookie)).await
    }

    /// Asks for what is no page.
    pub async fn fetch(&self, path: &str) -> Told {
        wire::ask(self.house.address, &Ask::get(path).header("Cookie", &self.cookie)).await
    }

    /// Opens a page.
    pub async fn open(&self, path: &str) -> Told {
        self.send(Ask::get(path)).await
    }

    /// Opens a page that is there.
    pub async fn page(&self, path: &str) -> String {
        self.open(path).await.expect(200).text().to_owned()
    }

    /// The form of a page that is sent to a path.
    pub async fn form(&self, path: &str, action: &str) -> Form {
        Form::in_page(&self.page(path).await, action)
    }

    /// Sends a form.
    pub async fn submit(&self, form: &Form) -> Told {
        self.send(form.ask()).await
    }

    /// Sends a form that is carried out, and opens the page that it leads to.
    pub async fn submit_and_follow(&self, form: &Form) -> String {
        let told = self.submit(form).await.expect(303);
        self.page(told.header("location").unwrap()).await
    }
}

/// A form as it is in a page: what would be sent if nothing was touched.
#[derive(Clone, Debug)]
pub struct Form {
    pub action: String,
    pub fields: Vec<(String, String)>,
}

impl Form {
    #[track_caller]
    pub fn in_page(html: &str, action: &str) -> Self {
        let begin = format!("method=\"post\" action=\"{action}\"");
        let at = html.find(&begin).unwrap_or_else(|| panic!("no form for {action} in\n{html}"));
        let inner = html[at..].split("</form>").next().unwrap();
        let mut fields = Vec::new();
        let mut select: Option<String> = None;
        for tag in inner.split('<').skip(1) {
            let (tag, after) = tag.split_once('>').unwrap();
            let has = |word: &str| tag.split_whitespace().any(|part| part == word);
            match tag.split_whitespace().next().unwrap() {
                "input" => {
                    let is_ticked =
                        !matches!(attribute(tag, "type").as_deref(), Some("radio" | "checkbox")) || has("checked");
                    if let Some(name) = attribute(tag, "name").filter(|_| is_ticked) {
                        fields.push((name, attribute(tag, "value").unwrap_or_default()));
                    }
                }
                "textarea" => {
                    let text = after.strip_prefix('\n').unwrap_or(after);
                    fields.push((attribute(tag, "name").unwrap(), unescaped(text)));
                }
                "select" => select = attribute(tag, "name"),
                "option" if has("selected") => {
                    fields.push((select.clone().unwrap(), attribute(tag, "value").unwrap()));
                }
                _ => {}
            }
        }
        Self { action: action.to_owned(), fields }
    }

    /// What is typed, chosen or ticked in place of what stood there; several values of one name are several boxes.
    pub fn with(mut self, name: &str, values: &[&str]) -> Self {
        self.fields.retain(|(other, _)| other != name);
        self.fields.extend(values.iter().map(|value| (name.to_owned(), (*value).to_owned())));
        self
    }

    #[track_caller]
    pub fn value(&self, name: &str) -> &str {
        let found = self.fields.iter().find(|(other, _)| other == name);
        &found.unwrap_or_else(|| panic!("no {name} in {:?}", self.fields)).1
    }

    pub fn has(&self, name: &str) -> bool {
        self.fields.iter().any(|(other, _)| other == name)
    }

    pub fn ask(&self) -> Ask {
        let pairs: Vec<(&str, &str)> =
            self.fields.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
        Ask::new("POST", &self.action).form(&pairs).header("Origin", "http://ledger.test")
    }
}

fn attribute(tag: &str, name: &str) -> Option<String> {
    let begin = format!(" {name}=\"");
    let at = tag.find(&begin)? + begin.len();
    tag[at..].split('"').next().map(unescaped)
}

/// The text that escaped HTML stands for.
pub fn unescaped(html: &str) -> String {
    let mut text = String::new();
    let mut parts = html.split('&');
    text.push_str(parts.next().unwrap());
    for part in parts {
        let (entity, rest) = part.split_once(';').unwrap();
        match entity.strip_prefix('#') {
            Some(number) => text.push(char::from_u32(number.parse().unwrap()).unwrap()),
            None => text.push(match entity {
                "lt" => '<',
                "gt" => '>',
                "amp" => '&',
                "quot" => '"',
                "nbsp" => '\u{a0}',
                other => panic!("&{other};"),
            }),
        }
        text.push_str(rest);
    }
    text
}

/// The text of an element by its id, without markup.
#[track_caller]
pub fn text_of(html: &str, id: &str) -> String {
    let begin = format!("id=\"{id}\"");
    let at = html.find(&begin).unwrap_or_else(|| panic!("no {id} in\n{html}"));
    let inner = &html[at..];
    let start = html[..at].rfind('<').unwrap() + 1;
    let name: String = html[start..at].chars().take_while(char::is_ascii_alphanumeric).collect();
    let inner = inner.split_once('>').unwrap().1.split(&format!("</{name}>")).next().unwrap();
    words(inner)
}

/// What a part of a page says, without markup, its spaces as one.
pub fn words(html: &str) -> String {
    let mut text = String::new();
    for part in html.split('<') {
        text.push_str(part.split_once('>').map_or(part, |(_, after)| after));
        text.push(' ');
    }
    let text = unescaped(&text).replace('\u{a0}', " ").split_whitespace().collect::<Vec<_>>().join(" ");
    text.replace(" ,", ",").replace(" .", ".")
}

/// Waits until a published checkpoint covers a record, which takes a second or so; whoever asks for a proof before is
/// refused.
pub async fn until_signed(house: &House, position: u64) {
    let signed = || house.ledger.checkpoint().and_then(|note| note.lines().nth(1)?.parse::<u64>().ok());
    while signed() < Some(position) {
        tokio::task::yield_now().await;
    }
}
