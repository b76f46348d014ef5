//! A model of DynamoDB's condition expressions, as far as the product uses them: the comparisons
//! and functions in an expression, and how its result depends on each. It says which branches the
//! cases reach. Whether a condition holds is decided by the embedded engine.

use std::cmp::Ordering;

use serde_json::Value;

/// A condition with the names and values of the call that sends it.
#[derive(Debug, Clone)]
pub struct Condition {
    pub text: String,
    pub atoms: Vec<Atom>,
    tree: Tree,
}

/// A comparison or function: a part of a condition that depends on one attribute.
#[derive(Debug, Clone)]
pub struct Atom {
    /// As the condition has it.
    pub text: String,
    attribute: String,
    test: Test,
    /// The value that the attribute is compared with.
    operand: Value,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Test {
    Exists,
    IsAbsent,
    Equals,
    IsBefore,
    IsAtMost,
    IsOfType,
}

/// What an atom finds: each of them may be a branch of its own.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Branch {
    Missing,
    Present,
    Less,
    Equal,
    Greater,
    Different,
    OfType,
    OfOtherType,
}

#[derive(Debug, Clone)]
enum Tree {
    /// The position in [`Condition::atoms`].
    Atom(usize),
    Not(Box<Tree>),
    Both(Box<Tree>, Box<Tree>),
    Either(Box<Tree>, Box<Tree>),
}

impl Condition {
    /// Parses the condition of a call, whose body or part of a transaction is `sent`.
    pub fn parse(text: &str, sent: &Value) -> Self {
        let spaced: String = text.chars().map(spaced).collect();
        let mut parser = Parser {
            words: spaced.split_whitespace().collect(),
            next: 0,
            atoms: Vec::new(),
            sent,
        };
        let tree = parser.either();
        assert_eq!(parser.next, parser.words.len(), "not parsed: {text}");
        Self {
            text: text.to_owned(),
            atoms: parser.atoms,
            tree,
        }
    }

    /// What each atom finds in this item.
    pub fn branches(&self, item: Option<&Value>) -> Vec<Branch> {
        self.atoms.iter().map(|atom| atom.branch(item)).collect()
    }

    /// Whether the condition holds if its atoms find this.
    pub fn holds(&self, branches: &[Branch]) -> bool {
        self.tree.holds(&self.truths(branches))
    }

    /// Whether the result would be another one if this atom had the opposite result.
    pub fn depends_on(&self, atom: usize, branches: &[Branch]) -> bool {
        let mut truths = self.truths(branches);
        let before = self.tree.holds(&truths);
        truths[atom] = !truths[atom];
        before != self.tree.holds(&truths)
    }

    fn truths(&self, branches: &[Branch]) -> Vec<bool> {
        let atoms = self.atoms.iter().zip(branches);
        atoms.map(|(atom, branch)| atom.holds(*branch)).collect()
    }
}

impl Atom {
    /// Everything that the atom may find.
    pub fn all_branches(&self) -> &'static [Branch] {
        match self.test {
            Test::Exists | Test::IsAbsent => &[Branch::Missing, Branch::Present],
            Test::Equals => &[Branch::Missing, Branch::Equal, Branch::Different],
            Test::IsBefore | Test::IsAtMost => &[
                Branch::Missing,
                Branch::Less,
                Branch::Equal,
                Branch::Greater,
            ],
            Test::IsOfType => &[Branch::Missing, Branch::OfType, Branch::OfOtherType],
        }
    }

    /// Whether the atom holds if it finds this.
    pub fn holds(&self, branch: Branch) -> bool {
        match self.test {
            Test::Exists => branch == Branch::Present,
            Test::IsAbsent => branch == Branch::Missing,
            Test::Equals => branch == Branch::Equal,
            Test::IsBefore => branch == Branch::Less,
            Test::IsAtMost => matches!(branch, Branch::Less | Branch::Equal),
            Test::IsOfType => branch == Branch::OfType,
        }
    }

    fn branch(&self, item: Option<&Value>) -> Branch {
        let Some(found) = item.and_then(|item| item.get(&self.attribute)) else {
            return Branch::Missing;
        };
        match self.test {
            Test::Exists | Test::IsAbsent => Branch::Present,
            Test::Equals if *found == self.operand => Branch::Equal,
            Test::Equals => Branch::Different,
            Test::IsBefore | Test::IsAtMost => match (found.as_str(), self.operand.as_str()) {
                (Some(found), Some(operand)) => match found.cmp(operand) {
                    Ordering::Less => Branch::Less,
                    Ordering::Equal => Branch::Equal,
                    Ordering::Greater => Branch::Greater,
                },
                // The product compares only texts by their order.
                _ => Branch::OfOtherType,
            },
            // The product asks only for texts.
            Test::IsOfType if found.is_string() && self.operand == "S" => Branch::OfType,
            Test::IsOfType => Branch::OfOtherType,
        }
    }
}

