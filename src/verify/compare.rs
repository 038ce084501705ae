//! Pictures beside each other: whether they are equal, by how much they differ, and what is known of one when it is
//! gone.

use crate::Frame;

/// Blocks across and down a picture that its signature has the brightness of.
const BLOCKS: usize = 16;
/// Lines of a block that are looked at.
const LOOKED: usize = 8;

/// The planes of a picture as lines without what stands between them.
fn lines(frame: &Frame, plane: usize) -> impl Iterator<Item = &[u8]> {
    let (line, stride) = (frame.line(plane), frame.stride(plane));
    let data = frame.plane(plane).unwrap_or_default();
    let (line, stride) = if line == 0 || stride == 0 { (data.len(), data.len()) } else { (line, stride) };
    data.chunks(stride.max(1)).map(move |all| all.get(..line).unwrap_or(all))
}

/// The name of a pixel format without the old word for its range.
pub(super) fn format(frame: &Frame) -> String {
    let format = frame.format();
    format.strip_prefix("yuvj").map_or(format.clone(), |rest| format!("yuv{rest}"))
}

/// Whether two pictures have samples that lie alike, and can be told apart by them.
pub(super) fn are_alike(a: &Frame, b: &Frame) -> bool {
    (a.width(), a.height()) == (b.width(), b.height()) && a.planes() == b.planes() && format(a) == format(b)
}

/// Whether all samples of two pictures are equal.
pub(super) fn are_equal(a: &Frame, b: &Frame) -> bool {
    are_alike(a, b) && (0..a.planes()).all(|plane| lines(a, plane).eq(lines(b, plane)))
}

/// The mean of the squared differences of all samples of all planes, where the largest difference is 1. None where
/// the pictures are not alike, or have samples that are no numbers of at most 16 bits.
pub(crate) fn difference(a: &Frame, b: &Frame) -> Option<f64> {
    let (depth, is_big) = a.depth().filter(|(depth, _)| *depth <= 16 && are_alike(a, b))?;
    let (mut sum, mut count): (f64, u64) = (0.0, 0);
    for plane in 0..a.planes() {
        for (a, b) in lines(a, plane).zip(lines(b, plane)) {
            let (squares, samples) = if depth <= 8 {
                (squares_of_bytes(a, b), a.len())
            } else {
                (squares_of_words(a, b, is_big), a.len() / 2)
            };
            sum += squares as f64;
            count = count.saturating_add(samples as u64);
        }
    }
    let most = f64::from(1_u32.checked_shl(depth)?.saturating_sub(1));
    (count > 0).then(|| sum / count as f64 / (most * most))
}

/// How many samples each plane of a picture has, and the largest that there may be. None where they are no numbers of
/// at most 16 bits.
pub(crate) fn samples(frame: &Frame) -> Option<(Vec<f64>, f64)> {
    let (depth, _) = frame.depth().filter(|(depth, _)| *depth <= 16)?;
    let size = if depth <= 8 { 1.0 } else { 2.0 };
    let count = |plane| lines(frame, plane).map(|line| line.len() as f64).sum::<f64>() / size;
    let most = f64::from(1_u32.checked_shl(depth)?.saturating_sub(1));
    Some(((0..frame.planes()).map(count).collect(), most))
}

fn squares_of_bytes(a: &[u8], b: &[u8]) -> u64 {
    // As many squares as 32 bits hold, so that the loop is one of vectors.
    const PIECE: usize = 1 << 14;
    let piece = |(a, b): (&[u8], &[u8])| {
        let squares = a.iter().zip(b).map(|(a, b)| {
            let off = i32::from(*a).wrapping_sub(i32::from(*b));
            off.wrapping_mul(off).cast_unsigned()
        });
        u64::from(squares.fold(0_u32, u32::wrapping_add))
    };
    a.chunks(PIECE).zip(b.chunks(PIECE)).map(piece).fold(0, u64::saturating_add)
}

fn squares_of_words(a: &[u8], b: &[u8], is_big: bool) -> u64 {
    let word = |bytes: &[u8]| {
        let bytes = <[u8; 2]>::try_from(bytes).unwrap_or_default();
        u64::from(if is_big { u16::from_be_bytes(bytes) } else { u16::from_le_bytes(bytes) })
    };
    let squares = a.chunks_exact(2).zip(b.chunks_exact(2)).map(|(a, b)| {
        let off = word(a).abs_diff(word(b));
        off.wrapping_mul(off)
    });
    squares.fold(0, u64::wrapping_add)
}

