//! Random changes, the same ones for the same seed.

/// Xorshift.
pub struct Random(u64);

impl Random {
    pub fn new(seed: u64) -> Self {
        Self(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1)
    }

    fn next(&mut self) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0
    }

    fn below(&mut self, end: usize) -> usize {
        (self.next() % end.max(1) as u64) as usize
    }
}

/// Numbers that lengths and counts go wrong with.
const NUMBERS: [u32; 10] = [0, 1, 7, 8, 16, 0xffff, 0x1_0000, 0x7fff_ffff, 0x8000_0000, 0xffff_ffff];

/// A seed with a few changes.
pub fn mutant(seeds: &[Vec<u8>], random: &mut Random) -> Vec<u8> {
    let mut bytes = seeds[random.below(seeds.len())].clone();
    for _ in 0..=random.below(6) {
        change(&mut bytes, seeds, random);
    }
    bytes
}

fn change(bytes: &mut Vec<u8>, seeds: &[Vec<u8>], random: &mut Random) {
    if bytes.is_empty() {
        bytes.push(random.next() as u8);
        return;
    }
    // Headers and indexes lie at the beginning and at the end.
    let len = bytes.len();
    let at = match random.below(4) {
        0 => random.below(len.min(4096)),
        1 => len - 1 - random.below(len.min(4096)),
        _ => random.below(len),
    };
    let piece = random.below(256).min(len - at);
    match random.below(9) {
        0 | 1 => bytes[at] ^= 1 << random.below(8),
        2 => bytes[at] = random.next() as u8,
        3 | 4 if at + 4 <= len => {
            bytes[at..at + 4].copy_from_slice(&NUMBERS[random.below(NUMBERS.len())].to_be_bytes());
        }
        5 => bytes[at..at + piece].fill([0, 0xff][random.below(2)]),
        6 => drop(bytes.drain(at..at + piece)),
        7 => {
            let other = &seeds[random.below(seeds.len())];
            let from = random.below(other.len());
            let piece = &other[from..other.len().min(from + 256)];
            bytes.splice(at..at, piece.iter().copied());
        }
        _ if random.below(4) == 0 => bytes.truncate(at),
        _ => {}
    }
}
