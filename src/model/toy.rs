//! A very small model in both forms, for tests: the right structure, made-up weights.

use std::path::Path;

use super::shape::{Rules, Shape};

pub const RULES: Rules = Rules {
    vocab: 300..=301,
    text_tokens: 256,
    states: &[64],
    encoder_layers: &[1],
    audio_ctx: 8,
    text_ctx: 6,
    mels: &[4],
};

pub const SHAPE: Shape = Shape {
    vocab: 300,
    state: 64,
    heads: 1,
    encoder_layers: 1,
    decoder_layers: 1,
    audio_ctx: 8,
    text_ctx: 6,
    mels: 4,
};

/// How the matrices of a CTranslate2 file are stored.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Store {
    F32,
    F16,
    Brain16,
    I8,
}

/// The number at a place of a tensor: a multiple of 1/128 from -63/128 to 63/128, which every form
/// of storing holds exactly (eight bits with a scale of 128).
fn number(tensor: usize, index: usize) -> f32 {
    let mixed = (tensor * 131 + index * 29 + index / 64 * 7) % 127;
    (mixed as f32 - 63.0) / 128.0
}

/// The tensors of the CTranslate2 form: name, sizes, whether it is a matrix.
fn tensors() -> Vec<(String, Vec<u32>, bool)> {
    let n = SHAPE.state;
    let mut list = Vec::new();
    let mut add = |name: &str, sizes: &[u32], matrix: bool| {
        list.push((name.to_owned(), sizes.to_vec(), matrix));
    };
    add("decoder/embeddings/weight", &[SHAPE.vocab, n], true);
    add(
        "decoder/position_encodings/encodings",
        &[SHAPE.text_ctx, n],
        false,
    );
    add(
        "encoder/position_encodings/encodings",
        &[SHAPE.audio_ctx, n],
        false,
    );
    add("encoder/conv1/weight", &[n, SHAPE.mels, 3], false);
    add("encoder/conv1/bias", &[n], false);
    add("encoder/conv2/weight", &[n, n, 3], false);
    add("encoder/conv2/bias", &[n], false);
    for side in ["encoder", "decoder"] {
        let mut norm = |name: String| {
            add(&format!("{name}/gamma"), &[n], false);
            add(&format!("{name}/beta"), &[n], false);
        };
        norm(format!("{side}/layer_norm"));
        norm(format!("{side}/layer_0/ffn/layer_norm"));
        norm(format!("{side}/layer_0/self_attention/layer_norm"));
        if side == "decoder" {
            norm(format!("{side}/layer_0/attention/layer_norm"));
        }
        let mut linear = |name: &str, from: u32, to: u32| {
            add(&format!("{side}/layer_0/{name}/weight"), &[to, from], true);
            add(&format!("{side}/layer_0/{name}/bias"), &[to], false);
        };
        linear("ffn/linear_0", n, 4 * n);
        linear("ffn/linear_1", 4 * n, n);
        linear("self_attention/linear_0", n, 3 * n);
        linear("self_attention/linear_1", n, n);
        if side == "decoder" {
            linear("attention/linear_0", n, n);
            linear("attention/linear_1", n, 2 * n);
            linear("attention/linear_2", n, n);
        }
    }
    list.sort();
    list
}

fn text(into: &mut Vec<u8>, text: &str) {
    into.extend((text.len() as u16 + 1).to_le_bytes());
    into.extend(text.as_bytes());
    into.push(0);
}

fn tensor(into: &mut Vec<u8>, name: &str, sizes: &[u32], code: u8, bytes: &[u8]) {
    text(into, name);
    into.push(sizes.len() as u8);
    sizes
        .iter()
        .for_each(|size| into.extend(size.to_le_bytes()));
    into.push(code);
    into.extend((bytes.len() as u32).to_le_bytes());
    into.extend(bytes);
}

/// `model.bin` with the matrices stored as `store`.
pub fn ct2(store: Store) -> Vec<u8> {
    let mut body = Vec::new();
    let mut count = 0u32;
    for (place, (name, sizes, matrix)) in tensors().into_iter().enumerate() {
        let elements: u32 = sizes.iter().product();
        let numbers = (0..elements as usize).map(|index| number(place, index));
        let as_store = if store == Store::I8 && !matrix {
            Store::F32
        } else {
            store
        };
        let (code, bytes): (u8, Vec<u8>) = match as_store {
            Store::F32 => (0, numbers.flat_map(f32::to_le_bytes).collect()),
            Store::F16 => (
                4,
                numbers
                    .flat_map(|x| super::half::from_f32(x).to_le_bytes())
                    .collect(),
            ),
            Store::Brain16 => (
                5,
                numbers
                    .flat_map(|x| ((x.to_bits() >> 16) as u16).to_le_bytes())
                    .collect(),
            ),
            Store::I8 => (1, numbers.map(|x| (x * 128.0) as i8 as u8).collect()),
        };
        tensor(&mut body, &name, &sizes, code, &bytes);
        count += 1;
        if as_store == Store::I8 {
            let scales: Vec<u8> = (0..sizes[0]).flat_map(|_| 128.0f32.to_le_bytes()).collect();
            tensor(&mut body, &format!("{name}_scale"), &sizes[..1], 0, &scales);
            count += 1;
        }
    }
    let mut file = 6u32.to_le_bytes().to_vec();
    text(&mut file, "WhisperSpec");
    file.extend(3u32.to_le_bytes());
    file.extend(count.to_le_bytes());
    file.extend(body);
    file.extend(0u32.to_le_bytes());
    file
}

/// A vocabulary of 300 words.
pub fn vocabulary() -> String {
    (0..300).map(|index| format!("w{index}\n")).collect()
}

/// Writes a CTranslate2 folder.
pub fn folder(at: &Path, store: Store) -> std::io::Result<()> {
    std::fs::create_dir_all(at)?;
    std::fs::write(at.join("model.bin"), ct2(store))?;
    std::fs::write(at.join("vocabulary.txt"), vocabulary())
}

/// A ggml file of the same shape; empty where writing it failed.
pub fn ggml() -> Vec<u8> {
    let mut file = Vec::new();
    let written = write_ggml(&mut file);
    if written.is_err() {
        file.clear();
    }
    file
}

fn write_ggml(file: &mut Vec<u8>) -> crate::Result<()> {
    let mut writer = super::ggml::Writer::new(file);
    writer.header(&SHAPE)?;
    writer.filters(&super::mel::filter_bank(4), 4)?;
    writer.tokens(&vec![b"word".to_vec(); 256])?;
    SHAPE.slots().iter().try_for_each(|slot| {
        writer.tensor(slot)?;
        writer.numbers(slot.role, &vec![0.5; slot.elements() as usize])
    })
}
