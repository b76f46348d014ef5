//! How texts from outside become part of the document.

use maud::{Markup, Render, html};
use rerole_core::printable::escape_controls;

/// A text from outside, with its control characters escaped. maud escapes the rest.
pub struct Shown<T>(pub T);

impl<T: AsRef<str>> Render for Shown<T> {
    fn render_to(&self, buffer: &mut String) {
        escape_controls(self.0.as_ref()).render_to(buffer);
    }
}

/// An ID with what it is.
pub fn named_id((name, id): (&'static str, &str)) -> Markup {
    html! { div.id { (name) " " code { (Shown(id)) } } }
}
