//! The folder of installed models.
//!
//! A model is `ggml-NAME.bin` with `ggml-NAME.toml`, the record of its import, beside it. A
//! published file that somebody put there by hand works too: its digest is in the catalogue. Any
//! other file is left alone and is not listed. The folder is not secret and holds no content.

use std::fs::{self, File};
use std::io::{BufWriter, Read, Write};
use std::path::{Path, PathBuf};

use serde::Serialize;
use sha2::{Digest as _, Sha256};
use tempfile::NamedTempFile;

use super::catalog::{by_digest, by_name};
use super::shape::{Rules, WHISPER};
use super::sidecar::{self, Record};
use super::{Languages, catalog, convert, ggml, unusable};
use crate::{Error, Kind, Result};

/// Larger than any Whisper model. Unit: bytes.
const SIZE_LIMIT: u64 = 8 << 30;
/// What a model being installed is called until it is whole.
pub(super) const UNFINISHED: &str = ".importing-";

/// Who vouches for a model's digest.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Trust {
    /// The catalogue: it is the published model.
    Catalog,
    /// Only its own import: it is what was installed then.
    Import,
}

/// An installed model, as recorded. Only [`Store::find`] and [`Store::verify`] look whether the
/// file still is what the record says.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Installed {
    /// Its name, such as `base.en`.
    pub name: String,
    /// The ggml file.
    pub path: PathBuf,
    /// Its size in bytes.
    pub bytes: u64,
    /// Its SHA-256, 64 hexadecimal digits.
    pub sha256: String,
    /// What it can write.
    pub languages: Languages,
    /// Roughly what the program takes at most with it. Unit: bytes.
    pub memory: u64,
    /// Who vouches for the digest.
    pub trust: Trust,
    /// What it was made from: `ggml file`, `CTranslate2 folder`, or `put there by hand`.
    pub source: String,
}

/// A model whose file was read whole and found to be what it should be.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Verified {
    /// The model.
    pub installed: Installed,
    /// What its digest was compared with.
    pub against: Trust,
}

/// What an import is doing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Step {
    /// Copying a ggml file, counted in bytes.
    Copying,
    /// Converting a CTranslate2 folder, counted in weights.
    Converting,
}

/// How far an import is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Progress {
    /// What is being done.
    pub step: Step,
    /// How much of it is done.
    pub done: u64,
    /// How much there is.
    pub total: u64,
}

/// The folder of installed models. It need not exist until something is imported.
#[derive(Debug, Clone)]
pub struct Store {
    dir: PathBuf,
    rules: Rules,
}

impl Store {
    /// The store in `dir`. Reads nothing yet.
    #[must_use]
    pub fn open(dir: impl Into<PathBuf>) -> Self {
        Store {
            dir: dir.into(),
            rules: WHISPER,
        }
    }

    /// The folder.
    #[must_use]
    pub fn dir(&self) -> &Path {
        &self.dir
    }

    /// What is installed: known models in the catalogue's order, then others by name. Reads the
    /// records, not the models.
    ///
    /// # Errors
    /// [`Kind::Disk`] where the folder cannot be read. A folder that is not there is empty.
    pub fn list(&self) -> Result<Vec<Installed>> {
        let entries = match fs::read_dir(&self.dir) {
            Ok(entries) => entries,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(Vec::new()),
            Err(error) => return Err(Error::io("reading", &self.dir, &error)),
        };
        let mut list = Vec::new();
        for entry in entries {
            let entry = entry.map_err(|error| Error::io("reading", &self.dir, &error))?;
            let file = entry.file_name();
            let name = file
                .to_str()
                .and_then(|file| file.strip_prefix("ggml-")?.strip_suffix(".bin"));
            if let Some(name) = name.filter(|name| is_name(name)) {
                list.extend(self.installed(name)?);
            }
        }
        let place = |name: &str| {
            let known = catalog().iter().position(|entry| entry.name == name);
            known.unwrap_or(usize::MAX)
        };
        list.sort_by(|a, b| (place(&a.name), &a.name).cmp(&(place(&b.name), &b.name)));
        Ok(list)
    }

