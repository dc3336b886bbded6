//! The site: one connection's way from its first request to its end.

pub mod assets;
mod base_path;
mod echo;
mod modules;
mod page;
mod route;
pub mod watch;

use std::future::Future;
use std::net::IpAddr;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use bytes::Bytes;
use http_types::{Method, StatusCode};
use inkwire_protocol::{ImageHash, StorageState};
use smol::future::FutureExt;

pub use self::base_path::BasePath;
pub use self::echo::Echo;
pub use self::page::Scripts;

use self::assets::{Asset, asset};
use self::page::{BUNDLED, bundle, page};
use self::route::{Route, route};
use crate::http::{Head, Hosts, Reply, Requests, Upgrade, send, send_reply, upgrade};
use crate::in_flight::Reader;
use crate::log::{Gate, board_span};
use crate::metrics::{Metrics, Refused};
use crate::name::BoardName;
use crate::net::socket::Socket;
use crate::random;
use crate::rooms::{Encoding, ImageFailure, Member, RoomHandle, Rooms};
use crate::ws::{self, Addresses, Connections, Entry, Full, Hub, Settings, host_of};

/// Time that a connection beyond the limits has for its request.
const TURNED_AWAY: Duration = Duration::from_secs(1);

/// Everything that requests are answered from.
#[derive(Debug)]
pub struct Site {
    /// The path below which the page lives.
    pub base_path: BasePath,
    /// The form in which the page gets its scripts.
    pub scripts: Scripts,
    /// The hosts that requests may name, and the sites whose pages may connect.
    pub hosts: Hosts,
    /// Whether the limit of connections in the settings is less than the operator wants, because the process may not open so many descriptors.
    pub is_short_of_descriptors: bool,
    /// Most connections beyond those that are answered before they are refused.
    pub max_overflow: usize,
    /// Whether connections come from a proxy that says in `X-Forwarded-For` for whom.
    pub behind_proxy: bool,
    /// The addresses that have connections.
    pub addresses: Addresses,
    /// Those that have one beyond the limit.
    pub overflow: Addresses,
    /// The rooms.
    pub rooms: Arc<Rooms>,
    /// The metrics.
    pub metrics: Arc<Metrics>,
    /// The WebSocket connections.
    pub connections: Connections,
    /// Their limits.
    pub settings: Settings,
    /// Connections that are owed an answer.
    pub owed: Arc<AtomicUsize>,
    /// The service behind `/echo`.
    pub echo: Hub<Echo>,
}

/// A connection that is owed an answer: it is new, or has asked something. Closing it now would reset it.
struct Owed(Arc<AtomicUsize>);

impl Owed {
    fn new(owed: &Arc<AtomicUsize>) -> Self {
        owed.fetch_add(1, Ordering::Relaxed);
        Self(owed.clone())
    }
}

impl Drop for Owed {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}

/// The answer to a request.
enum Answer {
    Reply(Reply),
    Join(Upgrade, BoardName, Option<IpAddr>),
    Image(ImageHash),
    /// An image, which is sent as long as its reader is not dismissed.
    Shared(Reply, Reader),
    Member(Upgrade, RoomHandle, Option<IpAddr>),
    Echo(Upgrade, Arc<str>),
}

impl Site {
    /// Serves one connection until it is over. From now on it is owed an answer, whenever its task begins.
    pub fn serve(self: Arc<Self>, socket: Socket) -> impl Future<Output = ()> + Send {
        let owed = Owed::new(&self.owed);
        self.greet(socket, owed)
    }

    /// Waits until nobody is owed an answer any more, at most for so long.
    pub async fn all_answered(&self, patience: Duration) {
        let deadline = Instant::now() + patience;
        while self.owed.load(Ordering::Relaxed) > 0 && Instant::now() < deadline {
            smol::Timer::after(Duration::from_millis(2)).await;
        }
    }

