//! What a form sent, where its fields depend on the attributes that are defined.

use ostiary_httpkit::Problem;

/// The fields of a form by name.
pub(crate) struct Typed(Vec<(String, String)>);

impl Typed {
    /// What came in, with line ends as they are kept.
    pub(crate) fn new(fields: Vec<(String, String)>) -> Self {
        Self(fields.into_iter().map(|(name, text)| (name, text.replace("\r\n", "\n"))).collect())
    }

    /// The text of a field. `None` when the form had none of this name.
    pub(crate) fn get(&self, name: &str) -> Option<&str> {
        self.0.iter().find(|(own, _)| own == name).map(|(_, text)| text.as_str())
    }

    /// The text of a field that may be left out.
    pub(crate) fn text(&self, name: &str) -> &str {
        self.get(name).unwrap_or_default()
    }

    /// The text of a field that every form of this kind has.
    ///
    /// # Errors
    /// A [`Problem`] when it is missing.
    pub(crate) fn needed(&self, name: &str) -> Result<&str, Problem> {
        self.get(name).ok_or_else(|| Problem::unreadable("A field of the form is missing or not as it should be"))
    }

    /// Whether a box was ticked.
    pub(crate) fn is_ticked(&self, name: &str) -> bool {
        self.get(name).is_some()
    }
}

/// The lines of a field that takes one thing a line.
pub(crate) fn lines(text: &str) -> Vec<String> {
    text.lines().map(str::trim).filter(|line| !line.is_empty()).map(str::to_owned).collect()
}
