//! How an association ends when `decide` leaves it open: it shows the new role, and rerole itself
//! may have set it; or the rotation stops, and an update may have been sent.

use std::time::Duration;

use crate::call::CallError;
use crate::resource::{Association, RoleFields};
use crate::rotation::{Ending, Row, Token};
use crate::timestamp::Timestamp;

/// Some AWS emulators keep whole seconds, so a version of ours can read as up to a second too old.
const EMULATED_VERSION_AGE_MAX: Duration = Duration::from_secs(1);

/// The updates of this rotation that may have taken effect although no response confirmed them.
#[derive(Debug, Clone, Copy, Default)]
pub struct UnconfirmedUpdates<'a> {
    /// The token of this slice's update whose response was lost.
    pub of_this_slice: Option<&'a Token>,
    /// Since when earlier slices may have sent updates. `None` if none can have sent one.
    pub of_earlier_slices_since: Option<Timestamp>,
}

/// Returns how an association ends that shows the new role in `fields`. If an update of this
/// rotation can have set it, that update most likely did.
#[must_use]
pub fn ending_on_new_role(
    row: &Row,
    observed: &Association,
    fields: RoleFields,
    unconfirmed: UnconfirmedUpdates<'_>,
) -> Ending {
    if let Some(token) = unconfirmed.of_this_slice {
        return Ending::InferredUpdated {
            token: Some(token.clone()),
            fields,
        };
    }
    let may_be_ours = unconfirmed.of_earlier_slices_since.is_some_and(|since| {
        observed.modified_at > row.planned_modified_at
            && observed.modified_at + EMULATED_VERSION_AGE_MAX > since
    });
    if may_be_ours {
        Ending::InferredUpdated {
            token: None,
            fields,
        }
    } else {
        Ending::AlreadyCurrent
    }
}

/// Returns how an association on the old role ends after the rotation has stopped. `sent` is its
/// last update that did not succeed: an association whose update was sent never ends as
/// `NotAttempted`, whatever the result was.
#[must_use]
pub fn ending_after_stop(sent: Option<(Token, CallError)>) -> Ending {
    match sent {
        Some((token, error)) => Ending::failed(Some(token), error),
        None => Ending::NotAttempted,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::call::Operation;
    use crate::indexing::IndexItem;
    use crate::resource::{RoleField, association};

    fn at(secs: i64) -> Timestamp {
        Timestamp::from_millis(secs * 1_000)
    }

    fn token() -> Token {
        let (key, seen) = ("r".parse().unwrap(), association("a"));
        Token::new(&key, &seen.association_arn, seen.modified_at, &[], 0)
    }

    #[test]
    fn an_update_is_inferred_only_if_this_rotation_can_have_sent_it() {
        let role = "arn:aws:iam::111122223333:role/a".parse().unwrap();
        let row = Row {
            planned_modified_at: at(10),
            ..Row::planned(&role, &IndexItem::of(&association("a")))
        };
        let (lost, fields) = (token(), RoleFields::from(vec![RoleField::RoleArn]));
        let inferred = |token| Ending::InferredUpdated { token, fields };
        for (of_this_slice, since, modified_at, expected) in [
            (None, None, 30, Ending::AlreadyCurrent),
            (Some(&lost), None, 30, inferred(Some(lost.clone()))),
            (Some(&lost), None, 10, inferred(Some(lost.clone()))),
            (None, Some(20), 30, inferred(None)),
            // The plan's own version, or one from before the rotation.
            (None, Some(5), 10, Ending::AlreadyCurrent),
            (None, Some(20), 19, Ending::AlreadyCurrent),
            // An emulator that keeps whole seconds may show a version of second 20 as 20.
            (None, Some(20), 20, inferred(None)),
        ] {
            let observed = Association {
                modified_at: at(modified_at),
                ..association("b")
            };
            let unconfirmed = UnconfirmedUpdates {
                of_this_slice,
                of_earlier_slices_since: since.map(at),
            };
            let ending = ending_on_new_role(&row, &observed, fields, unconfirmed);
            assert_eq!(
                ending, expected,
                "{of_this_slice:?} {since:?} at {modified_at}"
            );
        }
    }

    #[test]
    fn an_association_whose_update_was_sent_fails_when_the_rotation_stops() {
        assert_eq!(ending_after_stop(None), Ending::NotAttempted);
        let error = CallError::contention(
            Operation::on("update association", &"a-1"),
            "lost".to_owned(),
        );
        let ending = ending_after_stop(Some((token(), error)));
        let Ending::Failed { token: sent, error } = ending else {
            panic!("{ending:?}");
        };
        assert_eq!((sent, error.code.as_str()), (Some(token()), "Transient"));
    }
}
