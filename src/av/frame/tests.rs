//! What a frame refuses and shares.

use super::*;

#[test]
fn a_shared_picture_is_copied_before_it_is_written_to() {
    let mut frame = Frame::video("yuv420p", 33, 17).unwrap();
    for plane in 0..3 {
        frame.plane_mut(plane).unwrap().fill(7);
    }
    assert_eq!(frame.planes(), 3);
    // 17 lines of luma, 9 of chroma.
    assert_eq!(frame.plane(0).unwrap().len(), frame.stride(0) * 16 + 33);
    assert_eq!(frame.plane(1).unwrap().len(), frame.stride(1) * 8 + 17);
    assert!(frame.plane(3).is_none());
    let shared = frame.try_clone().unwrap();
    frame.plane_mut(0).unwrap().fill(9);
    assert_eq!(shared.plane(0).unwrap()[0], 7);
    assert_eq!(frame.plane(0).unwrap()[0], 9);
}

#[test]
fn sound_is_trimmed_at_both_ends() {
    let mut frame = Frame::audio("s16p", "5.1", 48_000, 10).unwrap();
    assert_eq!((frame.planes(), frame.layout().as_str()), (6, "5.1"));
    for (i, byte) in frame.plane_mut(5).unwrap().iter_mut().enumerate() {
        *byte = u8::try_from(i).unwrap();
    }
    frame.trim(3, 8).unwrap();
    assert_eq!(frame.samples(), 5);
    assert_eq!(frame.plane(5).unwrap(), (6..16).collect::<Vec<u8>>());
}

#[test]
fn what_libav_does_not_know_is_an_error() {
    assert!(Frame::video("no such format", 4, 4).is_err());
    assert!(Frame::video("yuv420p", 0, 4).is_err());
    assert!(Frame::audio("s16", "nonsense", 48_000, 4).is_err());
    assert!(Frame::audio("s16", "mono", 0, 4).is_err());
    // A frame without a picture in it, as after a failed decode.
    let blank = Frame::new().unwrap();
    assert_eq!((blank.planes(), blank.plane(0).is_none()), (0, true));
}
