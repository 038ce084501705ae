//! avrope