    async fn greet(self: Arc<Self>, mut socket: Socket, owed: Owed) {
        let _open = Open::new(&self.metrics);
        let address = socket.peer().map(|peer| peer.ip());
        let Settings { max_connections, max_per_address, .. } = self.settings;
        let _place = match self.addresses.enter(address, max_per_address, max_connections) {
            Ok(place) => place,
            Err(full) => return Box::pin(self.turn_away(socket, full)).await,
        };
        // Each part of the way is boxed, so that the task of an idle member has room for that and for nothing else.
        let upgraded = Box::pin(self.speak_http(&mut socket, owed)).await;
        if let Some((answer, rest, entry)) = upgraded {
            self.speak_websocket(socket, answer, rest, entry).await;
        }
    }

    /// Answers a connection for which there is no place: how the server is, anybody may still ask; all others are refused.
    async fn turn_away(&self, mut socket: Socket, full: Full) {
        let address = socket.peer().map(|peer| peer.ip());
        let most_of_address = (self.max_overflow / 4).max(1);
        let Ok(_place) = self.overflow.enter(address, most_of_address, self.max_overflow) else {
            // Nothing is waited for, not even its request: so many more hold no descriptor.
            _ = send_reply(&mut socket, self.refusal(full), Method::Get, true).await;
            return;
        };
        let mut requests = Requests::new(TURNED_AWAY).refusing(|_| self.refusal(full));
        let Some(head) = requests.next(&mut socket).await else { return };
        let reply = match self.probe(&head) {
            Some(reply) => reply,
            None => self.refusal(full),
        };
        requests.end(&mut socket, reply).await;
    }

    /// The reply to a probe of a load balancer or a monitor, which is answered beyond the limits as well.
    fn probe(&self, head: &Head) -> Option<Reply> {
        let is_probe = route(self.base_path.strip(&head.path)).is_probe();
        match is_probe.then(|| self.answer(head, None))? {
            Answer::Reply(reply) => Some(reply),
            _ => None,
        }
    }

    /// Returns the reply that names the limit that refuses a connection, and the flag that changes it.
    fn refusal(&self, full: Full) -> Reply {
        let Settings { max_connections, max_per_address, .. } = self.settings;
        let (by, words) = match full {
            Full::Address => (Refused::Address, format!("{full}: the most is {max_per_address} (--max-per-address)")),
            Full::InAll => {
                let limit = if self.is_short_of_descriptors { "ulimit -n" } else { "--max-connections" };
                let words = format!("{full}: the most is {max_connections} ({limit}); try again in a moment");
                (Refused::Connections, words)
            }
        };
        self.metrics.refuse(by);
        Reply::text(full.status(), &words).header("retry-after", "5")
    }

    /// Answers requests until the connection ends, or one of them is upgraded.
    async fn speak_http(&self, socket: &mut Socket, owed: Owed) -> Option<(Answer, Vec<u8>, Entry<'_>)> {
        let mut owed = Some(owed);
        let mut requests = Requests::new(self.settings.handshake_timeout);
        loop {
            let head = requests.next(socket).await?;
            owed.get_or_insert_with(|| Owed::new(&self.owed));
            let address = self.address(&head, socket);
            match self.opened(self.answer(&head, address)).await {
                Answer::Reply(reply) => requests.reply(socket, &head, reply).await?,
                Answer::Shared(reply, reader) => {
                    requests.reply(socket, &head, reply).or(dismissed(&reader)).await?;
                }
                accepted => {
                    let entry = self.upgraded(socket, &requests, &accepted).await?;
                    return Some((accepted, requests.into_rest(), entry));
                }
            }
            // It may ask again, and has to expect that the connection ends meanwhile (RFC 9112 section 9.3.1).
            owed = None;
        }
    }

