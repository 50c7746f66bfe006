//! `verify.py` beside the crate: the same answers.

use std::path::Path;
use std::process::{Command, Output};

use seal::note::SignedNote;

use crate::ledger::Export;

/// What a program answered.
#[derive(Debug)]
pub struct Answer {
    pub code: i32,
    pub out: String,
}

/// The files of a question, in a folder of their own.
pub struct Question(tempfile::TempDir);

impl Question {
    pub fn new(zip: &[u8], policy: &str, older: Option<&SignedNote>) -> Self {
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join("export.zip"), zip).unwrap();
        std::fs::write(folder.path().join("policy"), policy).unwrap();
        if let Some(older) = older {
            std::fs::write(folder.path().join("older"), older.to_string()).unwrap();
        }
        Self(folder)
    }

    pub fn path(&self) -> &Path {
        self.0.path()
    }

    fn ask(&self, mut command: Command) -> Answer {
        command.current_dir(self.path()).args(["export.zip", "--policy", "policy"]);
        if self.path().join("older").exists() {
            command.args(["--since", "older"]);
        }
        answer(command)
    }

    /// Asks `verify.py`. Python has to be there: nothing is skipped.
    pub fn python(&self) -> Answer {
        let mut command = Command::new("python3");
        command.args(["-I", concat!(env!("CARGO_MANIFEST_DIR"), "/verify.py")]);
        self.ask(command)
    }

    pub fn binary(&self) -> Answer {
        self.ask(Command::new(env!("CARGO_BIN_EXE_runledger-verify")))
    }
}

pub fn answer(mut command: Command) -> Answer {
    let Output { status, stdout, stderr } =
        command.output().unwrap_or_else(|error| panic!("{command:?} can't be run: {error}"));
    let out = String::from_utf8(stdout).unwrap() + &String::from_utf8(stderr).unwrap();
    Answer { code: status.code().unwrap(), out }
}

/// The file that a refusal is about. How far they are in it when they see what is wrong is theirs.
fn place(out: &str) -> &str {
    let rest = out.strip_prefix("REFUSED: ").unwrap_or_else(|| panic!("{out}"));
    rest.split([',', ':']).next().unwrap()
}

/// Asks both, which must agree, also on the file.
pub fn both(export: &Export, policy: &str, older: Option<&SignedNote>) -> Answer {
    let question = Question::new(&export.zip(), policy, older);
    let (rust, python) = (question.binary(), question.python());
    assert_eq!(rust.code, python.code, "{rust:?}\n{python:?}");
    assert!(rust.code < 2, "{rust:?}");
    if rust.code == 1 {
        assert_eq!(place(&rust.out), place(&python.out), "{rust:?}\n{python:?}");
    }
    rust
}

#[test]
fn it_can_be_read_in_one_sitting() {
    let text = include_str!("../../verify.py");
    assert!(text.lines().count() < 340, "{}", text.lines().count());
    let imports = text.lines().find(|line| line.starts_with("import ")).unwrap();
    assert!(!imports.contains("cryptography"), "{imports}");
}
