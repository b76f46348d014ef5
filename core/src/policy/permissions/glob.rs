//! A pattern of a policy as a set of texts: its tokens, and how they read a text character by
//! character. Questions about two or more sets are answered in `search.rs`.
//!
//! The IAM User Guide ("IAM JSON policy elements: Resource") says that a `*` which ends a segment
//! of an ARN can match beyond the colon. It does not say whether another `*` or a `?` can. So a
//! pattern has two readings, and an answer is certain only if it is the same in both.

/// What a pattern is for, which decides how its text is read.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) enum Kind {
    /// An action. ASCII letters have no case, and `${…}` is plain text.
    Action,
    /// A resource of a document in which `${…}` is replaced.
    Resource,
    /// A resource of a document of 2008, in which `${…}` is plain text.
    PlainResource,
}

/// How far a wildcard reaches that does not end a segment of an ARN.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Reading {
    /// Over colons.
    Across,
    /// Up to the next colon.
    Segment,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Token {
    One(char),
    /// `?`, and whether it matches a colon in both readings.
    AnyOne(bool),
    /// `*`, and whether it matches a colon in both readings.
    AnyMany(bool),
}

/// A pattern. A policy variable counts as `*`, so the set is larger than the pattern's own one: see
/// [`Glob::variables`].
#[derive(Debug)]
pub(super) struct Glob {
    text: String,
    tokens: Vec<Token>,
    variables: Vec<String>,
    /// The characters in front of the first wildcard.
    prefix: String,
}

/// The positions in a pattern's tokens that a text has led to, in ascending order. Without any, no
/// continuation of the text is in the set.
pub(super) type Positions = Vec<u16>;

impl Glob {
    pub(super) fn new(text: &str, kind: Kind) -> Self {
        let mut glob = Self {
            text: text.to_owned(),
            tokens: Vec::new(),
            variables: Vec::new(),
            prefix: String::new(),
        };
        let mut rest = text;
        while let Some(c) = rest.chars().next() {
            let variable = (kind == Kind::Resource).then(|| variable(rest)).flatten();
            rest = if let Some((name, behind)) = variable {
                glob.push_variable(name);
                behind
            } else {
                let behind = &rest[c.len_utf8()..];
                glob.push(c, kind, behind);
                behind
            };
        }
        let ones = glob.tokens.iter().map_while(|token| match token {
            Token::One(c) => Some(*c),
            _ => None,
        });
        glob.prefix = ones.collect();
        glob
    }

    fn push(&mut self, c: char, kind: Kind, behind: &str) {
        let token = match c {
            '*' => {
                let ends_segment = behind.is_empty() || behind.starts_with(':');
                Token::AnyMany(kind == Kind::Action || ends_segment)
            }
            '?' => Token::AnyOne(kind == Kind::Action),
            c if kind == Kind::Action => Token::One(c.to_ascii_lowercase()),
            c => Token::One(c),
        };
        self.push_token(token);
    }

    /// `${*}`, `${?}` and `${$}` are these characters themselves.
    fn push_variable(&mut self, name: &str) {
        match name {
            "*" | "?" | "$" => self.tokens.extend(name.chars().map(Token::One)),
            _ => {
                self.variables.push(name.to_owned());
                self.push_token(Token::AnyMany(true));
            }
        }
    }

    /// Adjacent `*` are one, which reaches as far as the one that reaches farther.
    fn push_token(&mut self, token: Token) {
        if let (Some(Token::AnyMany(last)), Token::AnyMany(across)) =
            (self.tokens.last_mut(), token)
        {
            *last |= across;
        } else {
            self.tokens.push(token);
        }
    }

    pub(super) fn text(&self) -> &str {
        &self.text
    }

    /// Returns the policy variables, without `${` and `}`. If there are any, the set of this value
    /// contains the set that IAM uses, and IAM's is empty if a variable has no value.
    pub(super) fn variables(&self) -> &[String] {
        &self.variables
    }

    pub(super) fn prefix(&self) -> &str {
        &self.prefix
    }