    /// Completes the handshake of an accepted upgrade; `None` if the connection ends with it.
    async fn upgraded(&self, socket: &mut Socket, requests: &Requests, accepted: &Answer) -> Option<Entry<'_>> {
        let (Answer::Member(upgrade, ..) | Answer::Echo(upgrade, _)) = accepted else { return None };
        let entry = self.connections.enter();
        // Looked at after it has entered: either this one sees that the server stops, or the one that stops it sees this one.
        let is_open = if self.connections.stopping().is_some() {
            requests.end(socket, stops()).await;
            None
        } else {
            send(socket, &upgrade.response()).await
        };
        if is_open.is_none() {
            self.let_go(accepted);
        }
        is_open.map(|()| entry)
    }

    /// Opens the board of whoever wants to join it, before the upgrade: where it cannot be opened, HTTP can say so. Fetches
    /// what lies on the disk.
    async fn opened(&self, answer: Answer) -> Answer {
        let (upgrade, name, address) = match answer {
            Answer::Join(upgrade, name, address) => (upgrade, name, address),
            Answer::Image(hash) => return self.image(hash).await,
            answer => return answer,
        };
        match self.rooms.room(&name).await {
            Ok(place) => Answer::Member(upgrade, place, address),
            Err(error) => {
                static LINES: Gate = Gate::new();
                if let Some(suppressed) = LINES.admit() {
                    board_span(&name).in_scope(|| tracing::error!(%error, suppressed, "the board could not be opened"));
                }
                let reply = Reply::text(StatusCode::ServiceUnavailable, "the board cannot be opened now");
                Answer::Reply(reply.header("retry-after", "5"))
            }
        }
    }

    /// A picture: what has that name never changes, and whoever opens it alone gets no page.
    async fn image(&self, hash: ImageHash) -> Answer {
        let unavailable =
            |why: &str| Answer::Reply(Reply::text(StatusCode::ServiceUnavailable, why).header("retry-after", "5"));
        match self.rooms.image(hash).await {
            Ok(Some(image)) => {
                let reply = Reply::shared(StatusCode::Ok, image.media_type, image.bytes)
                    .header("cache-control", "private, max-age=31536000, immutable")
                    .header("content-security-policy", "default-src 'none'; sandbox");
                Answer::Shared(reply, self.rooms.in_flight().reader(Arc::default()))
            }
            Ok(None) => Answer::Reply(Reply::text(StatusCode::NotFound, "no such picture")),
            Err(ImageFailure::InFlight) => unavailable("too many images are being read (--max-in-flight); try again"),
            Err(ImageFailure::Storage(error)) => {
                static LINES: Gate = Gate::new();
                if let Some(suppressed) = LINES.admit() {
                    tracing::error!(image = %hash, %error, suppressed, "the picture could not be read");
                }
                unavailable("the picture cannot be read now")
            }
        }
    }

    /// Nobody comes to a room that was opened for somebody.
    fn let_go(&self, answer: &Answer) {
        if let Answer::Member(_, place, _) = answer {
            self.rooms.release(place);
        }
    }

    /// Returns the client's address: the other end of the socket, or the last one that a proxy there names (anybody can write those before it).
    fn address(&self, head: &Head, socket: &Socket) -> Option<IpAddr> {
        if !self.behind_proxy {
            return socket.peer().map(|peer| host_of(peer.ip()));
        }
        let values = head.request.header("x-forwarded-for")?;
        values.last().as_str().rsplit(',').next()?.trim().parse().ok().map(host_of)
    }

    fn answer(&self, head: &Head, address: Option<IpAddr>) -> Answer {
        let route = route(self.base_path.strip(&head.path));
        if !self.accepts_host(&route, &head.host) {
            self.metrics.refuse(Refused::Host);
            return Answer::Reply(Hosts::refusal());
        }
        if self.base_path.lacks_slash(&head.path) {
            return Answer::Reply(Reply::redirect(self.base_path.as_str()));
        }
        let ok = |text: &str| Reply::text(StatusCode::Ok, text);
        let reply = match route {
            Route::NewBoard => new_board(),
            Route::Start => self.page(head, START),
            Route::Board(Ok(_)) => self.page(head, "index.html"),
            Route::Board(Err(_)) if is_asked_by_a_person(head) => bad_name(self.base_path.strip(&head.path)),
            Route::BoardSocket(_) if self.connections.stopping().is_some() => stops(),
            Route::BoardSocket(Ok(name)) => match upgrade(head, &Encoding::SUBPROTOCOLS, &self.hosts) {
                Ok(upgrade) => return Answer::Join(upgrade, name, address),
                Err(error) => error.reply(),
            },
            Route::Board(Err(error)) | Route::BoardSocket(Err(error)) => {
                Reply::text(StatusCode::NotFound, &error.to_string())
            }
            Route::Echo => match upgrade(head, &[], &self.hosts) {
                Ok(upgrade) => return Answer::Echo(upgrade, head.text.clone()),
                Err(error) => error.reply(),
            },
            Route::Image(hash) => return Answer::Image(hash),
            Route::Asset(OFFLINE) => {
                // It lies below the pages that it serves (Service Workers, section 6.2); its own place is what the path is counted from.
                file(head, asset(OFFLINE)).header("service-worker-allowed", "../")
            }
            Route::Asset(path) => file(head, path.strip_prefix(BUNDLED).map_or_else(|| asset(path), bundle)),
            Route::Healthz => ok("ok"),
            Route::Readyz if self.connections.stopping().is_some() => {
                Reply::text(StatusCode::ServiceUnavailable, "stopping")
            }
            Route::Readyz if self.rooms.storage_state() == StorageState::Failing => {
                Reply::text(StatusCode::ServiceUnavailable, "the disk takes nothing")
            }
            Route::Readyz => ok("ready"),
            Route::Metrics => {
                let media_type = "application/openmetrics-text; version=1.0.0; charset=utf-8";
                Reply::new(StatusCode::Ok, media_type, self.metrics.text().as_bytes())
            }
            Route::Nothing => Reply::text(StatusCode::NotFound, "nothing lives here"),
        };
        Answer::Reply(reply)
    }

    fn accepts_host(&self, route: &Route<'_>, host: &str) -> bool {
        if route.is_probe() { self.hosts.accepts_probe(host) } else { self.hosts.accepts(host) }
    }

    /// The page, which may run its own scripts and connect to its own host, and nothing else.
    fn page(&self, head: &Head, path: &str) -> Reply {
        let Some(page) = page(path, self.scripts) else { return file(head, None) };
        // Safari before 16 does not take 'self' for ws and wss, so the host is named.
        let watch = watch::origin();
        let policy = format!(
            "default-src 'none'; script-src 'self' {scripts} {watch}; style-src 'self' {styles}; img-src 'self' data: blob:; manifest-src 'self'; \
             worker-src 'self'; connect-src 'self' ws://{host} wss://{host} {watch}; base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
            scripts = page.script_sources,
            styles = page.style_sources,
            host = head.host,
            watch = watch.as_deref().unwrap_or_default()
        );
        let root = if path == START { "" } else { "../" };
        let words = words_of(head).map(|code| self.scripts.path(&format!("js/words/{code}.js")));
        let links = page.first.into_iter().chain(words.map(|path| format!("{root}static/{path}")));
        let links: Vec<_> = links.map(|address| format!("<{address}>; rel=\"modulepreload\"")).collect();
        let reply = match watch {
            Some(origin) => {
                Reply::new(StatusCode::Ok, page.asset.media_type, &watch::with_script(&page.asset.bytes, &origin))
            }
            None => file(head, Some(page.asset)),
        };
        let reply = reply.header("content-security-policy", &policy).header("vary", "accept-encoding, accept-language");
        if links.is_empty() { reply } else { reply.header("link", &links.join(", ")) }
    }

    fn speak_websocket<'a>(
        &'a self,
        socket: Socket,
        answer: Answer,
        rest: Vec<u8>,
        entry: Entry<'a>,
    ) -> Pin<Box<dyn Future<Output = ()> + Send + 'a>> {
        let metrics = &*self.metrics;
        match answer {
            Answer::Member(upgrade, room, address) => {
                let (rooms, encoding) = (self.rooms.clone(), Encoding::of(upgrade.protocol));
                let open = move |wakeup, _| Member::new(rooms, room, encoding, address, wakeup);
                Box::pin(ws::serve(socket, rest, &self.settings, entry, metrics, open))
            }
            Answer::Echo(upgrade, text) => {
                let peer = socket.peer();
                let open =
                    move |wakeup, id| self.echo.session(id, wakeup, (peer, upgrade.protocol, text), &self.settings);
                Box::pin(ws::serve(socket, rest, &self.settings, entry, metrics, open))
            }
            Answer::Reply(_) | Answer::Shared(..) | Answer::Join(..) | Answer::Image(_) => {
                Box::pin(std::future::ready(()))
            }
        }
    }
}