/// Of what [`difference`] says, in decibels; infinite for none.
pub(crate) fn psnr(difference: f64) -> f64 {
    if difference > 0.0 { -10.0 * difference.log10() } else { f64::INFINITY }
}

/// A number that tells a picture from all others that happen.
pub(super) fn hash(frame: &Frame) -> u64 {
    let mut hash = Hash::default();
    for plane in 0..frame.planes() {
        lines(frame, plane).for_each(|line| hash.add(line));
    }
    hash.end()
}

/// For telling bytes apart; nobody who wants to deceive it is kept from that.
#[derive(Default)]
pub(super) struct Hash([u64; 4]);

impl Hash {
    const STIR: u64 = 0x9E37_79B9_7F4A_7C15;

    pub(super) fn add(&mut self, bytes: &[u8]) {
        let stir = |sum: u64, word: u64| (sum ^ word).wrapping_mul(Self::STIR).rotate_left(29);
        let word = |bytes: &[u8]| {
            let mut word = [0; 8];
            bytes.iter().zip(&mut word).for_each(|(from, to)| *to = *from);
            u64::from_le_bytes(word)
        };
        // Four sums that do not wait for each other.
        let (whole, rest) = bytes.as_chunks::<32>();
        for four in whole {
            for (sum, eight) in self.0.iter_mut().zip(four.as_chunks::<8>().0) {
                *sum = stir(*sum, u64::from_le_bytes(*eight));
            }
        }
        for (sum, eight) in self.0.iter_mut().zip(rest.chunks(8)) {
            *sum = stir(*sum, word(eight));
        }
        if let Some(first) = self.0.first_mut() {
            *first = stir(*first, bytes.len() as u64);
        }
    }

    pub(super) fn end(&self) -> u64 {
        self.0.iter().fold(0, |all, sum| (all ^ sum).wrapping_mul(Self::STIR).rotate_left(31))
    }
}

/// The brightness of a picture's blocks: what it is found by among many, also in another size.
#[derive(Clone, Debug)]
pub(super) struct Signature(Vec<f32>);

impl Signature {
    pub(super) fn of(frame: &Frame) -> Self {
        let mut blocks = vec![0.0; BLOCKS.saturating_mul(BLOCKS)];
        let (depth, is_big) = frame.depth().unwrap_or((8, false));
        let scale = 1.0 / 2_f32.powi(i32::try_from(depth.min(16)).unwrap_or(8));
        let (height, step) = (frame.height() as usize, if depth > 8 { 2 } else { 1 });
        let skipped = (height / BLOCKS / LOOKED).max(1);
        let mut counts = [0_u32; BLOCKS];
        for (y, line) in lines(frame, 0).enumerate().step_by(skipped) {
            let down = y.saturating_mul(BLOCKS).checked_div(height).unwrap_or(0).min(BLOCKS - 1);
            if let Some(count) = counts.get_mut(down) {
                *count = count.saturating_add(1);
            }
            let samples = line.len().checked_div(step).unwrap_or(0);
            let across = |i: usize| samples.saturating_mul(i) / BLOCKS;
            let row = blocks.iter_mut().skip(down.saturating_mul(BLOCKS)).take(BLOCKS);
            for (i, block) in row.enumerate() {
                let (from, to) =
                    (across(i).saturating_mul(step), across(i.saturating_add(1)).saturating_mul(step));
                let bytes = line.get(from..to).unwrap_or_default();
                let sum: u64 = match (step, is_big) {
                    (1, _) => bytes.iter().map(|byte| u64::from(*byte)).fold(0, u64::wrapping_add),
                    // The upper byte is near enough, but its scale is that of the whole.
                    (_, false) => words(bytes, u16::from_le_bytes),
                    (_, true) => words(bytes, u16::from_be_bytes),
                };
                let count = bytes.len().checked_div(step).unwrap_or(0).max(1);
                *block += sum as f32 / count as f32 * scale;
            }
        }
        for (row, count) in blocks.chunks_mut(BLOCKS).zip(counts) {
            row.iter_mut().for_each(|block| *block /= count.max(1) as f32);
        }
        Self(blocks)
    }

