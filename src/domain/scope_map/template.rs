//! Path templates: `/v2/{account}/zones/{name}/records/{any}`.

use std::borrow::Cow;

/// What stands in a variable part.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub enum Variable {
    /// `{account}`: the account's number.
    Account,
    /// `{name}`: the resource's name.
    Name,
    /// `{any}`: one segment that does not matter.
    Any,
}

/// One part of a template. The order is that of specificity.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub enum Part {
    /// This very segment.
    Literal(String),
    /// Any one segment.
    Variable(Variable),
    /// `{rest}`: one or more segments to the end.
    Rest,
}

/// A path template.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Template {
    text: String,
    parts: Vec<Part>,
}

impl Template {
    /// Reads a template.
    pub fn parse(text: &str) -> Result<Self, String> {
        let inner = text.strip_prefix('/').ok_or("a path begins with a slash")?;
        let parts = if inner.is_empty() { Ok(Vec::new()) } else { inner.split('/').map(part).collect() };
        let parts: Vec<Part> = parts?;
        for variable in [Variable::Account, Variable::Name] {
            if parts.iter().filter(|part| **part == Part::Variable(variable)).count() > 1 {
                return Err(format!("{} stands twice in the path", spelling(variable)));
            }
        }
        if parts.iter().rev().skip(1).any(|part| *part == Part::Rest) {
            return Err("{rest} can only be the last part of a path".to_owned());
        }
        Ok(Self { text: text.to_owned(), parts })
    }

    /// Whether a variable stands in it.
    pub fn has(&self, variable: Variable) -> bool {
        self.parts.contains(&Part::Variable(variable))
    }

    /// As it was written.
    pub fn as_str(&self) -> &str {
        &self.text
    }

    /// Whether the segments fit.
    pub fn fits(&self, segments: &[Cow<'_, str>]) -> bool {
        let mut left = segments.iter();
        for part in &self.parts {
            let Some(segment) = left.next() else { return false };
            match part {
                Part::Literal(literal) if literal != segment => return false,
                Part::Literal(_) | Part::Variable(_) => {}
                Part::Rest => return true,
            }
        }
        left.next().is_none()
    }

    /// The segment of a variable, where the template fits and has it.
    pub fn value<'s>(&self, variable: Variable, segments: &'s [Cow<'_, str>]) -> Option<&'s str> {
        let at = self.parts.iter().position(|part| *part == Part::Variable(variable))?;
        segments.get(at).map(|segment| &**segment)
    }

    /// Whether another template fits the same paths: their keys are the same.
    pub fn fits_as(&self, other: &Self) -> bool {
        let same = |(one, other): (&Part, &Part)| match (one, other) {
            (Part::Variable(_), Part::Variable(_)) => true,
            (one, other) => one == other,
        };
        self.parts.len() == other.parts.len() && self.parts.iter().zip(&other.parts).all(same)
    }

    /// What two templates are ordered by: the first part in which they differ decides, and what is literal comes
    /// first. Templates with the same key fit the same paths.
    pub fn key(&self) -> Vec<Part> {
        let plain = |part: &Part| match part {
            Part::Variable(_) => Part::Variable(Variable::Any),
            part => part.clone(),
        };
        self.parts.iter().map(plain).collect()
    }
}

fn spelling(variable: Variable) -> &'static str {
    match variable {
        Variable::Account => "{account}",
        Variable::Name => "{name}",
        Variable::Any => "{any}",
    }
}

fn part(text: &str) -> Result<Part, String> {
    match text {
        "{account}" => Ok(Part::Variable(Variable::Account)),
        "{name}" => Ok(Part::Variable(Variable::Name)),
        "{any}" => Ok(Part::Variable(Variable::Any)),
        "{rest}" => Ok(Part::Rest),
        "" => Err("a path has no empty part and no slash at its end".to_owned()),
        _ if text.contains(['{', '}']) => {
            Err(format!("{text} is no variable; there are {{account}}, {{name}}, {{any}} and {{rest}}"))
        }
        _ => match super::path::segments(&format!("/{text}")) {
            Ok(segments) if segments.len() == 1 && !text.contains(['%', '?']) => Ok(Part::Literal(text.to_owned())),
            _ => Err(format!("{text:?} cannot stand in a path; write it decoded, in plain ASCII")),
        },
    }
}
