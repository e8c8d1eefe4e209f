//! `--type`: predicate types by the short names that cosign has for them.

use crate::domain::predicate::{SHORT_NAMES, is_uri};

/// The predicate type of a short name, or a URI as it is.
pub(super) fn predicate_type(text: &str) -> Result<String, String> {
    if let Some((_, uri)) = SHORT_NAMES.iter().find(|(name, _)| *name == text) {
        return Ok((*uri).to_owned());
    }
    if is_uri(text) {
        return Ok(text.to_owned());
    }
    let names = SHORT_NAMES.map(|(name, _)| name).join(", ");
    Err(format!("expected a URI or one of {names}"))
}