    /// The model of this name, or without a name the one that suits this machine, read whole and
    /// verified: **what the speech engine is given must come from here, just now**.
    ///
    /// # Errors
    /// [`Kind::Model`] where there is none of that name or none at all, where its digest is not
    /// the one it should be, and where it is not a whole model.
    pub fn find(&self, name: Option<&str>) -> Result<Installed> {
        let cores = std::thread::available_parallelism().map_or(1, usize::from);
        let name = match name {
            Some(name) => name.to_owned(),
            None => self.choose(None, cores)?.name,
        };
        Ok(self.verify(&name)?.installed)
    }

    /// The installed model that suits a language (ISO 639-1; `None` where it is not known yet)
    /// and a machine with `cores` processors: as accurate as it can be at a bearable speed. It is
    /// not verified.
    ///
    /// # Errors
    /// [`Kind::Model`] where nothing that knows the language is installed.
    pub fn choose(&self, language: Option<&str>, cores: usize) -> Result<Installed> {
        let mut list = self.list()?;
        if list.is_empty() {
            return Err(unusable("There is no speech model on this machine yet.")
                .hint("scripts/fetch-model base")
                .hint("undertone model import FILE"));
        }
        list.retain(|model| language.is_none_or(|code| model.languages.hold(code)));
        let sizes: &[&str] = match cores {
            0..=3 => &["base", "tiny", "small", "large-v3-turbo-q5_0", "medium"],
            4..=7 => &["small", "base", "tiny", "large-v3-turbo-q5_0", "medium"],
            _ => &["large-v3-turbo-q5_0", "small", "base", "tiny", "medium"],
        };
        let rank = |model: &Installed| {
            let bare = model.name.strip_suffix(".en").unwrap_or(&model.name);
            let size = sizes.iter().position(|size| *size == bare);
            let english = model.languages == Languages::English;
            (
                size.unwrap_or(usize::MAX),
                english != (language == Some("en")),
            )
        };
        list.into_iter().min_by_key(rank).ok_or_else(|| {
            unusable("The speech models on this machine know English only.")
                .hint("scripts/fetch-model base")
        })
    }

    /// Reads the model of this name whole and compares its digest: with the catalogue where the
    /// name or the digest is known there, else with the one it had when it was installed.
    ///
    /// # Errors
    /// As [`Store::find`].
    pub fn verify(&self, name: &str) -> Result<Verified> {
        let installed = match is_name(name) {
            true => self.installed(name)?,
            false => None,
        };
        let installed = installed.ok_or_else(|| self.not_there(name))?;
        let sha256 = hash(&installed.path)?;
        let vouched = by_name(name).is_none_or(|entry| entry.accepts(&sha256));
        if sha256 != installed.sha256 || !vouched {
            return Err(self.altered(name, &installed.sha256, &sha256));
        }
        ggml::check_by(&installed.path, &self.rules)?;
        Ok(Verified {
            against: installed.trust,
            installed,
        })
    }

