//! CTranslate2 to ggml, tensor by tensor.
//!
//! Where the source holds OpenAI's weights in half precision, the result is the published ggml
//! file byte for byte, so its digest can be looked up in the catalogue. The same input always
//! gives the same bytes.

use std::io::Write;
use std::path::Path;

use super::ct2::Weights;
use super::shape::{Rules, Shape, Slot};
use super::{broken, ggml, mel, vocabulary};
use crate::Result;

/// Where a tensor's rows lie in the source: stacked with others, or alone.
struct Source {
    name: String,
    /// How many tensors of this one's size are stacked in it.
    stacked: u64,
    /// Which of them this one is.
    place: u64,
}

/// Converts the model in `folder`, writing a ggml file to `out`. `progress` is given the numbers
/// written so far and in all.
pub fn convert(
    folder: &Path,
    rules: &Rules,
    out: &mut dyn Write,
    progress: &mut dyn FnMut(u64, u64),
) -> Result<Shape> {
    let mut weights = Weights::open(&folder.join("model.bin"))?;
    let shape = weights.shape(rules)?;
    let tokens = vocabulary::read(folder, rules)?;
    let mut writer = ggml::Writer::new(out);
    writer.header(&shape)?;
    writer.filters(&mel::filter_bank(shape.mels as usize), shape.mels)?;
    writer.tokens(&tokens)?;
    let slots = shape.slots();
    let total = slots.iter().map(Slot::elements).sum();
    let mut done = 0;
    progress(done, total);
    for slot in &slots {
        let source = source(&slot.name).ok_or_else(|| broken("a part of it has no name"))?;
        let rows = slot.rows();
        let width = slot.elements() / rows.max(1);
        let role = slot.role;
        writer.tensor(slot)?;
        weights.rows(
            &source.name,
            source.stacked * rows,
            width,
            source.place * rows,
            rows,
            &mut |numbers| {
                done += numbers.len() as u64;
                writer.numbers(role, numbers)?;
                progress(done, total);
                Ok(())
            },
        )?;
    }
    Ok(shape)
}

/// Finds a tensor in the source by its name in the result.
fn source(name: &str) -> Option<Source> {
    let alone = |name: String| Source {
        name,
        stacked: 1,
        place: 0,
    };
    let fixed = match name {
        "decoder.positional_embedding" => "decoder/position_encodings/encodings",
        "encoder.positional_embedding" => "encoder/position_encodings/encodings",
        "decoder.token_embedding.weight" => "decoder/embeddings/weight",
        "decoder.ln.weight" => "decoder/layer_norm/gamma",
        "decoder.ln.bias" => "decoder/layer_norm/beta",
        "encoder.ln_post.weight" => "encoder/layer_norm/gamma",
        "encoder.ln_post.bias" => "encoder/layer_norm/beta",
        "encoder.conv1.weight" => "encoder/conv1/weight",
        "encoder.conv1.bias" => "encoder/conv1/bias",
        "encoder.conv2.weight" => "encoder/conv2/weight",
        "encoder.conv2.bias" => "encoder/conv2/bias",
        _ => "",
    };
    if !fixed.is_empty() {
        return Some(alone(fixed.to_owned()));
    }
    let (side, rest) = name.split_once(".blocks.")?;
    let (layer, part) = rest.split_once('.')?;
    let (part, leaf) = part.rsplit_once('.')?;
    let norm = if leaf == "weight" { "gamma" } else { "beta" };
    let (place_in_layer, leaf, stacked, place) = match part {
        "mlp_ln" => ("ffn/layer_norm", norm, 1, 0),
        "mlp.0" => ("ffn/linear_0", leaf, 1, 0),
        "mlp.2" => ("ffn/linear_1", leaf, 1, 0),
        "attn_ln" => ("self_attention/layer_norm", norm, 1, 0),
        "attn.query" => ("self_attention/linear_0", leaf, 3, 0),
        "attn.key" => ("self_attention/linear_0", leaf, 3, 1),
        "attn.value" => ("self_attention/linear_0", leaf, 3, 2),
        "attn.out" => ("self_attention/linear_1", leaf, 1, 0),
        "cross_attn_ln" => ("attention/layer_norm", norm, 1, 0),
        "cross_attn.query" => ("attention/linear_0", leaf, 1, 0),
        "cross_attn.key" => ("attention/linear_1", leaf, 2, 0),
        "cross_attn.value" => ("attention/linear_1", leaf, 2, 1),
        "cross_attn.out" => ("attention/linear_2", leaf, 1, 0),
        _ => return None,
    };
    Some(Source {
        name: format!("{side}/layer_{layer}/{place_in_layer}/{leaf}"),
        stacked,
        place,
    })
}
