//! Times, numbers and names as the screens write them. Times are UTC.

use std::time::Duration;

use rerole_core::resource::RoleArn;
use rerole_core::timestamp::Timestamp;

/// Who sent an event that does not say so.
pub const UNNAMED: &str = "a sender that the event does not name";

/// A count and what it counts: `1 association`, `2 associations`.
pub fn count(number: u64, noun: &str) -> String {
    let plural = if number == 1 { "" } else { "s" };
    format!("{number} {noun}{plural}")
}

/// A time that is to be written.
#[derive(Debug, Clone, Copy)]
pub struct Time(Timestamp);

/// The ARN of a role that is to be written.
#[derive(Debug, Clone, Copy)]
pub struct Role<'a>(&'a str);

/// A time, to be written by [`Time::seen_at`].
pub fn time(at: Timestamp) -> Time {
    Time(at)
}

/// A role, to be written by [`Role::in_account`].
pub fn role(arn: &str) -> Role<'_> {
    Role(arn)
}

impl Time {
    /// To the second, and how long ago it was or in what time it will be:
    /// `2026-11-23 21:17:00 (5 min ago)`.
    pub fn seen_at(self, now: Timestamp) -> String {
        let Self(at) = self;
        let distance = if at > now {
            format!("in {}", duration(at.since(now)))
        } else {
            format!("{} ago", duration(now.since(at)))
        };
        format!("{} ({distance})", plain_time(at))
    }
}

impl Role<'_> {
    /// By its path and name if it is in the account of the stack, and else by its ARN.
    pub fn in_account(self, account: &str) -> String {
        let Self(arn) = self;
        match arn.parse::<RoleArn>() {
            Ok(role) if role.account() == account => {
                let name = arn.split_once(":role/").map_or(arn, |(_, name)| name);
                name.to_owned()
            }
            _ => arn.to_owned(),
        }
    }
}

/// A time to the second: `2026-11-23 21:17:00`.
pub fn plain_time(at: Timestamp) -> String {
    let text = at.to_string();
    let seconds = text.split('.').next().unwrap_or(&text);
    seconds.replace('T', " ")
}

/// A duration in its largest unit, or its two largest ones: `40 s`, `5 min`, `3 h 20 min`, `2 d`.
pub fn duration(duration: Duration) -> String {
    let secs = duration.as_secs();
    let (minutes, hours, days) = (secs / 60, secs / 3_600, secs / 86_400);
    match (days, hours, minutes) {
        (0, 0, 0) => format!("{secs} s"),
        (0, 0, _) => format!("{minutes} min"),
        (0, _, _) if minutes % 60 == 0 => format!("{hours} h"),
        (0, _, _) => format!("{hours} h {} min", minutes % 60),
        _ => format!("{days} d"),
    }
}

/// A duration in its largest unit: `40 s`, `5 min`, `3 h`, `2 d`.
pub fn age(time: Duration) -> String {
    match time.as_secs() / 3_600 {
        0 => duration(time),
        hours => duration(Duration::from_hours(hours)),
    }
}

/// A caller of AWS by its name, such as `jane` or `Operator/jane`. Other texts stay as they are.
pub fn caller(claim: &str) -> &str {
    let is_arn = claim.starts_with("arn:");
    let resource = claim.splitn(6, ':').nth(5).filter(|_| is_arn);
    let name = resource.and_then(|it| it.split_once('/'));
    name.map_or(claim, |(_, name)| name)
}

/// A name such as `OwnedByAddon` as the words that it is made of.
pub fn spaced(name: &str) -> String {
    let mut words = String::new();
    for (at, c) in name.char_indices() {
        if at > 0 && c.is_uppercase() {
            words.push(' ');
        }
        words.push(c);
    }
    words
}

/// Names after each other, at most `most` of them.
pub fn list(names: &[String], most: usize) -> String {
    let shown = names
        .iter()
        .take(most)
        .cloned()
        .collect::<Vec<_>>()
        .join(", ");
    match names.len().saturating_sub(most) {
        0 => shown,
        more => format!("{shown} and {more} more"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_duration_has_its_largest_units() {
        for (secs, text) in [
            (0, "0 s"),
            (59, "59 s"),
            (61, "1 min"),
            (3_600, "1 h"),
            (3_720, "1 h 2 min"),
            (86_400, "1 d"),
        ] {
            assert_eq!(duration(Duration::from_secs(secs)), text);
        }
    }

    #[test]
    fn an_age_has_its_largest_unit() {
        for (secs, text) in [(59, "59 s"), (90, "1 min"), (7_199, "1 h"), (90_000, "1 d")] {
            assert_eq!(age(Duration::from_secs(secs)), text);
        }
    }

    #[test]
    fn a_time_says_how_far_away_it_is() {
        let at: Timestamp = "2026-11-23T21:17:00.123Z".parse().unwrap();
        let minute = Duration::from_mins(1);
        assert_eq!(
            time(at).seen_at(at + minute),
            "2026-11-23 21:17:00 (1 min ago)"
        );
        assert_eq!(
            time(at).seen_at(at - minute),
            "2026-11-23 21:17:00 (in 1 min)"
        );
    }

    #[test]
    fn a_caller_is_shown_by_its_name() {
        for (claim, name) in [
            (
                "arn:aws:sts::111122223333:assumed-role/Operator/jane",
                "Operator/jane",
            ),
            ("arn:aws:iam::111122223333:user/jane", "jane"),
            (
                "arn:aws:iam::111122223333:root",
                "arn:aws:iam::111122223333:root",
            ),
            ("pipeline/7", "pipeline/7"),
        ] {
            assert_eq!(caller(claim), name);
        }
    }

    #[test]
    fn a_role_of_another_account_is_shown_with_it() {
        let arn = "arn:aws:iam::111122223333:role/platform/app";
        assert_eq!(role(arn).in_account("111122223333"), "platform/app");
        assert_eq!(role(arn).in_account("444455556666"), arn);
    }
}
