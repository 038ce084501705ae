//! What samples have besides, such as what it takes to decrypt them, and where in the file it lies (saiz, saio;
//! ISO/IEC 14496-12, 8.7.8 and 8.7.9).

use super::{
    chunks::{Chunk, Places},
    samples::Samples,
    sizes::Sizes,
};
use crate::{
    Result,
    mp4::boxes::fields::{Fields, wrong},
};
use bytes::Bytes;

/// What it is, and which of that kind; none where the kind of encryption tells it.
pub(crate) type About = Option<([u8; 4], u32)>;

/// What each of a track's samples has besides.
#[derive(Clone, Debug)]
pub(crate) struct Auxiliary {
    pub about: About,
    /// Of the first samples; those behind them have none.
    sizes: Sizes,
    /// Where all of it lies, one sample's behind the other's; or where that of each chunk does.
    places: Places,
}

/// One of the two boxes that tell of it.
pub(super) enum Told {
    Sizes(About, Sizes),
    Places(About, Places),
}

impl Told {
    /// A saiz. An error if it tells of more samples than there are.
    pub(super) fn sizes(kind: [u8; 4], content: Bytes, samples: u32) -> Result<Self> {
        let (mut fields, _, flags) = Fields::of_full(kind, content)?;
        let about = about(&mut fields, flags)?;
        let size = fields.u8()?;
        let count = fields.u32()?;
        if count > samples {
            return Err(wrong(kind, format!("it tells of {count} of {samples} samples")));
        }
        let sizes = match size {
            0 => Sizes::of_bytes(kind, fields, count)?,
            size => Sizes::Equal { size: size.into(), count },
        };
        Ok(Self::Sizes(about, sizes))
    }

    /// A saio.
    pub(super) fn places(kind: [u8; 4], content: Bytes) -> Result<Self> {
        let (mut fields, version, flags) = Fields::of_full(kind, content)?;
        let about = about(&mut fields, flags)?;
        Ok(Self::Places(about, Places::read_wide(kind, fields, version > 0)?))
    }
}

fn about(fields: &mut Fields, flags: u32) -> Result<About> {
    Ok(if flags & 1 == 1 { Some((fields.kind()?, fields.u32()?)) } else { None })
}

impl Auxiliary {
    /// Puts sizes and places together. Of what is left over the sizes' or the places' box is named.
    pub(super) fn pair(all: Vec<Told>) -> (Vec<Self>, Vec<[u8; 4]>) {
        // There are one or two; each is compared with all others.
        const MOST: usize = 64;
        let (mut sizes, mut found, mut left) = (Vec::new(), Vec::<Self>::new(), Vec::new());
        if all.len() > MOST {
            return (found, vec![*b"saio"]);
        }
        let mut offsets = Vec::new();
        for told in all {
            match told {
                Told::Sizes(about, own) => sizes.push((about, own)),
                Told::Places(about, own) => offsets.push((about, own)),
            }
        }
        for (about, places) in offsets {
            let is_twice = found.iter().any(|own| own.about == about);
            let mut of_it = sizes.iter().filter(|(own, _)| *own == about);
            match (of_it.next(), of_it.next()) {
                (Some((_, own)), None) if !is_twice => {
                    found.push(Self { about, sizes: own.clone(), places });
                }
                _ => left.push(*b"saio"),
            }
        }
        let is_paired = |(about, _): &(About, Sizes)| found.iter().any(|own| own.about == *about);
        if !sizes.iter().all(is_paired) {
            left.push(*b"saiz");
        }
        (found, left)
    }

    /// What the places of a saio are of, and whether they have 64 bits.
    pub(crate) fn about(saio: &Bytes) -> Option<(About, bool)> {
        let (mut fields, version, flags) = Fields::of_full(*b"saio", saio.clone()).ok()?;
        Some((about(&mut fields, flags).ok()?, version > 0))
    }

    /// How many bytes of it a sample has.
    pub(crate) fn size_of(&self, sample: u32) -> u8 {
        if sample < self.sizes.count() { u8::try_from(self.sizes.of(sample)).unwrap_or(u8::MAX) } else { 0 }
    }

    /// Bytes of all samples'.
    pub(crate) fn bytes(&self) -> u64 {
        self.between(0, u32::MAX)
    }

    /// Of all samples between two.
    fn between(&self, from: u32, to: u32) -> u64 {
        let count = self.sizes.count();
        self.sizes.between(from.min(count), to.min(count))
    }

    /// Whether all of it lies in a file of so many bytes, for as many chunks as there are.
    pub(crate) fn fits(&self, samples: &Samples, len: u64) -> bool {
        let is_one = |(place, bytes): (u64, u64)| place.checked_add(bytes).is_some_and(|end| end <= len);
        // In blocks it is not said which samples are meant.
        samples.blocks.is_none()
            && (self.places.count() == 1 || self.places.count() == samples.chunks())
            && self.lies(samples, 0, samples.count()).all(is_one)
    }

    /// Where that of the samples between two lies, and how many bytes it has, in their order.
    pub(crate) fn lies<'a>(
        &'a self,
        samples: &'a Samples,
        from: u32,
        to: u32,
    ) -> impl Iterator<Item = (u64, u64)> + 'a {
        let to = to.min(self.sizes.count());
        let mut next = from;
        let mut chunk: Option<Chunk> = None;
        let is_one = self.places.count() == 1;
        std::iter::from_fn(move || {
            while next < to {
                let (number, first, end) = if is_one {
                    (0, 0, to)
                } else {
                    let here = match &chunk {
                        Some(chunk) => samples.chunks.behind(chunk)?,
                        None => samples.chunks.of_sample(next)?,
                    };
                    chunk = Some(here);
                    let end = here.first_sample.saturating_add(here.samples).min(to);
                    (here.number, here.first_sample, end)
                };
                let begins = self.places.of(number)?.checked_add(self.between(first, next))?;
                let bytes = self.between(next, end);
                next = end;
                if bytes > 0 {
                    return Some((begins, bytes));
                }
            }
            None
        })
    }

    /// Its name for people.
    pub(crate) fn name(&self) -> String {
        self.about.map_or_else(String::new, |(kind, _)| format!(" {}", crate::mp4::name(kind)))
    }

    /// How many samples it tells of, and of how many places.
    pub(crate) fn counts(&self) -> (u32, u32) {
        (self.sizes.count(), self.places.count())
    }

    pub(crate) fn held(&self) -> usize {
        self.sizes.held().saturating_add(self.places.size())
    }
}
