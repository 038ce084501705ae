//! What else is said of the samples of a track in the making: of each one, of groups of them, of their parts.

use super::{
    auxiliary::DraftAuxiliary,
    parts::{DraftParts, append_parts},
    put,
    runs::{Runs, backfilled, fill, push},
    shadows::DraftShadows,
};
use crate::mp4::{
    movie::Track,
    name,
    sample_tables::{About, Extras, GroupDescriptions, Table},
};
use std::ops::Range;

/// Groups of a kind, and which of them samples are in.
#[derive(Debug)]
struct DraftGroups {
    kind: [u8; 4],
    parameter: Option<u32>,
    /// What a sample is in that a source says nothing of.
    default: u32,
    runs: Runs<u32>,
}

/// Some bytes of each sample: as many of each. What a source says nothing of has zeros.
#[derive(Debug)]
struct Each {
    width: usize,
    /// None as long as no source has some.
    bytes: Option<Vec<u8>>,
}

impl Each {
    fn new(width: usize) -> Self {
        Self { width, bytes: None }
    }

    fn held(&self) -> usize {
        self.bytes.as_ref().map_or(0, Vec::len)
    }

    /// Those of the samples between two, which `before` others are in front of.
    fn append(&mut self, theirs: Option<&[u8]>, range: Range<u32>, before: u32) {
        let len = |samples: u32| usize::try_from(samples).unwrap_or(usize::MAX).saturating_mul(self.width);
        let (before, added) = (len(before), len(range.end.saturating_sub(range.start)));
        let told = theirs.map(|bytes| {
            bytes.get(len(range.start).min(bytes.len())..len(range.end).min(bytes.len())).unwrap_or_default()
        });
        if let Some(told) = told {
            self.bytes.get_or_insert_with(|| vec![0; before]).extend_from_slice(told);
        }
        if let Some(own) = &mut self.bytes {
            own.resize(before.saturating_add(added), 0);
        }
    }
}

/// All of it.
#[derive(Debug)]
pub(super) struct DraftExtras {
    /// sdtp, stdp, and padb, of which it has a byte for each sample (8.6.4, 8.7.6).
    dependencies: Each,
    priorities: Each,
    padding: Each,
    shadows: DraftShadows,
    groups: Vec<DraftGroups>,
    group_descriptions: Vec<GroupDescriptions>,
    /// Which samples have parts: a box for each version and flags.
    parts: Vec<DraftParts>,
    /// What samples have besides, by what it is.
    pub auxiliary: Vec<DraftAuxiliary>,
}

impl Default for DraftExtras {
    fn default() -> Self {
        Self {
            dependencies: Each::new(1),
            priorities: Each::new(2),
            padding: Each::new(1),
            shadows: DraftShadows::default(),
            groups: Vec::new(),
            group_descriptions: Vec::new(),
            parts: Vec::new(),
            auxiliary: Vec::new(),
        }
    }
}

impl DraftExtras {
    /// Puts so many samples into the groups that another track's first sample is in, where none of these kinds are
    /// known.
    pub(super) fn group_like(&mut self, other: &Extras, count: u32) {
        for described in &other.descriptions {
            let kind = described.kind;
            let group = other.grouping(kind).and_then(|grouping| grouping.runs.between(0, 1).next());
            let is_known = self.groups.iter().any(|own| own.kind == kind)
                || self.group_descriptions.iter().any(|own| own.kind == kind && own.count > 0);
            let Some((_, group)) = group.filter(|(_, group)| *group > 0 && !is_known) else { continue };
            self.group_descriptions.retain(|own| own.kind != kind);
            self.group_descriptions.push(described.clone());
            let runs = backfilled(count, group);
            self.groups.push(DraftGroups { kind, parameter: None, default: described.default, runs });
        }
    }

    /// Bytes that are held for it.
    pub(super) fn held(&self) -> usize {
        let each = [&self.dependencies, &self.priorities, &self.padding].map(Each::held).into_iter();
        let groups = self.groups.iter().map(|own| own.runs.len().saturating_mul(8));
        let parts = self.parts.iter().map(DraftParts::held);
        let auxiliary = self.auxiliary.iter().map(DraftAuxiliary::held);
        each.chain(groups).chain(parts).chain(auxiliary).fold(self.shadows.held(), usize::saturating_add)
    }

    /// Whether something is listed of each sample.
    pub(super) fn lists(&self) -> bool {
        let each = [&self.dependencies, &self.priorities, &self.padding];
        each.iter().any(|own| own.bytes.is_some()) || !self.auxiliary.is_empty()
    }

    /// Bytes that would be held besides for so many more samples of a track, behind others.
    pub(super) fn would_hold(&self, theirs: &Extras, before: u32, added: u32) -> usize {
        let len = |samples: u32| usize::try_from(samples).unwrap_or(usize::MAX);
        let (all, added) = (len(before.saturating_add(added)), len(added));
        let each = [
            (&self.dependencies, theirs.dependencies.is_some()),
            (&self.priorities, theirs.priorities.is_some()),
            (&self.padding, theirs.padding.is_some()),
        ];
        let each = each.map(|(own, is_told)| match (&own.bytes, is_told) {
            (Some(_), _) => added.saturating_mul(own.width),
            (None, true) => all.saturating_mul(own.width),
            (None, false) => 0,
        });
        let is_new = |about: &About| self.auxiliary.iter().all(|own| own.about != *about);
        let new = theirs.auxiliary.iter().filter(|own| is_new(&own.about)).count();
        let auxiliary = added.saturating_mul(self.auxiliary.len()).saturating_add(all.saturating_mul(new));
        each.into_iter().fold(auxiliary, usize::saturating_add)
    }