    /// Installs a ggml file, or a CTranslate2 (faster-whisper) folder, which is converted. Without
    /// a name it gets the catalogue's where its digest is known there, else one from the file's.
    /// A name of the catalogue is given to the published model only. Nothing is changed on an
    /// error, and the source is never changed. Installing the same again changes nothing.
    ///
    /// # Errors
    /// [`Kind::Model`] where it is not a model, or not the one its name says; [`Kind::Usage`] for
    /// a name that cannot be one or is taken; [`Kind::Busy`] while another import is running;
    /// [`Kind::Disk`] and [`Kind::NotFound`].
    pub fn import(
        &self,
        from: &Path,
        name: Option<&str>,
        progress: &mut dyn FnMut(Progress),
    ) -> Result<Installed> {
        if let Some(name) = name.filter(|name| !is_name(name)) {
            return Err(bad_name(name));
        }
        let folder = ct2_folder(from)?;
        if folder.is_none() {
            // Early and cheap; what was copied is checked again below.
            ggml::check_by(from, &self.rules)?;
        }
        fs::create_dir_all(&self.dir).map_err(|error| Error::io("creating", &self.dir, &error))?;
        let _lock = self.lock()?;
        let file = tempfile::Builder::new()
            .prefix(UNFINISHED)
            .suffix(".part")
            .tempfile_in(&self.dir)
            .map_err(|error| Error::io("writing in", &self.dir, &error))?;
        let mut out = BufWriter::with_capacity(256 << 10, Hashing::new(file.as_file()));
        match &folder {
            Some(folder) => {
                let mut told = |done, total| {
                    progress(Progress {
                        step: Step::Converting,
                        done,
                        total,
                    });
                };
                convert::convert(folder, &self.rules, &mut out, &mut told)?;
            }
            None => copy(from, &mut out, progress)?,
        }
        out.flush().map_err(|error| ggml::full(&error))?;
        let hashed = out.into_inner().map_err(|_| {
            Error::new(Kind::Disk, "Writing the model failed. Nothing was changed.")
        })?;
        let (bytes, sha256) = (hashed.bytes, hashed.finish());
        let header = ggml::check_by(file.path(), &self.rules)?;
        let record = Record {
            name: settle(name, from, &sha256)?,
            bytes,
            sha256,
            languages: if header.shape.english_only() {
                Languages::English
            } else {
                Languages::Many
            },
            source: if folder.is_some() {
                "CTranslate2 folder".to_owned()
            } else {
                "ggml file".to_owned()
            },
        };
        self.install(file, record)
    }

    /// Puts a finished file and its record in place.
    fn install(&self, file: NamedTempFile, record: Record) -> Result<Installed> {
        let name = record.name.clone();
        if let Some(there) = self.installed(&name)?
            && there.sha256 != record.sha256
            && hash(&there.path)? == there.sha256
        {
            return Err(Error::new(
                Kind::Usage,
                format!("Another model called {name} is installed. Nothing was changed."),
            )
            .hint("Give this one another name: undertone model import FILE --name NAME"));
        }
        self.place(file, &self.model_path(&name))?;
        let mut text = NamedTempFile::with_prefix_in(UNFINISHED, &self.dir)
            .map_err(|error| Error::io("writing in", &self.dir, &error))?;
        text.write_all(sidecar::text(&record).as_bytes())
            .map_err(|error| ggml::full(&error))?;
        self.place(text, &self.record_path(&name))?;
        self.installed(&name)?.ok_or_else(|| self.not_there(&name))
    }

    /// Makes a temporary file last, readable by every user: a model is no secret.
    pub(super) fn place(&self, file: NamedTempFile, path: &Path) -> Result<()> {
        #[cfg(unix)]
        {
            use std::os::unix::fs::PermissionsExt;
            let _ = file
                .as_file()
                .set_permissions(fs::Permissions::from_mode(0o644));
        }
        file.as_file()
            .sync_all()
            .map_err(|error| ggml::full(&error))?;
        file.persist(path)
            .map_err(|error| Error::io("writing", path, &error.error))?;
        #[cfg(unix)]
        File::open(&self.dir)
            .and_then(|dir| dir.sync_all())
            .map_err(|error| Error::io("writing in", &self.dir, &error))?;
        Ok(())
    }

    /// One import at a time. What an import that died left behind is removed.
    fn lock(&self) -> Result<File> {
        let path = self.dir.join(".lock");
        let lock = File::options()
            .create(true)
            .truncate(false)
            .write(true)
            .open(&path)
            .map_err(|error| Error::io("writing", &path, &error))?;
        if lock.try_lock().is_err() {
            return Err(Error::new(
                Kind::Busy,
                "Another import into the same folder of models is running.",
            )
            .hint("Wait until it is done, then try again."));
        }
        for entry in fs::read_dir(&self.dir).into_iter().flatten().flatten() {
            if entry.file_name().to_string_lossy().starts_with(UNFINISHED) {
                let _ = fs::remove_file(entry.path());
            }
        }
        Ok(lock)
    }

