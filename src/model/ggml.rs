//! The ggml file that whisper.cpp loads: checking one without loading it, and writing one.
//!
//! whisper.cpp believes what such a file says. A length that is wrong there is an abort of the
//! process or worse, so [`check`] walks the whole file first: the sizes must be those of a Whisper
//! model, and every tensor that follows from them must be there once, with its type and its
//! dimensions, exactly to the last byte. Checking steps over the weights; [`read`] walks the same way
//! and hands them over.
//!
//! Layout (little endian): magic, eleven sizes, the mel filter bank, the vocabulary, then tensors
//! until the end (dimensions, length of the name, type, sizes innermost first, name, numbers).

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{BufReader, ErrorKind, Read, Seek, Write};
use std::path::Path;

use super::mel::BINS;
use super::numbers;
use super::shape::{Role, Rules, Shape, Slot, WHISPER};
use super::vocabulary::TOKEN_LIMIT;
use super::{broken, half, unusable};
use crate::{Error, Kind, Result};

/// "ggml" as a number.
const MAGIC: u32 = 0x6767_6d6c;
/// The version of quantised numbers that whisper.cpp reads now.
const QUANT_VERSION: u32 = 2;
/// Longer than any tensor's name. Unit: bytes.
const NAME_LIMIT: u32 = 64;

/// How the large matrices of a file are stored.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Format {
    /// Single precision.
    F32,
    /// Half precision.
    F16,
    /// Four bits, one scale for 32.
    Q4_0,
    /// Four bits, scale and offset.
    Q4_1,
    /// Five bits, one scale.
    Q5_0,
    /// Five bits, scale and offset.
    Q5_1,
    /// Eight bits, one scale.
    Q8_0,
}

impl Format {
    /// From the file type in the header.
    fn of_file(code: u32) -> Option<Format> {
        let (version, code) = (code / 1000, code % 1000);
        let format = match code {
            0 => Format::F32,
            1 => Format::F16,
            2 => Format::Q4_0,
            3 => Format::Q4_1,
            7 => Format::Q8_0,
            8 => Format::Q5_0,
            9 => Format::Q5_1,
            _ => return None,
        };
        let plain = matches!(format, Format::F32 | Format::F16);
        (plain || version == QUANT_VERSION).then_some(format)
    }

    /// The type number that a tensor carries.
    fn code(self) -> u32 {
        match self {
            Format::F32 => 0,
            Format::F16 => 1,
            Format::Q4_0 => 2,
            Format::Q4_1 => 3,
            Format::Q5_0 => 6,
            Format::Q5_1 => 7,
            Format::Q8_0 => 8,
        }
    }

    /// Numbers in a block, and bytes that a block takes.
    pub(super) fn block(self) -> (u64, u64) {
        match self {
            Format::F32 => (1, 4),
            Format::F16 => (1, 2),
            Format::Q4_0 => (32, 18),
            Format::Q4_1 => (32, 20),
            Format::Q5_0 => (32, 22),
            Format::Q5_1 => (32, 24),
            Format::Q8_0 => (32, 34),
        }
    }

    /// What a tensor of this role is stored as, in a file of this format.
    fn of_role(self, role: Role) -> Format {
        match (role, self) {
            (Role::Exact, _) | (Role::Convolution, Format::F32) => Format::F32,
            (Role::Convolution, _) => Format::F16,
            (Role::Matrix, format) => format,
        }
    }
}

/// What a checked file is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Header {
    /// The model's sizes.
    pub shape: Shape,
    /// How its matrices are stored.
    pub format: Format,
}

/// Checks that `path` is a whole Whisper model in ggml form. Takes milliseconds: the weights are
/// not read.
///
/// # Errors
/// [`Kind::Model`] where it is something else, of an unknown size, or cut;
/// [`Kind::NotFound`] and [`Kind::Disk`] where it cannot be read.
pub fn check(path: &Path) -> Result<Header> {
    check_by(path, &WHISPER)
}

/// [`check`] by other rules.
pub(super) fn check_by(path: &Path, rules: &Rules) -> Result<Header> {
    let file = open_regular(path)?;
    let len = file
        .metadata()
        .map_err(|error| Error::io("reading", path, &error))?
        .len();
    check_reader(file, len, rules)
}

