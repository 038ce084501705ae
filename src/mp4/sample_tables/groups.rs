//! What else a track says of its samples: what depends on them, groups that they are in, their parts, and how
//! far composition is from decoding (ISO/IEC 14496-12, 8.6.4, 8.9, 8.7.7, 8.6.1.4).

use super::{
    auxiliary::{Auxiliary, Told},
    compact::read_compact,
    runs::Runs,
    table::Table,
};
use crate::{
    Result,
    mp4::boxes::{
        children,
        fields::{Fields, wrong},
        name,
    },
};
use bytes::Bytes;

/// Which group each sample is in (sbgp, csgp).
#[derive(Clone, Debug)]
pub(crate) struct Grouping {
    /// What the groups are about: `roll`, `rap `, `tele` …
    pub kind: [u8; 4],
    /// What else tells it from others of its kind (grouping_type_parameter).
    pub parameter: Option<u32>,
    /// Descriptions of this kind's groups, counted from 1; 0 is none. Those from 65,537 on are a fragment's
    /// own.
    pub runs: Runs,
    /// They are stated by patterns, which libav does not read.
    pub is_compact: bool,
}

/// What groups of a kind are (sgpd): one entry for each, which stay as they are in the file.
#[derive(Clone, Debug)]
pub(crate) struct GroupDescriptions {
    pub kind: [u8; 4],
    pub count: u32,
    /// What samples are in that no sbgp tells of; 0 is none.
    pub default: u32,
    /// The box's content, as it is in the file.
    pub content: Bytes,
}

/// All of it that a track has.
#[derive(Clone, Debug, Default)]
pub(crate) struct Extras {
    /// A byte for each sample (sdtp).
    pub dependencies: Option<Table>,
    /// Two bytes for each sample: what is to be left out first (stdp; 8.7.6).
    pub priorities: Option<Table>,
    pub padding: Option<Padding>,
    /// Samples that others may stand in for, which decoding can begin at: pairs of numbers from 1 on, in the order of
    /// the first ones (stsh; 8.6.3).
    pub shadows: Option<Table>,
    pub groupings: Vec<Grouping>,
    pub descriptions: Vec<GroupDescriptions>,
    /// Samples that have parts (subs).
    pub parts: Option<u64>,
    /// Those boxes' contents, as they are in the file.
    pub subs: Vec<Bytes>,
    /// Boxes that say something else of samples, each by its number.
    pub others: Vec<[u8; 4]>,
    /// The least and the largest offset, and the first and the last composition time (cslg).
    pub composition: Option<Composition>,
    /// What samples have besides, elsewhere in the file; and there is more, of which it is not known where it lies.
    pub auxiliary: Vec<Auxiliary>,
    pub has_lost: bool,
    /// Bytes of what it takes to decrypt samples, where that lies in the table itself (senc; ISO/IEC 23001-7, 7.2).
    pub encryption: Option<u64>,
    /// Some box of a maker's own is among the tables.
    pub has_own: bool,
}

/// Bits at the end of samples that are none of them (padb; 8.7.6): half a byte for each of the first samples.
#[derive(Clone, Debug)]
pub(crate) struct Padding {
    table: Table,
    pub count: u32,
}

impl Padding {
    fn read(kind: [u8; 4], content: Bytes, samples: u32) -> Result<Self> {
        let (mut fields, ..) = Fields::of_full(kind, content)?;
        let count = fields.u32()?;
        if count > samples {
            return Err(wrong(kind, format!("it tells of {count} of {samples} samples")));
        }
        Ok(Self { table: Table::read(kind, fields, count.div_ceil(2), 1)?, count })
    }

    /// Of a sample.
    pub(crate) fn of(&self, sample: u32) -> u8 {
        let byte = usize::try_from(sample / 2).ok().and_then(|at| self.table.bytes().get(at).copied());
        let byte = byte.filter(|_| sample < self.count).unwrap_or(0);
        if sample.is_multiple_of(2) { byte >> 4 } else { byte & 15 }
    }
}

/// A stsh. An error if its samples do not go upwards, or are none.
fn read_shadows(kind: [u8; 4], content: Bytes, samples: u32) -> Result<Table> {
    let (fields, ..) = Fields::of_full(kind, content)?;
    let table = Table::counted(kind, fields, 8)?;
    let pairs = || (0..table.len()).filter_map(|entry| table.u32(entry, 0).zip(table.u32(entry, 4)));
    let is_one = |sample: u32| (1..=samples).contains(&sample);
    if !pairs().all(|(shadowed, sync)| is_one(shadowed) && is_one(sync))
        || !pairs().is_sorted_by(|(a, _), (b, _)| a < b)
    {
        return Err(wrong(
            kind,
            format!("its samples are out of order, or none of the {samples} that there are"),
        ));
    }
    Ok(table)
}

