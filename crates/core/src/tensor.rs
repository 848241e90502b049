//! Tensors: their types of numbers, and the numbers as JSON and as bytes (little-endian, row by row).
//! Does not know who sends them or where the bytes lie.

use serde_json::{Map, Value, json};
use std::io::Write;

/// A type of numbers.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Dtype {
    Bool,
    Int8,
    Int16,
    Int32,
    Int64,
    Uint8,
    Uint16,
    Uint32,
    Uint64,
    Float16,
    Bfloat16,
    Float32,
    Float64,
}

impl Dtype {
    pub const ALL: [Self; 13] = [
        Self::Bool,
        Self::Int8,
        Self::Int16,
        Self::Int32,
        Self::Int64,
        Self::Uint8,
        Self::Uint16,
        Self::Uint32,
        Self::Uint64,
        Self::Float16,
        Self::Bfloat16,
        Self::Float32,
        Self::Float64,
    ];

    /// As numpy calls it.
    pub fn name(self) -> &'static str {
        match self {
            Self::Bool => "bool",
            Self::Int8 => "int8",
            Self::Int16 => "int16",
            Self::Int32 => "int32",
            Self::Int64 => "int64",
            Self::Uint8 => "uint8",
            Self::Uint16 => "uint16",
            Self::Uint32 => "uint32",
            Self::Uint64 => "uint64",
            Self::Float16 => "float16",
            Self::Bfloat16 => "bfloat16",
            Self::Float32 => "float32",
            Self::Float64 => "float64",
        }
    }

    pub fn parse(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|dtype| dtype.name() == name)
    }

    pub fn item_bytes(self) -> usize {
        match self {
            Self::Bool | Self::Int8 | Self::Uint8 => 1,
            Self::Int16 | Self::Uint16 | Self::Float16 | Self::Bfloat16 => 2,
            Self::Int32 | Self::Uint32 | Self::Float32 => 4,
            Self::Int64 | Self::Uint64 | Self::Float64 => 8,
        }
    }

    pub fn is_float(self) -> bool {
        matches!(
            self,
            Self::Float16 | Self::Bfloat16 | Self::Float32 | Self::Float64
        )
    }
}

/// Numbers in a shape.
pub fn count(shape: &[u64]) -> Option<usize> {
    shape.iter().try_fold(1_usize, |all, size| {
        all.checked_mul(usize::try_from(*size).ok()?)
    })
}

/// What is written beside the bytes of a tensor: `{"$attachment": 0, "dtype": "float32", "shape": [2, 16]}`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Described {
    pub dtype: Dtype,
    pub shape: Vec<u64>,
}

impl Described {
    /// Out of an object that stands for bytes; none when these are a file.
    pub fn of(object: &Map<String, Value>) -> Option<Self> {
        let shape = object.get("shape")?.as_array()?;
        Some(Self {
            dtype: Dtype::parse(object.get("dtype")?.as_str()?)?,
            shape: shape.iter().map(Value::as_u64).collect::<Option<_>>()?,
        })
    }

    /// How many bytes it takes.
    pub fn size_bytes(&self) -> Option<usize> {
        count(&self.shape)?.checked_mul(self.dtype.item_bytes())
    }

    /// The tensor as JSON tells it, with this as its `data`.
    pub fn with_data(&self, data: &Value) -> Value {
        json!({"dtype": self.dtype.name(), "shape": self.shape, "data": data})
    }

    /// The tensor with its numbers as one flat list; none where JSON has no word for one of them or the bytes are too few.
    pub fn in_json(&self, bytes: &[u8]) -> Option<String> {
        if self.size_bytes() != Some(bytes.len()) {
            return None;
        }
        let shape = Value::from(self.shape.clone());
        let mut out = format!(
            r#"{{"dtype":"{}","shape":{shape},"data":"#,
            self.dtype.name()
        )
        .into_bytes();
        write_json(self.dtype, bytes, &mut out).ok()?;
        out.push(b'}');
        String::from_utf8(out).ok()
    }
}

/// A number that JSON has no word for: it is not finite.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct NotFinite;

/// Writes the numbers as one flat JSON list. Bytes that are no whole number at the end are left out.
pub fn write_json(dtype: Dtype, bytes: &[u8], out: &mut Vec<u8>) -> Result<(), NotFinite> {
    out.push(b'[');
    for (place, item) in bytes.chunks_exact(dtype.item_bytes()).enumerate() {
        if place > 0 {
            out.push(b',');
        }
        write_number(dtype, item, out)?;
    }
    out.push(b']');
    Ok(())
}

