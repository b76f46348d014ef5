//! Templates of CloudFormation: YAML as JSON, and a template as it is rendered for one stack.
//!
//! It knows the part of the language that the templates of the product use. Anything else panics:
//! a template is part of the test, or of the program, that uses it. Constraints on the values of
//! parameters are not checked here.

mod attributes;
mod rendered;
mod yaml;

pub use rendered::{Rendered, StackIdentity, parameter_value};
pub use yaml::parse_template;
