//! The service's sources as the architecture test reads them: without comments, without tests, words apart.
//!
//! Not a Rust parser: it knows comments, literals, `#[cfg(test)]` items and identifiers, which is all that rules
//! about names need. Everything blanked keeps its place, so that every word knows its line.

use std::fs;
use std::ops::Range;
use std::path::Path;

/// One source file.
#[derive(Clone, Debug)]
pub struct Source {
    /// Path below `src/`, with `/`.
    pub path: String,
    /// Comments, contents of literals and tests are spaces.
    pub code: String,
    /// Only comments and tests are spaces.
    pub text: String,
}

/// An identifier or one other character, and where it begins.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Word<'a> {
    /// The identifier, or the character.
    pub word: &'a str,
    /// Byte offset in the source.
    pub at: usize,
}

impl Source {
    /// Takes in a file's content.
    pub fn new(path: impl Into<String>, content: &str) -> Self {
        let spans = spans_of(content);
        let code = blanked(content, spans.iter().map(|span| span.range.clone()));
        let comments = spans.iter().filter(|span| span.is_comment).map(|span| span.range.clone());
        let text = blanked(content, comments);
        let tests = test_items(&code);
        Self { path: path.into(), code: blanked(&code, tests.iter().cloned()), text: blanked(&text, tests) }
    }

    /// Line of a byte offset, from 1.
    pub fn line(&self, at: usize) -> usize {
        self.code.as_bytes()[..at].iter().filter(|&&byte| byte == b'\n').count() + 1
    }

    /// `path:line` of a byte offset.
    pub fn place(&self, at: usize) -> String {
        format!("src/{}:{}", self.path, self.line(at))
    }

    /// The words of the code, in order.
    pub fn words(&self) -> Vec<Word<'_>> {
        let mut words = Vec::new();
        let mut chars = self.code.char_indices().peekable();
        while let Some((at, first)) = chars.next() {
            if first.is_whitespace() {
                continue;
            }
            let mut end = at + first.len_utf8();
            if is_ident(first) {
                while let Some((next, _)) = chars.next_if(|(_, c)| is_ident(*c)) {
                    end = next + self.code[next..].chars().next().map_or(1, char::len_utf8);
                }
            }
            words.push(Word { word: &self.code[at..end], at });
        }
        words
    }

    /// Modules on the way from the crate's root to this file: 0 of `lib.rs`, 2 of `domain/decide.rs`.
    pub fn depth(&self) -> usize {
        let parts = self.path.split('/').count();
        let is_root_of_its_directory = matches!(self.path.rsplit('/').next(), Some("mod.rs" | "lib.rs" | "main.rs"));
        parts - usize::from(is_root_of_its_directory)
    }

    /// The first part of the path: the room that the file is in.
    pub fn room(&self) -> &str {
        let first = self.path.split('/').next().unwrap_or_default();
        first.strip_suffix(".rs").unwrap_or(first)
    }

    /// Names at the crate's root that the file refers to, by `crate::`, `token_ledger::` or enough `super::`.
    pub fn root_names(&self) -> Vec<Word<'_>> {
        let words = self.words();
        let mut names = Vec::new();
        let mut index = 0;
        while index < words.len() {
            let supers = count_supers(&words[index..]);
            let after = match words[index].word {
                "crate" | "token_ledger" if is_path(&words[index + 1..]) => Some(index + 3),
                "super" if supers >= self.depth() => Some(index + 3 * supers),
                _ => None,
            };
            names.extend(after.into_iter().flat_map(|after| heads(&words[after..])));
            index = after.unwrap_or(index + 3 * supers).max(index + 1);
        }
        names
    }
}

fn is_ident(c: char) -> bool {
    c.is_alphanumeric() || c == '_'
}

/// Whether `::` comes next.
fn is_path(words: &[Word<'_>]) -> bool {
    matches!(words, [first, second, ..] if first.word == ":" && second.word == ":")
}

/// How many `super::` come next.
fn count_supers(words: &[Word<'_>]) -> usize {
    words.chunks(3).take_while(|three| three[0].word == "super" && is_path(&three[1..])).count()
}

/// The name that comes next, or the first name of each item of the braces that come next.
fn heads<'a>(words: &[Word<'a>]) -> Vec<Word<'a>> {
    let Some(first) = words.first() else { return Vec::new() };
    if first.word != "{" {
        return vec![*first];
    }
    let mut heads = Vec::new();
    let mut depth = 0usize;
    for pair in words.windows(2) {
        match pair[0].word {
            "{" => depth += 1,
            "}" if depth == 1 => break,
            "}" => depth -= 1,
            _ => {}
        }
        if depth == 1 && matches!(pair[0].word, "{" | ",") && pair[1].word != "}" {
            heads.push(pair[1]);
        }
    }
    heads
}

