//! Reading a CTranslate2 `model.bin`: the table of tensors first, then rows of one tensor at a
//! time. Every count and length in the file is bounded before it is used, and no more than one
//! piece of a tensor is in memory.
//!
//! The layout (little endian): version, name of the specification, its revision, the tensors
//! (name, sizes, type, length, data), then other names for some of them. A text is its length as
//! two bytes, its bytes, and a zero byte that the length counts.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{BufReader, Read, Seek, SeekFrom};
use std::path::Path;

use super::half;
use super::shape::{Rules, Shape};
use super::{broken, unusable};
use crate::{Error, Result};

/// More tensors than any model has.
const TENSOR_LIMIT: u32 = 8192;
/// Longer than any tensor's name. Unit: bytes.
const NAME_LIMIT: usize = 256;
/// Numbers converted at a time.
const PIECE: usize = 32 << 10;

/// How a tensor's numbers are written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    F32,
    I8,
    I16,
    I32,
    F16,
    Brain16,
}

impl Kind {
    fn of(code: u8) -> Option<Kind> {
        Some(match code {
            0 => Kind::F32,
            1 => Kind::I8,
            2 => Kind::I16,
            3 => Kind::I32,
            4 => Kind::F16,
            5 => Kind::Brain16,
            _ => return None,
        })
    }
    fn bytes(self) -> u64 {
        match self {
            Kind::I8 => 1,
            Kind::I16 | Kind::F16 | Kind::Brain16 => 2,
            Kind::F32 | Kind::I32 => 4,
        }
    }
}

/// Where one tensor lies.
#[derive(Debug, Clone)]
struct Tensor {
    sizes: Vec<u32>,
    kind: Kind,
    offset: u64,
}

impl Tensor {
    fn rows(&self) -> u64 {
        self.sizes.first().copied().map_or(1, u64::from)
    }
    fn elements(&self) -> u64 {
        self.sizes.iter().map(|size| u64::from(*size)).product()
    }
}

/// An opened `model.bin`.
#[derive(Debug)]
pub struct Weights<R> {
    reader: BufReader<R>,
    tensors: BTreeMap<String, Tensor>,
}

impl Weights<File> {
    /// Opens `path` and reads the table.
    pub fn open(path: &Path) -> Result<Self> {
        let file = super::ggml::open_regular(path)?;
        let len = file
            .metadata()
            .map_err(|error| Error::io("reading", path, &error))?
            .len();
        Weights::new(file, len)
    }
}

impl<R: Read + Seek> Weights<R> {
    /// Reads the table of a file that is `len` bytes long.
    pub fn new(reader: R, len: u64) -> Result<Self> {
        let mut table = Table {
            reader: BufReader::with_capacity(64 << 10, reader),
            at: 0,
            len,
        };
        let version = table.u32()?;
        if !(4..=6).contains(&version) {
            return Err(foreign());
        }
        if table.text()? != "WhisperSpec" {
            return Err(foreign());
        }
        table.u32()?; // revision of the specification: the tensors' own sizes say more
        let count = table.u32()?;
        if count > TENSOR_LIMIT {
            return Err(broken("it announces more parts than any model has"));
        }
        let mut tensors = BTreeMap::new();
        for _ in 0..count {
            let (name, tensor) = table.tensor()?;
            if tensors.insert(name, tensor).is_some() {
                return Err(broken("a part is in it twice"));
            }
        }
        Ok(Weights {
            reader: table.reader,
            tensors,
        })
    }

