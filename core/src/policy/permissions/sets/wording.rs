//! Sets in words, for the entries that a person reads.

use super::{Area, GlobId, SelId, Selected, Sets};

impl Sets {
    pub(in super::super) fn text(&self, id: GlobId) -> &str {
        self.get(id).text()
    }

    /// Returns the patterns of a selection, for a text that a person reads.
    pub(in super::super) fn selected_text(&self, selected: SelId) -> Vec<String> {
        match &self.selected[selected.0] {
            Selected::Only(globs) => globs
                .iter()
                .map(|glob| self.text(*glob).to_owned())
                .collect(),
            Selected::AllBut(globs) => vec![format!("all except {}", self.list(globs, " and "))],
        }
    }

    /// Returns a text for a person, for example `s3:* except s3:Delete*`.
    pub(in super::super) fn area_text(&self, area: &Area) -> String {
        let all = self.list(&area.all, " that also match ");
        if area.none.is_empty() {
            return all;
        }
        format!("{all} except {}", self.list(&area.none, " and "))
    }

    /// Returns the texts of the areas, at most `len_max` of them.
    pub(in super::super) fn areas_text(&self, areas: &[Area], len_max: usize) -> String {
        let shown = areas.iter().take(len_max).map(|area| self.area_text(area));
        let mut texts: Vec<_> = shown.collect();
        if areas.len() > len_max {
            texts.push(format!("{} more", areas.len() - len_max));
        }
        texts.join(", ")
    }

    fn list(&self, globs: &[GlobId], separator: &str) -> String {
        let texts: Vec<_> = globs.iter().map(|glob| self.text(*glob)).collect();
        texts.join(separator)
    }
}
