//! The CloudTrail events of one batch about one association, and what a Describe of it means after
//! them.

use crate::indexing::cloudtrail::{CloudTrailEvent, EventName};
use crate::resource::may_be_hidden;
use crate::timestamp::Timestamp;

/// The events about one association.
#[derive(Debug, Default)]
pub struct AssociationEvents(Vec<CloudTrailEvent>);

/// What a Describe means after the events.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum EventVerdict {
    /// The association exists as EKS shows it.
    Exists,
    /// The association is deleted.
    Deleted,
    /// EKS still shows an association that an event says is deleted.
    StillShown,
    /// EKS does not show a change yet that an event names.
    NotYetShown,
}

/// Who made a version of an association.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Caller {
    pub caller_arn: Option<String>,
    pub user_agent: Option<String>,
}

impl AssociationEvents {
    pub fn add(&mut self, event: CloudTrailEvent) {
        self.0.push(event);
    }

    /// Returns what it means that EKS shows the association at the version `shown`, or that it does
    /// not show it. EKS was first asked at `asked_at`.
    #[must_use]
    pub fn verdict(&self, shown: Option<Timestamp>, asked_at: Timestamp) -> EventVerdict {
        match shown {
            // The association is deleted, or so new that EKS does not show it yet.
            None if !self.has_deletion() && self.has_recent_event(asked_at) => {
                EventVerdict::NotYetShown
            }
            None => EventVerdict::Deleted,
            // EKS never reuses an ID, so this is the view from before the deletion.
            Some(_) if self.has_deletion() => EventVerdict::StillShown,
            // The version in an event is a hint. If EKS does not show it once it would, the event
            // is wrong: no document says how CloudTrail writes it.
            Some(shown) if self.made_version_after(shown) && self.has_recent_event(asked_at) => {
                EventVerdict::NotYetShown
            }
            Some(_) => EventVerdict::Exists,
        }
    }

    /// Returns who made this version, if one of the events made it.
    #[must_use]
    pub fn caller_of(&self, modified_at: Timestamp) -> Caller {
        let event = self.0.iter().find(|event| event.made(modified_at));
        event.map_or_else(Caller::default, |event| Caller {
            caller_arn: event.caller.clone(),
            user_agent: event.user_agent.clone(),
        })
    }

    fn has_deletion(&self) -> bool {
        self.0
            .iter()
            .any(|event| event.event_name == EventName::DeletePodIdentityAssociation)
    }

    fn has_recent_event(&self, asked_at: Timestamp) -> bool {
        self.0
            .iter()
            .filter_map(|event| event.at)
            .any(|at| may_be_hidden(asked_at.since(at)))
    }

    fn made_version_after(&self, shown: Timestamp) -> bool {
        self.0
            .iter()
            .filter_map(|event| event.made_version)
            .any(|version| version > shown)
    }
}

#[cfg(test)]
mod tests {
    use super::EventVerdict::*;
    use super::*;
    use crate::indexing::cloudtrail::Subject;

    fn at(secs: i64) -> Timestamp {
        Timestamp::from_millis(secs * 1_000)
    }

    fn events(rows: &[(EventName, Option<i64>)]) -> AssociationEvents {
        let arn = "arn:aws:eks:us-east-1:111122223333:podidentityassociation/prod/a-1";
        let event = |(event_name, made): &(EventName, Option<i64>)| CloudTrailEvent {
            subject: Subject::Association(arn.parse().unwrap()),
            event_name: *event_name,
            at: Some(at(100)),
            caller: Some(format!("caller of {made:?}")),
            user_agent: None,
            made_version: made.map(at),
        };
        let mut events = AssociationEvents::default();
        for row in rows {
            events.add(event(row));
        }
        events
    }

    #[test]
    fn events_and_a_describe_give_a_verdict() {
        use EventName::{
            CreatePodIdentityAssociation as Create, DeletePodIdentityAssociation as Delete,
            UpdatePodIdentityAssociation as Update,
        };
        for (rows, shown, now, expected) in [
            (&[(Create, Some(100))][..], Some(100), 101, Exists),
            (&[(Update, Some(100))], Some(103), 104, Exists),
            (&[(Update, Some(100))], Some(99), 101, NotYetShown),
            (&[(Update, Some(100))], Some(99), 110, Exists),
            (&[(Update, None)], Some(99), 101, Exists),
            (&[(Create, Some(100))], None, 101, NotYetShown),
            (&[(Create, Some(100))], None, 110, Deleted),
            (&[(Delete, None)], None, 101, Deleted),
            (&[(Delete, None)], Some(99), 101, StillShown),
            (&[(Update, Some(100)), (Delete, None)], None, 101, Deleted),
        ] {
            let verdict = events(rows).verdict(shown.map(at), at(now));
            assert_eq!(verdict, expected, "{rows:?} {shown:?} at {now}");
        }
    }

    #[test]
    fn the_caller_is_named_only_for_the_version_that_the_event_made() {
        let events = events(&[(EventName::UpdatePodIdentityAssociation, Some(100))]);
        let caller = events.caller_of(at(100)).caller_arn;
        assert_eq!(caller.as_deref(), Some("caller of Some(100)"));
        assert_eq!(events.caller_of(at(101)), Caller::default());
    }
}
