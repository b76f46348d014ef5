//! Random small policies, compared with what each role may do in a world of some thousand requests,
//! under every value of the conditions and both readings of wildcards.
//!
//! The evaluation here shares no code with the comparison. Patterns are at most three characters
//! long, so a request that shows a difference is in the world if there is one.

use std::collections::BTreeMap;

use super::super::{Change, LastAccessed, difference};
use super::BothRoles;
use super::language::permissions;

/// Enough for each kind of change to occur some hundred times.
const PAIRS: u64 = 3_000;
const ACTION: &str = "s:";
const RESOURCE: &str = "arn:aws:s:::";

/// What requests name.
struct World {
    actions: Vec<String>,
    resources: Vec<String>,
}

/// A statement, as it was drawn.
struct Drawn {
    is_boundary: bool,
    is_allow: bool,
    actions: (bool, Vec<String>),
    resources: (bool, Vec<String>),
    /// Bits of the flags that must be set.
    flags: u8,
    selected: Selected,
}

/// Which actions of the world are selected, and which resources in each reading of wildcards.
#[derive(Default)]
struct Selected {
    actions: Vec<bool>,
    resources: [Vec<bool>; 2],
}

/// A request in the world, by the places of what it names, with the flags that are set, and how
/// wildcards are read.
#[derive(Clone, Copy)]
struct Request {
    action: usize,
    resource: usize,
    flags: u8,
    across: bool,
}

impl World {
    fn new() -> Self {
        let mut actions = texts(ACTION, ['a', 'b', 'c']);
        actions.push("t:a".to_owned());
        let mut resources = texts(RESOURCE, ['a', ':', 'c']);
        resources.extend(["*", "arn:aws:t:::c"].map(str::to_owned));
        Self { actions, resources }
    }

    /// Returns what is selected by these rules for a text and a reading.
    fn select(
        &self,
        is_action: impl Fn(&str) -> bool,
        is_resource: impl Fn(&str, bool) -> bool,
    ) -> Selected {
        let resources = [false, true].map(|across| {
            self.resources
                .iter()
                .map(|text| is_resource(text, across))
                .collect()
        });
        Selected {
            actions: self.actions.iter().map(|text| is_action(text)).collect(),
            resources,
        }
    }

    /// The requests that differ in nothing but flags and reading.
    fn variants(&self) -> impl Iterator<Item = [Request; 8]> {
        let pairs = (0..self.actions.len())
            .flat_map(|action| (0..self.resources.len()).map(move |resource| (action, resource)));
        pairs.map(|(action, resource)| {
            [0, 1, 2, 3, 4, 5, 6, 7].map(|n: u8| Request {
                action,
                resource,
                flags: n & 3,
                across: n & 4 != 0,
            })
        })
    }
}

impl Selected {
    fn has(&self, request: Request) -> bool {
        self.actions[request.action]
            && self.resources[usize::from(request.across)][request.resource]
    }
}

impl Drawn {
    fn draw(rng: &mut fastrand::Rng) -> Self {
        let mut list = |start: &str, letters: &[&str]| {
            let is_not = rng.u8(..6) == 0;
            let patterns = (0..rng.usize(1..=2)).map(|_| {
                if rng.u8(..8) == 0 {
                    return "*".to_owned();
                }
                let letters = (0..rng.usize(1..=3)).map(|_| letters[rng.usize(..letters.len())]);
                format!("{start}{}", letters.collect::<String>())
            });
            (is_not, patterns.collect())
        };
        Self {
            actions: list(ACTION, &["a", "b", "*", "*", "?"]),
            resources: list(RESOURCE, &["a", ":", "*", "*", "?"]),
            is_boundary: false,
            is_allow: rng.u8(..4) != 0,
            flags: [0, 0, 0, 1, 2, 3][rng.usize(..6)],
            selected: Selected::default(),
        }
    }

    fn text(&self) -> String {
        let not = |(is_not, list): &(bool, Vec<String>)| {
            format!("{}{}", if *is_not { "not " } else { "" }, list.join(","))
        };
        let conditions: Vec<_> = [1, 2]
            .into_iter()
            .filter(|flag| self.flags & flag != 0)
            .map(|flag| format!("Bool s:flag{flag} true"))
            .collect();
        format!(
            "{}{} {} on {}{}{}",
            if self.is_boundary { "boundary " } else { "" },
            if self.is_allow { "allow" } else { "deny" },
            not(&self.actions),
            not(&self.resources),
            if conditions.is_empty() { "" } else { " if " },
            conditions.join(" and "),
        )
    }

    fn select_in(&mut self, world: &World) {
        let any = |(is_not, list): &(bool, Vec<String>), text: &str, across: bool| {
            *is_not != list.iter().any(|pattern| matches(pattern, text, across))
        };
        self.selected = world.select(
            |text| any(&self.actions, text, true),
            |text, across| any(&self.resources, text, across),
        );
    }

    fn applies(&self, request: Request) -> bool {
        self.flags & !request.flags == 0 && self.selected.has(request)
    }
}

