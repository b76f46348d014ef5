//! A part of the document that comes in a neutral form.

use maud::{Markup, html};

use crate::section::{Item, List, Section};
use crate::verbs::report::html::shown::Shown;

/// A longer list is folded.
const OPEN_MAX: usize = 20;

/// The part: what it comes to, and its lists.
pub fn section(section: &Section) -> Markup {
    html! {
        section {
            h2 { (Shown(&section.heading)) }
            p { strong { (Shown(&section.verdict)) } }
            @for list in &section.lists { (folded(list)) }
        }
    }
}

fn folded(list: &List) -> Markup {
    html! {
        details open[list.items.len() <= OPEN_MAX] {
            summary { (list.title) }
            ul { @for item in &list.items { li { (Shown(&item.text)) (details(item)) } } }
        }
    }
}

fn details(item: &Item) -> Markup {
    html! {
        @if !item.details.is_empty() {
            ul { @for detail in &item.details { li { (Shown(detail)) } } }
        }
    }
}