    /// The model's shape, from the sizes of its tensors, checked against `rules`.
    pub fn shape(&self, rules: &Rules) -> Result<Shape> {
        let size = |name: &str, rank: usize, index: usize| -> Result<u32> {
            self.tensors
                .get(name)
                .filter(|tensor| tensor.sizes.len() == rank)
                .and_then(|tensor| tensor.sizes.get(index).copied())
                .ok_or_else(|| missing(name))
        };
        let layers = |side: &str| -> u32 {
            (0..=64)
                .find(|layer| {
                    let name = format!("{side}/layer_{layer}/ffn/linear_0/weight");
                    !self.tensors.contains_key(&name)
                })
                .unwrap_or(u32::MAX)
        };
        let state = size("decoder/embeddings/weight", 2, 1)?;
        let shape = Shape {
            vocab: size("decoder/embeddings/weight", 2, 0)?,
            state,
            heads: state / 64,
            encoder_layers: layers("encoder"),
            decoder_layers: layers("decoder"),
            audio_ctx: size("encoder/position_encodings/encodings", 2, 0)?,
            text_ctx: size("decoder/position_encodings/encodings", 2, 0)?,
            mels: size("encoder/conv1/weight", 3, 1)?,
        };
        shape.check(rules)?;
        Ok(shape)
    }

    /// Hands the numbers of `rows` rows of a tensor to `sink`, piece by piece, starting at row
    /// `first`. The tensor must have `total` rows of `width` numbers, or this is an error.
    pub fn rows(
        &mut self,
        name: &str,
        total: u64,
        width: u64,
        first: u64,
        rows: u64,
        sink: &mut dyn FnMut(&[f32]) -> Result<()>,
    ) -> Result<()> {
        let tensor = self.tensors.get(name).ok_or_else(|| missing(name))?.clone();
        if tensor.rows() != total || tensor.elements() != total.saturating_mul(width) {
            return Err(broken("a part has the wrong size"));
        }
        let scale = match tensor.kind {
            Kind::I8 => self.scales(name, total)?,
            Kind::F32 | Kind::F16 | Kind::Brain16 => Vec::new(),
            Kind::I16 | Kind::I32 => {
                return Err(unusable(
                    "This model is stored in a form that undertone does not read \
                     (16-bit whole numbers). Nothing was installed or changed.",
                )
                .hint("Convert it to float16 first, or: scripts/fetch-model base"));
            }
        };
        let bytes = tensor.kind.bytes();
        let start = tensor.offset + first * width * bytes;
        self.reader
            .seek(SeekFrom::Start(start))
            .map_err(|_| broken("it ends early"))?;
        let mut left = rows * width;
        let mut index = first * width;
        let mut raw = vec![0; PIECE * bytes as usize];
        let mut numbers = Vec::with_capacity(PIECE);
        while left > 0 {
            let now = left.min(PIECE as u64);
            let piece = &mut raw[..(now * bytes) as usize];
            self.reader
                .read_exact(piece)
                .map_err(|_| broken("it ends early"))?;
            numbers.clear();
            decode(tensor.kind, piece, &scale, index, width, &mut numbers);
            // What is not a number fails this comparison too.
            if !numbers.iter().all(|number| number.abs() <= half::MAX) {
                return Err(broken("some of its weights are no sensible numbers"));
            }
            sink(&numbers)?;
            left -= now;
            index += now;
        }
        Ok(())
    }

    /// The scales of an 8-bit tensor, one a row: a weight is the stored number over the scale.
    fn scales(&mut self, name: &str, rows: u64) -> Result<Vec<f32>> {
        let name = format!("{name}_scale");
        let tensor = self
            .tensors
            .get(&name)
            .ok_or_else(|| missing(&name))?
            .clone();
        if tensor.elements() != rows || tensor.kind == Kind::I8 {
            return Err(broken("a scale has the wrong size"));
        }
        let mut scales = Vec::new();
        let first_rows = tensor.rows();
        let width = rows / first_rows.max(1);
        self.rows(&name, first_rows, width, 0, first_rows, &mut |numbers| {
            scales.extend_from_slice(numbers);
            Ok(())
        })?;
        if scales.iter().any(|scale| *scale <= 0.0) {
            return Err(broken("a scale is not a positive number"));
        }
        Ok(scales)
    }
}

