//! The operator's API: boards, who is on them, and what may be, behind a token and on a listener of its own.
//!
//! `openapi.json` describes it, and is what it is tested against. No request has a body; answers are JSON, but for exports
//! and metrics.

mod guesses;

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::num::NonZeroU32;
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::{Context, bail};
use http_types::{Method, StatusCode};
use inkwire_board::Board;
use inkwire_protocol::{Action, Reason, Role, ServerMessage, limits};
use serde_json::{Value, json};
use sha2::{Digest, Sha256};
use subtle::ConstantTimeEq;

use self::guesses::Guesses;
use crate::export::{Format, exported, good};
use crate::http::{Head, HeadError, Hosts, Reply, Requests, send_reply};
use crate::metrics::{Metrics, Refused};
use crate::name::BoardName;
use crate::net::socket::Socket;
use crate::operate::boards;
use crate::rooms::{MemberRecord, Rooms, SharedRoom};
use crate::storage::{Archive, BoardRecord, Engine, StorageError};
use crate::ws::{Addresses, host_of};

/// The description of the API (OpenAPI 3.1).
const OPENAPI: &str = include_str!("openapi.json");
/// Maximum time for a head.
const PATIENCE: Duration = Duration::from_secs(10);
/// Most connections at once, where descriptors are not short.
const MOST_CONNECTIONS: usize = 16;
/// The shortest token that is taken, in bytes.
const TOKEN: usize = 16;
/// Boards in one answer, at most, and where nothing is said.
const MOST: usize = 1_000;
const USUAL: usize = 100;

/// All that a request may be: what a path does not take is answered with what it does.
const METHODS: &[&str] = &["GET", "HEAD", "POST", "DELETE", "PUT", "PATCH", "OPTIONS", "TRACE"];

/// The first line of a token's file.
///
/// # Errors
/// If it cannot be read, or is too short to be a secret.
pub fn read_token(file: &Path) -> anyhow::Result<String> {
    let text = std::fs::read_to_string(file).with_context(|| file.display().to_string())?;
    let token = text.lines().next().unwrap_or_default().trim();
    let is_plain = token.bytes().all(|byte| byte.is_ascii_graphic());
    if token.len() < TOKEN || !is_plain {
        bail!("{}: its first line is not a token of {TOKEN} plain letters or more", file.display());
    }
    Ok(token.into())
}

/// The operator's API.
#[derive(Debug)]
pub struct Admin {
    /// The SHA-256 of the token.
    token: [u8; 32],
    hosts: Hosts,
    guesses: Guesses,
    /// The addresses that have connections, and the most connections.
    addresses: Addresses,
    max_connections: usize,
    rooms: Arc<Rooms>,
    engine: Arc<dyn Engine>,
    metrics: Arc<Metrics>,
}

/// Why a request is not answered as it hopes.
#[derive(Debug, thiserror::Error)]
enum Refusal {
    #[error("{}", Hosts::REFUSAL)]
    Host,
    #[error("the token is missing, or is not the one")]
    Unauthorized,
    #[error("too many wrong tokens came from this address; --admin-guesses says how many it may send a minute")]
    TooMany(Duration),
    #[error("nothing lives here")]
    Nothing,
    #[error("there is no such board")]
    NoBoard,
    #[error("there is nobody of that author number on this board")]
    NoMember,
    #[error("this path takes {0}")]
    Method(&'static str),
    #[error("{0}")]
    Wrong(String),
    #[error("{}", StorageError::NoDisk)]
    NoDisk,
    #[error("{0}")]
    Failed(String),
}

impl Refusal {
    fn reply(&self) -> Reply {
        let status = match self {
            Self::Host => StatusCode::MisdirectedRequest,
            Self::Unauthorized => StatusCode::Unauthorized,
            Self::TooMany(_) => StatusCode::TooManyRequests,
            Self::Nothing | Self::NoBoard | Self::NoMember => StatusCode::NotFound,
            Self::Method(_) => StatusCode::MethodNotAllowed,
            Self::Wrong(_) => StatusCode::BadRequest,
            Self::NoDisk => StatusCode::Conflict,
            Self::Failed(_) => StatusCode::ServiceUnavailable,
        };
        let reply = json_reply(status, &json!({ "error": self.to_string() }));
        match self {
            Self::Unauthorized => reply.header("www-authenticate", "Bearer"),
            Self::TooMany(wait) => reply.header("retry-after", &(wait.as_secs() + 1).to_string()),
            Self::Method(allowed) => reply.header("allow", allowed),
            _ => reply,
        }
    }
}

impl From<StorageError> for Refusal {
    fn from(error: StorageError) -> Self {
        match error {
            StorageError::NoBoard(_) => Self::NoBoard,
            StorageError::NoDisk => Self::NoDisk,
            StorageError::OutOfRange { .. } => Self::Wrong(error.to_string()),
            error => Self::Failed(error.to_string()),
        }
    }
}

/// A server without a disk keeps nothing, which is no refusal for who only asks what there is.
fn or_nothing<T: Default>(answer: Result<T, Refusal>) -> Result<T, Refusal> {
    match answer {
        Err(Refusal::NoDisk) => Ok(T::default()),
        other => other,
    }
}

fn json_reply(status: StatusCode, value: &Value) -> Reply {
    Reply::new(status, "application/json", format!("{value}\n").as_bytes()).header("cache-control", "no-store")
}

fn ok(value: &Value) -> Reply {
    json_reply(StatusCode::Ok, value)
}

impl Admin {
    /// The API with its token, over what a server has.
    pub fn new(
        token: String,
        guesses_per_minute: NonZeroU32,
        hosts: Hosts,
        rooms: Arc<Rooms>,
        engine: Arc<dyn Engine>,
        metrics: Arc<Metrics>,
    ) -> Self {
        let (guesses, addresses, max_connections) =
            (Guesses::new(guesses_per_minute), Addresses::default(), MOST_CONNECTIONS);
        Self { token: Sha256::digest(token).into(), hosts, guesses, addresses, max_connections, rooms, engine, metrics }
    }