/// Matches as the documentation says it, without any care for time.
fn matches(pattern: &str, text: &str, across: bool) -> bool {
    let Some(first) = pattern.chars().next() else {
        return text.is_empty();
    };
    let rest = &pattern[first.len_utf8()..];
    let next = text.chars().next();
    let behind = next.map(|c| &text[c.len_utf8()..]);
    match first {
        '*' => {
            let rest = rest.trim_start_matches('*');
            let far = across || rest.is_empty() || rest.starts_with(':');
            matches(rest, text, across)
                || next.is_some_and(|c| far || c != ':')
                    && behind.is_some_and(|behind| matches(pattern, behind, across))
        }
        '?' => {
            next.is_some_and(|c| across || c != ':')
                && behind.is_some_and(|behind| matches(rest, behind, across))
        }
        first => next == Some(first) && behind.is_some_and(|behind| matches(rest, behind, across)),
    }
}

fn may(role: &[Drawn], request: Request) -> bool {
    let allows = |is_boundary: bool| {
        let mut allows = role
            .iter()
            .filter(|drawn| drawn.is_allow && drawn.is_boundary == is_boundary);
        allows.any(|drawn| drawn.applies(request))
    };
    let is_limited = role.iter().any(|drawn| drawn.is_boundary);
    let is_denied = role
        .iter()
        .any(|drawn| !drawn.is_allow && drawn.applies(request));
    allows(false) && (!is_limited || allows(true)) && !is_denied
}

fn draw_role(rng: &mut fastrand::Rng, world: &World) -> Vec<Drawn> {
    let count = rng.usize(1..=3);
    let mut role: Vec<_> = (0..count).map(|_| Drawn::draw(rng)).collect();
    if rng.u8(..4) == 0 {
        let mut boundary = Drawn::draw(rng);
        boundary.is_boundary = true;
        role.push(boundary);
    }
    for drawn in &mut role {
        drawn.select_in(world);
    }
    role
}

/// All texts of one to three letters.
fn texts(start: &str, letters: [char; 3]) -> Vec<String> {
    let mut texts = Vec::new();
    let mut last = vec![start.to_owned()];
    for _ in 0..3 {
        last = last
            .iter()
            .flat_map(|text| letters.map(|c| format!("{text}{c}")))
            .collect();
        texts.extend(last.iter().cloned());
    }
    texts
}

/// Returns whether one of an entry's texts is about an action or a resource.
fn covers(texts: &[String], text: &str, across: bool) -> bool {
    texts.iter().any(|area| {
        let (all, none) = area.split_once(" except ").unwrap_or((area, ""));
        let matches = |pattern: &str| matches(pattern, text, across);
        all.split(" that also match ").all(matches)
            && !none
                .split(" and ")
                .filter(|pattern| !pattern.is_empty())
                .any(matches)
    })
}

#[test]
fn each_entry_is_true_and_no_difference_is_left_out() {
    let world = World::new();
    let mut seen: BTreeMap<&str, usize> = BTreeMap::new();
    for seed in 0..PAIRS {
        let mut rng = fastrand::Rng::with_seed(seed);
        let roles = [draw_role(&mut rng, &world), draw_role(&mut rng, &world)];
        for label in check(&roles, &world) {
            *seen.entry(label).or_default() += 1;
        }
    }
    for label in ["kept", "lost", "narrowed", "cannot tell"] {
        assert!(
            seen.get(label).is_some_and(|count| *count > 300),
            "{seen:?}"
        );
    }
}

/// Checks one pair of roles, and returns what it shows.
fn check(roles: &[Vec<Drawn>; 2], world: &World) -> Vec<&'static str> {
    let text = |role: &Vec<Drawn>| role.iter().map(Drawn::text).collect::<Vec<_>>().join("\n");
    let [old_text, new_text] = roles.each_ref().map(text);
    let both = BothRoles {
        old: &permissions("old", &old_text),
        new: &permissions("new", &new_text),
    };
    let shown = difference(both, &LastAccessed::default());
    let context = || format!("old:\n{old_text}\nnew:\n{new_text}\n{shown:#?}");
    let [old, new] = roles;
    let covered = shown.entries.iter().map(|entry| {
        world.select(
            |text| covers(&entry.actions, text, true),
            |text, across| covers(&entry.resources, text, across),
        )
    });
    let covered: Vec<_> = covered.collect();
    let mut is_proven = vec![false; covered.len()];
    for requests in world.variants() {
        let may_before = requests.map(|request| may(old, request));
        let may_after = requests.map(|request| may(new, request));
        for (at, request) in requests.into_iter().enumerate() {
            let is_kept = !may_before[at] || may_after[at];
            let is_covered = covered.iter().any(|entry| entry.has(request));
            let action = &world.actions[request.action];
            assert!(is_kept || is_covered, "{action} is left out: {}", context());
        }
        let changes = may_before == [true; 8] && may_after == [false; 8];
        for (at, entry) in covered.iter().enumerate() {
            let is_in = requests.map(|request| entry.has(request));
            if matches!(shown.entries[at].change, Change::Lost(_)) {
                let is_kept = (0..8).any(|variant| is_in[variant] && may_after[variant]);
                assert!(!is_kept, "{} is not lost: {}", shown.entries[at], context());
            }
            is_proven[at] |= changes && is_in == [true; 8];
        }
    }
    for (entry, is_proven) in shown.entries.iter().zip(is_proven) {
        let is_certain = !matches!(entry.change, Change::CannotTell { .. });
        assert!(
            is_proven || !is_certain,
            "no request shows {entry}: {}",
            context()
        );
    }
    let labels = shown.entries.iter().map(|entry| entry.change.label());
    labels.chain((shown.kept > 0).then_some("kept")).collect()
}
