//! Policy documents: the text that IAM stores, read strictly. What a document means for a request
//! is decided elsewhere.
//!
//! The grammar is that of the IAM User Guide, "Grammar of the IAM JSON policy language".

use percent_encoding::percent_decode_str;

use crate::policy::json::Json;
use crate::policy::{Condition, Effect, Pattern, Principal, Selection, Statement};

/// The longest text that is read. A policy of a customer has at most 10,240 characters without
/// white space, and a trust policy 4,096. Those that AWS manages can be longer: `ReadOnlyAccess`
/// has about 88,000.
pub const DOCUMENT_BYTES_MAX: usize = 256 * 1024;

/// A policy document.
///
/// ```
/// use rerole_core::policy::{Document, Effect};
///
/// let trust = r#"{"Version": "2012-10-17", "Statement": {
///     "Effect": "Allow",
///     "Principal": {"Service": "pods.eks.amazonaws.com"},
///     "Action": ["sts:AssumeRole", "sts:TagSession"]
/// }}"#;
/// let document = Document::parse(trust).unwrap();
/// assert_eq!(document.statements[0].effect, Effect::Allow);
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Document {
    pub version: Version,
    /// At least one, in their order.
    pub statements: Vec<Statement>,
}

/// The version of the policy language.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Version {
    /// `2008-10-17`, also where a document has no version. Policy variables are plain text.
    V2008,
    /// `2012-10-17`. Policy variables are replaced.
    V2012,
}

/// A text is not a policy document that can be understood.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("policy document: {at}{problem}")]
pub struct DocumentError {
    /// Where, for example `Statement[0].Condition: `; empty for the whole.
    at: String,
    problem: String,
}

impl DocumentError {
    fn new(problem: impl Into<String>) -> Self {
        Self {
            at: String::new(),
            problem: problem.into(),
        }
    }

    /// Puts `outer` in front of the place.
    fn within(mut self, outer: &str) -> Self {
        let separator = match self.at.as_str() {
            "" => ": ",
            at if at.starts_with(['[', ':']) => "",
            _ => ".",
        };
        self.at = format!("{outer}{separator}{}", self.at);
        self
    }
}

type Parsed<T> = Result<T, DocumentError>;

impl Document {
    /// Parses the JSON of a policy.
    ///
    /// # Errors
    /// If the text is longer than [`DOCUMENT_BYTES_MAX`], is not JSON, or has a member, an operator
    /// or a type that the grammar does not have, or a member twice.
    pub fn parse(text: &str) -> Parsed<Self> {
        if text.len() > DOCUMENT_BYTES_MAX {
            let problem = format!("{} bytes; at most {DOCUMENT_BYTES_MAX}", text.len());
            return Err(DocumentError::new(problem));
        }
        let json: Json = serde_json::from_str(text)
            .map_err(|error| DocumentError::new(format!("not JSON of a policy: {error}")))?;
        let mut document = Members::of(json, &["Version", "Id", "Statement"])?;
        if let Some(id) = document.take("Id") {
            one_text(id).map_err(|error| error.within("Id"))?;
        }
        let version = match document.take("Version") {
            None => Version::V2008,
            Some(Json::Text(text)) if text == "2008-10-17" => Version::V2008,
            Some(Json::Text(text)) if text == "2012-10-17" => Version::V2012,
            Some(_) => return Err(DocumentError::new("not a known version").within("Version")),
        };
        let statements = match document.require("Statement")? {
            Json::List(statements) if statements.is_empty() => {
                return Err(DocumentError::new("an empty list").within("Statement"));
            }
            Json::List(statements) => statements,
            statement => vec![statement],
        };
        let statements = statements.into_iter().enumerate().map(|(index, json)| {
            statement(index, json).map_err(|error| error.within(&format!("Statement[{index}]")))
        });
        Ok(Self {
            version,
            statements: statements.collect::<Parsed<_>>()?,
        })
    }

    /// Parses a policy as IAM returns it: percent-encoded, as RFC 3986 has it.
    ///
    /// # Errors
    /// If the text is not percent-encoded UTF-8, and as [`Document::parse`].
    pub fn parse_encoded(text: &str) -> Parsed<Self> {
        let decoded = percent_decode_str(text).decode_utf8();
        let decoded = decoded.map_err(|_| DocumentError::new("not percent-encoded UTF-8"))?;
        Self::parse(&decoded)
    }
}

/// The members of an object that are not yet read.
struct Members(Vec<(String, Json)>);

impl Members {
    /// Reads an object that has no members but these.
    fn of(json: Json, allowed: &[&str]) -> Parsed<Self> {
        let members = object(json)?;
        match members
            .iter()
            .find(|(name, _)| !allowed.contains(&name.as_str()))
        {
            Some((name, _)) => Err(DocumentError::new("unknown member").within(name)),
            None => Ok(Self(members)),
        }
    }

    fn take(&mut self, name: &str) -> Option<Json> {
        let at = self.0.iter().position(|(found, _)| found == name)?;
        Some(self.0.swap_remove(at).1)
    }

    fn require(&mut self, name: &str) -> Parsed<Json> {
        let missing = || DocumentError::new("missing").within(name);
        self.take(name).ok_or_else(missing)
    }