/// How composition lies to decoding, as the file states it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Composition {
    pub least_offset: i64,
    pub most_offset: i64,
    pub first: i64,
    pub end: i64,
}

impl Extras {
    /// Of a stbl. What can't be meant is left out, and said.
    /// `room`: how many bytes may be written out that patterns state.
    pub(crate) fn read(table: &Bytes, samples: u32, room: &mut u64) -> (Self, Vec<String>) {
        let (mut all, mut warnings, mut told) = (Self::default(), Vec::new(), Vec::new());
        for (kind, content) in children(table) {
            let done = match &kind {
                b"saiz" => Told::sizes(kind, content, samples).map(|own| told.push(own)),
                b"saio" => Told::places(kind, content).map(|own| told.push(own)),
                b"csgp" => {
                    read_compact(kind, content, samples, room).and_then(|found| all.group(kind, found))
                }
                _ => all.add(kind, content, samples),
            };
            if let Err(error) = done {
                all.has_lost |= matches!(&kind, b"saiz" | b"saio");
                all.leave_out(kind);
                warnings.push(error.message().to_owned());
            }
        }
        let (auxiliary, left) = Auxiliary::pair(told);
        all.auxiliary = auxiliary;
        if all.encryption.is_some() && all.auxiliary.is_empty() {
            all.leave_out(*b"senc");
        }
        all.has_lost |= left.contains(b"saio");
        all.others.extend(left.into_iter().filter(|kind| kind == b"saiz"));
        (all, warnings)
    }

    fn add(&mut self, kind: [u8; 4], content: Bytes, samples: u32) -> Result<()> {
        match &kind {
            b"sdtp" => {
                let (fields, ..) = Fields::of_full(kind, content)?;
                self.dependencies = Some(Table::read(kind, fields, samples, 1)?);
            }
            b"sbgp" => {
                let (mut fields, version, _) = Fields::of_full(kind, content)?;
                let about = fields.kind()?;
                let parameter = if version == 1 { Some(fields.u32()?) } else { None };
                let runs = Runs::read(kind, fields)?;
                if runs.samples() > samples {
                    let grouped = runs.samples();
                    return Err(wrong(
                        kind,
                        format!("{grouped} of {samples} samples are in groups {}", name(about)),
                    ));
                }
                self.group(kind, Some(Grouping { kind: about, parameter, runs, is_compact: false }))?;
            }
            b"sgpd" => self.descriptions.push(GroupDescriptions::read(kind, content)?),
            b"subs" => {
                let found = parts(kind, content.clone(), samples)?;
                self.parts = Some(self.parts.unwrap_or(0).saturating_add(found));
                self.subs.push(content);
            }
            b"stdp" => {
                let (fields, ..) = Fields::of_full(kind, content)?;
                self.priorities =
                    Some(Table::read(kind, fields, samples, 2)?).filter(|table| table.len() > 0);
            }
            b"padb" => {
                self.padding = Some(Padding::read(kind, content, samples)?).filter(|own| own.count > 0);
            }
            b"stsh" => {
                self.shadows = Some(read_shadows(kind, content, samples)?).filter(|table| table.len() > 0);
            }
            b"senc" => {
                let bytes = (content.len() as u64).saturating_sub(8);
                // Of two, it is not known which counts.
                self.encryption = Some(self.encryption.map_or(bytes, |_| u64::MAX));
            }
            b"uuid" => self.has_own = true,
            b"cslg" => self.composition = Some(Composition::read(kind, content)?),
            _ => {}
        }
        Ok(())
    }

    fn leave_out(&mut self, kind: [u8; 4]) {
        if !self.others.contains(&kind) {
            self.others.push(kind);
        }
    }

    /// Adds groups; none: they are too many.
    fn group(&mut self, kind: [u8; 4], found: Option<Grouping>) -> Result<()> {
        // Each is looked for among all others.
        const MOST: usize = 256;
        let Some(found) = found.filter(|_| self.groupings.len() < MOST) else {
            self.leave_out(kind);
            return Ok(());
        };
        let is_same = |own: &Grouping| own.kind == found.kind && own.parameter == found.parameter;
        if self.groupings.iter().any(is_same) {
            return Err(wrong(kind, format!("samples are in groups {} already", name(found.kind))));
        }
        self.groupings.push(found);
        Ok(())
    }

    /// The groups of a kind.
    pub(crate) fn grouping(&self, kind: [u8; 4]) -> Option<&Grouping> {
        self.groupings.iter().find(|grouping| grouping.kind == kind)
    }

