//! Access as a person says it: `full`, `none`, or grants as in `zones:read_only:example.com,example.net`.

use serde_json::{Value, json};

/// Names in one grant; the service takes no more (`README.md`, Limits).
const NAMES_MAX: usize = 1_000;

/// The JSON of `--access`.
pub(super) fn access(text: &str) -> Result<Value, String> {
    match text {
        "full" => Ok(json!("full")),
        "none" => Ok(json!({ "grants": [] })),
        _ => Err("must be full or none; anything between is said by --grant".to_owned()),
    }
}

/// The JSON of one `--grant`: `GROUP:LEVEL:RESOURCES`. Which groups there are, and which take names, the service says.
pub(super) fn grant(text: &str) -> Result<Value, String> {
    let mut parts = text.splitn(3, ':');
    let (Some(group), Some(level), Some(resources)) = (parts.next(), parts.next(), parts.next()) else {
        return Err("must be GROUP:LEVEL:RESOURCES, as in zones:read_only:example.com".to_owned());
    };
    if group.is_empty() {
        return Err("names no scope group before the first colon".to_owned());
    }
    if !matches!(level, "read_only" | "full_access") {
        return Err("must say read_only or full_access between the colons".to_owned());
    }
    Ok(json!({ "group": group, "level": level, "resources": self::resources(resources)? }))
}

fn resources(text: &str) -> Result<Value, String> {
    if text == "all" {
        return Ok(json!("all"));
    }
    // A grant that names nothing covers nothing: it must be meant, so it has a word.
    if text == "none" {
        return Ok(json!([]));
    }
    let names: Vec<&str> = text.split(',').collect();
    if names.iter().any(|name| name.is_empty()) {
        return Err("has an empty name after the second colon; say all, none, or names between commas".to_owned());
    }
    if names.len() > 1 && names.iter().any(|name| matches!(*name, "all" | "none")) {
        return Err("says all or none beside names; each stands alone".to_owned());
    }
    if names.len() > NAMES_MAX {
        return Err(format!("has more than {NAMES_MAX} names"));
    }
    Ok(json!(names))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_grant_is_a_group_a_level_and_resources() {
        let rows = [
            ("zones:read_only:all", json!({ "group": "zones", "level": "read_only", "resources": "all" })),
            ("zones:full_access:none", json!({ "group": "zones", "level": "full_access", "resources": [] })),
            (
                "domains:full_access:example.com,b\u{fc}cher.example",
                json!({ "group": "domains", "level": "full_access",
                    "resources": ["example.com", "b\u{fc}cher.example"] }),
            ),
            // Object names may have colons in other APIs than DNS.
            ("buckets:read_only:a:b", json!({ "group": "buckets", "level": "read_only", "resources": ["a:b"] })),
        ];
        for (text, expected) in rows {
            assert_eq!(grant(text), Ok(expected), "{text}");
        }
    }

    #[test]
    fn a_grant_that_is_not_whole_is_refused_with_what_is_missing() {
        let rows = [
            ("zones", "GROUP:LEVEL:RESOURCES"),
            ("zones:read_only", "GROUP:LEVEL:RESOURCES"),
            (":read_only:all", "no scope group"),
            ("zones:read:all", "read_only or full_access"),
            ("zones:read_only:", "empty name"),
            ("zones:read_only:a,,b", "empty name"),
            ("zones:read_only:a,all", "stands alone"),
        ];
        for (text, expected) in rows {
            let fault = grant(text).expect_err(text);
            assert!(fault.contains(expected), "{text}: {fault}");
        }
        assert!(access("some").is_err());
    }
}
