//! Lengths, onsets and tones at other speeds.

use super::*;
use crate::time::Rational;
use std::f64::consts::TAU;

const SPEEDS: [f64; 11] = [0.1, 0.25, 0.5, 0.75, 0.98, 1.03, 1.25, 1.5, 2.0, 4.0, 8.0];

/// Frames of these sizes in turn.
fn frames(rate: u32, layout: &str, planes: &[Vec<f32>], sizes: &[usize], begins: i64) -> Vec<Frame> {
    let (mut frames, mut at) = (Vec::new(), 0);
    for size in sizes.iter().cycle() {
        let len = planes[0].len();
        if at >= len {
            break;
        }
        let size = (*size).min(len - at);
        let mut frame = Frame::audio("fltp", layout, rate, size).unwrap();
        for (i, plane) in planes.iter().enumerate() {
            let bytes: Vec<u8> = plane[at..at + size].iter().flat_map(|v| v.to_ne_bytes()).collect();
            frame.plane_mut(i).unwrap().copy_from_slice(&bytes);
        }
        frame.set_base(Rational::new(1, rate as i32).unwrap());
        frame.set_pts(begins + at as i64);
        frames.push(frame);
        at += size;
    }
    frames
}

fn played(speed: f64, frames: Vec<Frame>) -> Vec<Frame> {
    let (mut tempo, mut out) = (Tempo::new(speed), Vec::new());
    let mut next = |frame| {
        out.push(frame);
        Ok(())
    };
    for frame in frames {
        tempo.process(frame, &mut next).unwrap();
        let window = tempo.run.as_ref().unwrap().guide.len();
        assert!(window < tempo.run.as_ref().unwrap().rate as usize + 4096, "{window} samples in memory");
    }
    tempo.finish(&mut next).unwrap();
    out
}

/// A plane of what comes out; its frames follow each other.
fn plane(frames: &[Frame], plane: usize) -> Vec<f32> {
    for pair in frames.windows(2) {
        assert_eq!(pair[0].pts().unwrap() + pair[0].samples() as i64, pair[1].pts().unwrap());
    }
    let bytes = frames.iter().flat_map(|frame| frame.plane(plane).unwrap().as_chunks().0.to_vec());
    bytes.map(f32::from_ne_bytes).collect()
}

fn mono(speed: f64, rate: u32, samples: &[f32]) -> Vec<f32> {
    plane(&played(speed, frames(rate, "mono", &[samples.to_vec()], &[1024], 0)), 0)
}

fn tones(rate: u32, seconds: f64, tones: &[f64]) -> Vec<f32> {
    let at = |i: usize| i as f64 / f64::from(rate);
    let value = |i| tones.iter().map(|hz| (TAU * hz * at(i)).sin()).sum::<f64>() * 0.6 / tones.len() as f64;
    (0..(f64::from(rate) * seconds) as usize).map(|i| value(i) as f32).collect()
}

/// Noise of full scale, always the same.
fn noise(len: usize) -> Vec<f32> {
    let mut state = 1_u32;
    let mut value = || {
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        (state >> 8) as f32 / 8_388_608.0 - 1.0
    };
    (0..len).map(|_| value()).collect()
}

fn rms(samples: &[f32]) -> f64 {
    (samples.iter().map(|v| f64::from(*v).powi(2)).sum::<f64>() / samples.len().max(1) as f64).sqrt()
}

/// What is not these tones, against all, in dB, on the mean of windows of a tenth of a second: from one to
/// the next, phases may drift.
fn distortion(samples: &[f32], rate: u32, tones: &[f64]) -> f64 {
    let (mut all, mut left) = (0.0, 0.0);
    for window in samples.chunks_exact(rate as usize / 10) {
        let mut rest: Vec<f64> = window.iter().map(|v| f64::from(*v)).collect();
        all += rest.iter().map(|v| v * v).sum::<f64>();
        // Tones are nearly orthogonal over a window; a few rounds fit them together.
        for hz in tones.iter().cycle().take(if tones.len() > 1 { 8 * tones.len() } else { 2 }) {
            let waves: Vec<(f64, f64)> =
                (0..rest.len()).map(|i| (TAU * hz * i as f64 / f64::from(rate)).sin_cos()).collect();
            let (mut s, mut c) = (0.0, 0.0);
            for (v, (sin, cos)) in rest.iter().zip(&waves) {
                s += v * sin;
                c += v * cos;
            }
            let n = rest.len() as f64 / 2.0;
            for (v, (sin, cos)) in rest.iter_mut().zip(&waves) {
                *v -= (s * sin + c * cos) / n;
            }
        }
        left += rest.iter().map(|v| v * v).sum::<f64>();
    }
    10.0 * (left / all).log10()
}

