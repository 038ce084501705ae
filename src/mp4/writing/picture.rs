//! Descriptions of pictures (ISO/IEC 14496-12, 12.1.3; 14496-15, 5.4.2 and 8.4.1): fixed fields, and boxes of which one
//! has the parameter sets.

use super::put;
use crate::mp4::{boxes::children, sample_tables::Description};
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

    /// Whether both say the same of pictures but for their parameter sets, rates, and how an encoder calls itself. What
    /// one of them does not say of colours and fields its parameter sets do; pixels are square where nothing is said.
    pub(crate) fn differs_in_sets_alone(&self, other: &Self) -> bool {
        let size = |of: &Self| of.content.get(SIZE).map(<[u8]>::to_vec);
        let find = |of: &Self, wanted: [u8; 4]| of.boxes().find(|(kind, _)| *kind == wanted);
        let is_square = |content: &[u8]| content.first_chunk::<4>() == content.last_chunk::<4>();
        let is_said = |one: &Self, other: &Self| {
            one.boxes().all(|(kind, own)| match (&kind, find(other, kind)) {
                (b"avcC" | b"hvcC", theirs) => theirs.is_some(),
                (b"btrt", _) | (b"colr" | b"fiel", None) => true,
                (b"pasp", None) => is_square(&own),
                (_, theirs) => theirs.is_some_and(|(_, theirs)| own == theirs),
            })
        };
        self.kind == other.kind
            && size(self).is_some_and(|own| size(other) == Some(own))
            && is_said(self, other)
            && is_said(other, self)
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
        assert!(one.differs_in_sets_alone(&of(9, &[(*b"avcC", &[1, 3, 4])])));
        assert!(one.differs_in_sets_alone(&of(9, &[(*b"colr", &[1]), SETS])));
        assert!(!one.differs_in_sets_alone(&of(9, &[SETS, wide])));
        assert!(!of(9, &[SETS, wide]).differs_in_sets_alone(&one));
        assert!(!one.differs_in_sets_alone(&of(8, &[SETS])));
        assert!(!one.differs_in_sets_alone(&of(9, &[])));
        assert!(!one.differs_in_sets_alone(&of(9, &[SETS, (*b"dvcC", &[1])])));
        assert!(!of(9, &[SETS, (*b"colr", &[1])]).differs_in_sets_alone(&of(9, &[SETS, (*b"colr", &[2])])));
        assert!(!one.differs_in_sets_alone(&Description { kind: *b"avc3", ..one.clone() }));
        assert_eq!(one.configuration().unwrap(), SETS.1);
        let other = one.with_configuration(&[9, 9, 9]);
        assert_eq!(other.configuration().unwrap(), [9, 9, 9][..]);
        assert_eq!(other.content.len(), one.content.len() + 1);
        assert_eq!(other.with_configuration(SETS.1), one);
        // What breaks off says nothing.
        let short = Description { kind: *b"avc1", content: Bytes::from_static(&[0; 20]) };
        assert!(!short.differs_in_sets_alone(&short) && short.configuration().is_none());
    }
}
