//! The tests of what the library does, a module for what each is about. What sets or counts something that
//! belongs to the whole process (memory, descriptors, libav's log) has a binary of its own beside this
//! folder.

#[path = "../common/mod.rs"]
#[macro_use]
mod common;

mod avi;
mod browser;
#[cfg(feature = "cli")]
mod cli;
mod codec_strings;
mod containers;
mod copy;
mod detect;
mod encode_cuts;
mod ends;
mod errors;
mod fidelity;
mod filters;
mod fragments;
mod hostile;
mod items;
mod jobs;
mod join;
mod kinds;
mod long_packets;
mod matrix;
mod numbering;
mod of_samples;
mod openings;
mod parts;
mod places;
mod properties;
mod readers;
mod roads;
mod samples;
mod segments;
mod smart;
mod sources;
mod strip;
mod tables;
mod timeline;
mod transcode;
mod unlike;
mod verify;
