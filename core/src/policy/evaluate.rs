//! The evaluation of policies for a request: an explicit deny wins, and what no statement allows is
//! denied.
//!
//! IAM User Guide, "Policy evaluation logic". The caller says which documents are evaluated
//! together; other kinds of policies, such as those of an organization, have no part in it.

use std::collections::BTreeSet;

use crate::policy::truth::Judgement;
use crate::policy::{Caller, Condition, Context, Denial, Document, Effect, Mismatch, NearMiss};
use crate::policy::{Selection, Statement, StatementId, Verdict, Version};
use crate::policy::{caller, condition, selected};

/// A request to AWS.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Request {
    pub caller: Caller,
    /// For example `sts:AssumeRole`.
    pub action: String,
    /// The ARN of the resource. Trust policies do not need it.
    pub resource: Option<String>,
    pub context: Context,
}

/// Returns whether the documents, taken together, allow the request.
///
/// ```
/// use rerole_core::policy::{Caller, Context, Document, Request, Verdict, evaluate};
///
/// let policy = r#"{"Version": "2012-10-17", "Statement": {
///     "Effect": "Allow", "Principal": {"Service": "pods.eks.amazonaws.com"},
///     "Action": "sts:AssumeRole",
///     "Condition": {"StringEquals": {"aws:SourceAccount": "111122223333"}}
/// }}"#;
/// let documents = [Document::parse(policy).unwrap()];
/// let request = |context| Request {
///     caller: Caller::Service("pods.eks.amazonaws.com".to_owned()),
///     action: "sts:AssumeRole".to_owned(),
///     resource: None,
///     context,
/// };
/// let known = Context::new().with_value("aws:SourceAccount", "444455556666");
/// let Verdict::Denied(denial) = evaluate(&documents, &request(known)) else { panic!() };
/// assert_eq!(
///     denial.to_string(),
///     "aws:SourceAccount is limited to 111122223333, and the request has 444455556666"
/// );
/// let verdict = evaluate(&documents, &request(Context::new()));
/// assert!(matches!(verdict, Verdict::Unknown(_)));
/// ```
#[must_use]
pub fn evaluate(documents: &[Document], request: &Request) -> Verdict {
    let statements = || {
        documents.iter().enumerate().flat_map(|(at, document)| {
            let of = move |statement| Judged::new(statement, (at, document.version), request);
            document.statements.iter().map(of)
        })
    };
    let (allows, denies): (Vec<_>, Vec<_>) =
        statements().partition(|judged| judged.statement.effect == Effect::Allow);
    if let Some(deny) = denies
        .iter()
        .find(|judged| judged.matches == Judgement::Yes)
    {
        return Verdict::Denied(Denial::Explicit(deny.id()));
    }
    let any = |statements: &[Judged<'_>]| {
        Judgement::any(statements.iter().map(|judged| judged.matches.clone()))
    };
    match (any(&allows), any(&denies)) {
        (Judgement::No, _) => Verdict::Denied(Denial::NoAllow(nearest(&allows, request))),
        (Judgement::Yes, Judgement::No) => Verdict::Allowed,
        (allow, deny) => {
            let mut reasons = BTreeSet::new();
            for judgement in [allow, deny] {
                if let Judgement::Unknown(more) = judgement {
                    reasons.extend(more);
                }
            }
            Verdict::Unknown(reasons.into_iter().collect())
        }
    }
}

/// A statement and whether it matches the request.
struct Judged<'a> {
    statement: &'a Statement,
    document: usize,
    version: Version,
    matches: Judgement,
}

impl<'a> Judged<'a> {
    fn new(
        statement: &'a Statement,
        (document, version): (usize, Version),
        request: &Request,
    ) -> Self {
        let [caller, action, resource] = elements(statement, version, request);
        let conditions = statement.conditions.iter();
        let conditions = conditions.map(|one| condition::judge(one, version, &request.context));
        // Conditions are judged only if the rest matches: most statements are for other actions.
        let rest = Judgement::all([caller, action, resource]);
        let matches = match rest {
            Judgement::No => Judgement::No,
            rest => Judgement::all(conditions.chain([rest])),
        };
        Self {
            statement,
            document,
            version,
            matches,
        }
    }

    fn id(&self) -> StatementId {
        StatementId {
            document: self.document,
            index: self.statement.index,
            sid: self.statement.sid.clone(),
        }
    }

    /// Returns what does not match.
    fn mismatches(&self, request: &Request) -> Vec<Mismatch> {
        let [caller, action, resource] = elements(self.statement, self.version, request);
        let Statement {
            principals,
            actions,
            resources,
            ..
        } = self.statement;
        let mut mismatches = Vec::new();
        if let (Judgement::No, Some(principals)) = (caller, principals) {
            let (entries, excludes) = entries(principals);
            mismatches.push(Mismatch::Principal { entries, excludes });
        }
        if action == Judgement::No {
            let (entries, excludes) = entries(actions);
            mismatches.push(Mismatch::Action { entries, excludes });
        }
        if let (Judgement::No, Some(resources)) = (resource, resources) {
            let (entries, excludes) = entries(resources);
            mismatches.push(Mismatch::Resource { entries, excludes });
        }
        let is_no = |one: &&Condition| {
            condition::judge(one, self.version, &request.context) == Judgement::No
        };
        let conditions = self.statement.conditions.iter().filter(is_no);
        mismatches.extend(conditions.map(|one| Mismatch::Condition {
            operator: one.operator,
            key: one.key.clone(),
            values: one.values.clone(),
            found: request.context.fact(&one.key).clone(),
        }));
        mismatches
    }
}

/// Judges the principals, the actions and the resources of a statement.
fn elements(statement: &Statement, version: Version, request: &Request) -> [Judgement; 3] {
    let principals = statement.principals.as_ref();
    [
        caller::judge(principals, statement.effect, &request.caller),
        selected::judge_action(&statement.actions, &request.action),
        selected::judge_resource(
            statement.resources.as_ref(),
            request.resource.as_deref(),
            version,
            &request.context,
        ),
    ]
}

fn entries<T: ToString>(selection: &Selection<T>) -> (Vec<String>, bool) {
    let entries = selection.entries().iter().map(ToString::to_string);
    (entries.collect(), matches!(selection, Selection::AllBut(_)))
}

/// Returns the statement that misses the request by the least. One for other actions is about
/// something else, and so is one for other principals or resources, rather than one whose
/// conditions do not hold.
fn nearest(allows: &[Judged<'_>], request: &Request) -> Option<NearMiss> {
    let misses = allows.iter().map(|judged| NearMiss {
        statement: judged.id(),
        mismatches: judged.mismatches(request),
    });
    misses.min_by_key(|miss| {
        let count =
            |is: fn(&Mismatch) -> bool| miss.mismatches.iter().filter(|one| is(one)).count();
        let actions = count(|one| matches!(one, Mismatch::Action { .. }));
        let conditions = count(|one| matches!(one, Mismatch::Condition { .. }));
        (actions, miss.mismatches.len() - conditions, conditions)
    })
}