    /// Reads the member `name` or its `Not…` form, with `read` for its entries.
    fn selection<T>(
        &mut self,
        name: &str,
        read: impl Fn(Json) -> Parsed<Vec<T>>,
    ) -> Parsed<Option<Selection<T>>> {
        let not = format!("Not{name}");
        match (self.take(name), self.take(&not)) {
            (None, None) => Ok(None),
            (Some(_), Some(_)) => Err(DocumentError::new("beside its opposite").within(&not)),
            (Some(only), None) => {
                let entries = read(only).map_err(|error| error.within(name))?;
                Ok(Some(Selection::Only(entries)))
            }
            (None, Some(all_but)) => {
                let entries = read(all_but).map_err(|error| error.within(&not))?;
                Ok(Some(Selection::AllBut(entries)))
            }
        }
    }
}

fn statement(index: usize, json: Json) -> Parsed<Statement> {
    let mut members = Members::of(
        json,
        &[
            "Sid",
            "Effect",
            "Principal",
            "NotPrincipal",
            "Action",
            "NotAction",
            "Resource",
            "NotResource",
            "Condition",
        ],
    )?;
    let sid = members.take("Sid").map(one_text).transpose();
    let effect = match members.require("Effect")? {
        Json::Text(text) if text == "Allow" => Effect::Allow,
        Json::Text(text) if text == "Deny" => Effect::Deny,
        _ => return Err(DocumentError::new("neither Allow nor Deny").within("Effect")),
    };
    let patterns = |json| Ok(texts(json)?.into_iter().map(Pattern::new).collect());
    let condition = members.take("Condition").map(conditions).transpose();
    Ok(Statement {
        sid: sid.map_err(|error| error.within("Sid"))?,
        index,
        effect,
        principals: members.selection("Principal", principals)?,
        actions: members
            .selection("Action", patterns)?
            .ok_or_else(|| DocumentError::new("missing").within("Action"))?,
        resources: members.selection("Resource", patterns)?,
        conditions: condition
            .map_err(|error| error.within("Condition"))?
            .unwrap_or_default(),
    })
}

fn principals(json: Json) -> Parsed<Vec<Principal>> {
    if json == Json::Text("*".to_owned()) {
        return Ok(vec![Principal::Everyone]);
    }
    let mut principals = Vec::new();
    for (kind, entries) in object(json)? {
        let read = match kind.as_str() {
            "AWS" => |text: String| Principal::from_aws(&text),
            "Service" => Principal::Service,
            "Federated" => Principal::Federated,
            "CanonicalUser" => Principal::CanonicalUser,
            _ => return Err(DocumentError::new("unknown member").within(&kind)),
        };
        let entries = texts(entries).map_err(|error| error.within(&kind))?;
        principals.extend(entries.into_iter().map(read));
    }
    if principals.is_empty() {
        return Err(DocumentError::new("an empty object"));
    }
    Ok(principals)
}

fn conditions(json: Json) -> Parsed<Vec<Condition>> {
    let mut conditions: Vec<Condition> = Vec::new();
    for (name, keys) in object(json)? {
        let operator = name
            .parse()
            .map_err(|error| DocumentError::new(format!("{error}")))?;
        let first = conditions.len();
        let keys = object(keys).map_err(|error| error.within(&name))?;
        for (key, values) in keys {
            let place = |error: DocumentError| error.within(&key).within(&name);
            let same = |other: &Condition| other.key.eq_ignore_ascii_case(&key);
            if conditions[first..].iter().any(same) {
                return Err(place(DocumentError::new("given twice")));
            }
            let values = scalars(values).map_err(place)?;
            conditions.push(Condition {
                operator,
                key,
                values,
            });
        }
    }
    Ok(conditions)
}

fn object(json: Json) -> Parsed<Vec<(String, Json)>> {
    match json {
        Json::Object(members) => Ok(members),
        other => Err(wrong("an object", &other)),
    }
}

fn one_text(json: Json) -> Parsed<String> {
    match json {
        Json::Text(text) => Ok(text),
        other => Err(wrong("a text", &other)),
    }
}

/// Reads a text, or a list of at least one.
fn texts(json: Json) -> Parsed<Vec<String>> {
    list(json)?.into_iter().map(one_text).collect()
}

/// Reads the value of a condition, or a list of at least one.
fn scalars(json: Json) -> Parsed<Vec<String>> {
    let scalar = |json| match json {
        Json::Text(text) | Json::Number(text) => Ok(text),
        Json::Bool(value) => Ok(value.to_string()),
        other => Err(wrong("a text, a number or a boolean", &other)),
    };
    list(json)?.into_iter().map(scalar).collect()
}

fn list(json: Json) -> Parsed<Vec<Json>> {
    match json {
        Json::List(entries) if entries.is_empty() => Err(DocumentError::new("an empty list")),
        Json::List(entries) => Ok(entries),
        entry => Ok(vec![entry]),
    }
}

fn wrong(expected: &str, found: &Json) -> DocumentError {
    DocumentError::new(format!("{} instead of {expected}", found.kind()))
}

#[cfg(test)]
mod tests;
