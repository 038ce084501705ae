//! `hardware`: which devices there are, for people and programs.

use crate::{Outcome, args, inout, text::plain};
use avrope::{
    Control,
    hardware::{DeviceInfo, Hardware},
};
use serde::Serialize;
use std::fmt::Write;

/// How far lists go before they are broken.
const WIDTH: usize = 100;

#[derive(Serialize)]
struct Listing {
    /// The libavformat that was asked.
    libav: String,
    devices: Vec<DeviceInfo>,
}

pub fn run(args: &args::Hardware, control: &Control) -> Outcome {
    let listing = Listing { libav: avrope::libav_version(), devices: Hardware::list() };
    control.check()?;
    if args.common.json { inout::print_json(&listing) } else { inout::print(&words(&listing.devices)) }
}

fn words(devices: &[DeviceInfo]) -> String {
    let mut text = String::new();
    for device in devices {
        let label = format!("{}:{}", device.kind, device.index);
        let _ = write!(text, "{label:<15} ");
        match &device.reason {
            Some(reason) => {
                let _ = writeln!(text, "not available: {}", plain(reason));
                continue;
            }
            None => text.push_str("works"),
        }
        if let Some(name) = &device.name {
            let _ = write!(text, ": {}", plain(name));
        }
        text.push_str(if device.software { " (software)\n" } else { "\n" });
        for (what, names) in
            [("decoders", &device.decoders), ("encoders", &device.encoders), ("filters", &device.filters)]
        {
            list(&mut text, what, names);
        }
    }
    if devices.is_empty() {
        text.push_str("this libav knows no devices\n");
    }
    text
}

/// `what` and the names, broken into lines.
fn list(text: &mut String, what: &str, names: &[String]) {
    if names.is_empty() {
        return;
    }
    let mut line = format!("    {what:<11} ");
    for name in names {
        if line.len() + name.len() > WIDTH {
            let _ = writeln!(text, "{}", line.trim_end());
            line = " ".repeat(16);
        }
        line.push_str(name);
        line.push(' ');
    }
    let _ = writeln!(text, "{}", line.trim_end());
}