/// Waits until the reader of an image is dismissed, which ends its connection.
async fn dismissed(reader: &Reader) -> Option<()> {
    reader.dismissed().await;
    tracing::debug!("slow reader: disconnected while it read an image");
    None
}

/// The language that the page will speak to this browser, where its words are a file of their own (`static/js/state/language.js`): it is
/// on its way then while the modules are that ask for it.
fn words_of(head: &Head) -> Option<&'static str> {
    const LANGUAGES: [&str; 4] = ["en", "de", "fr", "ar"];
    let values = head.request.header("accept-language")?;
    let mut wanted = values.iter().flat_map(|value| value.as_str().split(','));
    let spoken = wanted.find_map(|wish| LANGUAGES.into_iter().find(|code| wish.trim().starts_with(code)))?;
    (spoken != "en").then_some(spoken)
}

/// The way to a new board. Whoever goes it first is its host, by a secret that stands behind the `#`: no server hears that
/// part of an address, and no `Referer` has it.
fn new_board() -> Reply {
    let reply = Reply::redirect(&BoardName::unguessable().link(random::token()));
    reply.header("cache-control", "no-store")
}

/// A person who opens an invalid board name is told so on the start page, in their language, and can open another board there.
fn bad_name(path: &str) -> Reply {
    Reply::redirect(&format!("{}#badName", "../".repeat(path.matches('/').count())))
}