fn write_number(dtype: Dtype, item: &[u8], out: &mut Vec<u8>) -> Result<(), NotFinite> {
    // Writing to memory cannot fail.
    let _ = match dtype {
        Dtype::Bool => write!(out, "{}", item[0] != 0),
        Dtype::Int8 => write!(out, "{}", i8::from_le_bytes(fixed(item))),
        Dtype::Int16 => write!(out, "{}", i16::from_le_bytes(fixed(item))),
        Dtype::Int32 => write!(out, "{}", i32::from_le_bytes(fixed(item))),
        Dtype::Int64 => write!(out, "{}", i64::from_le_bytes(fixed(item))),
        Dtype::Uint8 => write!(out, "{}", item[0]),
        Dtype::Uint16 => write!(out, "{}", u16::from_le_bytes(fixed(item))),
        Dtype::Uint32 => write!(out, "{}", u32::from_le_bytes(fixed(item))),
        Dtype::Uint64 => write!(out, "{}", u64::from_le_bytes(fixed(item))),
        Dtype::Float16 => {
            return write_f32(from_half(u16::from_le_bytes(fixed(item))), out);
        }
        Dtype::Bfloat16 => {
            let bits = u32::from(u16::from_le_bytes(fixed(item))) << 16;
            return write_f32(f32::from_bits(bits), out);
        }
        Dtype::Float32 => return write_f32(f32::from_le_bytes(fixed(item)), out),
        Dtype::Float64 => {
            let number = f64::from_le_bytes(fixed(item));
            if !number.is_finite() {
                return Err(NotFinite);
            }
            write!(out, "{number:?}")
        }
    };
    Ok(())
}

/// The shortest text that reads back as the same number; `{}` would write 39 digits for a large one.
fn write_f32(number: f32, out: &mut Vec<u8>) -> Result<(), NotFinite> {
    if !number.is_finite() {
        return Err(NotFinite);
    }
    let _ = write!(out, "{number:?}");
    Ok(())
}

fn fixed<const N: usize>(item: &[u8]) -> [u8; N] {
    let mut bytes = [0; N];
    bytes.copy_from_slice(item);
    bytes
}

/// The numbers of a JSON list, nested or flat, as bytes. Errors: what does not fit, in words.
pub fn read_json(dtype: Dtype, data: &Value) -> Result<Vec<u8>, String> {
    let mut out = Vec::new();
    read_into(dtype, data, &mut out)?;
    Ok(out)
}

/// Nesting is bounded by the parser.
fn read_into(dtype: Dtype, data: &Value, out: &mut Vec<u8>) -> Result<(), String> {
    if let Value::Array(items) = data {
        out.reserve(items.len() * dtype.item_bytes());
        return items
            .iter()
            .try_for_each(|item| read_into(dtype, item, out));
    }
    read_number(dtype, data, out).ok_or_else(|| {
        let shown: String = data.to_string().chars().take(40).collect();
        format!("`{shown}` is not {}", dtype.name())
    })
}

fn read_number(dtype: Dtype, data: &Value, out: &mut Vec<u8>) -> Option<()> {
    match dtype {
        Dtype::Bool => out.push(u8::from(data.as_bool()?)),
        Dtype::Int8 => out.extend(i8::try_from(whole(data)?).ok()?.to_le_bytes()),
        Dtype::Int16 => out.extend(i16::try_from(whole(data)?).ok()?.to_le_bytes()),
        Dtype::Int32 => out.extend(i32::try_from(whole(data)?).ok()?.to_le_bytes()),
        Dtype::Int64 => out.extend(i64::try_from(whole(data)?).ok()?.to_le_bytes()),
        Dtype::Uint8 => out.extend(u8::try_from(whole(data)?).ok()?.to_le_bytes()),
        Dtype::Uint16 => out.extend(u16::try_from(whole(data)?).ok()?.to_le_bytes()),
        Dtype::Uint32 => out.extend(u32::try_from(whole(data)?).ok()?.to_le_bytes()),
        Dtype::Uint64 => out.extend(u64::try_from(whole(data)?).ok()?.to_le_bytes()),
        Dtype::Float64 => out.extend(data.as_f64()?.to_le_bytes()),
        Dtype::Float32 => out.extend(single(data)?.to_le_bytes()),
        Dtype::Bfloat16 => out.extend(finite_bits(to_brain(single(data)?), 0x7f80)?),
        Dtype::Float16 => out.extend(finite_bits(to_half(single(data)?), 0x7c00)?),
    }
    Some(())
}

fn whole(data: &Value) -> Option<i128> {
    data.as_i64()
        .map(i128::from)
        .or_else(|| data.as_u64().map(i128::from))
}

fn single(data: &Value) -> Option<f32> {
    let number = data.as_f64()? as f32;
    number.is_finite().then_some(number)
}

/// The bits' bytes, unless rounding made an infinity of them.
fn finite_bits(bits: u16, infinity: u16) -> Option<[u8; 2]> {
    (bits & infinity != infinity).then(|| bits.to_le_bytes())
}

/// A half float as a float, exactly.
fn from_half(bits: u16) -> f32 {
    let sign = if bits & 0x8000 == 0 { 1.0 } else { -1.0 };
    let (exponent, fraction) = (i32::from(bits >> 10 & 0x1f), f32::from(bits & 0x3ff));
    match exponent {
        0 => sign * fraction * 2_f32.powi(-24),
        31 if fraction == 0.0 => sign * f32::INFINITY,
        31 => f32::NAN,
        _ => sign * (1.0 + fraction / 1024.0) * 2_f32.powi(exponent - 15),
    }
}

