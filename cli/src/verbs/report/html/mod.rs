//! A report as HTML: one file without references to others, for screens and for print. Its parts
//! are in `parts`, its table in `table`; style and script are files of their own.
//!
//! Every text from outside passes through [`Shown`], and maud escapes it. The content security
//! policy allows this style and this script alone, by their hashes, so a browser would execute
//! nothing else even if an element were injected.

mod parts;
mod section;
mod shown;
mod table;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use maud::{DOCTYPE, Markup, PreEscaped, html};
use sha2::{Digest, Sha256};

use crate::drain;
use crate::preflight;
use crate::verbs::report::data::Report;
use crate::verbs::report::digest::Data;
use crate::verbs::report::html::shown::Shown;
use crate::verbs::report::text;

const STYLE: &str = include_str!("style.css");
const SCRIPT: &str = include_str!("script.js");

/// The whole document. `data` are those of the report.
pub fn document(report: &Report, data: &Data) -> String {
    let title = text::title(&report.rotation);
    let markup = html! {
        (DOCTYPE)
        html lang="en" {
            head {
                meta charset="utf-8";
                meta name="viewport" content="width=device-width, initial-scale=1";
                meta http-equiv="Content-Security-Policy" content=(policy());
                title { (Shown(&title)) " – rerole" }
                style { (PreEscaped(STYLE)) }
            }
            body {
                header {
                    h1 { (Shown(&title)) }
                    p.origin { (Shown(text::origin(report))) }
                    @if let Some(text) = text::unfinished(report) {
                        p.unfinished { (text) }
                    }
                }
                main { (sections(report, data)) }
                // The line breaks are part of the form: the data are a line of their own.
                script type="application/json" id="data" { (PreEscaped(format!("\n{}\n", data.line))) }
                script { (PreEscaped(SCRIPT)) }
            }
        }
    };
    markup.into_string()
}

fn sections(report: &Report, data: &Data) -> Markup {
    html! {
        (parts::verdict(report))
        (parts::counts(report))
        (parts::request(report))
        (parts::causes(report))
        @if let Some(preflight) = &report.preflight {
            (section::section(&preflight::section(preflight)))
        }
        @if let Some(drain) = &report.drain {
            (section::section(&drain::section::section(drain, &report.stack.account)))
        }
        (parts::rollback(report))
        (parts::history(report))
        (parts::charts(report))
        (table::rows(report))
        (parts::evidence(report, data))
    }
}

fn policy() -> String {
    let hash = |text: &str| STANDARD.encode(Sha256::digest(text));
    format!(
        "default-src 'none'; style-src 'sha256-{}'; script-src 'sha256-{}'; base-uri 'none'; \
         form-action 'none'",
        hash(STYLE),
        hash(SCRIPT)
    )
}

#[cfg(test)]
mod tests;