    /// With room for another number of connections.
    #[must_use]
    pub fn with_connections(self, max_connections: usize) -> Self {
        Self { max_connections, ..self }
    }

    /// Answers what comes on a connection until it ends.
    pub async fn serve(self: Arc<Self>, mut socket: Socket) {
        let address = socket.peer().map(|peer| host_of(peer.ip()));
        let most_of_address = (self.max_connections / 2).max(1);
        let Ok(_place) = self.addresses.enter(address, most_of_address, self.max_connections) else {
            self.metrics.refuse(Refused::Connections);
            let words =
                format!("too many connections: the most is {}, half of them from one address", self.max_connections);
            let reply = json_reply(StatusCode::ServiceUnavailable, &json!({ "error": words }));
            _ = send_reply(&mut socket, reply, Method::Get, true).await;
            return;
        };
        let refusal = |error: HeadError| json_reply(error.status(), &json!({ "error": error.to_string() }));
        let mut requests = Requests::new(PATIENCE).refusing(refusal).taking(METHODS);
        while let Some(head) = requests.next(&mut socket).await {
            let reply = self.answer(&head, address).await.unwrap_or_else(|refusal| refusal.reply());
            if requests.reply(&mut socket, &head, reply).await.is_none() {
                return;
            }
        }
    }

    /// A token is compared only where its address has a guess left: whoever has none learns nothing from the answer.
    fn authorize(&self, head: &Head, address: Option<IpAddr>) -> Result<(), Refusal> {
        let values = head.request.header("authorization");
        if values.is_some_and(|values| values.iter().count() > 1) {
            return Err(Refusal::Wrong("Authorization is there twice".into()));
        }
        let value = values.map(|values| values.last().as_str());
        let given = value.and_then(|value| value.split_once(' '));
        let given = given.filter(|(scheme, _)| scheme.eq_ignore_ascii_case("bearer"));
        let Some((_, token)) = given else { return Err(Refusal::Unauthorized) };
        if let Some(wait) = self.guesses.begin(address, Instant::now()) {
            self.metrics.refuse(Refused::Token);
            return Err(Refusal::TooMany(wait));
        }
        let digest: [u8; 32] = Sha256::digest(token.trim()).into();
        if !bool::from(digest.ct_eq(&self.token)) {
            return Err(Refusal::Unauthorized);
        }
        self.guesses.was_right(address, Instant::now());
        Ok(())
    }