/// Opens a plain file for reading: not a folder, pipe or device, which could block for ever.
pub(super) fn open_regular(path: &Path) -> Result<File> {
    let told = |error: std::io::Error| Error::io("reading", path, &error);
    if !std::fs::metadata(path).map_err(told)?.is_file() {
        return Err(unusable(format!("{} is not a file.", path.display())));
    }
    File::open(path).map_err(told)
}

/// A part of a model, as [`read`] hands it over, in the file's order.
#[derive(Debug)]
pub enum Part<'a> {
    /// The mel filter bank: as many filters as the shape has bands, of 201 weights each.
    Filters(Vec<f32>),
    /// The bytes of each token of text, by its number.
    Tokens(Vec<Vec<u8>>),
    /// A tensor by OpenAI's name, outermost row after outermost row.
    Tensor(&'a str, Vec<f32>),
}

/// Takes a part of a model; may refuse it.
pub type Take<'a> = dyn FnMut(Part) -> Result<()> + 'a;

/// Reads a whole model, one part after another, so that it is never held twice. Everything that
/// [`check`] looks at is looked at on the way.
///
/// # Errors
/// As [`check`], and what `take` returns.
pub fn read(path: &Path, take: &mut Take) -> Result<Header> {
    let file = open_regular(path)?;
    let len = file
        .metadata()
        .map_err(|error| Error::io("reading", path, &error))?
        .len();
    walk_through(file, len, &WHISPER, Some(take))
}

/// Checks a file of `len` bytes.
pub(super) fn check_reader<R: Read + Seek>(reader: R, len: u64, rules: &Rules) -> Result<Header> {
    walk_through(reader, len, rules, None)
}

/// Walks a file of `len` bytes, and hands over its parts if somebody takes them.
fn walk_through<R: Read + Seek>(
    reader: R,
    len: u64,
    rules: &Rules,
    mut take: Option<&mut Take>,
) -> Result<Header> {
    let mut walk = Walk {
        reader: BufReader::with_capacity(64 << 10, reader),
        left: len,
    };
    let header = walk.header(rules)?;
    walk.filters(&header.shape, &mut take)?;
    walk.tokens(&header.shape, rules, &mut take)?;
    let mut expected: BTreeMap<String, Slot> = header
        .shape
        .slots()
        .into_iter()
        .map(|slot| (slot.name.clone(), slot))
        .collect();
    while walk.left > 0 {
        walk.tensor(header.format, &mut expected, &mut take)?;
    }
    if expected.is_empty() {
        Ok(header)
    } else {
        Err(broken("it ends early"))
    }
}

/// A file being walked, with how much of it is left.
struct Walk<R> {
    reader: BufReader<R>,
    left: u64,
}

impl<R: Read + Seek> Walk<R> {
    fn fill(&mut self, into: &mut [u8]) -> Result<()> {
        self.reader.read_exact(into).map_err(|error| {
            if error.kind() == ErrorKind::UnexpectedEof {
                broken("it ends early")
            } else {
                Error::new(Kind::Disk, format!("Reading the model failed: {error}."))
            }
        })?;
        self.left = self.left.saturating_sub(into.len() as u64);
        Ok(())
    }

    fn u32(&mut self) -> Result<u32> {
        let mut bytes = [0; 4];
        self.fill(&mut bytes)?;
        Ok(u32::from_le_bytes(bytes))
    }

    fn skip(&mut self, bytes: u64) -> Result<()> {
        if bytes > self.left {
            return Err(broken("it ends early"));
        }
        let step = i64::try_from(bytes).map_err(|_| broken("it ends early"))?;
        self.reader
            .seek_relative(step)
            .map_err(|_| broken("it ends early"))?;
        self.left -= bytes;
        Ok(())
    }

