//! How a shell explains itself: the list of its commands, and what one of them takes.

use super::error::ShellError;
use super::format::printable;
use super::output::Output;
use super::{Exit, conclude};
use clap::error::{ContextKind, ErrorKind};
use std::ffi::OsString;
use std::process::ExitCode;

/// A command, as `help` and wrong calls of it show it.
#[derive(Clone, Copy, Debug)]
pub struct Help {
    pub name: &'static str,
    /// Name, options and arguments.
    pub usage: &'static str,
    pub about: &'static str,
}

impl Help {
    /// The usage and what the command does.
    pub fn text(&self) -> String {
        format!("Usage: {}\n{}", self.usage, self.about)
    }

    /// # Errors
    /// The recorded form, when there are fewer than `count`.
    pub fn at_least(&self, count: usize, given: &[OsString]) -> Result<(), ShellError> {
        if given.len() >= count {
            return Ok(());
        }
        Err(self.wrong(&format!(
            "Command {} requires at least {count} arguments ({} provided)",
            self.name,
            given.len()
        )))
    }

    /// # Errors
    /// When there are fewer or more than `N`.
    pub fn exactly<'a, const N: usize>(&self, given: &'a [OsString]) -> Result<&'a [OsString; N], ShellError> {
        self.at_least(N, given)?;
        given
            .try_into()
            .map_err(|_| self.wrong(&format!("Command {} takes {N} arguments, not {}", self.name, given.len())))
    }

    /// A wrong call: what is wrong, and how it is done.
    pub fn wrong(&self, message: &str) -> ShellError {
        ShellError::Said(format!("{message}\n{}", self.text()))
    }
}

/// All commands of `weir SHELL`, a line each.
pub fn list(shell: &str, commands: &[Help]) -> String {
    let mut text = format!("Usage: weir {shell} [generic options]");
    for command in commands {
        let usage = format!("\t [{}]", command.usage);
        text.push_str(&format!("\n{usage:<60}"));
    }
    text
}

/// What a shell says to a command that it does not have, or to none: all that it has, and on standard error what it
/// did not understand.
///
/// # Errors
/// Always: nothing was done.
pub fn unknown(shell: &str, commands: &[Help], words: &[OsString]) -> Result<Exit, ShellError> {
    if let Some(word) = words.first() {
        eprintln!("{} is an unknown command.", printable(word.as_encoded_bytes()));
    }
    Err(ShellError::said(list(shell, commands)))
}

/// The command `help` of a shell.
///
/// # Errors
/// When there is no such command.
pub fn help(shell: &str, commands: &[Help], name: Option<&str>, out: &mut Output) -> Result<Exit, ShellError> {
    let Some(name) = name else {
        return out.say(list(shell, commands)).map(|()| Exit::DONE);
    };
    match commands.iter().find(|command| command.name == name) {
        Some(command) => out.say(command.text()).map(|()| Exit::DONE),
        None => Err(ShellError::said(format!("{name} is an unknown command.\n{}", list(shell, commands)))),
    }
}

/// What the shell says instead of clap when clap refused the words after `weir`: its own form, and exit code 255. `None`
/// when they are not this shell's, or when clap's words are the answer (`--help`).
pub fn refused(shell: &str, commands: &[Help], error: &clap::Error, words: &[OsString]) -> Option<ExitCode> {
    let words = after_shell(shell, words)?;
    if matches!(error.kind(), ErrorKind::DisplayHelp | ErrorKind::DisplayVersion) {
        return None;
    }
    let command = words.iter().find_map(|word| commands.iter().find(|command| word == command.name));
    let said = match command {
        Some(command) => command.wrong(&format!("Failed to parse args for {}: {}", command.name, reason(error))),
        None => ShellError::said(format!("{}\n{}", reason(error), list(shell, commands))),
    };
    Some(conclude(Err(said), None, &mut Output::stdout()))
}

/// The words after the shell's name, if it is the command that was called: only options may come before it.
fn after_shell<'a>(shell: &str, words: &'a [OsString]) -> Option<&'a [OsString]> {
    let is_option = |word: &OsString| word.as_encoded_bytes().starts_with(b"-");
    let mut follows_option = false;
    for (index, word) in words.iter().enumerate() {
        if word == shell {
            return Some(&words[index + 1..]);
        }
        if !is_option(word) && !follows_option {
            return None;
        }
        follows_option = is_option(word);
    }
    None
}

fn reason(error: &clap::Error) -> String {
    let named = |kind| error.get(kind).map(ToString::to_string).unwrap_or_default();
    let argument = named(ContextKind::InvalidArg);
    let value = named(ContextKind::InvalidValue);
    match error.kind() {
        ErrorKind::UnknownArgument => format!("Unrecognized option: {argument}"),
        ErrorKind::InvalidValue | ErrorKind::ValueValidation if value.is_empty() => {
            format!("Missing argument for option: {argument}")
        }
        ErrorKind::InvalidValue | ErrorKind::ValueValidation => format!("{value} is no value of option {argument}"),
        kind => kind.as_str().unwrap_or("not understood").to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LS: Help = Help { name: "ls", usage: "ls [-d] <path> ...", about: "Lists." };

    #[test]
    fn a_wrong_count_of_arguments_shows_the_usage() {
        assert_eq!(
            LS.at_least(1, &[]).unwrap_err().to_string(),
            "Command ls requires at least 1 arguments (0 provided)\nUsage: ls [-d] <path> ...\nLists."
        );
        let three = ["a", "b", "c"].map(OsString::from);
        assert_eq!(
            LS.exactly::<2>(&three).unwrap_err().to_string(),
            "Command ls takes 2 arguments, not 3\nUsage: ls [-d] <path> ...\nLists."
        );
        assert_eq!(LS.exactly::<3>(&three).unwrap(), &three);
    }

    #[test]
    fn the_list_of_commands_is_padded_to_sixty_columns() {
        let listed = list("fs", &[LS]);
        assert_eq!(listed, format!("Usage: weir fs [generic options]\n{:<60}", "\t [ls [-d] <path> ...]"));
    }

    #[test]
    fn the_shell_is_the_first_word_that_is_no_option() {
        let words = |text: &str| text.split(' ').map(OsString::from).collect::<Vec<_>>();
        let after = |text| after_shell("fs", &words(text)).map(<[_]>::len);
        assert_eq!(after("fs ls -x"), Some(2));
        assert_eq!(after("--config file fs ls"), Some(1));
        assert_eq!(after("standalone --data fs"), None);
        assert_eq!(after("config"), None);
    }
}
