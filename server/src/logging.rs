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
    let filter = EnvFilter::try_new(&args.log).map_err(|error| Error::Usage(format!("--log: {error}")))?;
    let registry = tracing_subscriber::registry().with(filter);
    let colours = std::io::stderr().is_terminal();
    let lines = tracing_subscriber::fmt::layer().with_writer(std::io::stderr).with_ansi(colours);
    match args.log_format {
        LogFormat::Json => registry.with(lines.json().flatten_event(true)).try_init(),
        LogFormat::Pretty => registry.with(lines.with_target(false)).try_init(),
    }
    .map_err(|error| Error::Usage(error.to_string()))
}
