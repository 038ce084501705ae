//! Two encoders' pictures under one set of parameter sets.

use super::{has_oracle, made, pictures, read};
use crate::bitstream::{Avc, Framing, Hevc, Renumber, hevc};

/// A stream behind start codes.
fn sent<'a>(
    sets: impl Iterator<Item = &'a bytes::Bytes>,
    packets: impl Iterator<Item = &'a [u8]>,
    framing: Framing,
) -> Vec<u8> {
    let mut bytes = Vec::new();
    let units = sets.map(|set| &set[..]).chain(packets.flat_map(|packet| framing.units(packet)));
    units.for_each(|unit| Framing::StartCodes.put(unit, &mut bytes).unwrap());
    bytes
}

#[test]
fn two_encoders_of_h264_share_a_configuration() {
    if !has_oracle() {
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let source = "-pix_fmt yuv420p -c:v libx264 -preset veryfast -g 12 -x264-params";
    // An encoder whose arithmetic coding, messages of a buffer, slices and weights differ; one without arithmetic
    // coding; sources that use ids 0 and 3.
    for (number, (source_parameters, seam)) in [
        (
            "ref=3",
            "-c:v libx264 -preset slower -x264-params slices=4:nal-hrd=vbr:vbv-maxrate=2000:vbv-bufsize=2000",
        ),
        ("ref=1", "-c:v libx264 -profile:v baseline"),
        ("sps-id=3", "-c:v libx264 -x264-params interlaced=1:sps-id=3"),
    ]
    .into_iter()
    .enumerate()
    {
        let a = made(folder.path(), &format!("a{number}.mp4"), 1, &format!("{source} {source_parameters}"));
        let b =
            made(folder.path(), &format!("b{number}.mp4"), 1, &format!("-vf negate -pix_fmt yuv420p {seam}"));
        let ((_, a_data, a_packets), (_, b_data, b_packets)) = (read(&a), read(&b));
        let (a_avc, b_avc) = (Avc::of(&a_data).unwrap(), Avc::of(&b_data).unwrap());
        let renumber = Renumber::h264(&a_avc.sps_ids(), &a_avc.pps_ids(), &b_avc).unwrap();
        let both = a_avc.with(&renumber.avc(&b_avc).unwrap()).unwrap();
        assert_eq!((both.sps.len(), both.pps.len()), (2, 2));
        let b_packets: Vec<_> = b_packets.iter().map(|packet| renumber.sample(packet).unwrap()).collect();
        let all = a_packets.iter().chain(&b_packets).chain(&a_packets).map(Vec::as_slice);
        let mixed = folder.path().join(format!("mixed{number}.h264"));
        std::fs::write(&mixed, sent(both.sps.iter().chain(&both.pps), all, both.framing())).unwrap();
        let (a, b) = (pictures(&a), pictures(&b));
        assert_eq!((a.len(), b.len()), (25, 25));
        assert_eq!(pictures(&mixed), [&a[..], &b, &a].concat(), "{seam}");
    }
}

#[test]
fn two_encoders_of_hevc_share_a_configuration() {
    if !has_oracle() {
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let encoder = "-pix_fmt yuv420p -c:v libx265 -x265-params log-level=none:keyint=12";
    for (number, seam) in [
        "-preset ultrafast -x265-params log-level=none:hrd=1:vbv-maxrate=900:vbv-bufsize=900:slices=2",
        "-preset medium -x265-params log-level=none:no-sao=1:repeat-headers=1",
    ]
    .into_iter()
    .enumerate()
    {
        let a = made(folder.path(), &format!("a{number}.mp4"), 1, encoder);
        let b = format!("-vf negate -pix_fmt yuv420p -c:v libx265 {seam}");
        let b = made(folder.path(), &format!("b{number}.mp4"), 1, &b);
        let ((_, a_data, a_packets), (_, b_data, b_packets)) = (read(&a), read(&b));
        let (a_hvcc, b_hvcc) = (Hevc::of(&a_data).unwrap(), Hevc::of(&b_data).unwrap());
        let taken = a_hvcc.ids();
        let renumber = Renumber::hevc([&taken[0], &taken[1], &taken[2]], &b_hvcc).unwrap();
        let both = a_hvcc.with(&renumber.hvcc(&b_hvcc).unwrap()).unwrap();
        assert_eq!(both.ids(), [[0, 1], [0, 15], [0, 15]]);
        let b_packets: Vec<_> = b_packets.iter().map(|packet| renumber.sample(packet).unwrap()).collect();
        let all = a_packets.iter().chain(&b_packets).chain(&a_packets).map(Vec::as_slice);
        let mixed = folder.path().join(format!("mixed{number}.hevc"));
        let sets = [hevc::VPS, hevc::SPS, hevc::PPS].into_iter().flat_map(|kind| both.sets(kind));
        std::fs::write(&mixed, sent(sets, all, both.framing())).unwrap();
        let (a, b) = (pictures(&a), pictures(&b));
        assert_eq!((a.len(), b.len()), (25, 25));
        assert_eq!(pictures(&mixed), [&a[..], &b, &a].concat(), "{seam}");
    }
}

#[test]
fn ids_that_are_all_taken() {
    let set = |bytes: &[u8]| bytes::Bytes::copy_from_slice(bytes);
    let mut avc = Avc {
        profile: 66,
        compatibility: 0,
        level: 30,
        length_size: 4,
        sps: vec![],
        // Picture parameter sets 0 and 15 of sequence 0.
        pps: vec![set(&[0x68, 0b1100_0000]), set(&[0x68, 0b0000_1000, 0b0100_0000])],
        tail: set(&[]),
    };
    let ids: Vec<u32> = (15..=29).collect();
    let renumber = Renumber::h264(&[], &[&[0][..], &ids].concat(), &avc).unwrap();
    assert!(!renumber.is_identity());
    // 0 gets 255, of 17 bits, where 30 goes to 15.
    assert!(Renumber::h264(&[], &[&[0][..], &ids, &[255]].concat(), &avc).is_err());
    assert!(Renumber::h264(&[7], &[7], &avc).unwrap().is_identity());
    avc.pps.truncate(1);
    let error = Renumber::h264(&[], &[&[0][..], &ids, &[30, 255]].concat(), &avc).unwrap_err();
    assert_eq!(error.kind(), crate::ErrorKind::Unsupported);
    // A slice of a set that there is not, and units of other views.
    let renumber = Renumber::h264(&[], &[0], &avc).unwrap();
    assert!(renumber.sample(&[0, 0, 0, 3, 0x65, 0b1000_1000, 0b0100_0000]).is_err());
    assert!(renumber.sample(&[0, 0, 0, 2, 0x74, 1]).is_err());
    assert_eq!(
        renumber.sample(&[0, 0, 0, 3, 0x65, 0b1000_1000, 0b1000_0001]).unwrap(),
        [0, 0, 0, 4, 0x65, 0b1000_1000, 0b0000_1000, 0b0000_0001]
    );
    // Lengths of one byte do not hold what has become longer.
    let long = [&[255, 0x65, 0b1000_1000, 0b1000_0001][..], &[1; 252]].concat();
    assert!(renumber.reframed(&long, Framing::Lengths(1), Framing::Lengths(1)).is_err());
    assert!(renumber.reframed(&long, Framing::Lengths(1), Framing::Lengths(4)).is_ok());
}