/// Where a sound rises over a level after so much that is below it.
fn rises(samples: &[f32], level: f32, quiet: usize) -> Vec<usize> {
    let (mut found, mut below) = (Vec::new(), usize::MAX);
    for (i, sample) in samples.iter().enumerate() {
        if sample.abs() > level {
            if below >= quiet {
                found.push(i);
            }
            below = 0;
        } else {
            below = below.saturating_add(1);
        }
    }
    found
}

/// Every onset comes once, and when it is due, within so many milliseconds.
fn on_time(name: &str, speed: f64, rate: u32, samples: &[f32], count: usize, level: f32, within: f64) {
    let quiet = (f64::from(rate) * 0.020) as usize;
    let (found, due) = (rises(&mono(speed, rate, samples), level, quiet), rises(samples, level, quiet));
    assert_eq!(due.len(), count, "{name}");
    let off =
        |(found, due): (&usize, &usize)| (*found as f64 - *due as f64 / speed).abs() / f64::from(rate) * 1e3;
    let off: Vec<f64> = found.iter().zip(&due).map(off).collect();
    let worst = off.iter().copied().fold(0.0, f64::max);
    println!("{name} at {speed}, {rate} Hz: {} of {}, {worst:.3} ms", found.len(), due.len());
    assert_eq!(found.len(), due.len(), "{name} at {speed}: {off:.2?}");
    assert!(worst <= within, "{name} at {speed}: {off:.2?} ms");
}

#[test]
fn the_length_is_exact() {
    for (rate, layout, channels) in [(48_000, "stereo", 2), (44_100, "mono", 1), (8000, "7.1", 8)] {
        for len in [1, 2, 7, 100, 999, 4801, 50_021] {
            for speed in SPEEDS.into_iter().chain([1.0, 1.003, 0.9, 31.0, 100.0]) {
                let source: Vec<Vec<f32>> = (0..channels).map(|_| noise(len)).collect();
                for sizes in [&[1024][..], &[1, 777, 13, 20_000]] {
                    let out = played(speed, frames(rate, layout, &source, sizes, 0));
                    let count: usize = out.iter().map(Frame::samples).sum();
                    let due = (len as f64 / speed).round() as usize;
                    assert_eq!(count, due, "{len} samples at {speed}, {rate} Hz");
                    if count > 0 {
                        assert_eq!((out[0].pts(), out[0].layout().as_str()), (Some(0), layout));
                        assert_eq!(plane(&out, channels - 1).len(), due);
                    }
                }
            }
        }
    }
}

#[test]
fn frames_of_any_size_make_the_same_sound() {
    let source = [noise(30_000), tones(48_000, 0.625, &[330.0])];
    for speed in [0.5, 1.5, 3.0] {
        let sound = |sizes| {
            let out = played(speed, frames(48_000, "stereo", &source, sizes, 0));
            (plane(&out, 0), plane(&out, 1))
        };
        assert!(sound(&[1024]) == sound(&[1, 5000, 17, 333]), "{speed}");
    }
}

#[test]
fn clicks_come_when_they_are_due() {
    for rate in [8000, 44_100, 48_000, 192_000] {
        for (every, begin) in [(0.4, 0.0), (0.137, 0.011), (1.0, 0.3), (0.03, 0.005)] {
            let mut samples = vec![0.0_f32; rate as usize * 4];
            let due: Vec<usize> = (0..)
                .map(|i| ((begin + every * f64::from(i)) * f64::from(rate)) as usize)
                .take_while(|at| at + 100 < samples.len())
                .collect();
            for at in &due {
                for i in 0..3 {
                    samples[at + i] = 0.8 - 0.2 * i as f32;
                }
            }
            for speed in SPEEDS {
                if every / speed > 0.021 {
                    on_time("clicks", speed, rate, &samples, due.len(), 0.3, 0.1);
                }
            }
        }
    }
}

