//! The memory contract between compiled programs and their host: constants, values, images.
//!
//! Lists are laid out as `docs/design/wasm-abi.md` says. `encode` never aliases rows; `decode`
//! checks every address against the memory it is given, so a hostile module cannot make it read
//! outside.

use crate::programs::types::{Scalar, Type};
use crate::{Error, Result};

/// First address of the parameter region.
pub const PARAMETERS_BASE: u32 = 64;
/// Bytes of one parameter slot or frame slot.
pub const SLOT_BYTES: u32 = 8;
/// Bytes of a list header: data, length, capacity, padding.
pub const HEADER_BYTES: u32 = 16;
/// Offset of the data address in a header.
pub const HEADER_DATA: u32 = 0;
/// Offset of the length in a header.
pub const HEADER_LEN: u32 = 4;
/// Offset of the capacity in a header.
pub const HEADER_CAPACITY: u32 = 8;
/// Bytes of a WebAssembly page; the image starts on a page boundary.
pub const PAGE_BYTES: u32 = 65_536;
/// The module that imports come from.
pub const IMPORT_MODULE: &str = "chimera";
/// Name of the refill import.
pub const IMPORT_REFILL: &str = "refill";
/// Export name of the memory.
pub const EXPORT_MEMORY: &str = "memory";
/// Export name of the global that holds the next free address.
pub const EXPORT_HEAP: &str = "heap";
/// Export name of the global that holds the fuel left.
pub const EXPORT_FUEL: &str = "fuel";
/// Export name of the global that holds the index of the site that trapped.
pub const EXPORT_TRAP_SITE: &str = "trap_site";
/// Export name of the global that counts completed frames.
pub const EXPORT_DONE: &str = "done";
/// Prefix of the exported function that runs one frame.
pub const EXPORT_CALL: &str = "call:";
/// Prefix of the exported function that runs consecutive frames.
pub const EXPORT_MANY: &str = "many:";

/// An argument or a result.
#[derive(Clone, Debug, PartialEq)]
pub enum Value {
    /// `bool`.
    Bool(bool),
    /// `int`.
    Int(i64),
    /// `float`.
    Float(f64),
    /// `list[bool]`.
    Bools(Vec<bool>),
    /// `list[int]`.
    Ints(Vec<i64>),
    /// `list[float]`.
    Floats(Vec<f64>),
    /// `list[list[bool]]`.
    BoolRows(Vec<Vec<bool>>),
    /// `list[list[int]]`.
    IntRows(Vec<Vec<i64>>),
    /// `list[list[float]]`.
    FloatRows(Vec<Vec<f64>>),
}

impl Value {
    /// The type of the value.
    #[must_use]
    pub const fn ty(&self) -> Type {
        match self {
            Self::Bool(_) => Type::BOOL,
            Self::Int(_) => Type::INT,
            Self::Float(_) => Type::FLOAT,
            Self::Bools(_) => Type::List(Scalar::Bool),
            Self::Ints(_) => Type::List(Scalar::Int),
            Self::Floats(_) => Type::List(Scalar::Float),
            Self::BoolRows(_) => Type::Matrix(Scalar::Bool),
            Self::IntRows(_) => Type::Matrix(Scalar::Int),
            Self::FloatRows(_) => Type::Matrix(Scalar::Float),
        }
    }
}

/// Encoded arguments, ready to be written at `base`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Image {
    /// The bytes.
    pub bytes: Vec<u8>,
    /// Address of the first byte.
    pub base: u32,
    /// Address of the call frame, inside the image.
    pub frame: u32,
    /// First address after the image, 16-aligned: where the heap starts.
    pub end: u32,
}

