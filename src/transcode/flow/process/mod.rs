//! The process stage: frames go through filter graphs and the caller's processors to what the encoder takes.

mod form;
pub(crate) mod layers;
mod mix;
mod onsets;
pub(crate) mod processor;
pub(crate) mod second;
pub(crate) mod tempo;

use super::{
    messages::Decoded,
    queue::{Rx, Stop},
};
use crate::{
    Frame, Result,
    av::{
        decoder::Got,
        device::Device,
        frame::{Form, Shape},
        graph::{Format, Graph, GraphOptions, Input},
    },
    time::Rational,
};
use layers::{Layer, Side};
pub(crate) use mix::Mix;
use processor::Processor;
use second::Work;

/// A filter graph with one input and what lies over its pictures, made anew when what comes in changes.
pub(crate) struct GraphLink {
    /// libavfilter's text; empty for nothing but the tail and the layers.
    pub description: String,
    /// Filters behind it.
    pub tail: Vec<(&'static str, String)>,
    pub frame_rate: Option<Rational>,
    pub options: GraphOptions,
    /// For frames that lie on a device.
    pub on_device: Option<OnDevice>,
    /// What lies over the pictures: each goes into an input behind the first.
    pub layers: Vec<Layer>,
    made: Option<Box<Made>>,
}

/// What is done with frames on the device that they lie on.
pub(crate) struct OnDevice {
    /// libavfilter's text, `{memory}` being their format in memory.
    pub text: String,
    /// Filters behind it.
    pub tail: Vec<(&'static str, String)>,
    /// What the text scales them to; the side that is 0 follows from the other, and is even.
    pub size: Option<(u32, u32)>,
}

impl OnDevice {
    /// Whether it can be done with these. Where they are cropped in front, libav's filters for devices don't
    /// see it; and of pictures of which one side alone gets shorter `scale_cuda` makes nothing (green; FFmpeg
    /// 9.0).
    fn takes(&self, shape: &Shape) -> bool {
        let (width, height) = (i64::from(shape.width), i64::from(shape.height));
        let follows = |side: i64, from: i64, to: i64| {
            let twice = from.saturating_mul(2);
            let product = side.saturating_mul(to);
            product.saturating_add(from).checked_div(twice).unwrap_or(0).saturating_mul(2)
        };
        let both_or_none = self.size.is_none_or(|(w, h)| {
            let (w, h) = (i64::from(w), i64::from(h));
            let to = match (w, h) {
                (0, h) => (follows(h, height, width), h),
                (w, 0) => (w, follows(w, width, height)),
                both => both,
            };
            (to.0 == width) == (to.1 == height)
        });
        shape.hidden == (0, 0) && both_or_none
    }
}

struct Made {
    graph: Graph,
    shape: Shape,
    base: Rational,
    out: Frame,
    /// The inputs of the layers.
    sides: Vec<Side>,
    /// When the last frame that went in ends.
    ends: Option<i64>,
}

impl GraphLink {
    pub(crate) fn new(description: String, tail: Vec<(&'static str, String)>) -> Self {
        Self {
            description,
            tail,
            frame_rate: None,
            options: GraphOptions::default(),
            on_device: None,
            layers: Vec::new(),
            made: None,
        }
    }

    /// Layers that lie over each other, in this order; None for none.
    pub(crate) fn over(layers: Vec<Layer>) -> Option<Box<Self>> {
        if layers.is_empty() {
            return None;
        }
        let mut link = Self::new(String::new(), Vec::new());
        link.layers = layers;
        Some(Box::new(link))
    }
}

/// One of the steps that frames go through.
pub(crate) enum Link {
    Graph(Box<GraphLink>),
    Custom(Box<dyn Processor<Frame>>),
}

/// Where the frames go behind the last step.
pub(crate) trait End {
    /// The last graph was made (again): what comes out of it, before it does.
    fn format(&mut self, format: &Format) -> Result<()>;
    /// What the encoder was opened for, once it is: an encoder can't change in mid-stream, and all pictures
    /// that come later are brought into this.
    fn form(&self) -> Option<&Form> {
        None
    }
    /// The filter that does so with sound.
    fn format_again(&self) -> Option<(&'static str, String)> {
        None
    }
    /// What second sources are read under; none without them.
    fn work(&self) -> Option<Work<'_>> {
        None
    }
    /// The next frame. False if no more are wanted.
    fn frame(&mut self, frame: Frame) -> Result<()>;
    /// The next frame is waited for: what was kept back to be sent on together goes now. False if no more are
    /// wanted.
    fn idle(&mut self) -> Result<bool> {
        Ok(true)
    }
    /// A decoded frame went in, and all that the steps make of it without further frames has come out.
    fn fed(&mut self) {}
    /// No more frames come.
    fn finish(&mut self) -> Result<()> {
        Ok(())
    }
}

/// All that is done with a stream's frames between its decoder and its encoder.
pub(crate) struct Steps {
    /// Where parts do not follow each other but flow together.
    pub mix: Option<Mix>,
    pub links: Vec<Link>,
}

impl Steps {
    /// Runs until the frames end.
    pub(crate) fn run(mut self, from: &Rx<Decoded>, stop: &Stop, end: &mut dyn End) -> Result<()> {
        while let Some((decoded, _held)) = from.recv_or(stop, || end.idle())? {
            stop.check()?;
            match &mut self.mix {
                Some(mix) => mix.feed(decoded, &mut self.links, end)?,
                None => feed(&mut self.links, decoded.frame, end)?,
            }
            end.fed();
        }
        if let Some(mix) = &mut self.mix {
            mix.finish(&mut self.links, end)?;
        }
        finish(&mut self.links, end)?;
        end.finish()
    }
}

/// The format that decoders in software have in place of a device's, if that is another.
fn planar(memory: &str) -> Option<&'static str> {
    match memory {
        "nv12" => Some("yuv420p"),
        "p010le" => Some("yuv420p10le"),
        // NVDEC has 12 bits at the most.
        "p016le" => Some("yuv420p12le"),
        _ => None,
    }
}

pub(crate) fn feed(links: &mut [Link], frame: Frame, end: &mut dyn End) -> Result<()> {
    let Some((link, rest)) = links.split_first_mut() else {
        return end.frame(frame);
    };
    match link {
        Link::Custom(processor) => processor.process(frame, &mut |frame| feed(rest, frame, end)),
        Link::Graph(link) => link.feed(frame, rest, end),
    }
}

pub(crate) fn finish(links: &mut [Link], end: &mut dyn End) -> Result<()> {
    let Some((link, rest)) = links.split_first_mut() else {
        return Ok(());
    };
    match link {
        Link::Custom(processor) => processor.finish(&mut |frame| feed(rest, frame, end))?,
        Link::Graph(link) => {
            link.drain(rest, end)?;
            if let Some(work) = end.work() {
                link.layers.iter_mut().try_for_each(|layer| layer.shows.leave(&work))?;
            }
        }
    }
    finish(rest, end)
}

impl GraphLink {
    fn feed(&mut self, mut frame: Frame, rest: &mut [Link], end: &mut dyn End) -> Result<()> {
        let (shape, base) = (frame.shape(), frame.base());
        let now = frame.pts().unwrap_or(0);
        if let Some(work) = end.work() {
            for layer in &mut self.layers {
                layer.shows.advance(now, base, &work)?;
            }
        }
        if self
            .made
            .as_ref()
            .is_none_or(|made| made.shape != shape || made.base != base || self.has_changed(made))
        {
            self.drain(rest, end)?;
            self.make(&frame, shape, base, rest.is_empty(), end)?;
        }
        let Some(made) = &mut self.made else { return Ok(()) };
        made.ends = frame.ends();
        for (i, (layer, side)) in self.layers.iter().zip(&mut made.sides).enumerate() {
            layer.push(side, &mut made.graph, i.saturating_add(1), now, base)?;
        }
        made.graph.push(0, Some(&mut frame))?;
        Self::pull(made, rest, end)
    }

