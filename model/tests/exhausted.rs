//! Every state of every model, one model after the other: each uses all cores.

use rerole_model::commands;
use rerole_model::explore::exhaust;
use rerole_model::freezes::Freezes;
use rerole_model::lease_and_fence::LeaseAndFence;
use rerole_model::locks_and_roles::LocksAndRoles;
use rerole_model::plan_and_close::PlanAndClose;
use rerole_model::queues::Disturbance::{Check, Commands, Death};
use rerole_model::queues::Queues;
use rerole_model::rollbacks::Rollbacks;
use rerole_model::settle_and_resume::SettleAndResume;

/// Fewer states than these mean that a model has shrunk by accident.
#[test]
fn no_state_of_any_model_breaks_a_guarantee() {
    let states = [
        (
            exhaust("commands and slices", commands::Commands::new(None)),
            9_300_000,
        ),
        (exhaust("freezes and slices", Freezes::new(None)), 2_000_000),
        (
            exhaust("lease and fence", LeaseAndFence::new(None)),
            3_400_000,
        ),
        (
            exhaust("locks and roles", LocksAndRoles::new(None)),
            16_700_000,
        ),
        (
            exhaust("plan and close", PlanAndClose::new(None)),
            4_300_000,
        ),
        (
            exhaust("queues and a death", Queues::new(Death, None)),
            3_300_000,
        ),
        (
            exhaust("queues and a command", Queues::new(Commands(1), None)),
            3_700_000,
        ),
        (
            exhaust("queues and the check", Queues::new(Check, None)),
            2_700_000,
        ),
        (exhaust("rollbacks", Rollbacks::new(None)), 58_000),
        (
            exhaust("settle and resume", SettleAndResume::new(None)),
            6_600_000,
        ),
    ];
    let total: usize = states.iter().map(|(states, _)| states).sum();
    println!("together: {total} states");
    for (states, at_least) in states {
        assert!(states >= at_least, "{states} states, fewer than {at_least}");
    }
}