    async fn answer(self: &Arc<Self>, head: &Head, address: Option<IpAddr>) -> Result<Reply, Refusal> {
        if !self.hosts.accepts(&head.host) {
            self.metrics.refuse(Refused::Host);
            return Err(Refusal::Host);
        }
        self.authorize(head, address)?;
        let path = head.path.strip_prefix("/v1/").ok_or(Refusal::Nothing)?;
        let segments: Vec<&str> = path.split('/').collect();
        let query = Query::of(&head.query)?;
        let board = |name: &str| name.parse::<BoardName>().map_err(|_| Refusal::NoBoard);
        let method = match head.request.method() {
            Method::Get | Method::Head => "GET",
            Method::Post => "POST",
            Method::Delete => "DELETE",
            _ => "",
        };
        let only = |wanted: &'static str, names: &[&str]| {
            if method == wanted { query.only(names) } else { Err(Refusal::Method(wanted)) }
        };
        match segments[..] {
            ["openapi.json"] => {
                only("GET", &[])?;
                Ok(Reply::new(StatusCode::Ok, "application/json", OPENAPI.as_bytes()))
            }
            ["limits"] => only("GET", &[]).map(|()| self.limits()),
            ["metrics"] => only("GET", &[]).map(|()| self.metrics()),
            ["boards"] => {
                only("GET", &["limit", "after"])?;
                self.boards(&query).await
            }
            ["boards", name] => {
                if !["GET", "DELETE"].contains(&method) {
                    return Err(Refusal::Method("GET, DELETE"));
                }
                query.only(&[])?;
                if method == "GET" { self.board(board(name)?).await } else { self.delete(board(name)?).await }
            }
            ["boards", name, "members"] => {
                only("GET", &[])?;
                self.members(&board(name)?).await
            }
            ["boards", name, "members", author] => {
                only("DELETE", &[])?;
                self.disconnect(&board(name)?, author).await
            }
            ["boards", name, "export"] => {
                only("GET", &["format", "at"])?;
                self.export(board(name)?, query).await
            }
            ["boards", name, "audit"] => {
                only("GET", &[])?;
                self.audit(board(name)?).await
            }
            ["boards", name, "links", role] => {
                only("POST", &["seconds"])?;
                self.link(board(name)?, role, &query).await
            }
            _ => Err(Refusal::Nothing),
        }
    }

    fn limits(&self) -> Reply {
        let limits = self.rooms.limits();
        ok(&json!({
            "boards": limits.boards,
            "members": limits.members,
            "elements": limits.elements,
            "pointsPerSecond": limits.points,
            "bytesPerSecond": limits.bytes,
            "boardPointsPerSecond": limits.board_points,
            "boardBytesPerSecond": limits.board_bytes,
        }))
    }

    fn metrics(&self) -> Reply {
        let media_type = "application/openmetrics-text; version=1.0.0; charset=utf-8";
        Reply::new(StatusCode::Ok, media_type, self.metrics.text().as_bytes())
    }

    /// The room of a board, where it is open and more than a name.
    fn room_of(&self, name: &BoardName) -> Option<Arc<SharedRoom>> {
        self.rooms.open_room_of(name).filter(is_more_than_a_name)
    }