    /// Whether what lies over the pictures needs another graph.
    fn has_changed(&self, made: &Made) -> bool {
        // A graph that uploads pictures to a device has its own pool of them there, which costs much to make
        // anew.
        let may_settle = self.options.device.is_none();
        self.layers.iter().zip(&made.sides).any(|(layer, side)| layer.has_changed(side, may_settle))
    }

    fn make(
        &mut self,
        frame: &Frame,
        shape: Shape,
        base: Rational,
        last: bool,
        end: &mut dyn End,
    ) -> Result<()> {
        let (mut text, mut tail) = (self.description.clone(), self.tail.clone());
        if !self.layers.is_empty() {
            let format = frame.format_in_memory().unwrap_or_else(|| frame.format());
            text = layers::text(&self.layers, &shape, &format);
        }
        if frame.is_on_device() {
            let memory = frame.format_in_memory().unwrap_or_default();
            // Filters, processors and encoders of any format (raw video) get what a decoder in software gives
            // them. What says which formats it takes chooses between that and NV12.
            let on_device = self.on_device.as_ref().filter(|on_device| on_device.takes(&shape));
            let plain = on_device.is_some() || text.is_empty();
            let direct = last && plain && !tail.is_empty() && memory == "nv12";
            let memory = match planar(&memory).filter(|_| !direct) {
                Some(planar) => format!("{memory},format={planar}"),
                None => memory,
            };
            let download = match shape.hidden {
                (0, 0) => "hwdownload,format={memory}".to_owned(),
                (left, top) => {
                    format!("hwdownload,format={{memory}},crop=iw-{left}:ih-{top}:{left}:{top}:exact=1")
                }
            };
            (text, tail) = match on_device {
                Some(on_device) => (on_device.text.clone(), on_device.tail.clone()),
                // Brought into memory at once: filters there are for all.
                None if text.is_empty() => (download, tail),
                None if !self.layers.is_empty() => {
                    (text.replacen("[in0]", &format!("[in0]{download},"), 1), tail)
                }
                None => (format!("{download},{text}"), tail),
            };
            text = text.replace("{memory}", &memory);
        }
        if last {
            tail.extend(end.format_again());
        }
        let mut inputs = vec![Input {
            shape: shape.clone(),
            time_base: base,
            frame_rate: self.frame_rate,
            frames: frame.frames_context(),
        }];
        let mut sides = Vec::new();
        for layer in &self.layers {
            let (input, side) = layer.input(base)?;
            inputs.push(input);
            sides.push(side);
        }
        let mut graph = Graph::new(&inputs, &text, &tail, &self.options)?;
        if last {
            let mut format = graph.output()?;
            if let (Some(from), Some(to)) = (&format.form, end.form())
                && from != to
            {
                // What comes out is known of a graph that was made.
                form::bring(&mut tail, from, to, self.options.device.as_ref().map(Device::kind));
                graph = Graph::new(&inputs, &text, &tail, &self.options)?;
                format = graph.output()?;
            }
            end.format(&format)?;
        }
        self.made = Some(Box::new(Made { graph, shape, base, out: Frame::new()?, sides, ends: None }));
        Ok(())
    }

