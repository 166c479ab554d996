//! The numbers of a tensor, out of the forms in which ggml files keep them.
//!
//! Quantised forms keep 32 numbers a block: a scale in half precision, in some an offset too, then the
//! small numbers; the first half of a block in the low four bits of its bytes, the second in the high.

use super::ggml::Format;
use super::half;

/// Numbers in a block of a quantised form.
const BLOCK: usize = 32;

/// All numbers in `bytes`. Bytes that are no whole block are left out.
pub fn of(format: Format, bytes: &[u8]) -> Vec<f32> {
    let (numbers, size) = format.block();
    let blocks = bytes.chunks_exact(size as usize);
    let mut out = Vec::with_capacity(blocks.len() * numbers as usize);
    match format {
        Format::F32 => out.extend(bytes.as_chunks().0.iter().map(|b| f32::from_le_bytes(*b))),
        Format::F16 => out.extend(bytes.as_chunks().0.iter().map(|b| half_of(*b))),
        Format::Q8_0 => blocks.for_each(|block| {
            let scale = half_at(block, 0);
            out.extend(block[2..].iter().map(|q| scale * f32::from(*q as i8)));
        }),
        Format::Q4_0 => blocks.for_each(|block| {
            let scale = half_at(block, 0);
            small(&block[2..], 0, |q| out.push(scale * (f32::from(q) - 8.0)));
        }),
        Format::Q4_1 => blocks.for_each(|block| {
            let (scale, offset) = (half_at(block, 0), half_at(block, 2));
            small(&block[4..], 0, |q| out.push(scale * f32::from(q) + offset));
        }),
        Format::Q5_0 => blocks.for_each(|block| {
            let scale = half_at(block, 0);
            let fifth = u32_at(block, 2);
            small(&block[6..], fifth, |q| {
                out.push(scale * (f32::from(q) - 16.0))
            });
        }),
        Format::Q5_1 => blocks.for_each(|block| {
            let (scale, offset) = (half_at(block, 0), half_at(block, 2));
            let fifth = u32_at(block, 4);
            small(&block[8..], fifth, |q| {
                out.push(scale * f32::from(q) + offset)
            });
        }),
    }
    out
}

fn half_of(bytes: [u8; 2]) -> f32 {
    half::to_f32(u16::from_le_bytes(bytes))
}

fn half_at(block: &[u8], at: usize) -> f32 {
    half_of([block[at], block[at + 1]])
}

fn u32_at(block: &[u8], at: usize) -> u32 {
    u32::from_le_bytes([block[at], block[at + 1], block[at + 2], block[at + 3]])
}

/// The small numbers of a block in order, each with its fifth bit out of `fifth`.
fn small(packed: &[u8], fifth: u32, mut each: impl FnMut(u8)) {
    for place in 0..BLOCK {
        let byte = packed[place % (BLOCK / 2)];
        let low = if place < BLOCK / 2 {
            byte & 15
        } else {
            byte >> 4
        };
        each(low | ((fifth >> place & 1) << 4) as u8);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A block with a scale of 2, an offset of -1 where `offset`, and `rest`.
    fn block(offset: bool, rest: &[u8]) -> Vec<u8> {
        let mut bytes = half::from_f32(2.0).to_le_bytes().to_vec();
        if offset {
            bytes.extend(half::from_f32(-1.0).to_le_bytes());
        }
        bytes.extend(rest);
        bytes
    }

    #[test]
    fn each_form_gives_back_the_numbers_that_were_put_in() {
        // Small numbers 0 to 31 in order, low half of the block in the low bits.
        let low: Vec<u8> = (0..16u8).map(|q| q | (q << 4)).collect();
        let fifth = 0xffff_0000u32.to_le_bytes();
        let four: Vec<f32> = (0..32).map(|q| (q % 16) as f32).collect();
        let five: Vec<f32> = (0..32).map(|q| q as f32).collect();
        let map = |some: &[f32], how: fn(f32) -> f32| -> Vec<f32> {
            some.iter().map(|q| how(*q)).collect()
        };
        assert_eq!(
            of(Format::Q4_0, &block(false, &low)),
            map(&four, |q| 2.0 * (q - 8.0))
        );
        assert_eq!(
            of(Format::Q4_1, &block(true, &low)),
            map(&four, |q| 2.0 * q - 1.0)
        );
        let with_fifth = [&fifth[..], &low].concat();
        assert_eq!(
            of(Format::Q5_0, &block(false, &with_fifth)),
            map(&five, |q| 2.0 * (q - 16.0))
        );
        assert_eq!(
            of(Format::Q5_1, &block(true, &with_fifth)),
            map(&five, |q| 2.0 * q - 1.0)
        );
        let eight: Vec<u8> = (0..32).map(|q| (q - 16) as i8 as u8).collect();
        assert_eq!(
            of(Format::Q8_0, &block(false, &eight)),
            map(&five, |q| 2.0 * (q - 16.0))
        );
        assert_eq!(of(Format::F32, &1.5f32.to_le_bytes()), [1.5]);
        assert_eq!(
            of(Format::F16, &half::from_f32(-0.25).to_le_bytes()),
            [-0.25]
        );
    }

    #[test]
    fn what_is_no_whole_block_is_left_out() {
        assert!(of(Format::Q8_0, &[0; 33]).is_empty());
        assert_eq!(of(Format::F32, &[0; 7]).len(), 1);
    }
}
