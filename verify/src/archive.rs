//! The zip, read so that every tool sees the same files in it.

use std::io::{BufRead, BufReader, Read, Seek, SeekFrom};

use zip::CompressionMethod;
use zip::read::{ZipArchive, ZipFile};
use zip::result::ZipError;

use crate::refused::{Place, Refused, shown};
use crate::{CHECKED, CONTINUES};

/// The most files that a zip may have.
const MOST_FILES: usize = 100;
/// The longest line, and the largest file that is read as a whole, in bytes.
const LONGEST: u64 = 64 << 20;
/// A zip's end, without a comment after it.
const END: [u8; 4] = *b"PK\x05\x06";

/// An export's zip.
pub struct Archive<R> {
    zip: ZipArchive<R>,
}

impl<R: Read + Seek> Archive<R> {
    /// Opens it.
    ///
    /// # Errors
    /// Where it is none, or one that tools could read in two ways.
    pub fn open(mut file: R) -> Result<Self, Refused> {
        let refused = |what: &str| Place::default().refused(what);
        let mut end = [0; 22];
        let at_end = file.seek(SeekFrom::End(-22)).and_then(|_| file.read_exact(&mut end));
        if at_end.is_err() || end[..4] != END || end[20..] != [0, 0] {
            return Err(refused("it is no zip file, or one with something after its end"));
        }
        let mut zip = ZipArchive::new(file).map_err(|error| no_zip(&error))?;
        if zip.len() > MOST_FILES {
            return Err(refused("the zip has more than 100 files"));
        }
        if zip.has_duplicate_names() {
            return Err(refused("the zip has two files of one name"));
        }
        let mut first = zip.offset();
        if first == 0 && !zip.is_empty() {
            let begins = (0..zip.len()).map(|index| zip.by_index_raw(index).map(|file| file.header_start()));
            first = begins
                .collect::<Result<Vec<_>, _>>()
                .map_err(|error| no_zip(&error))?
                .into_iter()
                .min()
                .unwrap_or(1);
        }
        if first != 0 {
            return Err(refused("the zip has something before its beginning"));
        }
        zip.validate_header_consistency().map_err(|error| no_zip(&error))?;
        Ok(Self { zip })
    }

    /// The names of the files that are not checked, in order, as they can be shown.
    pub fn others(&self) -> Vec<String> {
        let checked = |name: &[u8]| CHECKED.iter().chain([&CONTINUES]).any(|known| known.as_bytes() == name);
        let names = self.zip.file_names_raw().filter(|name| !checked(name));
        let mut names: Vec<_> = names.map(|name| shown(&String::from_utf8_lossy(name))).collect();
        names.sort_unstable();
        names
    }

    /// Whether it has that file.
    pub fn has(&self, name: &str) -> bool {
        self.zip.index_for_name_raw(name.as_bytes()).is_some()
    }

    fn file(&mut self, name: &'static str) -> Result<ZipFile<'_, R>, Refused> {
        let index = self.zip.index_for_name_raw(name.as_bytes());
        let index = index.ok_or_else(|| Place::file(name).refused("the zip has no such file"))?;
        let file = self.zip.by_index(index).map_err(|error| Place::file(name).refused(error))?;
        if matches!(file.compression(), CompressionMethod::Stored | CompressionMethod::Deflated) {
            return Ok(file);
        }
        Err(Place::file(name).refused("it is neither stored nor deflated"))
    }

    /// The content of a small file.
    ///
    /// # Errors
    /// Where it is not there, is damaged or too large.
    pub fn content(&mut self, name: &'static str) -> Result<Vec<u8>, Refused> {
        let mut content = Vec::new();
        let read = self.file(name)?.take(LONGEST + 1).read_to_end(&mut content);
        read.map_err(|error| Place::file(name).refused(error))?;
        if content.len() as u64 > LONGEST {
            return Err(Place::file(name).refused("it is larger than 64 MiB"));
        }
        Ok(content)
    }

    /// The lines of a file.
    ///
    /// # Errors
    /// Where it is not there.
    pub fn lines(&mut self, name: &'static str) -> Result<Lines<ZipFile<'_, R>>, Refused> {
        let file = BufReader::with_capacity(1 << 17, self.file(name)?);
        Ok(Lines { name, file, number: 0, line: Vec::new() })
    }
}

fn no_zip(error: &ZipError) -> Refused {
    Place::default().refused(format_args!("the zip: {error}"))
}

/// A file, line by line.
pub struct Lines<F> {
    name: &'static str,
    file: BufReader<F>,
    number: u64,
    line: Vec<u8>,
}

impl<F: Read> Lines<F> {
    /// The next line without its end; none after the last.
    ///
    /// # Errors
    /// Where it is too long, does not end or is damaged.
    pub fn next(&mut self) -> Result<Option<&[u8]>, Refused> {
        self.line.clear();
        self.number += 1;
        let read = self.file.by_ref().take(LONGEST + 1).read_until(b'\n', &mut self.line);
        if read.map_err(|error| self.place().refused(error))? == 0 {
            return Ok(None);
        }
        match self.line.strip_suffix(b"\n") {
            Some(line) => Ok(Some(line)),
            None if self.line.len() as u64 > LONGEST => Err(self.place().refused("it is longer than 64 MiB")),
            None => Err(self.place().refused("the last line does not end")),
        }
    }

    /// Where the line is that was read last; after the last line, the one that would follow.
    pub fn place(&self) -> Place {
        Place::line(self.name, self.number)
    }
}