/// Turns raw numbers into values; `index` is the first one's place in the tensor.
fn decode(kind: Kind, raw: &[u8], scale: &[f32], index: u64, width: u64, into: &mut Vec<f32>) {
    let pair = |bytes: &[u8]| u16::from_le_bytes([bytes[0], bytes[1]]);
    match kind {
        Kind::F16 => into.extend(raw.chunks_exact(2).map(|b| half::to_f32(pair(b)))),
        Kind::Brain16 => into.extend(raw.chunks_exact(2).map(|b| half::brain_to_f32(pair(b)))),
        Kind::F32 => into.extend(
            raw.chunks_exact(4)
                .map(|b| f32::from_le_bytes([b[0], b[1], b[2], b[3]])),
        ),
        Kind::I8 => into.extend((index..).zip(raw).map(|(at, byte)| {
            let row = (at / width.max(1)) as usize;
            let stored = f32::from(i8::from_le_bytes([*byte]));
            scale.get(row).map_or(f32::NAN, |scale| stored / scale)
        })),
        // Refused before anything is read.
        Kind::I16 | Kind::I32 => {}
    }
}

/// The table being read, with where in the file it is.
struct Table<R> {
    reader: BufReader<R>,
    at: u64,
    len: u64,
}

impl<R: Read + Seek> Table<R> {
    fn bytes<const N: usize>(&mut self) -> Result<[u8; N]> {
        let mut bytes = [0; N];
        self.fill(&mut bytes)?;
        Ok(bytes)
    }

    fn fill(&mut self, into: &mut [u8]) -> Result<()> {
        self.reader
            .read_exact(into)
            .map_err(|_| broken("it ends early"))?;
        self.at += into.len() as u64;
        Ok(())
    }

    fn u32(&mut self) -> Result<u32> {
        Ok(u32::from_le_bytes(self.bytes()?))
    }

    fn text(&mut self) -> Result<String> {
        let length = usize::from(u16::from_le_bytes(self.bytes()?));
        if length == 0 || length > NAME_LIMIT {
            return Err(foreign());
        }
        let mut bytes = vec![0; length];
        self.fill(&mut bytes)?;
        if bytes.pop() != Some(0) {
            return Err(foreign());
        }
        String::from_utf8(bytes).map_err(|_| foreign())
    }

    fn tensor(&mut self) -> Result<(String, Tensor)> {
        let name = self.text()?;
        let [rank] = self.bytes()?;
        if rank > 4 {
            return Err(broken("a part has too many dimensions"));
        }
        let sizes: Vec<u32> = (0..rank).map(|_| self.u32()).collect::<Result<_>>()?;
        let [code] = self.bytes()?;
        let kind = Kind::of(code).ok_or_else(|| broken("a part is of an unknown type"))?;
        let length = u64::from(self.u32()?);
        let announced = sizes.iter().try_fold(kind.bytes(), |bytes, size| {
            bytes.checked_mul(u64::from(*size))
        });
        if announced != Some(length) || length > self.len.saturating_sub(self.at) {
            return Err(broken("a part is not as long as it says"));
        }
        let tensor = Tensor {
            sizes,
            kind,
            offset: self.at,
        };
        let skip = i64::try_from(length).map_err(|_| broken("a part is too long"))?;
        self.reader
            .seek_relative(skip)
            .map_err(|_| broken("it ends early"))?;
        self.at += length;
        Ok((name, tensor))
    }
}

/// Reads a small file whole; larger than `limit` bytes is an error.
pub fn read_small(path: &Path, limit: u64) -> Result<Vec<u8>> {
    let file = super::ggml::open_regular(path)?;
    let mut bytes = Vec::new();
    file.take(limit + 1)
        .read_to_end(&mut bytes)
        .map_err(|error| Error::io("reading", path, &error))?;
    if bytes.len() as u64 > limit {
        return Err(unusable(format!(
            "{} is far larger than such a file can be.",
            path.display()
        )));
    }
    Ok(bytes)
}

fn foreign() -> Error {
    unusable(
        "model.bin is not a Whisper model in CTranslate2 (faster-whisper) form. \
         Nothing was installed or changed.",
    )
    .hint("scripts/fetch-model base")
}

/// A part that the file's own table does not have. The name is one of ours, not the file's.
fn missing(name: &str) -> Error {
    broken(&format!("it has no {name}"))
}
