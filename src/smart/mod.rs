//! Cuts that are exact to the picture and copy what need not change: what lies between two keyframes is encoded anew
//! where a range begins or ends in it, and everything else stays, byte for byte.

mod apart;
mod coder;
mod cut;
mod fit;
mod judge;
mod layers;
mod passes;
mod plan;
mod seam;
mod sound;
mod splice;
mod told;
mod window;
mod work;

pub use cut::{cut, cut_to};
pub use plan::CutPlan;
pub use told::{PlannedSound, SoundWay};
