//! The zip file, written piece by piece to whoever takes it.

use std::fs::File;
use std::io::{self, BufReader, BufWriter, Seek, Write};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use bytes::Bytes;
use chrono::{DateTime, Datelike, Timelike, Utc};
use flate2::Compression;
use flate2::read::DeflateDecoder;
use flate2::write::DeflateEncoder;
use tokio::sync::mpsc;
use zip::CompressionMethod;
use zip::write::{SimpleFileOptions, StreamWriter, ZipWriter};

use crate::error::ExportError;

/// Pieces are about as large as this, in bytes.
const PIECE: usize = 64 * 1024;

/// The zip file. One that is dropped unfinished gives nothing more away: without its end nobody takes it for whole.
pub(crate) struct Archive {
    zip: Option<ZipWriter<StreamWriter<Output>>>,
    options: SimpleFileOptions,
    given_up: Arc<AtomicBool>,
}

/// Where its bytes go.
struct Output {
    piece: Vec<u8>,
    taker: mpsc::Sender<Bytes>,
    given_up: Arc<AtomicBool>,
}

impl Archive {
    /// A file whose entries are from that moment.
    pub fn new(taker: mpsc::Sender<Bytes>, at: DateTime<Utc>) -> Self {
        let part = |number: u32| u8::try_from(number).unwrap_or(u8::MAX);
        let moment = u16::try_from(at.year()).ok().and_then(|year| {
            let (hour, minute, second) = (part(at.hour()), part(at.minute()), part(at.second()));
            zip::DateTime::from_date_and_time(year, part(at.month()), part(at.day()), hour, minute, second)
                .ok()
        });
        let options = SimpleFileOptions::default()
            .compression_method(CompressionMethod::Deflated)
            .last_modified_time(moment.unwrap_or_default())
            .unix_permissions(0o644);
        let given_up = Arc::new(AtomicBool::new(false));
        let output = Output { piece: Vec::with_capacity(PIECE), taker, given_up: given_up.clone() };
        Self { zip: Some(ZipWriter::new_stream(output)), options, given_up }
    }

    /// Begins a file in it that ends where the next one begins. One that may have 4 GiB or more must be said to: then it has
    /// the form of larger files, which programs that read a zip file as a stream may not know.
    pub fn begin(&mut self, name: &str, may_be_large: bool) -> Result<&mut impl Write, ExportError> {
        let options = self.options.large_file(may_be_large);
        let zip = self.zip.as_mut().ok_or(ExportError::Gone)?;
        zip.start_file(name, options)?;
        Ok(zip)
    }

    /// Goes on with the file that was begun last.
    pub fn current(&mut self) -> Result<&mut impl Write, ExportError> {
        self.zip.as_mut().ok_or(ExportError::Gone)
    }

    /// Writes a small file.
    pub fn file(&mut self, name: &str, content: impl AsRef<[u8]>) -> Result<(), ExportError> {
        self.begin(name, false)?.write_all(content.as_ref())?;
        Ok(())
    }

    /// Writes its end.
    pub fn finish(mut self) -> Result<(), ExportError> {
        let zip = self.zip.take().ok_or(ExportError::Gone)?;
        zip.finish()?.into_inner().send()?;
        Ok(())
    }
}

impl Drop for Archive {
    fn drop(&mut self) {
        // The writer writes an end by itself when it is dropped. It may, to nobody.
        self.given_up.store(true, Ordering::Relaxed);
    }
}

impl Output {
    fn send(&mut self) -> io::Result<()> {
        let piece = std::mem::replace(&mut self.piece, Vec::with_capacity(PIECE));
        if piece.is_empty() || self.given_up.load(Ordering::Relaxed) {
            return Ok(());
        }
        self.taker.blocking_send(piece.into()).map_err(|_| io::ErrorKind::BrokenPipe.into())
    }
}

impl Write for Output {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.piece.extend_from_slice(bytes);
        if self.piece.len() >= PIECE {
            self.send()?;
        }
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// A file that is filled beside the one that is written, and put in when its turn has come. It is kept packed, in a file
/// without a name: what a million events have for people takes some hundred megabytes.
pub(crate) struct Aside(DeflateEncoder<BufWriter<File>>);

impl Aside {
    pub fn new() -> io::Result<Self> {
        let file = BufWriter::with_capacity(PIECE, tempfile::tempfile()?);
        Ok(Self(DeflateEncoder::new(file, Compression::fast())))
    }

    /// Puts it in.
    pub fn put_in(self, archive: &mut Archive, name: &str, may_be_large: bool) -> Result<(), ExportError> {
        let mut file = self.0.finish()?.into_inner().map_err(io::IntoInnerError::into_error)?;
        file.rewind()?;
        let into = archive.begin(name, may_be_large)?;
        io::copy(&mut DeflateDecoder::new(BufReader::with_capacity(PIECE, file)), into)?;
        Ok(())
    }
}

impl Write for Aside {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        // What is held back is written at the end.
        Ok(())
    }
}
