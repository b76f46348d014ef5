//! How long EKS may take to show a change. It is eventually consistent: a read may show a state
//! from before a change, even one that an earlier read has shown.

use std::time::Duration;

/// EKS shows a change within seconds. After this time, what it shows is taken as it is.
const SHOWN_WITHIN: Duration = Duration::from_secs(10);
/// Responses in a row that must say that a resource does not exist.
const ABSENT_RESPONSES: u32 = 3;
/// The pause between them. A resource that was created before the first one is shown by the last.
const ABSENT_PAUSE: Duration = Duration::from_secs(5);
const _: () = assert!(
    ABSENT_PAUSE.as_secs() * (ABSENT_RESPONSES as u64 - 1) >= SHOWN_WITHIN.as_secs(),
    "the last response must be able to show what the first one could not"
);

/// Returns whether EKS may not show a change of this age yet.
#[must_use]
pub fn may_be_hidden(age: Duration) -> bool {
    age < SHOWN_WITHIN
}

/// Returns for how long EKS may not show a change of this age yet. `None` if it shows the change.
#[must_use]
pub fn hidden_for(age: Duration) -> Option<Duration> {
    may_be_hidden(age).then(|| SHOWN_WITHIN.saturating_sub(age))
}

/// Responses in a row that did not show a resource. One such response proves nothing: EKS may not
/// show a resource that exists. So nothing is taken for deleted before it was asked for again,
/// seconds apart.
///
/// ```
/// use rerole_core::resource::Absence;
///
/// let mut absence = Absence::default();
/// assert!(absence.note().is_some(), "ask again after this pause");
/// assert!(absence.note().is_some());
/// assert!(absence.note().is_none(), "the resource is deleted");
/// ```
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Absence {
    responses: u32,
}

impl Absence {
    /// Counts a response that does not show the resource. Returns the pause before it has to be
    /// asked for again, or `None` if it does not exist.
    pub fn note(&mut self) -> Option<Duration> {
        self.responses += 1;
        (self.responses < ABSENT_RESPONSES).then_some(ABSENT_PAUSE)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_change_may_be_hidden_for_ten_seconds() {
        for (millis, expected) in [(0, true), (9_999, true), (10_000, false)] {
            let age = Duration::from_millis(millis);
            assert_eq!(may_be_hidden(age), expected, "after {millis} ms");
            let rest = expected.then(|| Duration::from_millis(10_000 - millis));
            assert_eq!(hidden_for(age), rest, "after {millis} ms");
        }
    }

    #[test]
    fn the_third_response_in_a_row_that_does_not_show_a_resource_proves_its_absence() {
        let mut absence = Absence::default();
        let pauses: Vec<_> = (0..4).map(|_| absence.note()).collect();
        let pause = Some(Duration::from_secs(5));
        assert_eq!(pauses, [pause, pause, None, None]);
    }
}
