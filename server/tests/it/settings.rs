//! Every flag has its environment variable, they stand in one order everywhere, and `docs/settings.md` lists them.

use std::collections::BTreeMap;
use std::fmt::Write;
use std::path::Path;

use clap::{Arg, ArgAction, Command, CommandFactory};
use server::cli::Cli;

/// Variables that other programs know as well, and one that would otherwise mean two things at once.
const OTHER_NAMES: [(&str, &str); 9] = [
    // These hold several.
    ("cors-origin", "RUNLEDGER_CORS_ORIGINS"),
    ("database-url", "DATABASE_URL"),
    ("known-checkpoint", "RUNLEDGER_KNOWN_CHECKPOINTS"),
    ("dev database-url", "RUNLEDGER_DEV_DATABASE_URL"),
    ("dev event-log", "RUNLEDGER_DEV_EVENT_LOG"),
    ("pg-bin-dir", "PG_BIN_DIR"),
    ("projector tenant", "RUNLEDGER_RUN_TENANT"),
    ("witness-ledger", "RUNLEDGER_WITNESS_LEDGERS"),
    ("witness-log", "RUNLEDGER_WITNESS_LOGS"),
];

/// Every command that does something, with its name, such as `token create`.
fn commands() -> Vec<(String, Command)> {
    fn walk(path: &str, command: &Command, found: &mut Vec<(String, Command)>) {
        for sub in command.get_subcommands().filter(|sub| sub.get_name() != "help") {
            walk(format!("{path} {}", sub.get_name()).trim(), sub, found);
        }
        if !command.has_subcommands() {
            found.push((path.to_owned(), command.clone()));
        }
    }
    let mut root = Cli::command();
    root.build();
    let mut found = Vec::new();
    walk("", &root, &mut found);
    found
}

fn flags(command: &Command) -> Vec<&Arg> {
    let flags = command.get_arguments().filter(|arg| !arg.is_positional());
    flags.filter(|arg| !["help", "version"].contains(&arg.get_id().as_str())).collect()
}

fn variable(path: &str, flag: &str) -> String {
    let group = path.split(' ').next().unwrap();
    let other = [format!("{group} {flag}"), flag.to_owned()];
    let other = other.iter().find_map(|name| OTHER_NAMES.iter().find(|(flag, _)| flag == name));
    match other {
        Some((_, variable)) => (*variable).to_owned(),
        None => format!("RUNLEDGER_{}", flag.replace('-', "_").to_uppercase()),
    }
}

#[test]
fn every_flag_has_its_variable() {
    let commands = commands();
    assert!(commands.len() > 15, "{commands:?}");
    for (path, command) in &commands {
        for flag in flags(command) {
            let name = flag.get_long().expect("every flag has a long name");
            let expected = variable(path, name);
            let found =
                flag.get_env().unwrap_or_else(|| panic!("{path} --{name} has no variable: {expected}"));
            assert_eq!(found.to_str().unwrap(), expected, "{path} --{name}");
        }
    }
}

#[test]
fn flags_stand_in_one_order_everywhere() {
    let commands = commands();
    let names = |command: &Command| -> Vec<String> {
        flags(command).iter().map(|flag| flag.get_long().unwrap().to_owned()).collect()
    };
    // What commands share, in the order in which `serve` has it; `--json` stands before it.
    let serve = names(&commands.iter().find(|(path, _)| path == "serve").unwrap().1);
    let first = serve.iter().position(|name| name == "database-url").unwrap();
    let shared: Vec<&str> =
        std::iter::once("json").chain(serve[first..].iter().map(String::as_str)).collect();
    for (path, command) in &commands {
        let names = names(command);
        let places: Vec<Option<usize>> =
            names.iter().map(|name| shared.iter().position(|shared| shared == name)).collect();
        // A flag of the command's own has no place, and none comes before all places.
        assert!(places.is_sorted(), "{path}: {names:?}");
    }
}

/// The table of the document, as the command line says it.
fn table() -> String {
    let mut rows: BTreeMap<(String, String), (Vec<String>, String, String)> = BTreeMap::new();
    let all = commands();
    for (path, command) in &all {
        for flag in flags(command).into_iter().filter(|flag| !flag.is_hide_set()) {
            let key =
                (flag.get_long().unwrap().to_owned(), flag.get_env().unwrap().to_str().unwrap().to_owned());
            let default: Vec<&str> =
                flag.get_default_values().iter().map(|value| value.to_str().unwrap()).collect();
            let help = flag.get_help().unwrap().to_string();
            let sentence =
                help.split(". ").next().unwrap().split('\n').next().unwrap().trim_end_matches('.').to_owned();
            rows.entry(key).or_insert_with(|| (Vec::new(), default.join(" "), sentence)).0.push(path.clone());
        }
    }
    let mut table = String::from("| flag | variable | default | of | what |\n|---|---|---|---|---|\n");
    for ((flag, variable), (of, default, what)) in rows {
        let of = match of.len() {
            count if count == all.len() => "all".to_owned(),
            _ => of.iter().map(|of| format!("`{of}`")).collect::<Vec<_>>().join(", "),
        };
        let default =
            if default.is_empty() || default == "false" { String::new() } else { format!("`{default}`") };
        let what = what.replace('|', "\\|");
        writeln!(table, "| `--{flag}` | `{variable}` | {default} | {of} | {what} |").unwrap();
    }
    table
}

/// With `RUNLEDGER_WRITE_DOCS` set it writes the table instead.
#[test]
fn the_document_lists_them_all() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/settings.md");
    let document = std::fs::read_to_string(&path).unwrap();
    let (before, old) = document.split_once("| flag |").expect("the table");
    let table = table();
    if std::env::var_os("RUNLEDGER_WRITE_DOCS").is_some() {
        std::fs::write(&path, format!("{before}{table}")).unwrap();
        return;
    }
    let old = format!("| flag |{old}");
    for row in table.lines() {
        assert!(old.lines().any(|line| line == row), "docs/settings.md lacks this row:\n{row}");
    }
    for row in old.lines() {
        assert!(table.lines().any(|line| line == row), "docs/settings.md has a row of no flag:\n{row}");
    }
}

/// As docs/settings.md promises, whichever the flag.
#[test]
fn a_flag_without_a_value_is_set_by_its_variable() {
    let mut seen = 0;
    for (path, command) in commands() {
        for flag in flags(&command).into_iter().filter(|flag| matches!(flag.get_action(), ArgAction::SetTrue))
        {
            let taken = flag.get_value_parser().possible_values().expect("it takes certain words");
            let taken: Vec<String> = taken.map(|value| value.get_name().to_owned()).collect();
            for word in ["true", "1", "yes", "on", "false", "0", "no", "off"] {
                assert!(
                    taken.iter().any(|taken| taken == word),
                    "{path} --{}={word}",
                    flag.get_long().unwrap()
                );
            }
            seen += 1;
        }
    }
    assert!(seen > 8, "{seen}");
}
