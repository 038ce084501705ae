//! Frame rates: stated, constant, variable.

use super::*;

/// Matroska states a frame rate (DefaultDuration) that its timestamps need not keep to.
#[test]
fn a_stated_frame_rate_loses_no_picture() {
    oracle!("stated frame rate");
    let folder = tempfile::tempdir().unwrap();
    let graph = "testsrc2=s=160x96:r=25:d=4";
    let arguments = ["-f", "lavfi", "-i", graph, "-c:v", "libx264", "-preset", "ultrafast", "-bf", "0"];
    let even = common::made_by_ffmpeg("even.mkv", &arguments);
    let mut number = 0;
    // From the 41st on, pictures come in pairs, 15 ms apart; or all are a little early or late.
    for (name, times) in [
        ("pairs", "setts=ts=TS-gt(N\\,40)*25*mod(N\\,2)"),
        ("jitter", "setts=ts=TS+gt(N\\,0)*mod(N*7\\,13)"),
        ("bursts", "setts=ts=TS-gt(N\\,20)*mod(N\\,5)*37"),
    ] {
        for container in ["mkv", "flv", "ts", "mp4"] {
            let arguments = ["-i", even.to_str().unwrap(), "-c", "copy", "-bsf:v", times];
            let source = common::made_by_ffmpeg(&format!("{name}.{container}"), &arguments);
            let times = |path: &Path| -> Vec<f64> {
                let times: Vec<f64> = common::frames(path, "0:v").iter().map(|frame| frame.time).collect();
                times.iter().map(|time| time - times[0]).collect()
            };
            let wanted = times(&source);
            assert_eq!(wanted.len(), 100);
            for (codec, into) in [
                (VideoCodec::H264, "mp4"),
                (VideoCodec::Mpeg4, "mp4"),
                (VideoCodec::H264, "mkv"),
                (VideoCodec::H264, "ts"),
            ] {
                number += 1;
                if !common::is_due(number, 3) {
                    continue;
                }
                let what = format!("{name}.{container} to {codec:?} in {into}");
                let settings = Transcode::new().format(into).video(VideoSettings::new().codec(codec.clone()));
                let made = transcode(&open(&source), &settings, &Control::default()).unwrap();
                assert_eq!(made.report.warnings, Vec::<String>::new(), "{what}");
                let path = save(&made, folder.path(), &format!("out.{into}"));
                let found = times(&path);
                assert_eq!(found.len(), 100, "{what}");
                // The source's milliseconds, and the output's.
                let off = wanted.iter().zip(&found).map(|(a, b)| (a - b).abs()).fold(0.0, f64::max);
                assert!(off < 0.0021, "{what}: {off}");
            }
        }
    }
}

/// Milliseconds become the frames that they were.
#[test]
fn a_constant_frame_rate_comes_out_exact() {
    oracle!("constant frame rate");
    let folder = tempfile::tempdir().unwrap();
    for (rate, ticks) in [("25", 512), ("30000/1001", 1001), ("24000/1001", 1001), ("60", 256), ("50", 256)] {
        let graph = format!("testsrc2=s=160x96:r={rate}:d=4");
        let arguments = ["-f", "lavfi", "-i", &graph, "-c:v", "libx264", "-preset", "ultrafast", "-bf", "2"];
        for container in ["mkv", "flv", "ts"] {
            let name = format!("constant-{}.{container}", rate.replace('/', "-"));
            let source = common::made_by_ffmpeg(&name, &arguments);
            for codec in [VideoCodec::H264, VideoCodec::Mpeg4] {
                let settings =
                    Transcode::new().format("mp4").video(VideoSettings::new().codec(codec.clone()));
                let made = transcode(&open(&source), &settings, &Control::default()).unwrap();
                let path = save(&made, folder.path(), "out.mp4");
                let mut pts: Vec<i64> =
                    common::packets(&path).iter().filter_map(|packet| packet.pts).collect();
                pts.sort_unstable();
                let streams =
                    common::ffprobe(&path, &["-show_entries", "stream=r_frame_rate,avg_frame_rate"]);
                let stated = &streams["streams"][0];
                let steps: Vec<i64> = pts.windows(2).map(|pair| pair[1] - pair[0]).collect();
                // FLV's rate is libav's guess from rounded times; where it guesses none, times stay as they
                // are.
                if container == "flv" && rate.contains('/') {
                    assert!(
                        steps.iter().all(|step| (step - steps[0]).abs() * 1000 < 40 * steps[0]),
                        "{name}"
                    );
                    continue;
                }
                assert!(steps.iter().all(|step| *step == ticks), "{name} {codec:?}: {steps:?}");
                assert_eq!(stated["r_frame_rate"], stated["avg_frame_rate"], "{name} {codec:?}");
            }
        }
    }
}

#[test]
fn variable_frame_rate_survives() {
    oracle!("variable frame rate");
    let times = "testsrc2=s=96x64:r=25:d=2,setpts='if(lt(N,20),N*20,400+(N-20)*73)/1000/TB'";
    let arguments =
        ["-fps_mode", "vfr", "-c:v", "libx264", "-preset", "ultrafast", "-bf", "2", "-pix_fmt", "yuv420p"];
    let source = drawn("variable.mp4", times, &[&arguments[..], &["-enc_time_base", "1:1000"]].concat());
    let shown = |path: &Path| common::frames(path, "0:v").iter().map(|f| f.time).collect::<Vec<_>>();
    let due = shown(&source);
    assert!(
        due.windows(2).any(|w| w[1] - w[0] < 0.03) && due.windows(2).any(|w| w[1] - w[0] > 0.06),
        "{due:?}"
    );
    let folder = tempfile::tempdir().unwrap();
    for container in ["mkv", "mp4", "ts"] {
        let out = made(&source, &Transcode::new().video(quick()), folder.path(), &format!("out.{container}"));
        let found = shown(&out);
        assert_eq!(found.len(), due.len(), "{container}");
        // The clock may begin elsewhere (TS); Matroska counts milliseconds.
        let most =
            found.iter().zip(&due).map(|(a, b)| ((a - found[0]) - (b - due[0])).abs()).fold(0.0, f64::max);
        assert!(most < 0.0011, "{container}: off by {most} s");
    }
}
