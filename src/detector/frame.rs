//! One place in a stack.

use std::fmt;
use std::path::PathBuf;

/// A function that was being executed, and where in it.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Frame {
    /// The function's name; `binary+0xoffset` if the binary has no symbols.
    pub function: String,
    /// The source file, if the binary has debug information.
    pub file: Option<PathBuf>,
    /// The line in that file.
    pub line: Option<u32>,
}

impl fmt::Display for Frame {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.function)?;
        if let Some(file) = &self.file {
            write!(f, " at {}", file.display())?;
            if let Some(line) = self.line {
                write!(f, ":{line}")?;
            }
        }
        Ok(())
    }
}
