//! What lies over a video, as inputs of a filter graph behind the first.

use super::second::{Now, Second};
use crate::{
    Control, Error, ErrorKind, Frame, Media, Result, TimeRange, Timestamp,
    av::{
        decoder::DecodeOptions,
        frame::Shape,
        graph::{Graph, Input},
        stream::Turn,
    },
    media::PictureOrMedia,
    time::Rational,
    transcode::{
        filters::pictures::upright,
        settings::overlay::{Given, Overlay, What},
    },
};

/// What lies over a video, and how.
pub(crate) struct Layer {
    pub shows: Second,
    pub overlay: Overlay,
}

/// An input of a graph that a layer goes into.
pub(crate) struct Side {
    shape: Shape,
    /// The tick of the last picture that went in.
    last: Option<i64>,
    closed: bool,
    stays: bool,
}

impl Layer {
    /// Opens what was given.
    pub(crate) fn open(given: Given, options: DecodeOptions, control: &Control) -> Result<Layer> {
        let shown = match given.what {
            What::Picture(picture) => PictureOrMedia::Still(picture),
            What::Media(media) => PictureOrMedia::Moving(media),
            What::Source(source) => Media::open_shown(source, control)?,
        };
        Ok(Layer { shows: Second::new(shown, &given.overlay, options)?, overlay: given.overlay })
    }

    /// Whether the graph has to be made anew: pictures of another shape come, or the last one stays, which
    /// costs less in a graph of its own.
    pub(crate) fn has_changed(&self, side: &Side, may_settle: bool) -> bool {
        let other = match self.shows.now() {
            Now::Picture(picture) => picture.shape() != side.shape,
            _ => false,
        };
        other || (may_settle && self.shows.stays() && !side.stays)
    }

    /// The input of a graph for it, whose ticks are the video's.
    pub(crate) fn input(&self, base: Rational) -> Result<(Input, Side)> {
        let picture = self.shows.picture();
        let shape = picture
            .map(Frame::shape)
            .ok_or_else(|| Error::new(ErrorKind::Bug, "a layer without a picture"))?;
        let input = Input { shape: shape.clone(), time_base: base, frame_rate: None, frames: None };
        Ok((input, Side { shape, last: None, closed: false, stays: self.shows.stays() }))
    }

    /// Gives a graph what it shows at a tick of the video. A graph waits for each input to have a picture of
    /// that tick or a later one, or its end (framesync.c): then no picture of the video waits in it.
    pub(crate) fn push(
        &self,
        side: &mut Side,
        graph: &mut Graph,
        input: usize,
        tick: i64,
        base: Rational,
    ) -> Result<()> {
        if side.closed {
            return Ok(());
        }
        let (picture, at) = match self.shows.now() {
            Now::Never => return close(side, graph, input),
            Now::Picture(picture) => (picture, tick),
            Now::Later(_) if side.last.is_some() => return Ok(()),
            Now::Later(first) => (first.picture(), first.tick(base).max(tick.saturating_add(1))),
        };
        if side.last.is_some_and(|last| last >= at) {
            return Ok(());
        }
        let mut picture = picture.try_clone()?;
        picture.set_base(base);
        picture.set_pts(at);
        picture.set_length(0);
        side.last = Some(at);
        graph.push(input, Some(&mut picture))?;
        if side.stays { close(side, graph, input) } else { Ok(()) }
    }
}

/// Nothing more goes in.
pub(crate) fn close(side: &mut Side, graph: &mut Graph, input: usize) -> Result<()> {
    if !std::mem::replace(&mut side.closed, true) {
        graph.push(input, None)?;
    }
    Ok(())
}

/// libavfilter's text for layers over a video of this shape and format.
pub(crate) fn text(layers: &[Layer], video: &Shape, format: &str) -> String {
    let kind = blended_as(format);
    let mut chains = vec!["[in0]null[over0]".to_owned()];
    let mut under = "over0".to_owned();
    for (i, layer) in layers.iter().enumerate() {
        let number = i.saturating_add(1);
        let Layer { shows, overlay } = layer;
        let turn = shows.turn();
        let mut filters = turn.map(upright).unwrap_or_default();
        let sideways = turn.is_some_and(Turn::is_quarter);
        let size = shows.picture().and_then(|picture| overlay.size(&picture.shape(), sideways, video));
        filters.extend(size.map(|(w, h)| format!("scale={w}:{h}")));
        if overlay.alpha() < 1.0 {
            filters.push(format!("format=rgba,colorchannelmixer=aa={}", overlay.alpha()));
        }
        if filters.is_empty() {
            filters.push("null".into());
        }
        chains.push(format!("[in{number}]{}[mark{number}]", filters.join(",")));
        let (x, y) = overlay.place();
        let (eof, mut when) = if shows.stays() { ("repeat", String::new()) } else { ("pass", String::new()) };
        if let Second::Still(_) = shows {
            let TimeRange { from, to } = overlay.range();
            when = format!(":enable=gte(t\\,{:.6})", from.secs());
            if to != Timestamp::MAX {
                when += &format!("*lt(t\\,{:.6})", to.secs());
            }
        }
        chains.push(format!(
            "[{under}][mark{number}]overlay=x={x}:y={y}:format={kind}:eof_action={eof}{when}[over{number}]"
        ));
        under = format!("over{number}");
    }
    chains.push(format!("[{under}]null"));
    chains.join(";")
}

/// What `overlay` blends a video's pixels as, so that they are not converted. Left to choose, it takes the
/// format of what lies over them.
fn blended_as(format: &str) -> &'static str {
    match format {
        "yuv420p" | "yuvj420p" | "yuva420p" | "nv12" | "nv21" => "yuv420",
        "yuv420p10le" | "yuva420p10le" => "yuv420p10",
        "yuv422p" | "yuvj422p" | "yuva422p" => "yuv422",
        "yuv422p10le" | "yuva422p10le" => "yuv422p10",
        "yuv444p" | "yuvj444p" | "yuva444p" => "yuv444",
        "gbrp" | "gbrap" => "gbrp",
        _ => "auto",
    }
}