/// Lay arguments out in linear memory: the call frame first, then the lists.
///
/// # Errors
/// [`Error::Argument`] when the values do not match the types, or do not fit 32-bit addresses.
pub fn encode(params: &[Type], values: &[Value], n_results: usize, base: u32) -> Result<Image> {
    if params.len() != values.len() {
        return Err(Error::Argument {
            name: "values",
            expected: format!("{} arguments", params.len()),
            got: values.len().to_string(),
        });
    }
    let frame_bytes = (params.len() + n_results) * SLOT_BYTES as usize;
    let mut writer = Writer { bytes: vec![0; frame_bytes.next_multiple_of(16)], base };
    for (idx, (ty, value)) in params.iter().zip(values).enumerate() {
        if value.ty() != *ty {
            return Err(Error::Argument {
                name: "values",
                expected: format!("{} as argument {idx}", ty.annotation()),
                got: value.ty().annotation().to_owned(),
            });
        }
        let slot = writer.value(value)?;
        writer.put(idx * SLOT_BYTES as usize, &slot.to_le_bytes());
    }
    writer.bytes.resize(writer.bytes.len().next_multiple_of(16), 0);
    let end = writer.address(writer.bytes.len())?;
    Ok(Image { bytes: writer.bytes, base, frame: base, end })
}

struct Writer {
    bytes: Vec<u8>,
    base: u32,
}

impl Writer {
    fn address(&self, offset: usize) -> Result<u32> {
        // The last page stays out of reach, so that 16-aligned ends never wrap.
        u32::try_from(offset)
            .ok()
            .and_then(|offset| self.base.checked_add(offset))
            .filter(|&address| address <= u32::MAX - PAGE_BYTES)
            .ok_or_else(|| Error::Argument {
                name: "values",
                expected: "arguments below 4 GiB".to_owned(),
                got: format!("{offset} bytes"),
            })
    }

    fn put(&mut self, at: usize, bytes: &[u8]) {
        if let Some(place) = self.bytes.get_mut(at..at + bytes.len()) {
            place.copy_from_slice(bytes);
        }
    }

    fn value(&mut self, value: &Value) -> Result<u64> {
        Ok(match value {
            Value::Bool(value) => u64::from(*value),
            Value::Int(value) => value.cast_unsigned(),
            Value::Float(value) => value.to_bits(),
            Value::Bools(values) => self.bools(values)?.into(),
            Value::Ints(values) => self.ints(values)?.into(),
            Value::Floats(values) => self.floats(values)?.into(),
            Value::BoolRows(rows) => self.rows(rows, Writer::bools)?.into(),
            Value::IntRows(rows) => self.rows(rows, Writer::ints)?.into(),
            Value::FloatRows(rows) => self.rows(rows, Writer::floats)?.into(),
        })
    }

    fn header(&mut self, len: usize, size: usize) -> Result<u32> {
        let start = self.bytes.len();
        let address = self.address(start)?;
        let n_bytes = len.checked_mul(size).unwrap_or(usize::MAX / 2);
        self.address(start.saturating_add(n_bytes).saturating_add(64))?;
        let data = address + HEADER_BYTES;
        let n = self.address(len)?.wrapping_sub(self.base);
        for word in [data, n, n, 0] {
            self.bytes.extend_from_slice(&word.to_le_bytes());
        }
        self.bytes.reserve(n_bytes);
        Ok(address)
    }

    fn bools(&mut self, values: &[bool]) -> Result<u32> {
        let address = self.header(values.len(), 1)?;
        self.bytes.extend(values.iter().map(|&value| u8::from(value)));
        self.bytes.resize(self.bytes.len().next_multiple_of(8), 0);
        Ok(address)
    }

    fn ints(&mut self, values: &[i64]) -> Result<u32> {
        let address = self.header(values.len(), 8)?;
        self.bytes.extend(values.iter().flat_map(|value| value.to_le_bytes()));
        Ok(address)
    }

    fn floats(&mut self, values: &[f64]) -> Result<u32> {
        let address = self.header(values.len(), 8)?;
        self.bytes.extend(values.iter().flat_map(|value| value.to_le_bytes()));
        Ok(address)
    }