impl Tree {
    fn holds(&self, truths: &[bool]) -> bool {
        match self {
            Self::Atom(position) => truths[*position],
            Self::Not(tree) => !tree.holds(truths),
            Self::Both(one, other) => one.holds(truths) && other.holds(truths),
            Self::Either(one, other) => one.holds(truths) || other.holds(truths),
        }
    }
}

struct Parser<'a> {
    words: Vec<&'a str>,
    next: usize,
    atoms: Vec<Atom>,
    sent: &'a Value,
}

impl<'a> Parser<'a> {
    fn either(&mut self) -> Tree {
        let mut tree = self.both();
        while self.skip("OR") {
            tree = Tree::Either(Box::new(tree), Box::new(self.both()));
        }
        tree
    }

    fn both(&mut self) -> Tree {
        let mut tree = self.one();
        while self.skip("AND") {
            tree = Tree::Both(Box::new(tree), Box::new(self.one()));
        }
        tree
    }

    fn one(&mut self) -> Tree {
        if self.skip("NOT") {
            return Tree::Not(Box::new(self.one()));
        }
        if self.skip("(") {
            let tree = self.either();
            assert!(
                self.skip(")"),
                "a parenthesis is not closed: {:?}",
                self.words
            );
            return tree;
        }
        let from = self.next;
        let (name, test, operand) = self.atom();
        let attribute = match name.strip_prefix('#') {
            Some(_) => self.sent["ExpressionAttributeNames"][name]
                .as_str()
                .unwrap(),
            None => name,
        };
        self.atoms.push(Atom {
            text: joined(&self.words[from..self.next]),
            attribute: attribute.to_owned(),
            test,
            operand: operand.map_or(Value::Null, |operand| {
                plain(&self.sent["ExpressionAttributeValues"][operand])
            }),
        });
        Tree::Atom(self.atoms.len() - 1)
    }

    /// Reads the attribute, the test, and the placeholder of the operand.
    fn atom(&mut self) -> (&'a str, Test, Option<&'a str>) {
        let first = self.word();
        let function = match first {
            "attribute_exists" => Test::Exists,
            "attribute_not_exists" => Test::IsAbsent,
            "attribute_type" => Test::IsOfType,
            _ => {
                let test = match self.word() {
                    "=" => Test::Equals,
                    "<" => Test::IsBefore,
                    "<=" => Test::IsAtMost,
                    other => panic!("the model does not know {other}: {:?}", self.words),
                };
                return (first, test, Some(self.word()));
            }
        };
        assert!(self.skip("("), "a function has arguments: {:?}", self.words);
        let attribute = self.word();
        let operand = self.skip(",").then(|| self.word());
        assert!(
            self.skip(")"),
            "a function's arguments end: {:?}",
            self.words
        );
        (attribute, function, operand)
    }

    fn word(&mut self) -> &'a str {
        self.next += 1;
        self.words[self.next - 1]
    }

    fn skip(&mut self, word: &str) -> bool {
        let is_next = self.words.get(self.next) == Some(&word);
        self.next += usize::from(is_next);
        is_next
    }
}

/// Separates the parentheses and commas from the words.
fn spaced(char: char) -> String {
    match char {
        '(' | ')' | ',' => format!(" {char} "),
        other => other.to_string(),
    }
}

/// The words as a condition has them: without spaces around parentheses.
fn joined(words: &[&str]) -> String {
    let text = words.join(" ").replace(" ( ", "(");
    text.replace(" , ", ", ").replace(" )", ")")
}

/// An attribute value as plain JSON, like the items that tests read.
pub fn plain(value: &Value) -> Value {
    let (kind, value) = value.as_object().unwrap().iter().next().unwrap();
    match kind.as_str() {
        "N" => serde_json::from_str(value.as_str().unwrap()).unwrap(),
        "M" => {
            let members = value.as_object().unwrap().iter();
            members
                .map(|(name, of)| (name.clone(), plain(of)))
                .collect()
        }
        "L" => value.as_array().unwrap().iter().map(plain).collect(),
        "S" | "BOOL" => value.clone(),
        other => panic!("the product writes no value of type {other}"),
    }
}