    /// Does something with the database that blocks.
    async fn read<T: Send + 'static>(
        &self,
        act: impl FnOnce(&dyn Archive) -> Result<T, Refusal> + Send + 'static,
    ) -> Result<T, Refusal> {
        let engine = self.engine.clone();
        smol::unblock(move || act(&*engine.archive()?)).await
    }

    /// The record of a board; nothing where there is no disk, or nothing was drawn yet.
    async fn record(&self, name: &BoardName) -> Result<Option<BoardRecord>, Refusal> {
        let name = name.clone();
        or_nothing(self.read(move |archive| Ok(archive.record(name.as_str())?)).await)
    }

    /// Sees that there is a board of that name: on the disk, or in a room.
    async fn sees(&self, name: &BoardName) -> Result<(), Refusal> {
        let is_there = self.room_of(name).is_some() || self.record(name).await?.is_some();
        if is_there { Ok(()) } else { Err(Refusal::NoBoard) }
    }

    async fn boards(&self, query: &Query<'_>) -> Result<Reply, Refusal> {
        let most = query.number("limit", 1..=MOST as u64)?.map_or(USUAL, |most| most as usize);
        let after = query.get("after").unwrap_or_default().to_owned();
        if !after.is_empty() && after.parse::<BoardName>().is_err() {
            return Err(Refusal::Wrong("after is the name of a board".into()));
        }
        let open = self.rooms.open_rooms();
        let records = or_nothing(self.read(|archive| Ok(archive.boards()?)).await)?;
        // Also those that are only open yet: they count as well.
        let mut all: BTreeMap<&str, (Option<&BoardRecord>, Option<&Arc<SharedRoom>>)> = BTreeMap::new();
        records.iter().for_each(|record| all.entry(&record.name).or_default().0 = Some(record));
        open.iter()
            .filter(|room| is_more_than_a_name(room))
            .for_each(|room| all.entry(room.name().as_str()).or_default().1 = Some(room));
        let is_wanted = |name: &str| name > after.as_str() && name.parse::<BoardName>().is_ok();
        let mut wanted = all.into_iter().filter(|(name, _)| is_wanted(name));
        let facts: Vec<Value> =
            wanted.by_ref().take(most).map(|(name, (record, room))| of_board(name, record, room)).collect();
        Ok(ok(&json!({ "boards": facts, "hasMore": wanted.next().is_some() })))
    }

    async fn board(&self, name: BoardName) -> Result<Reply, Refusal> {
        let (record, room) = (self.record(&name).await?, self.room_of(&name));
        if record.is_none() && room.is_none() {
            return Err(Refusal::NoBoard);
        }
        Ok(ok(&of_board(name.as_str(), record.as_ref(), room.as_ref())))
    }

    async fn delete(&self, name: BoardName) -> Result<Reply, Refusal> {
        // Asked first: a server without a disk must not send people away for nothing.
        self.read(|_| Ok(())).await?;
        self.sees(&name).await?;
        let (engine, gone) = (self.engine.clone(), name.clone());
        let delete = move || match engine.delete(gone.as_str()) {
            // Where people are on a board of which nothing is kept, that they go is all there is to do.
            Err(StorageError::NoBoard(_)) => Ok(()),
            other => other,
        };
        self.rooms.replace(&name, Reason::Deleted, delete).await?;
        Ok(ok(&json!({ "deleted": name.as_str() })))
    }

    async fn members(&self, name: &BoardName) -> Result<Reply, Refusal> {
        self.sees(name).await?;
        let members = self.room_of(name).map_or_else(Vec::new, |room| room.members());
        let members: Vec<Value> = members.iter().map(of_member).collect();
        Ok(ok(&json!({ "members": members })))
    }

    async fn disconnect(&self, name: &BoardName, author: &str) -> Result<Reply, Refusal> {
        let author: u32 = author.parse().map_err(|_| Refusal::NoMember)?;
        let room = self.room_of(name).ok_or(Refusal::NoBoard)?;
        let found = smol::unblock(move || room.disconnect(author)).await?;
        if found { Ok(ok(&json!({ "disconnected": author }))) } else { Err(Refusal::NoMember) }
    }

    async fn export(&self, name: BoardName, query: Query<'_>) -> Result<Reply, Refusal> {
        let (format, media_type) = match query.get("format").unwrap_or("json") {
            "json" => (Format::Json, "application/json"),
            "svg" => (Format::Svg, "image/svg+xml"),
            "png" => (Format::Png, "image/png"),
            _ => return Err(Refusal::Wrong("format is json, svg or png".into())),
        };
        let at = query.number("at", 0..=limits::NUMBER)?;
        let is_open = self.room_of(&name).is_some();
        let bytes = self
            .read(move |archive| {
                let record = archive.record(name.as_str())?;
                let failed = |error: anyhow::Error| match error.downcast::<StorageError>() {
                    Ok(error) => error.into(),
                    Err(error) => Refusal::Failed(format!("{error:#}")),
                };
                let board = match record {
                    Some(record) => good(archive, &record, at).map_err(failed)?,
                    None if is_open && at.unwrap_or(0) == 0 => Board::default(),
                    None => return Err(Refusal::NoBoard),
                };
                exported(archive, name.as_str(), &board, format).map_err(failed)
            })
            .await?;
        let reply = Reply::shared(StatusCode::Ok, media_type, bytes.into());
        Ok(reply.header("content-security-policy", "default-src 'none'; sandbox"))
    }

    async fn audit(&self, name: BoardName) -> Result<Reply, Refusal> {
        self.sees(&name).await?;
        let records = self.read(move |archive| Ok(archive.audit(&name)?)).await?;
        Ok(ok(&json!({ "records": records })))
    }

    async fn link(&self, name: BoardName, role: &str, query: &Query<'_>) -> Result<Reply, Refusal> {
        let role = match role {
            "host" => Role::Host,
            "editor" => Role::Editor,
            "viewer" => Role::Viewer,
            _ => return Err(Refusal::Nothing),
        };
        let seconds = query.number("seconds", 0..=limits::SECONDS)?.unwrap_or(0);
        self.sees(&name).await?;
        let (rooms, board) = (self.rooms.clone(), name.clone());
        let made = smol::unblock(move || rooms.operate(&board, &Action::MakeLink { role, seconds })).await?;
        let Some(ServerMessage::Link { token, expires, .. }) = made else {
            return Err(Refusal::Failed("no link was made".into()));
        };
        let made = json!({ "role": role.to_string(), "link": name.link(token), "expires": expires });
        Ok(json_reply(StatusCode::Created, &made))
    }
}

