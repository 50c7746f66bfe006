//! What a command answers: lines for people, or one JSON document for scripts.

use serde::Serialize;

use crate::cli::OutputArgs;
use crate::error::Error;
use crate::print_line;

impl OutputArgs {
    /// Answers with a value: as JSON where that was asked for, in words otherwise.
    ///
    /// # Errors
    /// [`Error::Output`] for a value that JSON can't hold.
    pub fn tell<T: Serialize>(self, value: &T, in_words: impl FnOnce(&T)) -> Result<(), Error> {
        if self.json {
            print_line!("{}", serde_json::to_string_pretty(value).map_err(Error::Output)?);
        } else {
            in_words(value);
        }
        Ok(())
    }
}