    fn rows<T>(
        &mut self,
        rows: &[Vec<T>],
        write: impl Fn(&mut Self, &[T]) -> Result<u32>,
    ) -> Result<u32> {
        let address = self.header(rows.len(), 4)?;
        let table = self.bytes.len();
        self.bytes.resize((table + rows.len() * 4).next_multiple_of(8), 0);
        for (idx, row) in rows.iter().enumerate() {
            let reference = write(self, row)?;
            self.put(table + idx * 4, &reference.to_le_bytes());
        }
        Ok(address)
    }
}

/// Read results back: one frame slot per type, lists from `memory`.
///
/// # Errors
/// [`Error::Argument`] when the counts differ or an address lies outside the memory.
pub fn decode(types: &[Type], slots: &[u64], memory: &[u8]) -> Result<Vec<Value>> {
    if types.len() != slots.len() {
        return Err(Error::Argument {
            name: "slots",
            expected: format!("{} slots", types.len()),
            got: slots.len().to_string(),
        });
    }
    types.iter().zip(slots).map(|(ty, slot)| decode_one(*ty, *slot, memory)).collect()
}

fn decode_one(ty: Type, slot: u64, memory: &[u8]) -> Result<Value> {
    let address = || u32::try_from(slot).map_err(|_| outside(slot));
    Ok(match ty {
        Type::Scalar(Scalar::Bool) => Value::Bool(slot != 0),
        Type::Scalar(Scalar::Int) => Value::Int(slot.cast_signed()),
        Type::Scalar(Scalar::Float) => Value::Float(f64::from_bits(slot)),
        Type::List(Scalar::Bool) => Value::Bools(list(address()?, memory, bool_of)?),
        Type::List(Scalar::Int) => Value::Ints(list(address()?, memory, i64::from_le_bytes)?),
        Type::List(Scalar::Float) => Value::Floats(list(address()?, memory, f64::from_le_bytes)?),
        Type::Matrix(Scalar::Bool) => Value::BoolRows(rows(address()?, memory, bool_of)?),
        Type::Matrix(Scalar::Int) => Value::IntRows(rows(address()?, memory, i64::from_le_bytes)?),
        Type::Matrix(Scalar::Float) => {
            Value::FloatRows(rows(address()?, memory, f64::from_le_bytes)?)
        }
    })
}

const fn bool_of(bytes: [u8; 1]) -> bool {
    bytes[0] != 0
}

fn outside(address: u64) -> Error {
    Error::Argument {
        name: "memory",
        expected: "a list inside the memory".to_owned(),
        got: format!("address {address:#x}"),
    }
}

fn word(memory: &[u8], at: u32) -> Result<u32> {
    let at_wide = u64::from(at);
    let start = usize::try_from(at).map_err(|_| outside(at_wide))?;
    let bytes = memory.get(start..).and_then(|rest| rest.first_chunk::<4>());
    bytes.map(|bytes| u32::from_le_bytes(*bytes)).ok_or_else(|| outside(at_wide))
}

fn list<T, const N: usize>(
    header: u32,
    memory: &[u8],
    element: impl Fn([u8; N]) -> T,
) -> Result<Vec<T>> {
    let wide = u64::from(header);
    let data = word(memory, header)? as usize;
    let len_at = header.checked_add(HEADER_LEN).ok_or_else(|| outside(wide))?;
    let n_bytes = (word(memory, len_at)? as usize).checked_mul(N);
    let end = n_bytes.and_then(|n_bytes| data.checked_add(n_bytes));
    let bytes = end.and_then(|end| memory.get(data..end)).ok_or_else(|| outside(wide))?;
    Ok(bytes.as_chunks::<N>().0.iter().map(|chunk| element(*chunk)).collect())
}

fn rows<T, const N: usize>(
    header: u32,
    memory: &[u8],
    element: impl Fn([u8; N]) -> T + Copy,
) -> Result<Vec<Vec<T>>> {
    let references = list(header, memory, u32::from_le_bytes)?;
    references.into_iter().map(|row| list(row, memory, element)).collect()
}