    pub(super) fn is_any(&self) -> bool {
        self.tokens == [Token::AnyMany(true)] && self.variables.is_empty()
    }

    /// Returns the only text of the set, if there is only one.
    pub(super) fn literal(&self) -> Option<&str> {
        let is_one = |token: &Token| matches!(token, Token::One(_));
        self.tokens.iter().all(is_one).then_some(&*self.prefix)
    }

    /// Returns whether the text is in the set.
    pub(super) fn matches(&self, text: &str, reading: Reading) -> bool {
        let step = |at: Positions, c| self.step(&at, c, reading);
        self.accepts(&text.chars().fold(self.start(reading), step))
    }

    /// Returns whether both readings are the same.
    pub(super) fn is_plain(&self) -> bool {
        let plain = |token: &Token| !matches!(token, Token::AnyOne(false) | Token::AnyMany(false));
        self.tokens.iter().all(plain)
    }

    /// Returns the positions before the first character.
    pub(super) fn start(&self, reading: Reading) -> Positions {
        self.close(vec![0], reading)
    }

    /// Returns the positions after one more character.
    pub(super) fn step(&self, from: &[u16], c: char, reading: Reading) -> Positions {
        if from.is_empty() {
            return Positions::new();
        }
        let reaches = |across: bool| across || reading == Reading::Across || c != ':';
        let mut to = Vec::with_capacity(from.len() + 1);
        for &at in from {
            match self.tokens.get(usize::from(at)) {
                Some(Token::One(expected)) if *expected == c => to.push(at + 1),
                Some(Token::AnyOne(across)) if reaches(*across) => to.push(at + 1),
                Some(Token::AnyMany(across)) if reaches(*across) => to.push(at),
                _ => {}
            }
        }
        self.close(to, reading)
    }

    /// Adds the positions behind each `*`, and drops those in front of the last `*` that reaches
    /// everything: whatever they lead to, it also leads to. So the positions of a pattern such as
    /// `*a*a*a*` stay few.
    fn close(&self, mut positions: Positions, reading: Reading) -> Positions {
        let mut next = 0;
        while let Some(&at) = positions.get(next) {
            if matches!(self.tokens.get(usize::from(at)), Some(Token::AnyMany(_))) {
                positions.push(at + 1);
            }
            next += 1;
        }
        positions.sort_unstable();
        positions.dedup();
        let reaches_all = |at: &u16| match self.tokens.get(usize::from(*at)) {
            Some(Token::AnyMany(across)) => *across || reading == Reading::Across,
            _ => false,
        };
        if let Some(last) = positions.iter().rposition(reaches_all) {
            positions.drain(..last);
        }
        positions
    }

    /// Returns whether a text that ends at these positions is in the set.
    pub(super) fn accepts(&self, positions: &[u16]) -> bool {
        positions
            .last()
            .is_some_and(|at| usize::from(*at) == self.tokens.len())
    }

    /// Returns whether each continuation of a text at these positions is in the set.
    pub(super) fn accepts_all(&self, positions: &[u16], reading: Reading) -> bool {
        let is_last = |at: &u16| usize::from(*at) + 1 == self.tokens.len();
        positions.iter().any(|at| {
            is_last(at)
                && match self.tokens[usize::from(*at)] {
                    Token::AnyMany(across) => across || reading == Reading::Across,
                    _ => false,
                }
        })
    }

    /// Adds the characters that the set tells apart at these positions.
    pub(super) fn add_characters(&self, positions: &[u16], characters: &mut Vec<char>) {
        for at in positions {
            match self.tokens.get(usize::from(*at)) {
                Some(Token::One(c)) => characters.push(*c),
                Some(Token::AnyOne(false) | Token::AnyMany(false)) => characters.push(':'),
                _ => {}
            }
        }
    }
}

/// Splits a text that starts with a policy variable into its name and what stands behind it.
fn variable(text: &str) -> Option<(&str, &str)> {
    text.strip_prefix("${")?.split_once('}')
}

/// Returns the names of the policy variables in the value of a condition.
pub(super) fn variables(text: &str) -> Vec<String> {
    Glob::new(text, Kind::Resource).variables
}
