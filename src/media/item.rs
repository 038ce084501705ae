//! A packet on its way.

use crate::{Result, av::packet::Packet};

/// A packet, and where its payload lies in its source if it may be referred to there.
pub(crate) struct Item {
    pub packet: Packet,
    pub at: Option<u64>,
}

impl Item {
    pub(crate) fn new() -> Result<Self> {
        Ok(Self { packet: Packet::new()?, at: None })
    }

    /// What is in it; a blank one stays.
    pub(crate) fn take(&mut self) -> Result<Self> {
        Ok(Self { packet: self.packet.take()?, at: self.at.take() })
    }
}