/// The nearest half float, of two the even one.
fn to_half(number: f32) -> u16 {
    let sign = (number.to_bits() >> 16 & 0x8000) as u16;
    let size = number.abs();
    if size.is_nan() {
        return sign | 0x7e00;
    }
    // From here on the next step up is nearer than the largest number.
    if size >= 65520.0 {
        return sign | 0x7c00;
    }
    // Below the smallest normal number all steps are equal; 1024 of them make that number.
    if size < 2_f32.powi(-14) {
        return sign | (size * 2_f32.powi(24)).round_ties_even() as u16;
    }
    let bits = size.to_bits();
    let rounded = bits + 0xfff + (bits >> 13 & 1);
    sign | ((rounded >> 13) - ((127 - 15) << 10)) as u16
}

/// The nearest brain float: the upper half of a float, of two the even one.
fn to_brain(number: f32) -> u16 {
    let bits = number.to_bits();
    if number.is_nan() {
        return (bits >> 16) as u16 | 0x40;
    }
    (bits.wrapping_add(0x7fff + (bits >> 16 & 1)) >> 16) as u16
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn written(dtype: Dtype, bytes: &[u8]) -> Result<String, NotFinite> {
        let mut out = Vec::new();
        write_json(dtype, bytes, &mut out).map(|()| String::from_utf8(out).unwrap())
    }

    #[test]
    fn every_half_float_comes_back() {
        for bits in 0..=u16::MAX {
            let number = from_half(bits);
            if !number.is_nan() {
                assert_eq!(to_half(number), bits, "{bits:#x} {number}");
            }
        }
    }

    #[test]
    fn halves_are_rounded_to_the_nearest() {
        for (number, bits) in [
            (1.0, 0x3c00),
            (65504.0, 0x7bff),
            (65519.0, 0x7bff),
            (65520.0, 0x7c00),
            (1e9, 0x7c00),
            (1.0 + 1.0 / 2048.0, 0x3c00),
            (1.0 + 3.0 / 2048.0, 0x3c02),
            (2_f32.powi(-25), 0),
            (2_f32.powi(-25) * 1.01, 1),
            (0.1, 0x2e66),
        ] {
            assert_eq!(to_half(number), bits, "{number}");
        }
        assert_eq!(to_brain(1.003_906_3), 0x3f80);
        assert_eq!(to_brain(0.1), 0x3dcd);
    }

    #[test]
    fn numbers_are_written_as_short_as_they_read_back() {
        assert_eq!(
            written(
                Dtype::Float32,
                &[0.1_f32, 1e30].map(f32::to_le_bytes).concat()
            )
            .unwrap(),
            "[0.1,1e30]"
        );
        assert_eq!(
            written(Dtype::Uint64, &u64::MAX.to_le_bytes()).unwrap(),
            format!("[{}]", u64::MAX)
        );
        assert_eq!(written(Dtype::Bool, &[0, 1]).unwrap(), "[false,true]");
        for dtype in Dtype::ALL.into_iter().filter(|dtype| dtype.is_float()) {
            let ones = vec![0xff; dtype.item_bytes()];
            assert_eq!(written(dtype, &ones), Err(NotFinite), "{dtype:?}");
        }
    }

    #[test]
    fn what_does_not_fit_is_named() {
        for (dtype, data) in [
            (Dtype::Int8, json!([1, 128])),
            (Dtype::Uint8, json!([-1])),
            (Dtype::Int32, json!([1.5])),
            (Dtype::Bool, json!([1])),
            (Dtype::Float32, json!(["1"])),
            (Dtype::Float32, json!([1e39])),
            (Dtype::Float16, json!([65520])),
            (Dtype::Int64, json!([9_223_372_036_854_775_808_u64])),
            (Dtype::Float64, json!([null])),
        ] {
            let error = read_json(dtype, &data).unwrap_err();
            assert!(error.ends_with(dtype.name()), "{error}");
        }
    }

    #[test]
    fn shapes_that_no_memory_holds_have_no_size() {
        let huge = Described {
            dtype: Dtype::Int64,
            shape: vec![u64::MAX, 2],
        };
        assert_eq!(huge.size_bytes(), None);
        assert_eq!(count(&[]), Some(1));
        assert_eq!(count(&[3, 0]), Some(0));
    }

    proptest! {
        #[test]
        fn what_is_written_is_read_back(kind in 0..Dtype::ALL.len(), bytes in prop::collection::vec(any::<u8>(), 0..80)) {
            let dtype = Dtype::ALL[kind];
            let mut bytes = bytes[..bytes.len() / dtype.item_bytes() * dtype.item_bytes()].to_vec();
            if dtype == Dtype::Bool {
                bytes.iter_mut().for_each(|byte| *byte &= 1);
            }
            if let Ok(text) = written(dtype, &bytes) {
                let data: Value = serde_json::from_str(&text).unwrap();
                prop_assert_eq!(read_json(dtype, &data).unwrap(), bytes);
            }
        }
    }
}