    fn header(&mut self, rules: &Rules) -> Result<Header> {
        let magic = if self.left < 4 { 0 } else { self.u32()? };
        if magic != MAGIC {
            return Err(foreign(magic));
        }
        let mut sizes = [0; 11];
        sizes[0] = self.u32()?;
        if sizes[0] < 256 {
            // A voice activity model has the same magic, and here the length of its name.
            return Err(unusable(
                "This is a ggml file, but not a speech model: perhaps the one that finds where \
                 there is speech. Nothing was installed or changed.",
            )
            .hint("scripts/fetch-model base"));
        }
        for size in &mut sizes[1..] {
            *size = self.u32()?;
        }
        let [
            vocab,
            audio_ctx,
            state,
            heads,
            encoder_layers,
            text_ctx,
            text_state,
            text_heads,
            decoder_layers,
            mels,
            code,
        ] = sizes;
        let shape = Shape {
            vocab,
            state,
            // Both halves must agree; a width that is no model's fails below.
            heads: if text_heads == heads { heads } else { 0 },
            encoder_layers,
            decoder_layers,
            audio_ctx: if text_state == state { audio_ctx } else { 0 },
            text_ctx,
            mels,
        };
        shape.check(rules)?;
        let format = Format::of_file(code).ok_or_else(|| {
            unusable(
                "This speech model is stored in a form that undertone does not read. \
                 Nothing was installed or changed.",
            )
            .hint("scripts/fetch-model base")
        })?;
        Ok(Header { shape, format })
    }

    /// The next bytes: no more than are left, so that a length in the file reserves no memory by itself.
    fn bytes(&mut self, count: u64) -> Result<Vec<u8>> {
        if count > self.left {
            return Err(broken("it ends early"));
        }
        let mut bytes = vec![0; count as usize];
        self.fill(&mut bytes)?;
        Ok(bytes)
    }

    fn filters(&mut self, shape: &Shape, take: &mut Option<&mut Take>) -> Result<()> {
        let (mels, bins) = (self.u32()?, self.u32()?);
        if mels != shape.mels || bins as usize != BINS {
            return Err(broken("its filter bank has the wrong size"));
        }
        let size = u64::from(mels) * u64::from(bins) * 4;
        match take {
            Some(take) => take(Part::Filters(numbers::of(Format::F32, &self.bytes(size)?))),
            None => self.skip(size),
        }
    }

    fn tokens(&mut self, shape: &Shape, rules: &Rules, take: &mut Option<&mut Take>) -> Result<()> {
        let count = self.u32()?;
        // English models exist with and without the end-of-text token among the text.
        if count > shape.vocab || count + 1 < rules.text_tokens {
            return Err(broken("its vocabulary has the wrong size"));
        }
        let mut tokens = Vec::new();
        for _ in 0..count {
            let length = self.u32()?;
            if length as usize > TOKEN_LIMIT {
                return Err(broken("a word of its vocabulary is too long"));
            }
            match take {
                Some(_) => tokens.push(self.bytes(u64::from(length))?),
                None => self.skip(u64::from(length))?,
            }
        }
        match take {
            Some(take) => take(Part::Tokens(tokens)),
            None => Ok(()),
        }
    }

    fn tensor(
        &mut self,
        format: Format,
        expected: &mut BTreeMap<String, Slot>,
        take: &mut Option<&mut Take>,
    ) -> Result<()> {
        let (rank, length, code) = (self.u32()?, self.u32()?, self.u32()?);
        if !(1..=3).contains(&rank) || length > NAME_LIMIT {
            return Err(broken("what follows a part is not a part"));
        }
        let mut sizes = Vec::with_capacity(3);
        for _ in 0..rank {
            sizes.push(self.u32()?);
        }
        let mut name = vec![0; length as usize];
        self.fill(&mut name)?;
        let slot = std::str::from_utf8(&name)
            .ok()
            .and_then(|name| expected.remove(name))
            .ok_or_else(|| broken("a part is unknown, or in it twice"))?;
        let stored = format.of_role(slot.role);
        if slot.sizes != sizes || stored.code() != code {
            return Err(broken("a part has the wrong size or type"));
        }
        let (numbers, bytes) = stored.block();
        if u64::from(sizes[0]) % numbers != 0 {
            return Err(broken("a part cannot be stored this way"));
        }
        let size = slot.elements() / numbers * bytes;
        match take {
            Some(take) => take(Part::Tensor(
                &slot.name,
                numbers::of(stored, &self.bytes(size)?),
            )),
            None => self.skip(size),
        }
    }
}