#[test]
fn bursts_over_a_tone_come_when_they_are_due() {
    for rate in [16_000, 48_000] {
        let mut samples = tones(rate, 4.0, &[220.0]);
        samples.iter_mut().for_each(|v| *v *= 0.1);
        let burst = noise(rate as usize / 5);
        let due: Vec<usize> =
            (0..9).map(|i| (f64::from(rate) * (0.0513 + 0.43 * f64::from(i))) as usize).collect();
        for at in &due {
            for (v, burst) in samples[*at..].iter_mut().zip(&burst) {
                *v += burst * 0.8;
            }
        }
        for speed in SPEEDS {
            // The noise may begin softly.
            on_time("bursts", speed, rate, &samples, due.len(), 0.2, (0.3 / speed).max(0.3));
        }
    }
}

#[test]
fn beeps_that_begin_at_once_come_when_they_are_due() {
    let rate = 48_000;
    let mut samples = vec![0.0_f32; rate as usize * 4];
    let due: Vec<usize> = (0..10).map(|i| i * 19_200).collect();
    for at in &due {
        for i in 0..1920 {
            samples[at + i] = (0.8 * (TAU * 1000.0 * i as f64 / 48_000.0).sin()) as f32;
        }
    }
    for speed in SPEEDS {
        on_time("beeps", speed, rate, &samples, due.len(), 0.15, 0.1);
    }
}

#[test]
fn tones_stay_what_they_are() {
    const CHORD: &[f64] = &[220.0, 277.18, 329.63];
    for rate in [44_100, 48_000] {
        for hz in [&[440.0][..], &[110.0], &[50.0], &[3000.0], &[100.0, 1234.5], CHORD] {
            for speed in [0.5, 0.75, 1.25, 1.5, 2.0, 4.0] {
                let out = mono(speed, rate, &tones(rate, 8.0, hz));
                let edge = rate as usize / 5;
                let off = distortion(&out[edge..out.len() - edge], rate, hz);
                println!("{hz:?} at {speed}, {rate} Hz: {off:.1} dB");
                // Tones that have no common period within reach fit only by chance.
                let most = match hz.len() {
                    1 => -30.0,
                    2 => -14.0,
                    _ if speed <= 1.5 => -16.0,
                    _ => -5.0,
                };
                assert!(off < most, "{hz:?} at {speed}: {off} dB");
                if hz.len() == 1 {
                    let crossings = out.windows(2).filter(|pair| pair[0] < 0.0 && pair[1] >= 0.0).count();
                    let due = hz[0] * out.len() as f64 / f64::from(rate);
                    let off = (crossings as f64 - due).abs();
                    assert!(off < 2.0 + due * 0.002, "{hz:?} at {speed}: {crossings} periods of {due}");
                }
            }
        }
    }
}

#[test]
fn channels_of_opposite_phase_are_joined_where_they_fit() {
    let left = tones(48_000, 4.0, &[440.0]);
    let right: Vec<f32> = left.iter().map(|v| -v).collect();
    for speed in [0.5, 2.0] {
        let out = played(speed, frames(48_000, "stereo", &[left.clone(), right.clone()], &[1024], 0));
        let (left, right) = (plane(&out, 0), plane(&out, 1));
        assert!(left.iter().zip(&right).all(|(l, r)| *l == -*r));
        assert!(distortion(&left[9600..left.len() - 9600], 48_000, &[440.0]) < -30.0, "{speed}");
    }
}

#[test]
fn silence_stays_silent_and_a_steady_sound_as_loud() {
    for speed in SPEEDS {
        assert!(mono(speed, 48_000, &[0.0; 50_000]).iter().all(|v| *v == 0.0));
        let source = noise(200_000);
        let out = mono(speed, 48_000, &source);
        let loud: Vec<f64> = out.chunks_exact(480).map(|chunk| rms(chunk) / rms(&source)).collect();
        let (least, most) = loud.iter().fold((f64::MAX, 0.0_f64), |(a, b), v| (a.min(*v), b.max(*v)));
        println!("noise at {speed}: {least:.2} to {most:.2}");
        let peak = |samples: &[f32]| samples.iter().fold(0.0_f32, |peak, v| peak.max(v.abs()));
        assert!(peak(&out) <= peak(&source), "{speed}: {}", peak(&out));
        assert!(least > 0.75 && most < 1.25, "{speed}: {least} to {most}");
    }
}

