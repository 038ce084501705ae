//! The brands of a file (ftyp; ISO/IEC 14496-12, 4.3): which specifications it is made by.

use bytes::Bytes;

/// Those of files in segments or fragments (ISO/IEC 23009-1, 6.3.4.2; 23000-19, annex E).
const OF_FRAGMENTS: [&[u8; 4]; 13] = [
    b"dash", b"msdh", b"msix", b"risx", b"lmsg", b"sims", b"ssss", b"cmfc", b"cmf2", b"cmff", b"cmfl",
    b"cmfs", b"hlsf",
];

/// What a file may call itself that has no fragments any more. The first brand is followed by a version of its own.
pub(crate) fn without_fragments(brands: &Bytes) -> Bytes {
    let Some(([major, version], others)) =
        brands.as_chunks::<4>().0.split_first_chunk::<2>().map(|(head, others)| (*head, others))
    else {
        return brands.clone();
    };
    let is_kept = |brand: &&[u8; 4]| !OF_FRAGMENTS.contains(brand);
    let (is_same, mut kept) = (is_kept(&&major), others.iter().filter(is_kept));
    if is_same && kept.clone().count() == others.len() {
        return brands.clone();
    }
    let head = match is_same {
        true => [major, version],
        false => [kept.clone().next().copied().unwrap_or(*b"isom"), [0; 4]],
    };
    let mut all = head.concat();
    kept.by_ref().for_each(|brand| all.extend_from_slice(brand));
    all.into()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn brands_of_fragments_go() {
        for (from, to) in [
            ("isom0000isomiso2", "isom0000isomiso2"),
            ("iso50512iso5iso6dashmp41", "iso50512iso5iso6mp41"),
            ("dash0001iso6mp41", "iso6\0\0\0\0iso6mp41"),
            ("cmfc0000cmfc", "isom\0\0\0\0"),
            ("iso6", "iso6"),
            ("", ""),
        ] {
            let made = without_fragments(&Bytes::copy_from_slice(from.as_bytes()));
            assert_eq!(made, to.as_bytes(), "{from}");
        }
    }
}
