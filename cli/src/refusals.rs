//! Updates that the simulated EKS refuses because a flag says so.

use std::collections::BTreeSet;

use rerole_sim::{Call, Fault, SimulatedAws};

/// The error is permanent, so rerole does not retry.
const CODE: &str = "InvalidRequestException";

/// Makes EKS refuse the first update of each of these associations.
pub fn refuse(aws: &SimulatedAws, arns: &BTreeSet<String>) {
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
        if call.operation != "UpdatePodIdentityAssociation" || !subjects.remove(&call.subject) {
            return Fault::None;
        }
        Fault::Error {
            status: 400,
            code: CODE.to_owned(),
            message: "refused because of the flag --fail".to_owned(),
        }
    });
}
