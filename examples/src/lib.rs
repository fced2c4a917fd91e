//! Servers that show safe-tool at work.
#![forbid(unsafe_code)]

pub mod orders;

pub mod soc;

pub mod tour;
