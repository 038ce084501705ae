//! Parts that flow together, as through transitions.

use super::{End, GraphLink, Link, feed};
use crate::{
    Frame, Result,
    av::{
        decoder::Got,
        graph::{Format, Graph, GraphOptions, Input},
    },
    time::Rational,
    transcode::flow::messages::Decoded,
};

/// A filter graph with an input for each part, which is fed part after part. What a graph keeps of one part
/// until the next comes (a transition's frames) is all that is held.
pub(crate) struct Mix {
    /// Makes the parts' frames alike: one for each.
    alike: Vec<GraphLink>,
    /// libavfilter's text, with inputs `in0`, `in1`…
    description: String,
    options: GraphOptions,
    /// Frames of a part that the graph gets before it is told that the part before has ended: `xfade` takes
    /// that end for the transition's, though it still holds frames.
    overlap: usize,
    /// Made when the first frame comes.
    graph: Option<Graph>,
    /// The part whose frames come now.
    now: usize,
    /// Frames of it that came while the part before was open in the graph; None once that has ended.
    overlapping: Option<usize>,
}

impl Mix {
    pub(crate) fn new(
        alike: Vec<GraphLink>,
        description: String,
        options: GraphOptions,
        overlap: usize,
    ) -> Self {
        Self { alike, description, options, overlap, graph: None, now: 0, overlapping: Some(0) }
    }

    pub(super) fn feed(&mut self, decoded: Decoded, links: &mut [Link], end: &mut dyn End) -> Result<()> {
        while self.now < decoded.part {
            self.end_part(links, end)?;
        }
        let frames = match self.alike.get_mut(self.now) {
            Some(link) => link.convert(decoded.frame)?,
            None => Vec::new(),
        };
        self.push(frames, links, end)
    }

    /// The part that comes now is complete.
    fn end_part(&mut self, links: &mut [Link], end: &mut dyn End) -> Result<()> {
        let rest = match self.alike.get_mut(self.now) {
            Some(link) => link.convert_rest()?,
            None => Vec::new(),
        };
        self.push(rest, links, end)?;
        // If this part was shorter than the overlap, the one before is still open in the graph.
        self.end_before()?;
        self.now = self.now.saturating_add(1);
        self.overlapping = Some(0);
        if self.overlap == 0 {
            self.end_before()?;
        }
        self.pull(links, end)
    }

    /// Tells the graph that the part before this one has ended.
    fn end_before(&mut self) -> Result<()> {
        if let (Some(_), Some(graph), Some(before)) =
            (self.overlapping, &mut self.graph, self.now.checked_sub(1))
        {
            graph.push(before, None)?;
            self.overlapping = None;
        }
        Ok(())
    }

    pub(super) fn finish(&mut self, links: &mut [Link], end: &mut dyn End) -> Result<()> {
        while self.now < self.alike.len() {
            self.end_part(links, end)?;
        }
        self.end_before()?;
        self.pull(links, end)
    }

    fn push(&mut self, frames: Vec<Frame>, links: &mut [Link], end: &mut dyn End) -> Result<()> {
        for mut frame in frames {
            let graph = match &mut self.graph {
                Some(graph) => graph,
                none => none.insert(made(&frame, self.alike.len(), &self.description, &self.options)?),
            };
            graph.push(self.now, Some(&mut frame))?;
            if let Some(frames) = &mut self.overlapping {
                *frames = frames.saturating_add(1);
                if *frames >= self.overlap {
                    self.end_before()?;
                }
            }
            self.pull(links, end)?;
        }
        Ok(())
    }

    fn pull(&mut self, links: &mut [Link], end: &mut dyn End) -> Result<()> {
        let Some(graph) = &mut self.graph else { return Ok(()) };
        let mut out = Frame::new()?;
        while graph.pull(&mut out)? == Got::Item {
            feed(links, out.take()?, end)?;
        }
        Ok(())
    }
}

/// A graph for so many parts, all of which come in the shape of this frame.
fn made(frame: &Frame, parts: usize, description: &str, options: &GraphOptions) -> Result<Graph> {
    let input = |_| Input {
        shape: frame.shape(),
        time_base: frame.base(),
        frame_rate: Rational::new(frame.base().den, frame.base().num).filter(|_| !frame.is_audio()),
        frames: frame.frames_context(),
    };
    let inputs: Vec<Input> = (0..parts).map(input).collect();
    Graph::new(&inputs, description, &[], options)
}

/// Collects what comes out of a graph.
#[derive(Default)]
struct Collect(Vec<Frame>);

impl End for Collect {
    fn format(&mut self, _format: &Format) -> Result<()> {
        Ok(())
    }

    fn frame(&mut self, frame: Frame) -> Result<()> {
        self.0.push(frame);
        Ok(())
    }
}

impl GraphLink {
    fn convert(&mut self, frame: Frame) -> Result<Vec<Frame>> {
        let mut out = Collect::default();
        self.feed(frame, &mut [], &mut out)?;
        Ok(out.0)
    }

    fn convert_rest(&mut self) -> Result<Vec<Frame>> {
        let mut out = Collect::default();
        self.drain(&mut [], &mut out)?;
        Ok(out.0)
    }
}