    /// As [`difference`], of the blocks.
    pub(super) fn difference(&self, other: &Self) -> f64 {
        let squares = self.0.iter().zip(&other.0).map(|(a, b)| (a - b) * (a - b));
        f64::from(squares.sum::<f32>()) / self.0.len().max(1) as f64
    }

    /// How much alike two pictures are, whatever their contrast: 1 for the same, about 0 for any two. Pictures of one
    /// brightness are like nothing but others of about that.
    pub(super) fn likeness(&self, other: &Self) -> f64 {
        let mean = |of: &Self| of.0.iter().sum::<f32>() / of.0.len().max(1) as f32;
        let (a, b) = (mean(self), mean(other));
        let (mut both, mut own, mut others) = (0.0, 0.0, 0.0);
        for (x, y) in self.0.iter().zip(&other.0) {
            let (x, y) = (f64::from(x - a), f64::from(y - b));
            both += x * y;
            own += x * x;
            others += y * y;
        }
        const FLAT: f64 = 1e-3;
        match (own < FLAT, others < FLAT) {
            (true, true) => 1.0 - f64::from((a - b).abs()) * 10.0,
            (false, false) => both / (own * others).sqrt(),
            _ => 0.0,
        }
    }
}

fn words(bytes: &[u8], word: fn([u8; 2]) -> u16) -> u64 {
    bytes.as_chunks::<2>().0.iter().map(|bytes| u64::from(word(*bytes))).fold(0, u64::wrapping_add)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn painted(format: &str, paint: impl Fn(usize, usize) -> u8) -> Frame {
        let mut frame = Frame::video(format, 50, 30).unwrap();
        for plane in 0..frame.planes() {
            let stride = frame.stride(plane);
            let data = frame.plane_mut(plane).unwrap();
            data.iter_mut().enumerate().for_each(|(i, byte)| *byte = paint(i / stride, i % stride));
        }
        frame
    }

    #[test]
    fn differences_are_those_of_the_definition() {
        let grey = painted("yuv420p", |_, _| 100);
        let brighter = painted("yuv420p", |_, _| 110);
        let off = difference(&grey, &brighter).unwrap();
        assert!((off - (10.0_f64 / 255.0).powi(2)).abs() < 1e-12, "{off}");
        assert!((psnr(off) - 28.13).abs() < 0.01);
        // Both bytes of a word are 1, or 2: 257 of 1023 apart.
        let (a, b) = (painted("yuv420p10le", |_, _| 1), painted("yuv420p10le", |_, _| 2));
        let off = difference(&a, &b).unwrap();
        assert!((off - (257.0_f64 / 1023.0).powi(2)).abs() < 1e-12, "{off}");
        assert_eq!(difference(&a, &grey), None);
        assert_eq!(psnr(difference(&grey, &grey).unwrap()), f64::INFINITY);
    }

    #[test]
    fn what_stands_beside_a_line_is_not_compared() {
        let inside = |x: usize| x < 25;
        let a = painted("gray", |y, x| if x < 50 { (x * y) as u8 } else { 1 });
        let b = painted("gray", |y, x| if x < 50 { (x * y) as u8 } else { 2 });
        assert!(a.stride(0) > 50, "nothing stands there");
        assert!(are_equal(&a, &b) && hash(&a) == hash(&b));
        let c = painted("gray", |y, x| if inside(x) { (x * y) as u8 } else { 7 });
        assert!(!are_equal(&a, &c) && hash(&a) != hash(&c));
    }

    #[test]
    fn pictures_are_known_by_their_signature_in_another_size() {
        let small = painted("gray", |y, x| (x * 4 + y) as u8);
        let mut large = Frame::video("gray", 100, 60).unwrap();
        let stride = large.stride(0);
        let data = large.plane_mut(0).unwrap();
        data.iter_mut().enumerate().for_each(|(i, byte)| *byte = ((i % stride) * 2 + i / stride / 2) as u8);
        let (small, large) = (Signature::of(&small), Signature::of(&large));
        let other = Signature::of(&painted("gray", |y, x| (x * 5 * (y / 9)) as u8));
        assert!(small.likeness(&large) > 0.98, "{}", small.likeness(&large));
        assert!(small.likeness(&other) < 0.6, "{}", small.likeness(&other));
        assert!(small.difference(&large) * 10.0 < small.difference(&other));
    }
}
