//! Parameter sets and configurations.

use super::{Traced, has_oracle, made, read, shared, traced};
use crate::bitstream::{
    Avc, Hevc, Sets,
    configuration::Array,
    h264::{self, Restriction, Sps, Vui, with_reordering},
    hevc,
    sei::{Message, messages},
    units::unescaped,
};

/// Each field of a sequence parameter set that is read, by the oracle's name for it.
#[track_caller]
fn is_as_traced(sps: &Sps, traced: &Traced) {
    let number = |name: &str| traced.first(name).map(|value| value as u32);
    let or = |name: &str, otherwise: u32| number(name).unwrap_or(otherwise);
    assert_eq!(Some(sps.id), number("seq_parameter_set_id"));
    assert_eq!(Some(u32::from(sps.profile)), number("profile_idc"));
    assert_eq!(Some(u32::from(sps.level)), number("level_idc"));
    assert_eq!(sps.chroma_format, or("chroma_format_idc", 1));
    assert_eq!(sps.luma_bits, or("bit_depth_luma_minus8", 0) + 8);
    assert_eq!(sps.chroma_bits, or("bit_depth_chroma_minus8", 0) + 8);
    assert_eq!(sps.frame_num_bits as u32, or("log2_max_frame_num_minus4", 0) + 4);
    assert_eq!(Some(sps.poc_type), number("pic_order_cnt_type"));
    assert_eq!(Some(sps.references), number("max_num_ref_frames"));
    assert_eq!(Some(u32::from(sps.is_frames_only)), number("frame_mbs_only_flag"));
    assert_eq!(sps.vui.is_some(), number("vui_parameters_present_flag") == Some(1));
    let restriction = sps.restriction();
    assert_eq!(restriction.map(|it| it.reordering), number("max_num_reorder_frames"));
    assert_eq!(restriction.map(|it| it.buffering), number("max_dec_frame_buffering"));
    let Some(vui) = &sps.vui else { return };
    assert_eq!(vui.timing.map(|timing| timing.0), number("num_units_in_tick"));
    assert_eq!(vui.timing.map(|timing| timing.1), number("time_scale"));
    assert_eq!(vui.color.map(|color| color[0]), number("colour_primaries"));
    assert_eq!(vui.color.map(|color| color[2]), number("matrix_coefficients"));
    assert_eq!(vui.is_full_range.map(u32::from), number("video_full_range_flag"));
    assert_eq!(Some(u32::from(vui.has_pic_struct)), number("pic_struct_present_flag"));
    let delays = vui.nal_hrd.map(|hrd| hrd.removal_delay_bits as u32);
    assert_eq!(delays, number("cpb_removal_delay_length_minus1").map(|bits| bits + 1));
}

const ENCODINGS: [&str; 6] = [
    "-pix_fmt yuv420p -c:v libx264 -profile:v baseline",
    "-pix_fmt yuv420p -c:v libx264 -preset veryslow -color_primaries bt709 -color_trc bt709 -colorspace bt709",
    "-pix_fmt yuv422p10le -c:v libx264 -x264-params sps-id=3:interlaced=1:nal-hrd=cbr:bitrate=500:vbv-maxrate=500:vbv-bufsize=500",
    "-pix_fmt yuv444p -c:v libx264 -color_range pc",
    "-pix_fmt gray -c:v libx264 -bf 0",
    "-pix_fmt yuv420p -c:v libx264 -x264-params cqm=jvt:pic-struct=1:force-cfr=1",
];

fn set(bytes: &[u8]) -> bytes::Bytes {
    bytes::Bytes::copy_from_slice(bytes)
}

