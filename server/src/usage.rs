//! The command line read, and what is said where it can't be.

use std::ffi::OsString;

use clap::error::{ContextKind, ContextValue};
use clap::{Command, CommandFactory, Parser};

use crate::cli::Cli;

/// Reads the arguments of this process; says what is wrong with them and ends it where they can't be meant.
#[must_use]
pub fn parse() -> Cli {
    try_parse(std::env::args_os().collect()).unwrap_or_else(|error| error.exit())
}

/// Reads arguments, the program's name first.
///
/// # Errors
/// What is wrong, with the usage of the command that was meant. By itself the parser would write a usage of what is
/// set, and call a flag that came from the environment as needed as those that are missing.
fn try_parse(arguments: Vec<OsString>) -> Result<Cli, clap::Error> {
    Cli::try_parse_from(&arguments).map_err(|mut error| {
        if error.get(ContextKind::Usage).is_some() {
            let usage = meant(Cli::command(), &arguments).render_usage();
            error.insert(ContextKind::Usage, ContextValue::StyledStr(usage));
        }
        error
    })
}

/// The command that the arguments name.
fn meant(mut command: Command, arguments: &[OsString]) -> Command {
    command.build();
    for argument in arguments.iter().skip(1).filter_map(|argument| argument.to_str()) {
        if let Some(sub) = command.find_subcommand(argument) {
            command = sub.clone();
        }
    }
    command
}

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::panic)]
mod tests {
    use super::*;

    fn refused(arguments: &[&str]) -> String {
        let arguments = std::iter::once("runledger").chain(arguments.iter().copied()).map(OsString::from);
        match try_parse(arguments.collect()) {
            Ok(cli) => panic!("taken: {cli:?}"),
            Err(error) => error.to_string(),
        }
    }

    #[test]
    fn a_usage_names_what_is_needed_and_nothing_else() {
        // As a variable in the environment does, a flag that is there makes no other usage.
        for given in [&["--database-url", "postgres://x"][..], &[]] {
            let said = refused(&[&["token", "create", "--tenant", "acme"], given].concat());
            let usage = said.lines().find(|line| line.contains("Usage:")).unwrap();
            assert_eq!(
                usage,
                "Usage: runledger token create [OPTIONS] --tenant <TENANT> --role <ROLE> --principal <PRINCIPAL>",
                "{said}"
            );
            assert!(said.contains("--role <ROLE>") && said.contains("--principal <PRINCIPAL>"), "{said}");
        }
        let said = refused(&["log", "copy", "--database-url", "postgres://x"]);
        assert!(said.contains("Usage: runledger log copy [OPTIONS] --from <FROM> --to <TO>"), "{said}");
        let said = refused(&["serve", "--database-url", "postgres://x", "--no-such-flag"]);
        assert!(said.contains("Usage: runledger serve [OPTIONS]\n"), "{said}");
    }
}
