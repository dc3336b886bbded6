//! A server of one service: listens, upgrades, serves, stops. For programs that have nothing else to serve.

use std::sync::Arc;
use std::time::Duration;

use async_signal::{Signal, Signals};
use http_types::StatusCode;
use prometheus_client::metrics::gauge::Gauge;
use smol::future::FutureExt;
use smol::stream::StreamExt;

use super::{Addresses, Close, Connections, Hub, Service, Settings};
use crate::http::{Head, Hosts, Origin, Reply, Requests, Upgrade, UpgradeError, send, upgrade};
use crate::metrics::Metrics;
use crate::net::listen::{Address, Listener};
use crate::net::socket::Socket;
use crate::net::worker::Workers;

/// Time that connections have to take their last frames when the server stops.
const DRAIN: Duration = Duration::from_secs(5);

/// A server of one WebSocket service, at every path.
#[derive(Debug)]
pub struct Server {
    listener: Listener,
    settings: Settings,
    origins: Vec<Origin>,
}

/// The state that all connections of a running server share.
struct Running<S: Service> {
    hub: Hub<S>,
    settings: Settings,
    connections: Connections,
    metrics: Metrics,
    addresses: Addresses,
    hosts: Hosts,
}

impl Server {
    /// Listens on `HOST:PORT` or `unix:/PATH`.
    ///
    /// # Errors
    /// If the address is invalid, or cannot be listened on.
    pub fn bind(address: &str) -> anyhow::Result<Self> {
        let address: Address = address.parse().map_err(anyhow::Error::msg)?;
        Ok(Self { listener: Listener::bind(&address)?, settings: Settings::default(), origins: Vec::new() })
    }

    /// With other limits than the usual ones.
    #[must_use]
    pub fn settings(mut self, settings: Settings) -> Self {
        self.settings = settings;
        self
    }

    /// Other sites whose pages may connect, beside that of the server itself.
    #[must_use]
    pub fn origins(mut self, origins: Vec<Origin>) -> Self {
        self.origins = origins;
        self
    }

    /// The address as a URL.
    pub fn url(&self) -> String {
        self.listener.url("/").replacen("http://", "ws://", 1)
    }

    /// Serves until SIGINT or SIGTERM; then every connection gets what waits for it, and 1001.
    ///
    /// # Errors
    /// If signals cannot be handled.
    pub fn run(self, service: impl Service) -> anyhow::Result<()> {
        let workers = Workers::start(None, Gauge::default())?;
        smol::block_on(self.serve(service, &workers))
    }

    async fn serve(self, service: impl Service, workers: &Workers) -> anyhow::Result<()> {
        let mut signals = Signals::new([Signal::Int, Signal::Term])?;
        let running = Arc::new(Running {
            hub: Hub::new(service),
            settings: self.settings,
            connections: Connections::default(),
            metrics: Metrics::default(),
            addresses: Addresses::default(),
            hosts: Hosts::new(&[], self.origins, self.listener.is_loopback(), false),
        });
        let serving = workers.serve_all(&self.listener, |socket| running.clone().greet(socket));
        serving.or(async { _ = signals.next().await }).await;
        drop(self.listener);
        running.connections.stop(Close::GOING_AWAY);
        running.connections.drained_or_ended(DRAIN).await;
        Ok(())
    }
}

impl<S: Service> Running<S> {
    async fn greet(self: Arc<Self>, mut socket: Socket) {
        let peer = socket.peer();
        let mut requests = Requests::new(self.settings.handshake_timeout);
        let Settings { max_per_address, max_connections, .. } = self.settings;
        let _place = match self.addresses.enter(peer.map(|peer| peer.ip()), max_per_address, max_connections) {
            Ok(place) => place,
            Err(full) => return requests.end(&mut socket, Reply::text(full.status(), &full.to_string())).await,
        };
        let Some(head) = requests.next(&mut socket).await else { return };
        let upgrade = match self.accepted(&head) {
            Ok(upgrade) => upgrade,
            Err(reply) => return requests.end(&mut socket, reply).await,
        };
        let entry = self.connections.enter();
        if send(&mut socket, &upgrade.response()).await.is_some() {
            let open = |wakeup, id| self.hub.session(id, wakeup, (peer, upgrade.protocol, head.text), &self.settings);
            super::serve(socket, requests.into_rest(), &self.settings, entry, &self.metrics, open).await;
        }
    }

    /// Checks the host, the handshake and what the service wants of a request.
    fn accepted(&self, head: &Head) -> Result<Upgrade, Reply> {
        if !self.hosts.accepts(&head.host) {
            let words = "on loopback only localhost and addresses are a Host";
            return Err(Reply::text(StatusCode::MisdirectedRequest, words));
        }
        let service = self.hub.service();
        let upgrade = upgrade(head, service.protocols(), &self.hosts).map_err(UpgradeError::reply)?;
        service.on_upgrade(head).map(|()| upgrade)
    }
}
