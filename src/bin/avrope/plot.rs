//! A picture of a comparison: the source's GOPs, what of them was copied and what was encoded anew, how near that is,
//! and where something is wrong.

use crate::{Failure, Outcome, text::plain};
use avrope::{
    Timestamp,
    verify::{PictureState, Pictures, Verification},
};
use plotters::{
    coord::{Shift, types::RangedCoordf64},
    prelude::*,
};

const SIZE: (u32, u32) = (1200, 420);
/// Decibels above which nobody sees a difference, and what lies at the top.
const MOST: f64 = 70.0;
/// More points than this are not told apart.
const POINTS: usize = 20_000;

type Area<'a> = DrawingArea<SVGBackend<'a>, Shift>;
type Chart<'a, 'b> = ChartContext<'a, SVGBackend<'b>, Cartesian2d<RangedCoordf64, RangedCoordf64>>;
type Drawn = Result<(), Box<dyn std::error::Error>>;

/// The picture as SVG.
pub fn svg(found: &Verification) -> Outcome<String> {
    let mut text = String::new();
    {
        let area = SVGBackend::with_string(&mut text, SIZE).into_drawing_area();
        draw(&area, found).map_err(|e| Failure::Said(format!("the plot can't be drawn: {e}")))?;
    }
    Ok(text)
}

fn draw(area: &Area<'_>, found: &Verification) -> Drawn {
    area.fill(&WHITE)?;
    let none = Pictures::default();
    let pictures = found.pictures.as_ref().unwrap_or(&none);
    let ends = pictures
        .spans
        .iter()
        .map(|span| span.until)
        .chain(found.sound.iter().flat_map(|sound| sound.spans.iter().map(|span| span.until)));
    let end = ends.filter(|end| *end != Timestamp::MAX).max().map_or(1.0, Timestamp::secs).max(0.001);
    let title = format!("{}: {}", plain(&found.output), if found.holds { "holds" } else { "does not hold" });
    let (upper, lower) = area.split_vertically(290);
    let mut chart = ChartBuilder::on(&upper)
        .caption(title, ("sans-serif", 16))
        .margin(10)
        .x_label_area_size(24)
        .y_label_area_size(56)
        .build_cartesian_2d(0.0..end, 0.0..MOST)?;
    chart.configure_mesh().disable_x_mesh().y_desc("PSNR, dB").x_label_formatter(&|at| clock(*at)).draw()?;
    nearness(&mut chart, pictures)?;
    faults(&mut chart, found)?;
    let mut chart =
        ChartBuilder::on(&lower).margin(10).y_label_area_size(56).build_cartesian_2d(0.0..end, 0.0..3.0)?;
    chart.configure_mesh().disable_mesh().disable_axes().draw()?;
    bands(&mut chart, pictures, end)?;
    area.present()?;
    Ok(())
}

/// The PSNR of each picture that was encoded anew.
fn nearness(chart: &mut Chart<'_, '_>, pictures: &Pictures) -> Drawn {
    let step = pictures.psnr.len().div_ceil(POINTS).max(1);
    let points =
        pictures.psnr.iter().step_by(step).map(|recoded| (recoded.at.secs(), recoded.psnr.min(MOST)));
    chart.draw_series(points.map(|at| Circle::new(at, 2, BLUE.filled())))?;
    Ok(())
}

fn faults(chart: &mut Chart<'_, '_>, found: &Verification) -> Drawn {
    for fault in &found.faults {
        let Some(at) = fault.at.map(Timestamp::secs) else { continue };
        chart.draw_series(LineSeries::new([(at, 0.0), (at, MOST)], RED.stroke_width(1)))?;
        let name = Text::new(fault.kind.name(), (at, MOST), ("sans-serif", 12).into_font().color(&RED));
        chart.draw_series(std::iter::once(name))?;
    }
    Ok(())
}

/// The source's GOPs above, what became of their pictures below.
fn bands(chart: &mut Chart<'_, '_>, pictures: &Pictures, end: f64) -> Drawn {
    let step = pictures.source_keys.len().div_ceil(POINTS).max(1);
    let keys: Vec<f64> = pictures.source_keys.iter().step_by(step).map(|key| key.secs()).collect();
    let begins = std::iter::once(0.0).chain(keys.iter().copied().filter(|key| *key > 0.0));
    let ends = keys.iter().copied().filter(|key| *key > 0.0).chain(std::iter::once(end));
    for (i, (from, to)) in begins.zip(ends).enumerate() {
        let shade = if i % 2 == 0 { RGBColor(200, 200, 200) } else { RGBColor(225, 225, 225) };
        chart.draw_series(std::iter::once(Rectangle::new([(from, 1.6), (to, 2.6)], shade.filled())))?;
    }
    for span in &pictures.spans {
        let color = match span.state {
            PictureState::Copied => RGBColor(80, 160, 80),
            PictureState::Equal => RGBColor(150, 200, 120),
            PictureState::Recoded => RGBColor(70, 110, 200),
            _ => RGBColor(200, 60, 60),
        };
        let until = span.until.secs().min(end);
        let band = Rectangle::new([(span.from.secs(), 0.4), (until, 1.4)], color.filled());
        chart.draw_series(std::iter::once(band))?;
    }
    let told = "above: the source's GOPs; below: copied (green), encoded anew (blue), wrong (red)";
    let told = Text::new(told, (0.0, 0.25), ("sans-serif", 12).into_font());
    chart.draw_series(std::iter::once(told))?;
    Ok(())
}

/// Seconds as a clock shows them.
fn clock(seconds: f64) -> String {
    let whole = seconds.max(0.0) as u64;
    match whole {
        0..60 => format!("{seconds:.1} s"),
        60..3600 => format!("{}:{:02}", whole / 60, whole % 60),
        _ => format!("{}:{:02}:{:02}", whole / 3600, whole / 60 % 60, whole % 60),
    }
}
