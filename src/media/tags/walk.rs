//! Headers one behind the other, in bytes that come piece by piece.

/// Where the next header begins, and what has come of it.
pub(super) struct Walk {
    next: u64,
    head: Vec<u8>,
}

impl Walk {
    pub(super) fn new(next: u64) -> Self {
        Self { next, head: Vec::new() }
    }

    /// Takes what is wanted of the bytes at `at`: what came before is not looked at again, and what lies
    /// between headers need not come. `step` sees where a header begins and what there is of it, one byte
    /// more each time, until it says where the next one begins, which is behind it.
    pub(super) fn feed(&mut self, at: u64, bytes: &[u8], mut step: impl FnMut(u64, &[u8]) -> Option<u64>) {
        loop {
            let wanted = self.next.saturating_add(self.head.len() as u64);
            let offset = wanted.checked_sub(at).and_then(|offset| usize::try_from(offset).ok());
            let Some(byte) = offset.and_then(|offset| bytes.get(offset)) else { return };
            self.head.push(*byte);
            if let Some(next) = step(self.next, &self.head) {
                self.next = next.max(wanted.saturating_add(1));
                self.head.clear();
            }
        }
    }
}