#[test]
fn its_own_speed_changes_nothing() {
    let source = noise(30_000);
    assert!(mono(1.0, 48_000, &source) == source);
}

#[test]
fn no_sample_breaks_it() {
    let values =
        [f32::NAN, f32::INFINITY, f32::NEG_INFINITY, f32::MAX, f32::MIN, f32::MIN_POSITIVE, -0.0, 1.0];
    let mut source = noise(40_000);
    for (i, v) in source.iter_mut().enumerate().skip(9000) {
        *v = values[(i * i / 7) % values.len()];
    }
    for speed in SPEEDS {
        let out = mono(speed, 48_000, &source);
        assert_eq!(out.len(), (40_000.0 / speed).round() as usize);
        assert!(out.iter().all(|v| v.is_finite()), "{speed}");
    }
    let (mut tempo, mut count) = (Tempo::new(2.0), 0);
    tempo
        .finish(&mut |_| {
            count += 1;
            Ok(())
        })
        .unwrap();
    assert_eq!(count, 0);
}

#[test]
fn another_rate_makes_and_loses_no_time() {
    for speed in [0.3, 0.75, 1.7, 3.0] {
        let mut source = Vec::new();
        let mut seconds = 0.0;
        for (i, rate) in [44_100, 48_000, 8000, 44_100, 22_050].into_iter().enumerate() {
            let begins = (seconds * f64::from(rate)).round() as i64;
            let len = 10_007 + i * 501;
            source.extend(frames(rate, "mono", &[noise(len)], &[1024], begins));
            seconds += len as f64 / f64::from(rate);
        }
        let out = played(speed, source);
        let mut at = 0.0;
        for frame in &out {
            let time = frame.pts().unwrap() as f64 * frame.base().value();
            // Each rate's share is a whole number of its samples.
            assert!((time - at).abs() <= 1.0 / 8000.0, "{speed}: {time} is not {at}");
            at += frame.samples() as f64 / f64::from(frame.sample_rate());
        }
        assert!((at - seconds / speed).abs() < 2.0 / 8000.0, "{speed}: {at} s of {seconds}");
    }
}

#[test]
fn times_are_the_pictures() {
    for (speed, begins) in [(2.0, 4800_i64), (0.5, 4800), (1.5, -960), (3.0, 1)] {
        let out = played(speed, frames(48_000, "mono", &[noise(20_000)], &[960], begins));
        assert_eq!(out[0].pts(), Some((begins as f64 / speed).round() as i64));
        assert_eq!(plane(&out, 0).len(), (20_000.0 / speed).round() as usize);
    }
    // A small hole is filled, a large one stays.
    for (hole, speed) in [(500, 2.0), (500, 0.5), (480_000, 2.0)] {
        let mut source = frames(48_000, "mono", &[noise(20_000)], &[960], 0);
        source.extend(frames(48_000, "mono", &[noise(20_000)], &[960], 20_000 + hole));
        let out = played(speed, source);
        let last = out.last().unwrap();
        let ends = last.pts().unwrap() + last.samples() as i64;
        assert_eq!(ends, (f64::from(40_000 + hole as i32) / speed).round() as i64);
    }
}

#[test]
#[ignore = "prints what it costs"]
fn cost() {
    let seconds = 60;
    let mut left = noise(48_000 * seconds);
    for (v, tone) in left.iter_mut().zip(tones(48_000, seconds as f64, &[220.0, 277.18, 329.63])) {
        *v = *v * 0.1 + tone;
    }
    for speed in SPEEDS {
        let source = frames(48_000, "stereo", &[left.clone(), left.clone()], &[1024], 0);
        let begun = std::time::Instant::now();
        played(speed, source);
        let spent = begun.elapsed().as_secs_f64();
        println!(
            "{speed}: {:.2} % of the source's time, {:.2} % of the result's",
            spent * 100.0 / seconds as f64,
            spent * 100.0 / seconds as f64 * speed
        );
    }
}