    fn model_path(&self, name: &str) -> PathBuf {
        self.dir.join(format!("ggml-{name}.bin"))
    }

    fn record_path(&self, name: &str) -> PathBuf {
        self.dir.join(format!("ggml-{name}.toml"))
    }

    /// The model of this name, from its record or the catalogue; `None` where there is no such
    /// file, or nothing says what it should be.
    fn installed(&self, name: &str) -> Result<Option<Installed>> {
        let path = self.model_path(name);
        let Ok(metadata) = fs::metadata(&path) else {
            return Ok(None);
        };
        if !metadata.is_file() {
            return Ok(None);
        }
        let known = by_name(name);
        let record = sidecar::read(&self.record_path(name))?.filter(|record| record.name == name);
        let record = match (record, known) {
            (Some(record), _) => record,
            (None, Some(entry)) => Record {
                name: name.to_owned(),
                bytes: entry.bytes,
                sha256: entry
                    .digests
                    .first()
                    .map_or_else(String::new, |digest| digest.sha256.clone()),
                languages: entry.languages,
                source: "put there by hand".to_owned(),
            },
            (None, None) => return Ok(None),
        };
        let published = by_digest(&record.sha256);
        let memory = known.or(published).map_or_else(
            // The weights, a third again for what is computed, and the program.
            || metadata.len() + metadata.len() / 3 + (150 << 20),
            |entry| entry.memory_mb * 1_000_000,
        );
        Ok(Some(Installed {
            name: record.name,
            path,
            bytes: metadata.len(),
            trust: if published.is_some() {
                Trust::Catalog
            } else {
                Trust::Import
            },
            sha256: record.sha256,
            languages: record.languages,
            memory,
            source: record.source,
        }))
    }

    fn not_there(&self, name: &str) -> Error {
        let error = unusable(format!("No speech model called {name} is installed."));
        let error = match by_name(name) {
            Some(entry) => error.hint(format!("scripts/fetch-model {}", entry.name)),
            None => error,
        };
        error.hint("undertone model list")
    }

    fn altered(&self, name: &str, expected: &str, found: &str) -> Error {
        let error = unusable(format!(
            "The speech model {name} is not what was installed: its file was changed or is \
             damaged (SHA-256 {}… instead of {}…). It was not used.",
            short(found),
            short(expected),
        ));
        match by_name(name) {
            Some(_) => error.hint(format!("scripts/fetch-model {name}")),
            None => error.hint(format!(
                "Import it again: undertone model import FILE --name {name}"
            )),
        }
    }
}

/// The CTranslate2 folder that is meant, where one is.
fn ct2_folder(from: &Path) -> Result<Option<PathBuf>> {
    let metadata = fs::metadata(from).map_err(|error| Error::io("reading", from, &error))?;
    if metadata.is_dir() {
        if from.join("model.bin").is_file() {
            return Ok(Some(from.to_owned()));
        }
        return Err(unusable(
            "The folder holds no model.bin, so it is not a faster-whisper (CTranslate2) model. \
             Nothing was installed or changed.",
        )
        .hint("scripts/fetch-model base"));
    }
    let beside = |file: &str| from.with_file_name(file).is_file();
    let is_part = from.file_name().is_some_and(|file| file == "model.bin");
    let whole = beside("vocabulary.txt") || beside("vocabulary.json");
    Ok((is_part && whole).then(|| {
        from.parent()
            .filter(|parent| !parent.as_os_str().is_empty())
            .unwrap_or(Path::new("."))
            .to_owned()
    }))
}

