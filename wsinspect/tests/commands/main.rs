//! `wsinspect` as it is run: what it shows, what it writes, and how it ends.

mod corpus;
mod measures;
mod reach;
mod recordings;
mod replays;
mod run;
mod scripts;
mod typing;
mod views;
mod wire;
