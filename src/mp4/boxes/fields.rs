//! The content of a box, field by field.

use super::name;
use crate::{Error, Result};
use bytes::{Buf, Bytes, TryGetError};

/// What is left of a box's content. An error names the box.
pub(crate) struct Fields {
    kind: [u8; 4],
    left: Bytes,
}

impl Fields {
    pub(crate) fn of(kind: [u8; 4], content: Bytes) -> Self {
        Self { kind, left: content }
    }

    /// The same, behind version and flags (4.2.2).
    pub(crate) fn of_full(kind: [u8; 4], content: Bytes) -> Result<(Self, u8, u32)> {
        let mut fields = Self::of(kind, content);
        let head = fields.u32()?;
        let [version, ..] = head.to_be_bytes();
        Ok((fields, version, head & 0xff_ffff))
    }

    pub(crate) fn u8(&mut self) -> Result<u8> {
        self.told(Bytes::try_get_u8)
    }

    pub(crate) fn u16(&mut self) -> Result<u16> {
        self.told(Bytes::try_get_u16)
    }

    pub(crate) fn u32(&mut self) -> Result<u32> {
        self.told(Bytes::try_get_u32)
    }

    pub(crate) fn u64(&mut self) -> Result<u64> {
        self.told(Bytes::try_get_u64)
    }

    /// Of 32 bits in version 0 of a box, of 64 in others.
    pub(crate) fn wide(&mut self, version: u8) -> Result<u64> {
        if version == 0 { self.u32().map(u64::from) } else { self.u64() }
    }

    /// A type: of a box, a handler, a codec.
    pub(crate) fn kind(&mut self) -> Result<[u8; 4]> {
        self.u32().map(u32::to_be_bytes)
    }

    pub(crate) fn skip(&mut self, bytes: usize) -> Result<()> {
        self.take(bytes).map(drop)
    }

    pub(crate) fn take(&mut self, bytes: usize) -> Result<Bytes> {
        if bytes > self.left.len() {
            return Err(self.ends());
        }
        Ok(self.left.split_to(bytes))
    }

    /// What is behind the fields that were read.
    pub(crate) fn rest(self) -> Bytes {
        self.left
    }

    /// How many bytes are left.
    pub(crate) fn left(&self) -> usize {
        self.left.len()
    }

    /// An error in this box.
    pub(crate) fn wrong(&self, what: impl AsRef<str>) -> Error {
        wrong(self.kind, what)
    }

    fn told<T>(&mut self, get: impl FnOnce(&mut Bytes) -> Result<T, TryGetError>) -> Result<T> {
        get(&mut self.left).map_err(|_| self.ends())
    }

    fn ends(&self) -> Error {
        self.wrong("it ends within its fields")
    }
}

/// An error in a box of this kind.
pub(crate) fn wrong(kind: [u8; 4], what: impl AsRef<str>) -> Error {
    Error::corrupt(format!("box {}: {}", name(kind), what.as_ref()))
}