/// A part of the source that is no code.
struct Span {
    range: Range<usize>,
    is_comment: bool,
}

/// Comments, and the insides of string and character literals.
fn spans_of(content: &str) -> Vec<Span> {
    let mut spans = Vec::new();
    let mut at = 0;
    while at < content.len() {
        let (next, span) = span_at(content, at);
        spans.extend(span);
        at = next;
    }
    spans
}

/// What begins here: where to go on, and the span passed over, if any.
fn span_at(content: &str, at: usize) -> (usize, Option<Span>) {
    let rest = &content[at..];
    let comment = |end: usize| (end, Some(Span { range: at..end, is_comment: true }));
    let literal = |range: Range<usize>, quote: usize| (range.end + quote, Some(Span { range, is_comment: false }));
    if rest.starts_with("//") {
        return comment(at + rest.find('\n').unwrap_or(rest.len()));
    }
    if rest.starts_with("/*") {
        return comment(at + block_comment(rest));
    }
    if let Some((open, close)) = raw_string(content, at) {
        let start = at + open;
        let end = content[start..].find(&close).map_or(content.len(), |found| start + found);
        return literal(start..end, close.len());
    }
    if let Some(inside) = rest.strip_prefix('"') {
        return literal(at + 1..at + 1 + string(inside), 1);
    }
    if let Some(length) = character(rest) {
        return literal(at + 1..at + 1 + length, 1);
    }
    (at + rest.chars().next().map_or(1, char::len_utf8), None)
}

/// Length of a block comment, which may hold others.
fn block_comment(rest: &str) -> usize {
    let (mut depth, mut at) = (0usize, 0);
    while at < rest.len() {
        let pair = rest.as_bytes().get(at..at + 2).unwrap_or_default();
        match pair {
            b"/*" => depth += 1,
            b"*/" => depth -= 1,
            _ => {
                at += 1;
                continue;
            }
        }
        at += 2;
        if depth == 0 {
            return at;
        }
    }
    rest.len()
}

/// If a raw string begins here: length of its opening, and its closing.
fn raw_string(content: &str, at: usize) -> Option<(usize, String)> {
    let before = content[..at].chars().next_back();
    if before.is_some_and(|c| is_ident(c) && c != 'b') {
        return None;
    }
    let hashes_and_rest = content[at..].strip_prefix('r')?;
    let hashes = hashes_and_rest.bytes().take_while(|&byte| byte == b'#').count();
    hashes_and_rest[hashes..].starts_with('"').then(|| (hashes + 2, format!("\"{}", "#".repeat(hashes))))
}

/// Length of a string's inside.
fn string(inside: &str) -> usize {
    let mut escaped = false;
    let end = inside.bytes().position(|byte| {
        let ends = byte == b'"' && !escaped;
        escaped = byte == b'\\' && !escaped;
        ends
    });
    end.unwrap_or(inside.len())
}

/// Length of a character literal's inside, if one begins here and not a lifetime.
fn character(rest: &str) -> Option<usize> {
    let inside = rest.strip_prefix('\'')?;
    let first = inside.chars().next()?;
    if first == '\\' {
        return Some(2 + inside[2..].find('\'')?);
    }
    inside[first.len_utf8()..].starts_with('\'').then_some(first.len_utf8())
}

/// The same text with these parts made spaces; lines stay.
fn blanked(content: &str, ranges: impl IntoIterator<Item = Range<usize>>) -> String {
    let mut bytes = content.as_bytes().to_vec();
    for range in ranges {
        for byte in &mut bytes[range] {
            if *byte != b'\n' {
                *byte = b' ';
            }
        }
    }
    String::from_utf8(bytes).expect("whole characters were made spaces")
}

const TEST_MARK: &str = "#[cfg(test)]";

/// Items that are compiled for tests only, up to their closing brace or semicolon.
fn test_items(code: &str) -> Vec<Range<usize>> {
    code.match_indices(TEST_MARK).map(|(at, _)| at..at + item_length(&code[at..])).collect()
}

fn item_length(rest: &str) -> usize {
    let mut depth = 0usize;
    for (at, byte) in rest.bytes().enumerate() {
        match byte {
            b'{' => depth += 1,
            b'}' if depth <= 1 => return at + 1,
            b'}' => depth -= 1,
            b';' if depth == 0 => return at + 1,
            _ => {}
        }
    }
    rest.len()
}

