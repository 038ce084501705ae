//! The tables of a stbl (ISO/IEC 14496-12, 8.5 to 8.7): where samples lie, how large they are, and when they
//! are decoded and composed. Their entries stay as they are in the file.

mod alike;
mod auxiliary;
mod chunks;
mod compact;
mod description;
mod groups;
mod in_chunks;
mod listing;
mod runs;
mod samples;
mod sizes;
mod sync;
mod table;

pub(crate) use auxiliary::{About, Auxiliary};
pub(crate) use description::{Description, read_descriptions};
pub(crate) use groups::{Extras, GroupDescriptions};
pub(crate) use in_chunks::{InChunks, SampleRun};
pub(crate) use listing::Listing;
pub(crate) use samples::{Samples, Walk};
pub(crate) use table::Table;

use super::{
    boxes::{
        children,
        fields::{Fields, wrong},
        name,
    },
    sample::Blocks,
};
use crate::Result;
use bytes::Bytes;
use chunks::{Chunks, Places};
use runs::Runs;
use sizes::Sizes;
use sync::{Listed, Sync};

/// The tables that are read; of each there is one.
const TABLES: [&[u8; 4]; 9] =
    [b"stts", b"ctts", b"stss", b"stps", b"stsc", b"stsz", b"stz2", b"stco", b"co64"];

/// The samples of a track, by its stbl's content. An error names the box that can't be meant.
pub(super) fn read_samples(
    table: &Bytes,
    descriptions: &[Description],
    extras: &Extras,
    is_sound: bool,
) -> Result<Samples> {
    for kind in TABLES {
        if children(table).filter(|(found, _)| found == kind).nth(1).is_some() {
            return Err(wrong(*b"stbl", format!("it has two {}", name(*kind))));
        }
    }
    let find = |wanted: &[u8; 4]| children(table).find(|(kind, _)| kind == wanted);
    let full =
        |(kind, content): ([u8; 4], Bytes)| Fields::of_full(kind, content).map(|(fields, ..)| (kind, fields));
    let needed = |wanted: &[u8; 4]| {
        find(wanted).ok_or_else(|| wrong(*b"stbl", format!("it has no {}", name(*wanted)))).and_then(full)
    };
    let (kind, fields) = needed(b"stts")?;
    let durations = Runs::read(kind, fields)?;
    let offsets = find(b"ctts").map(full).transpose()?.map(|(kind, fields)| Runs::read(kind, fields));
    let sizes = match find(b"stz2").map(full).transpose()? {
        Some((kind, fields)) => Sizes::read_stz2(kind, fields)?,
        None => {
            let (kind, fields) = needed(b"stsz")?;
            Sizes::read_stsz(kind, fields)?
        }
    };
    let (kind, fields) = match find(b"co64").map(full).transpose()? {
        Some(found) => found,
        None => needed(b"stco")?,
    };
    let places = Places::read(kind, fields)?;
    let (kind, fields) = needed(b"stsc")?;
    let chunks = Chunks::read(kind, fields, places)?;
    let used = chunks.descriptions();
    if used as usize > descriptions.len() && chunks.samples() > 0 {
        return Err(wrong(kind, format!("it uses description {used} of {}", descriptions.len())));
    }
    let listed = |kind: &[u8; 4]| {
        find(kind).map(full).transpose()?.map(|(kind, fields)| Listed::read(kind, fields)).transpose()
    };
    let random =
        extras.grouping(*b"rap ").filter(|grouping| !grouping.is_compact).map(|grouping| &grouping.runs);
    let sync = Sync::new(listed(b"stss")?, listed(b"stps")?, random)?;
    // In QuickTime the tables of sound count what is decoded, not what is stored (mov_build_index).
    let ticks = durations.entries() == 1 && durations.least == 1;
    let blocks = if is_sound && ticks { Some(blocks(&sizes, descriptions)?) } else { None };
    Samples::new(durations, offsets.transpose()?, sizes, chunks, sync, blocks)
}

fn blocks(sizes: &Sizes, descriptions: &[Description]) -> Result<Blocks> {
    let stated = match sizes {
        Sizes::Equal { size, .. } => Some(*size),
        Sizes::Each { .. } => None,
    };
    let all = || descriptions.iter().map(|description| description.blocks(stated));
    let first = all().next().flatten();
    let blocks = first.filter(|first| all().all(|other| other == Some(*first)));
    blocks.ok_or_else(|| wrong(*b"stsd", "it does not say how many bytes its sound has in a block"))
}