    fn pull(made: &mut Made, rest: &mut [Link], end: &mut dyn End) -> Result<()> {
        while made.graph.pull(&mut made.out)? == Got::Item {
            feed(rest, made.out.take()?, end)?;
        }
        Ok(())
    }

    /// Ends the graph, and sends on the frames that it still held.
    fn drain(&mut self, rest: &mut [Link], end: &mut dyn End) -> Result<()> {
        let Some(mut made) = self.made.take() else { return Ok(()) };
        for (i, side) in made.sides.iter_mut().enumerate() {
            layers::close(side, &mut made.graph, i.saturating_add(1))?;
        }
        made.graph.close(0, made.ends)?;
        Self::pull(&mut made, rest, end)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_device_scales_both_sides_or_none() {
        let takes = |from: (i32, i32), to| {
            let mut shape = Frame::new().unwrap().shape();
            (shape.width, shape.height) = from;
            OnDevice { text: String::new(), tail: Vec::new(), size: to }.takes(&shape)
        };
        assert!(takes((640, 360), None));
        for (to, both_or_none) in [
            ((320, 180), true),
            ((640, 360), true),
            ((640, 180), false),
            ((320, 360), false),
            ((320, 0), true),
            ((0, 180), true),
            ((640, 0), true),
        ] {
            assert_eq!(takes((640, 360), Some(to)), both_or_none, "{to:?}");
        }
        // The height that follows is 99.75, and the even number next to it the same as before.
        assert!(!takes((4000, 100), Some((3990, 0))));
    }
}