/// The name that a model gets.
fn settle(asked: Option<&str>, from: &Path, sha256: &str) -> Result<String> {
    if let (None, Some(entry)) = (asked, by_digest(sha256)) {
        return Ok(entry.name.clone());
    }
    let name = match asked {
        Some(name) => name.to_owned(),
        None => name_from(from).ok_or_else(|| bad_name(""))?,
    };
    match by_name(&name) {
        Some(entry) if !entry.accepts(sha256) => Err(unusable(format!(
            "This is not the published model {name}: its SHA-256 is {}…, that of the published \
             one is {}…. It may be damaged or altered. Nothing was installed or changed.",
            short(sha256),
            entry
                .digests
                .first()
                .map_or("", |digest| short(&digest.sha256)),
        ))
        .hint(format!("scripts/fetch-model {name}"))
        .hint(format!(
            "If you trust where it comes from: undertone model import FILE --name my-{name}"
        ))),
        _ => Ok(name),
    }
}

/// A name from the file's or folder's own.
fn name_from(from: &Path) -> Option<String> {
    let file = from.file_name()?.to_str()?.to_lowercase();
    let file = file.strip_suffix(".bin").unwrap_or(&file);
    let file = file.strip_prefix("ggml-").unwrap_or(file);
    is_name(file).then(|| file.to_owned())
}

/// True for what can be a model's name: it becomes part of a file name.
fn is_name(name: &str) -> bool {
    (1..=64).contains(&name.len())
        && name
            .bytes()
            .all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || b"._-".contains(&byte))
        && name.starts_with(|first: char| first.is_ascii_alphanumeric())
        // The voice activity model lies in the same folder under such a name.
        && !name.starts_with("silero")
}

fn bad_name(name: &str) -> Error {
    let sentence = if name.is_empty() {
        "The model needs a name: its file's does not do.".to_owned()
    } else {
        "That cannot be the name of a model.".to_owned()
    };
    Error::new(Kind::Usage, sentence).hint(
        "undertone model import FILE --name NAME   (small letters, digits, points and dashes)",
    )
}

/// The first digits of a digest, enough to compare by eye.
fn short(sha256: &str) -> &str {
    sha256.get(..12).unwrap_or(sha256)
}

/// The SHA-256 of a file.
fn hash(path: &Path) -> Result<String> {
    let told = |error: std::io::Error| Error::io("reading", path, &error);
    let mut file = ggml::open_regular(path)?;
    let mut sha = Sha256::new();
    let mut piece = vec![0; 1 << 20];
    loop {
        match file.read(&mut piece).map_err(told)? {
            0 => return Ok(hex::encode(sha.finalize())),
            count => sha.update(&piece[..count]),
        }
    }
}

fn copy(from: &Path, out: &mut dyn Write, progress: &mut dyn FnMut(Progress)) -> Result<()> {
    let told = |error: std::io::Error| Error::io("reading", from, &error);
    let mut file = ggml::open_regular(from)?;
    let total = file.metadata().map_err(told)?.len().min(SIZE_LIMIT);
    let mut piece = vec![0; 1 << 20];
    let mut done = 0;
    while done < total {
        let count = file.read(&mut piece).map_err(told)?;
        if count == 0 {
            break;
        }
        out.write_all(&piece[..count])
            .map_err(|error| ggml::full(&error))?;
        done += count as u64;
        progress(Progress {
            step: Step::Copying,
            done,
            total,
        });
    }
    Ok(())
}

/// A file being written, hashed and counted on the way.
struct Hashing<'a> {
    file: &'a File,
    sha: Sha256,
    bytes: u64,
}

impl<'a> Hashing<'a> {
    fn new(file: &'a File) -> Self {
        Hashing {
            file,
            sha: Sha256::new(),
            bytes: 0,
        }
    }
    fn finish(self) -> String {
        hex::encode(self.sha.finalize())
    }
}

impl Write for Hashing<'_> {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        let count = self.file.write(bytes)?;
        self.sha.update(&bytes[..count]);
        self.bytes += count as u64;
        Ok(count)
    }
    fn flush(&mut self) -> std::io::Result<()> {
        self.file.flush()
    }
}

#[cfg(test)]
#[path = "store_tests.rs"]
mod tests;
