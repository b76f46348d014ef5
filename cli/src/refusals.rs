//! Updates that the simulated EKS refuses because a flag says so.

use std::collections::BTreeSet;

use rerole_sim::{Call, Fault, SimulatedAws};

/// The error is permanent, so rerole does not retry.
const CODE: &str = "InvalidRequestException";

/// How often EKS refuses to update one association.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Refusals {
    Always,
    Once,
}

/// Makes EKS refuse to update these associations.
pub fn refuse(aws: &SimulatedAws, arns: &BTreeSet<String>, refusals: Refusals) {
    let mut subjects: BTreeSet<String> = aws.eks(|eks| {
        let found = arns.iter().filter_map(|arn| eks.association(arn));
        found
            .map(|association| {
                format!(
                    "{}/{}",
                    association.cluster_name, association.association_id
                )
            })
            .collect()
    });
    aws.on_call(move |call: &Call| {
        if call.operation != "UpdatePodIdentityAssociation" || !subjects.contains(&call.subject) {
            return Fault::None;
        }
        if refusals == Refusals::Once {
            subjects.remove(&call.subject);
        }
        Fault::Error {
            status: 400,
            code: CODE.to_owned(),
            message: "refused because of the flag --fail".to_owned(),
        }
    });
}
