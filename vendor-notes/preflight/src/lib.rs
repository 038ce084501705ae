//! Nothing to call. The build script checks that what avrope's build needs is installed, and names what is
//! not and the command that installs it, before the slow build of the bindings fails in its own words.
//!
//! Cargo runs build scripts in an order of its own: where it has one or two jobs, the bindings' may come
//! first.