/// Whether anything was drawn in a room, or somebody is in it.
fn is_more_than_a_name(room: &Arc<SharedRoom>) -> bool {
    room.seq() > 0 || !room.members().is_empty()
}

fn of_board(name: &str, record: Option<&BoardRecord>, room: Option<&Arc<SharedRoom>>) -> Value {
    let mut value = record.map_or_else(|| json!({ "board": name }), boards::facts);
    value["isOpen"] = room.is_some().into();
    value["members"] = room.map_or(0, |room| room.members().len()).into();
    if let Some(room) = room {
        value["seq"] = room.seq().into();
    }
    value
}

fn of_member(member: &MemberRecord) -> Value {
    json!({
        "author": member.author,
        "name": member.name,
        "address": member.address,
        "role": member.permissions.role.to_string(),
        "draws": member.permissions.draws,
        "muted": member.permissions.muted,
    })
}

/// The parameters behind the `?` of a request. None of them needs an escaped character.
struct Query<'a>(Vec<(&'a str, &'a str)>);

impl<'a> Query<'a> {
    fn of(text: &'a str) -> Result<Self, Refusal> {
        let pairs =
            text.split('&').filter(|pair| !pair.is_empty()).map(|pair| pair.split_once('=').unwrap_or((pair, "")));
        let all: Vec<(&str, &str)> = pairs.collect();
        let is_said_twice =
            all.iter().enumerate().any(|(at, (name, _))| all[..at].iter().any(|(other, _)| other == name));
        if is_said_twice { Err(Refusal::Wrong("a parameter is there twice".into())) } else { Ok(Self(all)) }
    }

    fn get(&self, name: &str) -> Option<&'a str> {
        self.0.iter().find(|(it, _)| *it == name).map(|(_, value)| *value)
    }

    fn number(&self, name: &str, range: std::ops::RangeInclusive<u64>) -> Result<Option<u64>, Refusal> {
        let Some(text) = self.get(name) else { return Ok(None) };
        let is_plain = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
        let number = text.parse().ok().filter(|number| is_plain && range.contains(number));
        let wrong = || Refusal::Wrong(format!("{name} is a number from {} to {}", range.start(), range.end()));
        number.map(Some).ok_or_else(wrong)
    }

    /// Whether nothing else was said.
    fn only(&self, names: &[&str]) -> Result<(), Refusal> {
        match self.0.iter().find(|(name, _)| !names.contains(name)) {
            Some((name, _)) => Err(Refusal::Wrong(format!("there is no parameter {name} here"))),
            None => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_is_the_first_line_of_its_file_and_not_short() {
        let directory = std::env::temp_dir().join(format!("inkwire-token-{}", std::process::id()));
        std::fs::create_dir_all(&directory).unwrap();
        let file = directory.join("token");
        std::fs::write(&file, "0123456789abcdef\nnot this\n").unwrap();
        assert_eq!(read_token(&file).unwrap(), "0123456789abcdef");
        for short in ["", "0123456789abcde", "0123456789 abcdef", "\n0123456789abcdef"] {
            std::fs::write(&file, short).unwrap();
            assert!(read_token(&file).is_err(), "{short}");
        }
        assert!(read_token(&directory.join("none")).is_err());
        std::fs::remove_dir_all(&directory).unwrap();
    }

    #[test]
    fn parameters_are_said_once_and_in_range() {
        let query = Query::of("limit=7&after=x").ok().unwrap();
        assert_eq!(query.number("limit", 1..=9).ok().flatten(), Some(7));
        assert!(query.number("limit", 1..=5).is_err() && query.only(&["limit"]).is_err());
        for wrong in ["limit=", "limit=+7", "limit=x", "limit=99999999999999999999"] {
            assert!(Query::of(wrong).ok().unwrap().number("limit", 0..=u64::MAX).is_err(), "{wrong}");
        }
        assert!(Query::of("a=1&a=2").is_err());
    }
}
