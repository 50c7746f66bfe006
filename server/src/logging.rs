//! Log lines on standard error.

use std::io::IsTerminal;

use tracing_subscriber::EnvFilter;
use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::util::SubscriberInitExt;

use crate::cli::{LogFormat, LoggingArgs};
use crate::error::Error;

/// Sends the program's log lines to standard error, as the arguments say.
///
/// # Errors
/// When the filter can't be read, or logging was set up before.
pub fn init(args: &LoggingArgs) -> Result<(), Error> {
    let filter = filter(&args.log)?;
    let registry = tracing_subscriber::registry().with(filter);
    let colours = std::io::stderr().is_terminal();
    let lines = tracing_subscriber::fmt::layer().with_writer(std::io::stderr).with_ansi(colours);
    match args.log_format {
        LogFormat::Json => registry.with(lines.json().flatten_event(true)).try_init(),
        LogFormat::Pretty => registry.with(lines.with_target(false)).try_init(),
    }
    .map_err(|error| Error::Usage(error.to_string()))
}

/// The cluster's client, which writes several lines for each call that fails. The log tells itself when an outage
/// begins and ends.
const CLIENT: &str = "kurrentdb";

/// What is logged. The cluster's client is heard only where it is asked for by name.
fn filter(wanted: &str) -> Result<EnvFilter, Error> {
    let wanted = if wanted.contains(CLIENT) { wanted.to_owned() } else { format!("{wanted},{CLIENT}=off") };
    EnvFilter::try_new(wanted).map_err(|error| Error::Usage(format!("--log: {error}")))
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use std::sync::Arc;
    use std::sync::atomic::{AtomicUsize, Ordering};

    use tracing_subscriber::Layer;
    use tracing_subscriber::layer::Context;

    use super::*;

    #[derive(Clone, Default)]
    struct Counted(Arc<AtomicUsize>);

    impl<S: tracing::Subscriber> Layer<S> for Counted {
        fn on_event(&self, _event: &tracing::Event<'_>, _context: Context<'_, S>) {
            self.0.fetch_add(1, Ordering::SeqCst);
        }
    }

    fn lines(wanted: &str) -> usize {
        let counted = Counted::default();
        let subscriber = tracing_subscriber::registry().with(filter(wanted).unwrap()).with(counted.clone());
        tracing::subscriber::with_default(subscriber, || {
            tracing::error!(target: "kurrentdb::grpc", "Error occurred during operation execution");
            tracing::warn!(target: "kurrentdb::grpc", "NotLeaderException found");
            tracing::error!(target: "eventlog::kurrent::outage", "our own");
        });
        counted.0.load(Ordering::SeqCst)
    }

    #[test]
    fn the_clusters_client_is_heard_only_where_it_is_asked_for() {
        for wanted in ["info", "debug", "warn,api=debug", "info,sqlx::postgres::notice=warn"] {
            assert_eq!(lines(wanted), 1, "{wanted}");
        }
        assert_eq!(lines("info,kurrentdb=error"), 2);
    }

    #[test]
    fn a_filter_that_is_none_is_told() {
        assert!(matches!(filter("api=loud"), Err(Error::Usage(said)) if said.contains("--log")));
    }
}