/// What to say about a file that begins with something else.
fn foreign(magic: u32) -> Error {
    let what = match &magic.to_le_bytes() {
        b"GGUF" => "a GGUF file; Whisper models for undertone are ggml files (.bin)",
        b"PK\x03\x04" => "a PyTorch or zip file; import a ggml file or a faster-whisper folder",
        [4..=6, 0, 0, 0] => {
            "perhaps the model.bin of a faster-whisper folder; import the whole folder"
        }
        _ => "not a speech model",
    };
    unusable(format!("This is {what}. Nothing was installed or changed."))
        .hint("scripts/fetch-model base")
}

/// Writes a ggml file in half precision, from the front to the end.
pub(super) struct Writer<'a> {
    out: &'a mut dyn Write,
    bytes: Vec<u8>,
}

impl<'a> Writer<'a> {
    pub fn new(out: &'a mut dyn Write) -> Self {
        Writer {
            out,
            bytes: Vec::new(),
        }
    }

    fn put(&mut self, bytes: &[u8]) -> Result<()> {
        self.out.write_all(bytes).map_err(|error| full(&error))
    }

    fn words(&mut self, words: &[u32]) -> Result<()> {
        words
            .iter()
            .try_for_each(|word| self.put(&word.to_le_bytes()))
    }

    pub fn header(&mut self, shape: &Shape) -> Result<()> {
        self.words(&[
            MAGIC,
            shape.vocab,
            shape.audio_ctx,
            shape.state,
            shape.heads,
            shape.encoder_layers,
            shape.text_ctx,
            shape.state,
            shape.heads,
            shape.decoder_layers,
            shape.mels,
            Format::F16.code(),
        ])
    }

    pub fn filters(&mut self, bank: &[f32], mels: u32) -> Result<()> {
        self.words(&[mels, BINS as u32])?;
        self.numbers(Role::Exact, bank)
    }

    pub fn tokens(&mut self, tokens: &[Vec<u8>]) -> Result<()> {
        self.words(&[tokens.len() as u32])?;
        for token in tokens {
            self.words(&[token.len() as u32])?;
            self.put(token)?;
        }
        Ok(())
    }

    /// Announces a tensor; its numbers follow by [`Writer::numbers`].
    pub fn tensor(&mut self, slot: &Slot) -> Result<()> {
        self.words(&[
            slot.sizes.len() as u32,
            slot.name.len() as u32,
            Format::F16.of_role(slot.role).code(),
        ])?;
        self.words(&slot.sizes)?;
        self.put(slot.name.as_bytes())
    }

    pub fn numbers(&mut self, role: Role, numbers: &[f32]) -> Result<()> {
        let mut bytes = std::mem::take(&mut self.bytes);
        bytes.clear();
        match Format::F16.of_role(role) {
            Format::F32 => bytes.extend(numbers.iter().flat_map(|number| number.to_le_bytes())),
            _ => bytes.extend(
                numbers
                    .iter()
                    .flat_map(|number| half::from_f32(*number).to_le_bytes()),
            ),
        }
        let result = self.put(&bytes);
        self.bytes = bytes;
        result
    }
}

/// A failure to write the model.
pub(super) fn full(error: &std::io::Error) -> Error {
    let told = match error.kind() {
        ErrorKind::StorageFull | ErrorKind::QuotaExceeded => {
            "The disk is full. The model was not installed; nothing else was changed.".to_owned()
        }
        _ => format!("Writing the model failed: {error}. Nothing was changed."),
    };
    Error::new(Kind::Disk, told).hint("Free some space, then try again.")
}

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::expect_used)]
mod tests {
    use super::super::toy;
    use super::*;
    use proptest::prelude::*;
    use std::io::Cursor;

    fn checked(bytes: &[u8]) -> Result<Header> {
        check_reader(Cursor::new(bytes), bytes.len() as u64, &toy::RULES)
    }

    #[test]
    fn a_whole_model_passes() {
        let header = checked(&toy::ggml()).unwrap();
        assert_eq!(header.shape, toy::SHAPE);
        assert_eq!(header.format, Format::F16);
    }

    #[test]
    fn a_model_cut_anywhere_is_refused() {
        let whole = toy::ggml();
        for end in (0..whole.len()).step_by(97).chain([whole.len() - 1]) {
            let error = checked(&whole[..end]).expect_err("cut");
            assert_eq!(error.kind(), Kind::Model);
        }
    }