#[test]
fn configurations_of_h264() {
    if !has_oracle() {
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    for (number, encoding) in ENCODINGS.iter().enumerate() {
        let clip = made(folder.path(), &format!("{number}.mp4"), 1, encoding);
        let (_, extradata, packets) = read(&clip);
        let avc = Avc::of(&extradata).unwrap();
        assert_eq!(avc.to_bytes().unwrap(), extradata, "{encoding}");
        let sps = Sps::read(&avc.sps[0]).unwrap();
        let packets_traced = traced(&clip);
        is_as_traced(&sps, &packets_traced[0]);
        assert_eq!(sps.size, (192, 112));
        let structures = |packet: &Vec<u8>| {
            let units = avc.framing().units(packet).filter(|unit| h264::kind(unit) == Some(h264::SEI));
            let units: Vec<_> = units.map(unescaped).collect();
            let messages = units.iter().flat_map(|unit| messages(unit, 1));
            let timings = messages.filter(|message| message.kind == Message::PICTURE_TIMING);
            timings.filter_map(|message| sps.picture_structure(message.payload)).collect::<Vec<_>>()
        };
        for (packet, traced) in packets.iter().zip(&packets_traced[1..]) {
            let expected: Vec<_> = traced.all("pic_struct").into_iter().map(|value| value as u32).collect();
            assert_eq!(structures(packet), expected, "{encoding}");
        }
        // The same sets behind start codes are the same configuration, as libav's muxer writes it.
        let codes: Vec<u8> =
            avc.sps.iter().chain(&avc.pps).flat_map(|set| [&[0, 0, 0, 1], &set[..]].concat()).collect();
        assert_eq!(Avc::of(&codes).unwrap().to_bytes().unwrap(), extradata, "{encoding}");
        assert_eq!(avc.with(&avc).unwrap(), avc);
        let promise = Restriction { reordering: 4, buffering: 7 };
        let promised = Sps::read(&with_reordering(&avc.sps[0], promise, sps.level).unwrap()).unwrap();
        assert_eq!(promised.restriction(), Some(promise));
        let all = |sps: &Sps| (sps.id, sps.size, sps.references, sps.poc_bits, sps.is_frames_only);
        assert_eq!(all(&promised), all(&sps));
        let vui = promised.vui.map(|vui| Vui { restriction: sps.restriction(), ..vui });
        assert_eq!(vui.unwrap(), sps.vui.unwrap_or_default());
    }
    for name in ["bikes.mp4", "world.mp4", "two-idr-four-i.mp4", "cases/pancake.mkv"] {
        if let Some(clip) = shared(name) {
            let (_, extradata, _) = read(&clip);
            let avc = Avc::of(&extradata).unwrap();
            assert_eq!(avc.to_bytes().unwrap(), extradata);
            is_as_traced(&Sps::read(&avc.sps[0]).unwrap(), &traced(&clip)[0]);
        }
    }
}

#[test]
fn sets_promise_at_a_level_that_allows_it() {
    if !has_oracle() {
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let of = |name: &str, codec: &str, params: &str| {
        let encoding = format!("-c:v lib{codec} -{codec}-params {params}");
        let (_, extradata, _) = read(&made(folder.path(), name, 1, &encoding));
        Sets::of(if codec == "x264" { "h264" } else { "hevc" }, &extradata).unwrap()
    };
    let h264 = |sets: &Sets| match sets {
        Sets::Avc(own) => {
            Sps::read(&own.sps[0]).map(|sps| (sps.restriction().unwrap(), sps.level, own.level))
        }
        Sets::Hevc(_) => None,
    };
    let restricted = |reordering, buffering| Restriction { reordering, buffering };
    let low = of("low.mp4", "x264", "level=1.1:ref=6:bframes=0");
    let high = of("high.mp4", "x264", "level=5.1:ref=4:bframes=3:b-pyramid=none");
    assert_eq!(h264(&low).unwrap(), (restricted(0, 6), 11, 11));
    assert_eq!(h264(&high).unwrap(), (restricted(1, 4), 51, 51));
    let mut own = low.clone();
    high.promise_to(&mut own).unwrap();
    // Each number is the larger one: it needs its own as well.
    assert_eq!(h264(&own).unwrap(), (restricted(1, 6), 51, 51));
    let mut own = high.clone();
    low.promise_to(&mut own).unwrap();
    assert_eq!(h264(&own).unwrap(), (restricted(1, 6), 51, 51));
    let mut alone = low.clone();
    alone.promise_alike().unwrap();
    assert_eq!(alone.to_bytes().unwrap(), low.to_bytes().unwrap(), "nothing is promised anew");
    let hevc = |sets: &Sets| match sets {
        Sets::Hevc(own) => {
            let [vps, sps] = [hevc::VPS, hevc::SPS].map(|kind| own.sets(kind).next().unwrap());
            let (vps, sps) = (hevc::Vps::read(vps).unwrap(), hevc::Sps::read(sps).unwrap());
            assert_eq!((vps.ordering, vps.level), (sps.ordering, sps.level()));
            Some(([sps.ordering.buffering, sps.ordering.reordering], sps.level(), own.profile[11]))
        }
        Sets::Avc(_) => None,
    };
    let low = of("low-hevc.mp4", "x265", "log-level=none:level-idc=3:ref=5:bframes=0");
    let high = of("high-hevc.mp4", "x265", "log-level=none:level-idc=5.1:ref=1:bframes=4:b-pyramid=1");
    let (own, theirs) = (hevc(&low).unwrap(), hevc(&high).unwrap());
    let most = [own.0[0].max(theirs.0[0]), own.0[1].max(theirs.0[1])];
    assert!(own.0 != most && theirs.0[1] > own.0[1], "{own:?} {theirs:?}");
    let mut both = low.clone();
    high.promise_to(&mut both).unwrap();
    assert_eq!(hevc(&both).unwrap(), (most, theirs.1, theirs.1));
}

#[test]
fn what_one_configuration_cannot_hold() {
    let pps = |id: u8| set(&[0x68, 0b1100_0000 | id]);
    let avc = Avc {
        profile: 77,
        compatibility: 0x40,
        level: 30,
        length_size: 4,
        sps: vec![],
        pps: vec![pps(1)],
        tail: set(&[]),
    };
    let high = Avc {
        profile: 100,
        compatibility: 0,
        level: 31,
        pps: vec![pps(1)],
        tail: set(&[0xFD, 0xF8, 0xF8, 0]),
        ..avc.clone()
    };
    let both = avc.with(&high).unwrap();
    assert_eq!((both.profile, both.compatibility, both.level, both.pps.len()), (100, 0, 31, 1));
    assert_eq!(both.tail, high.tail);
    let clash = Avc { pps: vec![pps(2)], ..high.clone() };
    assert!(avc.with(&clash).unwrap_err().to_string().contains("one id"));
    let ten_bits = Avc { tail: set(&[0xFD, 0xFA, 0xFA, 0]), ..high };
    assert!(avc.with(&ten_bits).unwrap_err().to_string().contains("other bits"));
    let unknown = Avc { profile: 118, ..avc.clone() };
    assert!(avc.with(&unknown).unwrap_err().to_string().contains("118"));
    let many = Avc { sps: (0..32).map(|n| set(&[0x67, n])).collect(), ..avc.clone() };
    assert!(many.to_bytes().unwrap_err().to_string().contains("31"));
    let many = Avc { pps: (0..256).map(|n: u16| set(&n.to_be_bytes())).collect(), ..avc.clone() };
    assert!(many.to_bytes().unwrap_err().to_string().contains("255"));
    let bytes = avc.to_bytes().unwrap();
    for end in 0..bytes.len() {
        assert!(Avc::of(&bytes[..end]).is_err());
    }
}

#[test]
fn configurations_of_hevc() {
    if !has_oracle() {
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    for (number, encoding) in [
        "-pix_fmt yuv420p -c:v libx265 -preset ultrafast -x265-params log-level=none",
        "-pix_fmt yuv422p10le -c:v libx265 -preset ultrafast -x265-params log-level=none:bframes=0:temporal-layers=1",
        "-pix_fmt yuv420p10le -c:v libx265 -x265-params log-level=none:scaling-list=default:colorprim=bt2020:\
         transfer=smpte2084:colormatrix=bt2020nc:range=full:sar=4\\:3:overscan=show",
        "-pix_fmt yuv444p -c:v libx265 -preset ultrafast -x265-params log-level=none:hrd=1:vbv-maxrate=900:vbv-bufsize=900:interlace=tff",
    ]
    .iter()
    .enumerate()
    {
        let clip = made(folder.path(), &format!("{number}.mp4"), 1, encoding);
        let (_, extradata, _) = read(&clip);
        let hvcc = Hevc::of(&extradata).unwrap();
        assert_eq!(hvcc.to_bytes().unwrap(), extradata, "{encoding}");
        assert_eq!(hvcc.with(&hvcc).unwrap(), hvcc);
        let set = hvcc.sets(hevc::SPS).next().unwrap();
        let sps = hevc::Sps::read(set).unwrap();
        let traced = &traced(&clip)[0];
        let number = |name: &str| traced.first(name).map(|value| value as u32);
        assert_eq!(Some(sps.id), number("sps_seq_parameter_set_id"));
        assert_eq!(Some(sps.vps), number("sps_video_parameter_set_id"));
        assert_eq!(Some(sps.chroma_format), number("chroma_format_idc"));
        assert_eq!(Some(sps.luma_bits - 8), number("bit_depth_luma_minus8"));
        assert_eq!(Some(sps.chroma_bits - 8), number("bit_depth_chroma_minus8"));
        assert_eq!(Some(sps.poc_bits as u32 - 4), number("log2_max_pic_order_cnt_lsb_minus4"));
        let last = |name: &str| number(&format!("{name}[{}]", sps.sub_layers)).unwrap();
        assert_eq!(sps.ordering.buffering, last("sps_max_dec_pic_buffering_minus1"));
        assert_eq!(sps.ordering.reordering, last("sps_max_num_reorder_pics"));
        assert_eq!(sps.ordering.latency, last("sps_max_latency_increase_plus1"));
        assert_eq!(sps.size, (192, 112));
        // The same sets behind start codes, but for what libav reads for decoders with threads.
        let units = [hevc::VPS, hevc::SPS, hevc::PPS].into_iter().flat_map(|kind| hvcc.sets(kind));
        let codes: Vec<u8> = units.flat_map(|set| [&[0, 0, 0, 1], &set[..]].concat()).collect();
        let from_codes = Hevc::of(&codes).unwrap();
        assert_eq!(from_codes.ids(), hvcc.ids());
        assert_eq!((from_codes.profile, from_codes.layers), (hvcc.profile, hvcc.layers));
        assert_eq!(from_codes.format[3..], hvcc.format[3..]);
        let promise = hevc::Ordering { buffering: 6, reordering: 4, latency: 9 };
        let promised = hevc::with_ordering(set, promise, 150).unwrap();
        let back = hevc::with_ordering(&promised, sps.ordering, sps.level()).unwrap();
        let read = hevc::Sps::read(&promised).unwrap();
        assert_eq!((read.ordering, read.level(), read.size), (promise, 150, sps.size));
        let vps = hvcc.sets(hevc::VPS).next().unwrap();
        let own = hevc::Vps::read(vps).unwrap();
        assert_eq!(own.ordering.buffering, last("vps_max_dec_pic_buffering_minus1"));
        assert_eq!(own.ordering.reordering, last("vps_max_num_reorder_pics"));
        let other = hevc::Vps::with_ordering(vps, promise, 150).unwrap();
        let read = hevc::Vps::read(&other).unwrap();
        assert_eq!((read.ordering, read.level), (promise, 150));
        let same = hevc::Vps::with_ordering(&other, own.ordering, own.level).unwrap();
        let again = hevc::Vps::read(&same).unwrap();
        assert_eq!((again.ordering, again.level, same.len()), (own.ordering, own.level, vps.len()));
        let vui = hevc::Vui::read(set).unwrap();
        assert_eq!(vui.color.map(|color| color[2]), traced.first("matrix_coefficients").map(|it| it as u32));
        assert_eq!(vui.color.map(|color| color[0]), traced.first("colour_primaries").map(|it| it as u32));
        let range = traced.first("video_full_range_flag").is_some_and(|range| range == 1);
        assert_eq!(vui.is_full_range, range);
        if sps.sub_layers == 0 {
            // One flag is another for a single layer.
            let again = hevc::Sps::read(&back).unwrap();
            assert_eq!((again.ordering, again.size, again.profile), (sps.ordering, sps.size, sps.profile));
            assert_eq!(back.len(), set.len());
        }
    }
    let ten_bits = |bits: u8| Hevc {
        profile: [2, 0x20, 0, 0, 0, 0x90, 0, 0, 0, 0, 0, 93],
        format: [0xF0, 0, 0xFC, 0xFD, 0xF8 | bits, 0xF8 | bits, 0, 0],
        layers: 0x0C,
        length_size: 4,
        arrays: vec![],
    };
    let (main, ten) =
        (Hevc { profile: [33, 0x60, 0, 0, 0, 0xB0, 0, 0, 0, 0, 0, 90], ..ten_bits(2) }, ten_bits(2));
    assert_eq!(ten.with(&main).unwrap().profile, [34, 0x20, 0, 0, 0, 0x90, 0, 0, 0, 0, 0, 93]);
    assert!(ten.with(&ten_bits(0)).unwrap_err().to_string().contains("other bits"));
    let scalable = Hevc { profile: [7; 12], ..ten_bits(2) };
    assert!(ten.with(&scalable).unwrap_err().to_string().contains("profiles 2 and 7"));
    let bytes = ten.to_bytes().unwrap();
    for end in 0..bytes.len() {
        assert!(Hevc::of(&bytes[..end]).is_err());
    }
    let many = Array { kind: hevc::SPS, is_complete: true, units: vec![set(&[]); 1025] };
    let many = Hevc { arrays: vec![many], ..ten_bits(2) }.to_bytes().unwrap();
    assert!(Hevc::of(&many).unwrap_err().to_string().contains("1024"));
    let many: Vec<u8> =
        (0..1025_u16).flat_map(|n| [&[0, 0, 1, 0x68, 1][..], &n.to_be_bytes(), &[1]].concat()).collect();
    assert!(Avc::of(&many).unwrap_err().to_string().contains("1024"));
}