    /// How many entries there are, by names.
    pub(crate) fn entries(&self) -> Vec<(String, u64)> {
        let dependencies = self.dependencies.as_ref().map(|table| ("sdtp".to_owned(), table.len() as u64));
        let groupings = self.groupings.iter().map(|grouping| {
            let kind = if grouping.is_compact { "csgp" } else { "sbgp" };
            (format!("{kind} {}", name(grouping.kind)), grouping.runs.entries() as u64)
        });
        let of = |name: &str, count: Option<u64>| count.map(|count| (name.to_owned(), count));
        let listed = [
            of("stdp", self.priorities.as_ref().map(|table| table.len() as u64)),
            of("padb", self.padding.as_ref().map(|own| own.count.into())),
            of("stsh", self.shadows.as_ref().map(|table| table.len() as u64)),
        ];
        let descriptions = self
            .descriptions
            .iter()
            .map(|descriptions| (format!("sgpd {}", name(descriptions.kind)), descriptions.count.into()));
        let parts = self.parts.map(|samples| ("subs".to_owned(), samples));
        let auxiliary = self.auxiliary.iter().flat_map(|own| {
            let (samples, places) = own.counts();
            [(format!("saiz{}", own.name()), samples.into()), (format!("saio{}", own.name()), places.into())]
        });
        dependencies
            .into_iter()
            .chain(listed.into_iter().flatten())
            .chain(groupings)
            .chain(descriptions)
            .chain(parts)
            .chain(auxiliary)
            .collect()
    }

    pub(crate) fn held(&self) -> usize {
        let groupings = self.groupings.iter().map(|grouping| grouping.runs.held());
        let tables = [&self.dependencies, &self.priorities, &self.shadows].into_iter().flatten();
        let tables = tables.chain(self.padding.as_ref().map(|own| &own.table)).map(Table::size);
        let auxiliary = self.auxiliary.iter().map(Auxiliary::held);
        groupings.chain(tables).chain(auxiliary).fold(0, usize::saturating_add)
    }
}

impl GroupDescriptions {
    fn read(kind: [u8; 4], content: Bytes) -> Result<Self> {
        let (mut fields, version, _) = Fields::of_full(kind, content.clone())?;
        let about = fields.kind()?;
        let length = if version >= 1 { fields.u32()? } else { 0 };
        let default = if version >= 2 { fields.u32()? } else { 0 };
        let count = fields.u32()?;
        // In version 0 a reader has to know how long they are: all of one kind are as long as each other.
        let all = fields.left();
        let alike = usize::try_from(count).ok().and_then(|count| all.checked_div(count));
        for _ in 0..count {
            let own = match (version, length) {
                (0, _) => alike.unwrap_or(0),
                (_, 0) => usize::try_from(fields.u32()?).unwrap_or(usize::MAX),
                (_, length) => usize::try_from(length).unwrap_or(usize::MAX),
            };
            // Of no bytes, millions would be stated by a number.
            if own == 0 {
                return Err(wrong(kind, format!("its groups {} have no bytes", name(about))));
            }
            fields.skip(own)?;
        }
        Ok(Self { kind: about, count, default, content })
    }
}

impl Composition {
    fn read(kind: [u8; 4], content: Bytes) -> Result<Self> {
        let (mut fields, version, _) = Fields::of_full(kind, content)?;
        let mut number = || -> Result<i64> {
            let wide = fields.wide(version)?;
            Ok(if version == 0 { i64::from((wide as u32).cast_signed()) } else { wide.cast_signed() })
        };
        // The first one is how much all offsets are raised by.
        number()?;
        let (least_offset, most_offset, first, end) = (number()?, number()?, number()?, number()?);
        if least_offset > most_offset || first > end {
            return Err(wrong(kind, "the least is more than the largest"));
        }
        Ok(Self { least_offset, most_offset, first, end })
    }
}

/// How many samples have parts, by a subs.
fn parts(kind: [u8; 4], content: Bytes, samples: u32) -> Result<u64> {
    let (mut fields, version, _) = Fields::of_full(kind, content)?;
    let count = fields.u32()?;
    let mut sample: u64 = 0;
    for _ in 0..count {
        sample = sample.saturating_add(fields.u32()?.into());
        let parts = fields.u16()?;
        if parts > 0 && sample > samples.into() {
            return Err(wrong(kind, format!("it has parts of sample {sample}, and there are {samples}")));
        }
        let each: usize = if version == 1 { 10 } else { 8 };
        fields.skip(each.saturating_mul(parts.into()))?;
    }
    Ok(count.into())
}
