//! A part of a document in a neutral form, so each format of a report renders it once.

/// A part of a document.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Section {
    pub heading: String,
    /// What it comes to, in a sentence.
    pub verdict: String,
    pub lists: Vec<List>,
}

/// A list with its title.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct List {
    pub title: &'static str,
    pub items: Vec<Item>,
}

/// An item of a list.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Item {
    pub text: String,
    pub details: Vec<String>,
}
