//! `verify.py` beside the crate: the same answers, and none where it does not check all that there is.

use std::path::Path;
use std::process::{Command, Output};

use seal::continues::Named;
use seal::note::SignedNote;
use seal::policy::Policy;
use verify::{CONTINUES, Refused, Report};

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

/// That `verify.py` answers as the library has, also on the file; where it leaves something to that, it says what.
fn agree(known: &Result<Report, Refused>, python: &Answer, left: Option<&str>) {
    match (known, python.code, left) {
        (Ok(_), 0, None) => assert!(python.out.starts_with("VERIFIED: "), "{python:?}"),
        (Err(refused), 1, None) => {
            assert_eq!(place(&format!("REFUSED: {refused}")), place(&python.out), "{refused}\n{python:?}");
        }
        (Ok(_), 3, Some(what)) | (Err(_), 3, Some(what)) => {
            assert!(python.out.starts_with("UNDECIDED: ") && python.out.contains(what), "{what}: {python:?}");
        }
        (Err(_), 1, Some(_)) => assert!(python.out.starts_with("REFUSED: "), "{python:?}"),
        _ => panic!("{left:?} {known:?}\n{python:?}"),
    }
}

/// Asks the program, and `verify.py`, without the time stamp, which that does not check. Both must agree.
pub fn both(export: &Export, policy: &str, older: Option<&SignedNote>) -> Answer {
    let answer = Question::new(&export.zip(), policy, older).binary();
    assert!(answer.code < 2, "{answer:?}");
    let bare = export.unstamped();
    let known = bare.verify(&Policy::parse(policy).unwrap(), older);
    assert!(known.is_ok() || answer.code == 1, "{known:?}\n{answer:?}");
    let anew = bare.0.contains_key(CONTINUES) || begun_anew(&bare);
    let left = anew.then_some("unchecked      ['");
    agree(&known, &Question::new(&bare.zip(), policy, older).python(), left);
    answer
}

/// Whether the log of an export has another name than its first.
fn begun_anew(export: &Export) -> bool {
    let proof = export.0.get(verify::PROOF).map(|proof| String::from_utf8_lossy(proof));
    proof.is_some_and(|proof| proof.lines().any(|line| Named::of(line).generation > 1))
}

#[test]
fn it_can_be_read_in_one_sitting() {
    let text = include_str!("../../verify.py");
    assert!(text.lines().count() <= 200, "{}", text.lines().count());
    let longest = text.lines().map(|line| line.chars().count()).max().unwrap();
    assert!(longest <= 132, "{longest}");
    let imports = text.lines().find(|line| line.starts_with("import ")).unwrap();
    assert!(!imports.contains("cryptography"), "{imports}");
}
