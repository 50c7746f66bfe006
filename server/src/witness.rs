//! `runledger witness`: somebody else's word on what was sealed.

use std::sync::Arc;

use ::witness::Witness;
use seal::witness::LogKeys;
use tokio_util::sync::CancellationToken;
use web::ServeConfig;

use crate::cli::{WitnessCommand, WitnessServeArgs};
use crate::error::Error;
use crate::run::Stop;
use crate::tls::Certificate;
use crate::{listen, print_line};

/// Clients that may be connected at once.
const CLIENTS: usize = 256;

/// Runs a `runledger witness` command.
///
/// # Errors
/// When a file or an address can't be used, or what made `serve` stop.
pub async fn witness(command: WitnessCommand) -> Result<(), Error> {
    match command {
        WitnessCommand::Keygen { witness_name, witness_key, witness_state } => {
            let key = ::witness::create(&witness_key, &witness_name, &witness_state)?;
            print_line!("{} and {} written.", witness_key.display(), witness_state.display());
            print_line!("public key of the witness, for policies: {key}");
            Ok(())
        }
        WitnessCommand::Serve(args) => serve(args).await,
    }
}

async fn serve(args: WitnessServeArgs) -> Result<(), Error> {
    let mut stop = Stop::listen()?;
    let listeners = listen::on(&args.witness_listen).await?;
    let certificate = Certificate::read(&args.tls)?;
    let mut logs = LogKeys::default();
    let wrong = |error: seal::note::NoteError| Error::Usage(error.to_string());
    args.witness_ledgers.into_iter().try_for_each(|key| logs.add_ledger(key)).map_err(wrong)?;
    args.witness_logs.into_iter().try_for_each(|key| logs.add_log(key)).map_err(wrong)?;
    let keys = logs.count();
    let witness = Witness::open(::witness::read_key(&args.witness_key)?, logs, &args.witness_state)?;
    tracing::info!(key = %witness.verifier(), keys, "cosigning");
    let (shutdown, config) = (CancellationToken::new(), certificate.as_ref().map(Certificate::config));
    let serving =
        ServeConfig { max_connections: CLIENTS, tls: config.transpose()?, ..ServeConfig::default() };
    for address in listeners.addresses().map_err(Error::Api)? {
        tracing::info!(%address, "listening");
    }
    let serving = web::serve(listeners, ::witness::router(Arc::new(witness)), serving, shutdown.clone());
    let renewing = async {
        match certificate {
            Some(certificate) => certificate.keep_up(shutdown.clone()).await,
            None => Ok(()),
        }
    };
    let stopping = async {
        stop.asked().await;
        tracing::info!("stopping");
        shutdown.cancel();
    };
    let (served, renewed, ()) = tokio::join!(serving, renewing, stopping);
    served.map_err(Error::Api).and(renewed)
}
