use super::*;
use crate::{
    ErrorKind, Frame, Result,
    av::{
        decoder::Got,
        device::Device,
        encoder::{EncodeOptions, Encoder, EncoderKind},
        graph::{Format, Graph, GraphOptions, Input},
        packet::Packet,
    },
    time::Rational,
    transcode::flow::process::{End, GraphLink, Link, OnDevice, feed},
};

const TENTH: Rational = Rational { num: 1, den: 10 };
const GRAY: u8 = 100;

/// The devices of this machine that pictures can be brought onto; AVROPE_REQUIRE_DEVICES names those whose
/// absence is a failure.
fn devices() -> Vec<Device> {
    let required = std::env::var("AVROPE_REQUIRE_DEVICES").unwrap_or_default();
    let open = |kind: DeviceKind| match Device::by_index(kind, 0) {
        Ok(device) => Some(device),
        Err(error) if required.split(',').any(|name| name.trim() == kind.name()) => {
            panic!("AVROPE_REQUIRE_DEVICES names {kind}: {error}")
        }
        Err(error) => {
            eprintln!("SKIPPED, no {kind} device: {error}");
            None
        }
    };
    [DeviceKind::OpenCl, DeviceKind::Cuda].into_iter().filter_map(open).collect()
}

/// All of one gray, which remains what it is however it is scaled.
fn picture(format: &str, (width, height): (u32, u32), pts: i64) -> Frame {
    let mut picture = Frame::video(format, width, height).unwrap();
    for plane in 0..picture.planes() {
        picture.plane_mut(plane).unwrap().fill(if plane == 0 { GRAY } else { 128 });
    }
    picture.set_base(TENTH);
    picture.set_pts(pts);
    picture
}

/// One picture through a graph of its own.
fn through(picture: &Frame, text: &str, device: &Device) -> Frame {
    let (shape, frames) = (picture.shape(), picture.frames_context());
    let options = GraphOptions { device: Some(device.clone()), ..GraphOptions::default() };
    let input = Input { shape, time_base: TENTH, frame_rate: None, frames };
    let mut graph = Graph::new(&[input], text, &[], &options).unwrap();
    graph.push(0, Some(&mut picture.try_clone().unwrap())).unwrap();
    let mut out = Frame::new().unwrap();
    assert_eq!(graph.pull(&mut out).unwrap(), Got::Item);
    out
}

/// On the device, in a pool of its own.
fn there(device: &Device, size: (u32, u32), pts: i64) -> Frame {
    through(&picture("yuv420p", size, pts), "hwupload", device)
}

/// An encoder of any pictures, opened for the first.
#[derive(Default)]
struct Encodes {
    encoder: Option<Encoder>,
    form: Option<Form>,
    got: Vec<Frame>,
}

impl End for Encodes {
    fn format(&mut self, _format: &Format) -> Result<()> {
        Ok(())
    }

    fn form(&self) -> Option<&Form> {
        self.form.as_ref()
    }

    fn frame(&mut self, frame: Frame) -> Result<()> {
        let encoder = self.encoder.get_or_insert_with(|| open(&frame));
        self.form.get_or_insert_with(|| frame.form());
        encoder.send(Some(&frame))?;
        while encoder.receive(&mut Packet::new()?)? == Got::Item {}
        self.got.push(frame);
        Ok(())
    }
}

fn open(like: &Frame) -> Encoder {
    let options = EncodeOptions { threads: 1, global_header: false, bit_exact: false, options: Vec::new() };
    let kind = EncoderKind::find("wrapped_avframe").unwrap();
    Encoder::video(kind, like, TENTH, None, &options).unwrap()
}

/// What an encoder of the device gets of pictures that stay there, if they are there.
fn encoded(device: &Device, pictures: Vec<Frame>) -> Result<Vec<Frame>> {
    let mut link = GraphLink::new(String::new(), Vec::new());
    link.on_device = Some(OnDevice { text: "null".into(), tail: Vec::new(), size: None });
    link.options = GraphOptions { device: Some(device.clone()), ..GraphOptions::default() };
    let (mut links, mut end) = ([Link::Graph(Box::new(link))], Encodes::default());
    pictures.into_iter().try_for_each(|picture| feed(&mut links, picture, &mut end))?;
    Ok(end.got)
}

#[test]
fn all_pictures_come_in_what_the_encoder_was_opened_for() {
    for device in devices() {
        let (size, other) = ((64, 48), (128, 80));
        let memory = |format, size, pts| picture(format, size, pts);
        for (what, pictures) in [
            (
                "the next range's decoder has a pool of its own",
                vec![there(&device, size, 0), there(&device, size, 1)],
            ),
            ("another size on the device", vec![there(&device, size, 0), there(&device, other, 1)]),
            (
                "the decoder went on in software",
                vec![
                    there(&device, size, 0),
                    memory("yuv420p", size, 1),
                    memory("yuv422p", other, 2),
                    there(&device, size, 3),
                ],
            ),
            (
                "the device refused the first range",
                vec![
                    memory("yuv420p", size, 0),
                    there(&device, size, 1),
                    there(&device, other, 2),
                    memory("yuv420p", other, 3),
                ],
            ),
        ] {
            let (count, form) = (pictures.len(), pictures[0].form());
            let got = encoded(&device, pictures).unwrap_or_else(|e| panic!("{}: {what}: {e}", device.kind()));
            assert_eq!(got.len(), count, "{what}");
            for (number, picture) in got.iter().enumerate() {
                assert_eq!(picture.form(), form, "{}: {what}, picture {number}", device.kind());
                let seen = match picture.is_on_device() {
                    true => through(picture, "hwdownload,format=yuv420p", &device),
                    false => picture.try_clone().unwrap(),
                };
                let line = &seen.plane(0).unwrap()[..64];
                assert!(line.iter().all(|pixel| *pixel == GRAY), "{what}, picture {number}: {line:?}");
            }
        }
    }
}

#[test]
fn an_encoder_gets_no_picture_that_does_not_lie_where_it_was_opened_for() {
    for device in devices() {
        let (there, here) = (there(&device, (64, 48), 0), picture("yuv420p", (64, 48), 1));
        for (first, second) in [(&there, &here), (&here, &there)] {
            let mut encoder = open(first);
            assert_eq!(encoder.send(Some(first)).unwrap(), Got::Item);
            let error = encoder.send(Some(second)).unwrap_err();
            assert_eq!(error.kind(), ErrorKind::Bug, "{error}");
            assert_eq!(encoder.send(None).unwrap(), Got::Item, "the encoder goes on");
        }
    }
}

#[test]
fn pictures_of_which_one_side_alone_changes_are_scaled_in_memory() {
    let form = |width, height| Form { format: "nv12".into(), width, height, on_device: true };
    let names = |from, to| {
        let mut tail = Vec::new();
        bring(&mut tail, &from, &to, Some(DeviceKind::Cuda));
        tail.into_iter().map(|(name, _)| name).collect::<Vec<_>>()
    };
    let in_memory = ["hwdownload", "format", "scale", "format", "hwupload"];
    assert_eq!(names(form(320, 240), form(320, 180)), in_memory);
    assert_eq!(names(form(640, 240), form(320, 240)), in_memory);
    if device::has_filter("scale_cuda") {
        assert_eq!(names(form(640, 360), form(320, 180)), ["scale_cuda"]);
    }
}
