//! Where rows come from. Each source is read by a task of its own, some pages ahead.

mod csv;
mod ndjson;
mod postgres;

use std::path::PathBuf;

use sqlx::postgres::PgConnectOptions;
use tokio::sync::mpsc;

use crate::row::Row;

/// How many rows come at once.
pub(crate) const PAGE: usize = 2_000;

/// How many pages are read ahead.
const AHEAD: usize = 2;

/// Why a source can't be read, or not to its end.
#[derive(Debug, thiserror::Error)]
pub enum SourceError {
    /// It is none.
    #[error("{0}")]
    Unknown(String),
    /// The file.
    #[error("{path}: {source}", path = .path.display())]
    File {
        /// Which one.
        path: PathBuf,
        /// What the system says.
        source: std::io::Error,
    },
    /// It is no CSV.
    #[error("{path}: {why}", path = .path.display())]
    Csv {
        /// The file.
        path: PathBuf,
        /// What is wrong.
        why: String,
    },
    /// The database that the rows are in.
    #[error("the source's database: {0}")]
    Database(#[from] sqlx::Error),
}

/// A row of a source.
#[derive(Debug)]
pub struct Sourced {
    /// Which one, from 1; of a file of JSON lines, the line.
    pub number: u64,
    /// How far the source is read with it, of [`Source::goal`].
    pub reached: u64,
    /// The row, or why it can't be read.
    pub row: Result<Row, String>,
}

type Page = Result<Vec<Sourced>, SourceError>;

/// Rows, page by page.
#[derive(Debug)]
pub struct Source {
    pages: mpsc::Receiver<Page>,
    goal: u64,
}

impl Source {
    /// Reads a file: JSON lines (`.ndjson`, `.jsonl`) or CSV with a line of names (`.csv`).
    ///
    /// # Errors
    /// When there is no such file, or its name says neither.
    pub fn file(path: PathBuf) -> Result<Self, SourceError> {
        let form = path.extension().and_then(|it| it.to_str()).unwrap_or_default().to_ascii_lowercase();
        let read = match form.as_str() {
            "ndjson" | "jsonl" => ndjson::read,
            "csv" => csv::read,
            _ => {
                return Err(SourceError::Unknown(format!(
                    "{}: name a file that ends with .ndjson, .jsonl or .csv, or a database as postgres://user@host/name",
                    path.display()
                )));
            }
        };
        let failed = |source| SourceError::File { path: path.clone(), source };
        let file = std::fs::File::open(&path).map_err(failed)?;
        let goal = file.metadata().map_err(failed)?.len();
        let (to, pages) = mpsc::channel(AHEAD);
        tokio::task::spawn_blocking(move || {
            let mut pages = Pages::new(to);
            if let Err(error) = read(&path, file, &mut pages) {
                pages.fail(error);
            }
        });
        Ok(Self { pages, goal })
    }

    /// Asks a database.
    ///
    /// # Errors
    /// When it does not answer, or refuses.
    pub async fn postgres(options: PgConnectOptions, query: &str) -> Result<Self, SourceError> {
        let (to, pages) = mpsc::channel(AHEAD);
        let goal = postgres::read(options, query, to).await?;
        Ok(Self { pages, goal })
    }

    /// How much there is, in what [`Sourced::reached`] counts: bytes of a file, rows of a database.
    #[must_use]
    pub fn goal(&self) -> u64 {
        self.goal
    }

    /// The next rows; none at the end.
    ///
    /// # Errors
    /// [`SourceError`].
    pub async fn next(&mut self) -> Result<Option<Vec<Sourced>>, SourceError> {
        self.pages.recv().await.transpose()
    }
}

/// Gathers rows of a file into pages.
struct Pages {
    to: mpsc::Sender<Page>,
    page: Vec<Sourced>,
}

impl Pages {
    fn new(to: mpsc::Sender<Page>) -> Self {
        Self { to, page: Vec::with_capacity(PAGE) }
    }

    /// Adds a row. False where nobody reads on.
    fn push(&mut self, row: Sourced) -> bool {
        self.page.push(row);
        self.page.len() < PAGE || self.flush()
    }

    fn flush(&mut self) -> bool {
        let page = std::mem::replace(&mut self.page, Vec::with_capacity(PAGE));
        page.is_empty() || self.to.blocking_send(Ok(page)).is_ok()
    }

    /// Ends with what was wrong.
    fn fail(mut self, error: SourceError) {
        if self.flush() {
            drop(self.to.blocking_send(Err(error)));
        }
    }
}