    #[test]
    fn a_model_with_something_after_its_end_is_refused() {
        for extra in [1, 12, 300] {
            let mut longer = toy::ggml();
            longer.extend(vec![0; extra]);
            assert!(checked(&longer).is_err());
        }
    }

    #[test]
    fn a_part_that_is_in_it_twice_is_refused() {
        let whole = toy::ggml();
        // The last tensor: encoder.ln_post.bias, 64 numbers.
        let last = 12 + 4 + "encoder.ln_post.bias".len() + 64 * 4;
        let mut doubled = whole.clone();
        doubled.extend_from_slice(&whole[whole.len() - last..]);
        assert!(checked(&doubled).is_err());
    }

    #[test]
    fn other_files_are_told_by_name() {
        let said = |bytes: &[u8]| checked(bytes).unwrap_err().sentence().to_owned();
        assert!(said(b"GGUF....").contains("GGUF"));
        assert!(said(b"PK\x03\x04....").contains("PyTorch"));
        assert!(said(b"\x06\0\0\0....").contains("faster-whisper"));
        assert!(said(b"RIFF....").contains("not a speech model"));
        assert!(said(b"").contains("not a speech model"));
        let silero = b"lmgg\x0a\0\0\0silero-16k";
        assert!(said(silero).contains("not a speech model: perhaps"));
    }

    #[test]
    fn quantised_forms_are_known_and_older_ones_refused() {
        assert_eq!(Format::of_file(2008), Some(Format::Q5_0));
        assert_eq!(Format::of_file(8), None);
        assert_eq!(Format::of_file(1), Some(Format::F16));
        assert_eq!(Format::of_file(2010), None);
    }

    /// What a file of this shape and format takes beside its vocabulary. Unit: bytes.
    fn size(shape: &Shape, format: Format) -> u64 {
        let tensors: u64 = shape
            .slots()
            .iter()
            .map(|slot| {
                let (numbers, bytes) = format.of_role(slot.role).block();
                let head = 12 + 4 * slot.sizes.len() + slot.name.len();
                head as u64 + slot.elements() / numbers * bytes
            })
            .sum();
        48 + 8 + u64::from(shape.mels) * BINS as u64 * 4 + tensors
    }

    #[test]
    fn the_published_sizes_follow_from_shape_and_format() {
        // Bytes of the two vocabularies, lengths and count included, from the smallest models.
        let (english, many) = (521_859, 508_089);
        let check = |name: &str, shape: [u32; 4], many_languages: u32, format, words: u64| {
            let [state, encoder_layers, decoder_layers, mels] = shape;
            let shape = Shape {
                vocab: 51_864 + many_languages,
                state,
                heads: state / 64,
                encoder_layers,
                decoder_layers,
                audio_ctx: 1500,
                text_ctx: 448,
                mels,
            };
            shape.check(&WHISPER).unwrap();
            let entry = super::super::catalog::by_name(name).unwrap();
            assert_eq!(size(&shape, format) + words, entry.bytes, "{name}");
        };
        check("tiny.en", [384, 4, 4, 80], 0, Format::F16, english);
        check("tiny", [384, 4, 4, 80], 1, Format::F16, many);
        check("base.en", [512, 6, 6, 80], 0, Format::F16, english);
        check("base", [512, 6, 6, 80], 1, Format::F16, many);
        check("small.en", [768, 12, 12, 80], 0, Format::F16, english);
        check("small", [768, 12, 12, 80], 1, Format::F16, many);
        check("medium.en", [1024, 24, 24, 80], 0, Format::F16, english);
        let turbo = "large-v3-turbo-q5_0";
        check(turbo, [1280, 32, 4, 128], 2, Format::Q5_0, many);
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(64))]
        #[test]
        fn no_damage_makes_the_check_panic(
            changes in prop::collection::vec((any::<prop::sample::Index>(), any::<u32>()), 1..6),
            head in any::<bool>(),
        ) {
            let mut bytes = toy::ggml();
            let reach = if head { 64 } else { bytes.len() - 4 };
            for (place, value) in changes {
                let at = place.index(reach);
                bytes[at..at + 4].copy_from_slice(&value.to_le_bytes());
            }
            let _ = checked(&bytes);
        }
    }
}
