//! Where commands print: standard output, buffered, a line at a time on a terminal.

use super::error::ShellError;
use std::fmt::Display;
use std::io::{self, BufWriter, IsTerminal as _, Write};

const BUFFER_BYTES: usize = 64 << 10;

pub struct Output {
    writer: BufWriter<Box<dyn Write + Send>>,
    is_terminal: bool,
}

impl Output {
    pub fn stdout() -> Self {
        let stdout = io::stdout();
        let is_terminal = stdout.is_terminal();
        Self { writer: BufWriter::with_capacity(BUFFER_BYTES, Box::new(stdout)), is_terminal }
    }

    /// A line.
    ///
    /// # Errors
    /// [`ShellError::Output`].
    pub fn say(&mut self, line: impl Display) -> Result<(), ShellError> {
        writeln!(self.writer, "{line}").map_err(ShellError::Output)?;
        if self.is_terminal { self.flush() } else { Ok(()) }
    }

    /// An object's bytes, as they are.
    ///
    /// # Errors
    /// [`ShellError::Output`].
    pub fn bytes(&mut self, bytes: &[u8]) -> Result<(), ShellError> {
        self.writer.write_all(bytes).map_err(ShellError::Output)
    }

    /// # Errors
    /// [`ShellError::Output`].
    pub fn flush(&mut self) -> Result<(), ShellError> {
        self.writer.flush().map_err(ShellError::Output)
    }
}
