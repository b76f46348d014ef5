//! What the checks are about, read from IAM and Lambda: the roles with their policies, and the role
//! of the rotate function. Reading never fails: what cannot be read is a fact as well.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use futures_util::stream::{self, StreamExt};
use rerole_core::call::ErrorClass;
use rerole_core::resource::RoleArn;
use tokio::time::timeout;

use crate::functions;
use crate::iam::{Iam, ReadRole, Reading, RoleWithPolicies, ServiceUse, Unreadable};
use crate::preflight::moves::Move;
use crate::request::Roles;
use crate::stack::{Name, Stack};

/// How many roles beside the two are read, such as target roles: each takes calls of IAM, which
/// publishes no rate.
const OTHERS_MAX: usize = 100;
const CONCURRENCY: usize = 4;
/// An operator who cannot reach IAM must still be able to rotate soon. The job about the use of
/// services takes up to 30 s.
const PATIENCE: Duration = Duration::from_secs(45);

/// What IAM and Lambda have told.
#[derive(Debug)]
pub struct Facts {
    pub old: ReadRole,
    pub new: ReadRole,
    /// When the services were last used that the old role may use.
    pub service_use: Reading<ServiceUse>,
    /// The execution role of the rotate function.
    pub function: ReadRole,
    /// The other roles of the chains in which the new role is: by ARN.
    pub others: BTreeMap<String, ReadRole>,
}

impl Facts {
    /// Reads all that the checks need, within [`PATIENCE`].
    pub async fn read(stack: &Stack, roles: &Roles, moves: &[Move<'_>]) -> Self {
        let facts = timeout(PATIENCE, Box::pin(Self::read_all(stack, roles, moves))).await;
        facts.unwrap_or_else(|_| {
            let secs = PATIENCE.as_secs();
            let late = || Unreadable::new(format!("not read: IAM took more than {secs} s"));
            Self {
                old: Err(late()),
                new: Err(late()),
                service_use: Err(late()),
                function: Err(late()),
                others: BTreeMap::new(),
            }
        })
    }

    async fn read_all(stack: &Stack, roles: &Roles, moves: &[Move<'_>]) -> Self {
        let iam = Iam::of(stack);
        let (old, new, service_use, function, others) = tokio::join!(
            read(&iam, &roles.old),
            read(&iam, &roles.new),
            iam.service_use(&roles.old),
            function_role(&iam, stack),
            others(&iam, roles, moves),
        );
        Self {
            old,
            new,
            service_use,
            function,
            others,
        }
    }
}

async fn read(iam: &Iam, arn: &RoleArn) -> ReadRole {
    let Some(role) = iam.role(arn).await? else {
        return Ok(None);
    };
    let policies = iam.policies(&role).await;
    Ok(Some(RoleWithPolicies { role, policies }))
}

/// Reads the role with which the rotate function calls EKS.
async fn function_role(iam: &Iam, stack: &Stack) -> ReadRole {
    let Some(function) = stack.outputs.get(Name::RotateFunctionArn) else {
        let why = "the stack does not say which function it has (RotateFunctionArn)";
        return Err(Unreadable::new(why));
    };
    let configuration = functions::configuration(stack, function).await;
    let configuration = configuration.map_err(|error| {
        Unreadable::new(if error.class == ErrorClass::Denied {
            "not readable: lambda:GetFunctionConfiguration".to_owned()
        } else {
            format!("not readable: {error}")
        })
    })?;
    let arn = configuration.role.unwrap_or_default();
    let arn = arn
        .parse()
        .map_err(|_| Unreadable::new("Lambda does not say which role the rotate function has"))?;
    read(iam, &arn).await
}

/// Reads the other roles of chains.
async fn others(iam: &Iam, roles: &Roles, moves: &[Move<'_>]) -> BTreeMap<String, ReadRole> {
    let chained = moves.iter().filter_map(|it| Some([it.role, it.target?]));
    let arns: BTreeSet<&str> = chained
        .flatten()
        .filter(|arn| *arn != roles.new.as_str())
        .collect();
    let read = async |(number, arn): (usize, &str)| {
        let role = match arn.parse() {
            _ if number >= OTHERS_MAX => {
                let why = format!("not read: more than {OTHERS_MAX} roles are chained");
                Err(Unreadable::new(why))
            }
            Ok(role) => read(iam, &role).await,
            Err(_) => Err(Unreadable::new("not readable: it is not the ARN of a role")),
        };
        (arn.to_owned(), role)
    };
    let all = stream::iter(arns.into_iter().enumerate()).map(read);
    all.buffered(CONCURRENCY).collect().await
}
