//! The statements of a role's policies as rules over [`Sets`]: which actions and resources each one
//! selects, and under which conditions.

use super::conditions::Clause;
use super::dependence::Dependence;
use super::glob::{Kind, variables};
use super::input::{NamedDocument, Permissions};
use super::sets::{GlobId, SelId, Sets};
use crate::policy::{Document, Effect, Pattern, Selection, Statement, Version};

/// One statement.
#[derive(Debug, Clone)]
pub(super) struct Rule {
    /// The name of its policy.
    pub policy: String,
    /// Its Sid, or its place in the policy.
    pub statement: String,
    pub actions: SelId,
    pub resources: SelId,
    pub conditions: Vec<Clause>,
    /// The policy variables in resources and conditions. If one has no value, the documentation
    /// says that the whole statement may be invalid.
    pub variables: Vec<String>,
}

impl Rule {
    /// Returns whether the statement applies to each request for what it selects.
    pub(super) fn is_unconditional(&self) -> bool {
        self.conditions.is_empty() && self.variables.is_empty()
    }

    /// Returns the condition keys and policy variables on which the statement depends.
    pub(super) fn depends_on(&self) -> Vec<String> {
        depends_on(&self.conditions, &self.variables)
    }
}

/// Returns the condition keys and the policy variables.
pub(super) fn depends_on(conditions: &[Clause], variables: &[String]) -> Vec<String> {
    let keys = conditions.iter().map(|clause| clause.key().to_owned());
    let variables = variables.iter().map(|name| format!("${{{name}}}"));
    let mut names: Vec<_> = keys.chain(variables).collect();
    names.sort();
    names.dedup();
    names
}

/// The rules of one role.
pub(super) struct Role {
    pub allows: Vec<Rule>,
    /// The explicit denies of the policies and of the boundary.
    pub denies: Vec<Rule>,
    /// What the boundary allows; `None` without a boundary, or if it could not be read.
    pub boundary: Option<Boundary>,
    /// The policies that could not be read or understood.
    pub unreadable: Vec<String>,
    /// The boundary, if it could not be read or understood.
    pub unreadable_boundary: Option<String>,
}

pub(super) struct Boundary {
    pub policy: String,
    pub allows: Vec<Rule>,
}

/// Reads the rules of one of the roles.
pub(super) struct Reader<'a> {
    pub sets: &'a mut Sets,
    pub roles: &'a Dependence,
}

impl Reader<'_> {
    pub(super) fn role(&mut self, permissions: &Permissions) -> Role {
        let mut role = Role {
            allows: Vec::new(),
            denies: Vec::new(),
            boundary: None,
            unreadable: Vec::new(),
            unreadable_boundary: None,
        };
        for policy in &permissions.identity {
            match self.rules(policy) {
                Some((allows, denies)) => {
                    role.allows.extend(allows);
                    role.denies.extend(denies);
                }
                None => role.unreadable.push(policy.name.clone()),
            }
        }
        if let Some(boundary) = &permissions.boundary {
            let policy = boundary.name.clone();
            match self.rules(boundary) {
                Some((allows, denies)) => {
                    role.denies.extend(denies);
                    role.boundary = Some(Boundary { policy, allows });
                }
                None => role.unreadable_boundary = Some(policy),
            }
        }
        role
    }

    /// Returns what the policy allows and what it denies; `None` if it could not be understood.
    /// That includes a statement that only a policy of a resource can have.
    fn rules(&mut self, policy: &NamedDocument) -> Option<(Vec<Rule>, Vec<Rule>)> {
        let document = policy.document.as_ref().ok()?;
        let (mut allows, mut denies) = (Vec::new(), Vec::new());
        for statement in &document.statements {
            let rule = self.rule(&policy.name, document, statement)?;
            match statement.effect {
                Effect::Allow => allows.push(rule),
                Effect::Deny => denies.push(rule),
            }
        }
        Some((allows, denies))
    }

    fn rule(&mut self, policy: &str, document: &Document, statement: &Statement) -> Option<Rule> {
        if statement.principals.is_some() {
            return None;
        }
        let kind = match document.version {
            Version::V2008 => Kind::PlainResource,
            Version::V2012 => Kind::Resource,
        };
        let resources = statement.resources.as_ref()?;
        let clause = |condition| Clause::new(condition, document.version, self.roles);
        let conditions: Vec<_> = statement.conditions.iter().map(clause).collect();
        let texts = resources
            .entries()
            .iter()
            .filter(|_| kind == Kind::Resource);
        let mut variables: Vec<_> = texts.flat_map(|text| variables(text.as_str())).collect();
        variables.extend(conditions.iter().flat_map(Clause::variables));
        variables.sort();
        variables.dedup();
        Some(Rule {
            policy: policy.to_owned(),
            statement: match &statement.sid {
                Some(sid) if !sid.is_empty() => sid.clone(),
                _ => format!("statement {}", statement.index + 1),
            },
            actions: self.selection(&statement.actions, Kind::Action),
            resources: self.selection(resources, kind),
            conditions,
            variables,
        })
    }

    fn selection(&mut self, selection: &Selection<Pattern>, kind: Kind) -> SelId {
        let differs = |name: &str| self.roles.differs(name);
        let mut glob = |pattern: &Pattern| self.sets.glob(pattern.as_str(), kind, differs);
        let globs: Vec<GlobId> = selection.entries().iter().map(&mut glob).collect();
        match selection {
            Selection::Only(_) => self.sets.only(globs),
            Selection::AllBut(_) => self.sets.all_but(globs),
        }
    }
}
