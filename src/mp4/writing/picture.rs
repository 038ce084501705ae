//! Descriptions of pictures (ISO/IEC 14496-12, 12.1.3; 14496-15, 5.4.2 and 8.4.1): fixed fields, and boxes of which one
//! has the parameter sets.

use super::put;
use crate::mp4::{
    boxes::{children, name},
    sample_tables::Description,
};
use bytes::Bytes;

/// Bytes in front of the boxes.
const FIXED: usize = 78;
/// Where width and height lie among those.
const SIZE: std::ops::Range<usize> = 24..28;
const CONFIGURATIONS: [&[u8; 4]; 2] = [b"avcC", b"hvcC"];

impl Description {
    fn boxes(&self) -> impl Iterator<Item = ([u8; 4], Bytes)> + use<> {
        children(&self.content.slice(FIXED.min(self.content.len())..))
    }

    /// The parameter sets of H.264 or HEVC, as avcC and hvcC have them.
    pub(crate) fn configuration(&self) -> Option<Bytes> {
        self.boxes().find(|(kind, _)| CONFIGURATIONS.contains(&kind)).map(|(_, content)| content)
    }

    /// The same with other parameter sets.
    pub(crate) fn with_configuration(&self, configuration: &[u8]) -> Self {
        let mut content = self.content.slice(..FIXED.min(self.content.len())).to_vec();
        for (kind, own) in self.boxes() {
            let is_it = CONFIGURATIONS.contains(&&kind);
            put::kept(&mut content, kind, if is_it { configuration } else { &own });
        }
        Self { kind: self.kind, content: content.into() }
    }

    /// What both do not say alike of pictures, but for their parameter sets, rates, and how an encoder calls itself.
    /// Pixels are square where nothing is said. Of colours and fields, `is_said` is asked: whether the sets of the one
    /// that has no such box say what the other's does.
    pub(crate) fn difference_beside_sets(
        &self,
        other: &Self,
        is_said: impl Fn(&[u8], &[u8; 4], &[u8]) -> bool,
    ) -> Option<String> {
        let size = |of: &Self| of.content.get(SIZE).map(<[u8]>::to_vec);
        let find = |of: &Self, wanted: [u8; 4]| of.boxes().find(|(kind, _)| *kind == wanted);
        let is_square = |content: &[u8]| content.first_chunk::<4>() == content.last_chunk::<4>();
        let unlike = |one: &Self, other: &Self| {
            let says =
                |kind: &[u8; 4], own: &[u8]| other.configuration().is_some_and(|it| is_said(&it, kind, own));
            let is_alike = |(kind, own): &([u8; 4], Bytes)| match (kind, find(other, *kind)) {
                (b"avcC" | b"hvcC", theirs) => theirs.is_some(),
                (b"btrt", _) => true,
                (b"colr" | b"fiel", None) => says(kind, own),
                (b"pasp", None) => is_square(own),
                (_, theirs) => theirs.is_some_and(|(_, theirs)| *own == theirs),
            };
            let mut boxes = one.boxes();
            boxes.find(|it| !is_alike(it)).map(|(kind, _)| format!("what its box {} says", name(kind)))
        };
        if self.kind != other.kind {
            return Some(format!("its kind {}", name(self.kind)));
        }
        if size(self).is_none() || size(self) != size(other) {
            return Some("its size".to_owned());
        }
        unlike(self, other).or_else(|| unlike(other, self))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(height: u8, boxes: &[([u8; 4], &[u8])]) -> Description {
        let mut content = vec![0; FIXED];
        content[SIZE.end - 1] = height;
        boxes.iter().for_each(|(kind, own)| put::kept(&mut content, *kind, own));
        Description { kind: *b"avc1", content: content.into() }
    }

    #[test]
    fn descriptions_differ_in_sets_alone_or_in_more() {
        const SETS: ([u8; 4], &[u8]) = (*b"avcC", &[1, 2]);
        let square: ([u8; 4], &[u8]) = (*b"pasp", &[0, 0, 0, 4, 0, 0, 0, 4]);
        let wide: ([u8; 4], &[u8]) = (*b"pasp", &[0, 0, 0, 4, 0, 0, 0, 3]);
        let one = of(9, &[SETS, square, (*b"btrt", &[7])]);
        let differ = |one: &Description, other: &Description| {
            let what = one.difference_beside_sets(other, |_, _, content| content == [1]);
            assert_eq!(
                other.difference_beside_sets(one, |_, _, content| content == [1]).is_some(),
                what.is_some()
            );
            what
        };
        assert_eq!(differ(&one, &of(9, &[(*b"avcC", &[1, 3, 4])])), None);
        let unlike = [
            (of(9, &[SETS, wide]), "what its box pasp says"),
            (of(8, &[SETS]), "its size"),
            (of(9, &[]), "what its box avcC says"),
            (of(9, &[SETS, (*b"dvcC", &[1])]), "what its box dvcC says"),
            (of(9, &[SETS, (*b"colr", &[2])]), "what its box colr says"),
            (of(9, &[SETS, (*b"fiel", &[2, 1])]), "what its box fiel says"),
            (Description { kind: *b"avc3", ..one.clone() }, "its kind avc1"),
        ];
        for (other, what) in unlike {
            assert_eq!(differ(&one, &other).unwrap(), what);
        }
        // The sets of the one that has no such box say it.
        assert_eq!(differ(&one, &of(9, &[(*b"colr", &[1]), SETS])), None);
        assert_eq!(differ(&one, &of(9, &[(*b"fiel", &[1]), SETS])), None);
        assert!(differ(&of(9, &[SETS, (*b"colr", &[1])]), &of(9, &[SETS, (*b"colr", &[2])])).is_some());
        assert_eq!(one.configuration().unwrap(), SETS.1);
        let other = one.with_configuration(&[9, 9, 9]);
        assert_eq!(other.configuration().unwrap(), [9, 9, 9][..]);
        assert_eq!(other.content.len(), one.content.len() + 1);
        assert_eq!(other.with_configuration(SETS.1), one);
        // What breaks off says nothing.
        let short = Description { kind: *b"avc1", content: Bytes::from_static(&[0; 20]) };
        assert!(differ(&short, &short).is_some() && short.configuration().is_none());
    }
}