fn is_asked_by_a_person(head: &Head) -> bool {
    let kinds = head.request.header("accept");
    kinds.is_some_and(|values| values.iter().any(|value| value.as_str().contains("text/html")))
}

/// The answer to an upgrade while the server stops.
fn stops() -> Reply {
    Reply::text(StatusCode::ServiceUnavailable, "the server stops").header("retry-after", "1")
}

fn file(head: &Head, asset: Option<Asset>) -> Reply {
    let Some(asset) = asset else { return Reply::text(StatusCode::NotFound, "no such file") };
    let reply = if head.takes_gzip() {
        let asset = asset.packed();
        unless_known(head, asset.media_type, asset.bytes.clone(), &asset.etag).header("content-encoding", "gzip")
    } else {
        unless_known(head, asset.media_type, asset.bytes.clone(), &asset.etag)
    };
    reply.header("vary", "accept-encoding")
}

/// The page of the boards that were opened.
const START: &str = "start.html";

/// The script that serves the page where there is no network.
const OFFLINE: &str = "offline.js";

/// Some bytes, or 304 where the client has them (RFC 9110 section 13.1.2). The comparison is the weak one: a proxy that
/// compresses makes the tag weak.
fn unless_known(head: &Head, media_type: &str, bytes: Bytes, etag: &str) -> Reply {
    let is_same = |one: &str| one.trim().trim_start_matches("W/") == etag || one.trim() == "*";
    let known = head
        .request
        .header("if-none-match")
        .is_some_and(|values| values.iter().any(|value| value.as_str().split(',').any(is_same)));
    let (status, bytes) = if known { (StatusCode::NotModified, Bytes::new()) } else { (StatusCode::Ok, bytes) };
    Reply::shared(status, media_type, bytes).header("etag", etag)
}

/// Counts a socket in the metrics as long as it lives.
struct Open<'a>(&'a Metrics);

impl<'a> Open<'a> {
    fn new(metrics: &'a Metrics) -> Self {
        metrics.connections.inc();
        Self(metrics)
    }
}

impl Drop for Open<'_> {
    fn drop(&mut self) {
        self.0.connections.dec();
    }
}
