//! The faults that tests inject into calls, and the calls that they choose most often.

use rerole_sim::{Call, Fault};

use crate::harness::Harness;

impl Harness {
    /// Injects the fault into each call from now on that `is_hit` chooses.
    pub fn inject(&self, fault: Fault, mut is_hit: impl FnMut(&Call) -> bool + Send + 'static) {
        self.aws.on_call(move |call| {
            if is_hit(call) {
                fault.clone()
            } else {
                Fault::None
            }
        });
    }

    /// Injects the fault into the call with this index.
    pub fn inject_at(&self, index: usize, fault: &Fault) {
        self.inject(fault.clone(), move |call| call.index == index);
    }

    /// Freezes the function at its `nth` update from now on, after the update took effect.
    pub fn freeze_after_update(&self, nth: usize) {
        let mut updates = 0;
        self.inject(Fault::FreezeAfter, move |call| {
            updates += usize::from(is_update(call));
            is_update(call) && updates == nth
        });
    }
}

/// An error of a service, by its status and its code. The call does not take effect.
pub fn error((status, code): (u16, &str), message: &str) -> Fault {
    Fault::Error {
        status,
        code: code.to_owned(),
        message: message.to_owned(),
    }
}

/// Whether the call updates an association.
pub fn is_update(call: &Call) -> bool {
    call.operation == "UpdatePodIdentityAssociation"
}

/// Whether the call describes an association.
pub fn is_describe(call: &Call) -> bool {
    call.operation == "DescribePodIdentityAssociation"
}

/// Whether the call renews or releases the lease of rotation `r-1`.
pub fn is_lease_write(call: &Call) -> bool {
    let expression = call.body["UpdateExpression"].as_str();
    call.operation == "UpdateItem"
        && call.subject.ends_with("/r-1/rotation")
        && expression.is_some_and(|text| text.contains("#leaseUntil"))
}

/// Whether the call is the transaction that closes a rotation.
pub fn is_close(call: &Call) -> bool {
    let sets_end = call.body.to_string().contains("#finishedAt = :finishedAt");
    call.operation == "TransactWriteItems" && sets_end
}
