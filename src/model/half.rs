//! Half-precision numbers (IEEE 754 binary16), as bits.

/// The largest half-precision number.
pub const MAX: f32 = 65_504.0;

/// The exact value of half-precision `bits`.
pub fn to_f32(bits: u16) -> f32 {
    let sign = u32::from(bits >> 15) << 31;
    let exponent = u32::from(bits >> 10) & 0x1f;
    let fraction = u32::from(bits) & 0x3ff;
    match exponent {
        // Zero and subnormals: fraction times 2^-24, exact in single precision.
        0 => f32::from_bits((fraction as f32 * (1.0 / 16_777_216.0)).to_bits() | sign),
        0x1f => f32::from_bits(sign | 0x7f80_0000 | (fraction << 13)),
        _ => f32::from_bits(sign | ((exponent + 112) << 23) | (fraction << 13)),
    }
}

/// The half-precision number nearest to `value`, ties to even. Too large becomes infinite.
pub fn from_f32(value: f32) -> u16 {
    let bits = value.to_bits();
    let sign = ((bits >> 16) & 0x8000) as u16;
    let magnitude = bits & 0x7fff_ffff;
    if magnitude > 0x7f80_0000 {
        return sign | 0x7e00; // not a number
    }
    if magnitude >= 0x4780_0000 {
        return sign | 0x7c00; // 65,536 and more
    }
    if magnitude < 0x3880_0000 {
        // Below 2^-14: a subnormal, in steps of 2^-24. The product is exact, and so is the
        // rounding; 1,024 steps are the smallest normal number, which the bits then say too.
        let steps = f32::from_bits(magnitude) * 16_777_216.0;
        return sign | steps.round_ties_even() as u16;
    }
    // Rounding may carry into the exponent, up to infinity: that is right.
    let rebased = magnitude - (112 << 23);
    let rounded = rebased + 0xfff + ((rebased >> 13) & 1);
    sign | (rounded >> 13) as u16
}

/// The value of bfloat16 `bits`.
pub fn brain_to_f32(bits: u16) -> f32 {
    f32::from_bits(u32::from(bits) << 16)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_half_number_survives_the_way_there_and_back() {
        for bits in 0..=u16::MAX {
            let value = to_f32(bits);
            if value.is_nan() {
                assert!(to_f32(from_f32(value)).is_nan());
            } else {
                assert_eq!(from_f32(value), bits, "{bits:#06x}");
            }
        }
    }

    #[test]
    fn known_values_and_ties() {
        assert_eq!(to_f32(0x3c00), 1.0);
        assert_eq!(to_f32(0x0001), 2.0f32.powi(-24));
        assert_eq!(from_f32(65_504.0), 0x7bff);
        assert_eq!(from_f32(65_520.0), 0x7c00);
        assert_eq!(from_f32(65_519.0), 0x7bff);
        assert_eq!(from_f32(1.0 + 2.0f32.powi(-11)), 0x3c00);
        assert_eq!(from_f32(1.0 + 3.0 * 2.0f32.powi(-11)), 0x3c02);
        assert_eq!(from_f32(-2.0f32.powi(-25)), 0x8000);
        assert_eq!(from_f32(2.0f32.powi(-14) * 0.9999999), 0x0400);
    }

    #[test]
    fn the_nearest_half_number_is_chosen() {
        // Between each pair of neighbours, a bit either side of the middle.
        for bits in 0..0x7bffu16 {
            let (low, high) = (to_f32(bits), to_f32(bits + 1));
            let middle = low + (high - low) / 2.0;
            assert_eq!(from_f32(middle.next_down()), bits);
            assert_eq!(from_f32(middle.next_up()), bits + 1);
        }
    }
}
