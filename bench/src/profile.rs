//! Where the projector's time goes, by statement: sqlx tells how long each one took.

use std::collections::HashMap;
use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tracing::field::{Field, Visit};
use tracing::{Event, Subscriber};
use tracing_subscriber::layer::{Context, Layer, SubscriberExt};
use tracing_subscriber::registry;

/// The target of sqlx's events about statements.
const STATEMENTS: &str = "sqlx::query";

/// Sums the times of statements while it listens.
#[derive(Debug, Clone, Default)]
pub struct Profile(Arc<Mutex<HashMap<String, (u32, f64)>>>);

impl Profile {
    /// Listens to all statements of this process from now on. Only once in a process.
    pub fn listen() -> Result<Self, crate::Failure> {
        let profile = Self::default();
        tracing::subscriber::set_global_default(registry().with(profile.clone()))?;
        Ok(profile)
    }

    /// Forgets what it heard.
    pub fn clear(&self) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).clear();
    }

    /// Prints the statements that took the most time of a whole, and what was left for the rest: reading
    /// the events' JSON, folding, and waiting.
    pub fn print(&self, whole: Duration) {
        let heard = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let mut heard: Vec<_> = heard.iter().collect();
        heard.sort_by(|a, b| b.1.1.total_cmp(&a.1.1));
        println!("profile of {:.2} s by statement (times, seconds):", whole.as_secs_f64());
        for (statement, (times, seconds)) in heard.iter().take(16) {
            println!("  {seconds:>7.2} s {times:>6}x {statement}");
        }
        let all: f64 = heard.iter().map(|(_, (_, seconds))| seconds).sum();
        println!("  {:>7.2} s outside of statements", whole.as_secs_f64() - all);
    }
}

impl<S: Subscriber> Layer<S> for Profile {
    fn register_callsite(&self, about: &'static tracing::Metadata<'static>) -> tracing::subscriber::Interest {
        if about.target() == STATEMENTS {
            tracing::subscriber::Interest::always()
        } else {
            tracing::subscriber::Interest::never()
        }
    }

    fn enabled(&self, about: &tracing::Metadata<'_>, _: Context<'_, S>) -> bool {
        about.target() == STATEMENTS
    }

    fn on_event(&self, event: &Event<'_>, _: Context<'_, S>) {
        let mut statement = Statement::default();
        event.record(&mut statement);
        let mut heard = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let (times, seconds) = heard.entry(statement.summary).or_default();
        *times += 1;
        *seconds += statement.seconds;
    }
}

/// What an event says of a statement.
#[derive(Default)]
struct Statement {
    summary: String,
    seconds: f64,
}

impl Visit for Statement {
    fn record_str(&mut self, field: &Field, value: &str) {
        // The first words of a statement are often the same; with the whole text, they are told apart.
        match field.name() {
            "db.statement" if !value.is_empty() => {
                let text = value.split_whitespace().collect::<Vec<_>>().join(" ");
                self.summary = text.chars().take(100).collect();
            }
            "summary" if self.summary.is_empty() => value.clone_into(&mut self.summary),
            _ => {}
        }
    }

    fn record_f64(&mut self, field: &Field, value: f64) {
        if field.name() == "elapsed_secs" {
            self.seconds = value;
        }
    }

    fn record_debug(&mut self, _: &Field, _: &dyn fmt::Debug) {}
}