    /// Whether something would be by these.
    pub(super) fn would_list(theirs: &Extras) -> bool {
        theirs.dependencies.is_some()
            || theirs.priorities.is_some()
            || theirs.padding.is_some()
            || !theirs.auxiliary.is_empty()
    }

    /// Takes what is said of the samples between two of a track, which `before` others are in front of. Returns what of
    /// it is left out, in words.
    pub(super) fn append(&mut self, track: &Track, range: Range<u32>, before: u32) -> Vec<String> {
        let theirs = &track.extras;
        self.dependencies.append(theirs.dependencies.as_ref().map(Table::bytes), range.clone(), before);
        self.priorities.append(theirs.priorities.as_ref().map(Table::bytes), range.clone(), before);
        let padding = theirs.padding.as_ref().map(|own| range.clone().map(|sample| own.of(sample)));
        let padding: Option<Vec<u8>> = padding.map(Iterator::collect);
        self.padding.append(padding.as_deref(), 0..range.end.saturating_sub(range.start), before);
        if let Some(pairs) = &theirs.shadows {
            self.shadows.append(pairs, range.clone(), before);
        }
        for theirs in &theirs.auxiliary {
            let place = self.auxiliary_of(theirs.about);
            if let Some(own) = self.auxiliary.get_mut(place) {
                own.append(theirs, range.clone(), before);
            }
        }
        let count = before.saturating_add(range.end.saturating_sub(range.start));
        self.auxiliary.iter_mut().for_each(|own| own.fill(count));
        theirs.subs.iter().for_each(|subs| append_parts(&mut self.parts, subs, range.clone(), before));
        let named =
            |kind: &[u8; 4]| format!("box {} is left out: it tells of samples by their numbers", name(*kind));
        let mut left_out: Vec<String> = theirs.others.iter().map(named).collect();
        self.append_groups(theirs, range, before, &mut left_out);
        left_out
    }

    fn append_groups(&mut self, theirs: &Extras, range: Range<u32>, before: u32, left_out: &mut Vec<String>) {
        for theirs in &theirs.descriptions {
            let own = self.group_descriptions.iter().find(|own| own.kind == theirs.kind);
            if own.is_none() {
                self.group_descriptions.push(theirs.clone());
            }
        }
        for grouping in &theirs.groupings {
            let described_by = theirs.descriptions.iter().find(|own| own.kind == grouping.kind);
            let default = described_by.map_or(0, |own| own.default);
            let described = |all: &[GroupDescriptions]| {
                all.iter().find(|own| own.kind == grouping.kind).map(|own| own.content.clone())
            };
            if described(&self.group_descriptions) != described(&theirs.descriptions) {
                let kind = name(grouping.kind);
                left_out.push(format!(
                    "sample groups {kind} are not those of the parts before: none of these samples is in one"
                ));
                continue;
            }
            let is_same =
                |own: &DraftGroups| own.kind == grouping.kind && own.parameter == grouping.parameter;
            let place = self.groups.iter().position(is_same).unwrap_or_else(|| {
                let (kind, parameter) = (grouping.kind, grouping.parameter);
                self.groups.push(DraftGroups { kind, parameter, default, runs: backfilled(before, default) });
                self.groups.len().saturating_sub(1)
            });
            if let Some(own) = self.groups.get_mut(place) {
                for (samples, group) in grouping.runs.between(range.start, range.end) {
                    push(&mut own.runs, samples, group);
                }
            }
        }
        let count = before.saturating_add(range.end.saturating_sub(range.start));
        for own in &mut self.groups {
            fill(&mut own.runs, count, own.default);
        }
    }

    /// Which of its own it is that samples have besides; it is added where it is not there yet.
    pub(super) fn auxiliary_of(&mut self, about: About) -> usize {
        self.auxiliary.iter().position(|own| own.about == about).unwrap_or_else(|| {
            self.auxiliary.push(DraftAuxiliary::new(about));
            self.auxiliary.len().saturating_sub(1)
        })
    }

    pub(super) fn without_auxiliary(self) -> Self {
        Self { auxiliary: Vec::new(), ..self }
    }

    /// What is said of samples one by one.
    pub(super) fn write_each(&self, to: &mut Vec<u8>) {
        for (kind, each) in [(*b"sdtp", &self.dependencies), (*b"stdp", &self.priorities)] {
            if let Some(bytes) = &each.bytes {
                put::versioned(to, kind, 0, |to| to.extend_from_slice(bytes));
            }
        }
        if let Some(padding) = &self.padding.bytes {
            put::versioned(to, *b"padb", 0, |to| {
                put::count(to, padding.len());
                let both = |pair: &[u8]| match pair {
                    [first, second] => first << 4 | second,
                    rest => rest.first().map_or(0, |first| first << 4),
                };
                to.extend(padding.chunks(2).map(both));
            });
        }
        self.shadows.write(to);
    }

    /// Groups, and parts of samples.
    pub(super) fn write_groups(&self, to: &mut Vec<u8>) {
        for own in &self.group_descriptions {
            put::kept(to, *b"sgpd", &own.content);
        }
        self.parts.iter().for_each(|own| own.write(to));
        for own in &self.groups {
            put::versioned(to, *b"sbgp", u8::from(own.parameter.is_some()), |to| {
                to.extend_from_slice(&own.kind);
                if let Some(parameter) = own.parameter {
                    put::u32(to, parameter);
                }
                put::count(to, own.runs.len());
                for (samples, group) in &own.runs {
                    put::u32(to, *samples);
                    put::u32(to, *group);
                }
            });
        }
    }
}
