//! The monitoring hub: its pages as they are served, and as a browser shows them.

mod access;
mod browser;
mod burst;
mod compare;
mod connection;
mod dense;
mod hostile;
mod late;
mod lists;
mod looks;
mod manners;
mod moments;
mod pages;
mod patches;
mod proxied;
mod rests;
mod site;
mod slider;
mod steady;
mod told;
mod visitors;

pub use site::Visitor;
