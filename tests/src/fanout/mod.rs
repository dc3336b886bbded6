//! The way of a stroke from one socket to all the others, measured beside other servers and the limits, in one run.
//!
//! `crowd` generates the load on one thread, `speech` is what its clients say and understand, `heard` what comes of it, `peers` the
//! servers, `scenario` what people do, `machine` what the kernel says of a server, `report` the table and JSON, `plot` the picture.

mod crowd;
mod heard;
mod machine;
mod peers;
mod plot;
mod report;
mod scenario;
mod speech;

pub use crowd::{Crowd, Plan};
pub use heard::Heard;
pub use machine::allow_descriptors;
pub use peers::{Peer, UNLIMITED};
pub use report::{Report, Row};
pub use scenario::{Measure, Scenario, Step};
pub use speech::hello;

use machine::on_core;

/// What to measure.
#[derive(Debug, Clone)]
pub struct Order {
    /// Which scenarios.
    pub scenarios: Vec<Scenario>,
    /// On which servers; those that are not built are left out, and said so.
    pub peers: Vec<Peer>,
    /// How often each, in turns.
    pub rounds: usize,
    /// How many idle connections.
    pub connections: usize,
}

/// Measures everything, in rounds in which the servers take turns.
pub fn measure(order: &Order) -> Report {
    allow_descriptors();
    let mut report = Report::begin();
    let peers = order.peers.iter().filter(|peer| {
        if !peer.is_there() {
            eprintln!("{} is left out: it is not built or installed", peer.name());
        }
        peer.is_there()
    });
    let peers: Vec<Peer> = peers.copied().collect();
    for scenario in &order.scenarios {
        for round in 0..order.rounds {
            for peer in peers.iter().filter(|peer| scenario.fits(**peer)) {
                eprintln!("{}, round {} of {}, {}", scenario.title(), round + 1, order.rounds, peer.name());
                let mut steps = Vec::new();
                let act = || scenario.measure(*peer, order.connections, round == 0, &mut steps);
                let measure = on_core(scenario::GENERATOR, act);
                report.add(*scenario, *peer, &measure, &steps);
            }
        }
    }
    report
}
