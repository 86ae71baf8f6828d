//! Golden files: text that people read in a review, compared line by line.

use serde_json::Value;
use std::env;
use std::fs;
use std::path::Path;

/// Holds a value against a golden file, or writes the file where `BLESS` is set.
#[track_caller]
pub fn assert_golden(path: &Path, value: &Value, depth: usize) {
    let actual = lines(value, depth);
    if env::var_os("BLESS").is_some() {
        fs::write(path, actual).unwrap();
        return;
    }
    let expected = fs::read_to_string(path).unwrap_or_default();
    if expected == actual {
        return;
    }
    let (at, (expected_line, line)) = first_difference(&expected, &actual);
    panic!("{}:{at} differs\n  expected {expected_line}\n  got      {line}\nBLESS=1 rewrites it", path.display());
}

fn first_difference<'a>(expected: &'a str, actual: &'a str) -> (usize, (&'a str, &'a str)) {
    const END: &str = "(the end)";
    let expected = expected.lines().chain(std::iter::repeat(END));
    let actual = actual.lines().chain(std::iter::repeat(END));
    let mut numbered = (1..).zip(expected.zip(actual));
    // Texts that differ only in their line ends meet at their ends.
    numbered.find(|(_, (expected, line))| expected != line || (*expected, *line) == (END, END)).unwrap()
}

/// JSON with a line for each entry down to `depth`, and whatever is deeper on its entry's line.
pub fn lines(value: &Value, depth: usize) -> String {
    let mut text = String::new();
    write(&mut text, value, depth, 0);
    text.push('\n');
    text
}

fn write(text: &mut String, value: &Value, depth: usize, indent: usize) {
    match value {
        Value::Array(items) if depth > 0 && !items.is_empty() => {
            let items = items.iter().map(|item| (String::new(), item));
            write_entries(text, ('[', ']'), items, depth, indent);
        }
        Value::Object(members) if depth > 0 && !members.is_empty() => {
            let members = members.iter().map(|(name, item)| (format!("{}: ", Value::from(name.as_str())), item));
            write_entries(text, ('{', '}'), members, depth, indent);
        }
        _ => text.push_str(&value.to_string()),
    }
}

fn write_entries<'a>(
    text: &mut String,
    brackets: (char, char),
    entries: impl Iterator<Item = (String, &'a Value)>,
    depth: usize,
    indent: usize,
) {
    text.push(brackets.0);
    for (index, (name, value)) in entries.enumerate() {
        text.push_str(if index == 0 { "\n" } else { ",\n" });
        text.push_str(&"  ".repeat(indent + 1));
        text.push_str(&name);
        write(text, value, depth - 1, indent + 1);
    }
    text.push('\n');
    text.push_str(&"  ".repeat(indent));
    text.push(brackets.1);
}