/// Modules in files of their own that are compiled for tests only, as paths below `src/` without `.rs`.
fn test_modules(path: &str, content: &str) -> Vec<String> {
    let stem = path.strip_suffix(".rs").unwrap_or(path);
    let directory = ["mod", "lib", "main"]
        .iter()
        .find_map(|root| stem.strip_suffix(root))
        .map_or_else(|| format!("{stem}/"), str::to_owned);
    let marked = content.split(TEST_MARK).skip(1);
    let modules = marked.filter_map(|rest| rest.trim_start().strip_prefix("mod ")?.split_once(';'));
    modules.filter(|(name, _)| name.chars().all(is_ident)).map(|(name, _)| format!("{directory}{name}")).collect()
}

/// All sources below a directory, without those that are tests.
pub fn read_sources(root: &Path) -> Vec<Source> {
    let mut files = Vec::new();
    collect(root, root, &mut files);
    files.sort();
    let tests: Vec<String> = files.iter().flat_map(|(path, content)| test_modules(path, content)).collect();
    let is_test =
        |path: &str| tests.iter().any(|test| path == format!("{test}.rs") || path.starts_with(&format!("{test}/")));
    files.iter().filter(|(path, _)| !is_test(path)).map(|(path, content)| Source::new(path.clone(), content)).collect()
}

fn collect(root: &Path, directory: &Path, files: &mut Vec<(String, String)>) {
    for entry in fs::read_dir(directory).expect("the directory of sources can be read") {
        let path = entry.expect("its entries can be read").path();
        if path.is_dir() {
            collect(root, &path, files);
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            let below = path.strip_prefix(root).expect("it is below the root").to_string_lossy().into_owned();
            files.push((below, fs::read_to_string(&path).expect("a source can be read")));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn words(content: &str) -> Vec<String> {
        Source::new("domain/ids.rs", content).words().iter().map(|word| word.word.to_owned()).collect()
    }

    fn names(path: &str, content: &str) -> Vec<String> {
        Source::new(path, content).root_names().iter().map(|name| name.word.to_owned()).collect()
    }

    #[test]
    fn comments_and_literals_are_no_words() {
        let rows = [
            ("a // b\nc", "a c"),
            ("/// b `c`\na", "a"),
            ("a /* b /* c */ d */ e", "a e"),
            ("a(\"b // c\") d", "a ( \" \" ) d"),
            ("\"b\\\"c\" d", "\" \" d"),
            ("r\"b\\\" c", "r \" \" c"),
            ("r#\"b\" \"# c", "r # \" \" # c"),
            ("'b' 'c '\\'' '\\u{7f}' d", "' ' ' c ' ' ' ' d"),
            ("b\"c\" b'\"' d", "b \" \" b ' ' d"),
            ("über 'é' x", "über ' ' x"),
        ];
        for (content, expected) in rows {
            assert_eq!(words(content).join(" "), expected, "{content}");
        }
    }

    #[test]
    fn tests_are_no_words_and_lines_stay() {
        let content = "a\n#[cfg(test)]\nmod tests {\n fn f() { b }\n}\nc\n#[cfg(test)]\nuse d;\ne";
        assert_eq!(words(content), ["a", "c", "e"]);
        let source = Source::new("log/mod.rs", content);
        let last = source.words().last().map(|word| word.at).unwrap_or_default();
        assert_eq!(source.place(last), "src/log/mod.rs:9");
    }

    #[test]
    fn a_module_of_tests_in_its_own_file_is_known() {
        let content = "#[cfg(test)]\nmod tests;\nmod others;";
        assert_eq!(test_modules("http/server.rs", content), ["http/server/tests"]);
        assert_eq!(test_modules("http/mod.rs", content), ["http/tests"]);
        assert_eq!(test_modules("lib.rs", content), ["tests"]);
    }

    #[test]
    fn names_at_the_root_are_found_however_they_are_written() {
        let rows: [(&str, &str, &[&str]); 9] = [
            ("domain/ids.rs", "use crate::log::Tree;", &["log"]),
            ("domain/ids.rs", "use crate::{log::{Tree, tile}, ledger, http::a};", &["log", "ledger", "http"]),
            ("domain/ids.rs", "fn f() -> crate::log::Tree { crate :: http :: f() }", &["log", "http"]),
            ("main.rs", "fn main() { token_ledger::cli::main() }", &["cli"]),
            ("domain/ids.rs", "use super::time;", &[]),
            ("domain/ids.rs", "use super::super::log;", &["log"]),
            ("domain/mod.rs", "use super::log;", &["log"]),
            (
                "domain/decide/draft.rs",
                "use super::super::log; use super::super::super::{http, cli};",
                &["http", "cli"],
            ),
            ("domain/ids.rs", "pub(crate) struct A; pub(super) fn f() {} // crate::log", &[]),
        ];
        for (path, content, expected) in rows {
            assert_eq!(names(path, content), expected, "{path}: {content}");
        }
    }
}
