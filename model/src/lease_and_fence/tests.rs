use super::*;
use crate::explore::counterexample;

const ONE_OWNER: &str = "two invocations never hold the lease at once";
const RELEASED: &str = "an owner that released the lease changes nothing";

#[test]
fn each_guard_is_needed() {
    for (guard, property) in [
        (Guard::Fence, "a former owner changes nothing"),
        (Guard::AbsenceInCreate, "the fence never decreases"),
        (Guard::ExpiryInTakeover, ONE_OWNER),
        (Guard::SeenLeaseInTakeover, ONE_OWNER),
        (Guard::LeaseInRenewal, RELEASED),
        (Guard::LeaseInStart, "a finished rotation stays as it is"),
        (Guard::LeaseInClose, RELEASED),
        (Guard::LongerLeaseInRenewal, ONE_OWNER),
        (Guard::OwnLease, "each terminal state is a closed rotation"),
    ] {
        counterexample(LeaseAndFence::new(Some(guard)), property);
    }
}
