//! Somebody who has come and is not seated yet: what they have shown, and what came behind it.

use std::time::{Duration, Instant};

use inkwire_protocol::{ClientMessage, Reason, Token};
use inkwire_room::Hello;

/// How long a new connection may take to say hello: a person may type it.
const HELLO_PATIENCE: Duration = Duration::from_secs(60);

/// Somebody who is not seated yet.
#[derive(Debug)]
pub(super) struct Entering {
    pub(super) since: Instant,
    pub(super) credentials: Credentials,
    /// Who waits to join until the password is checked.
    pub(super) joining: Option<Hello>,
    /// What came behind that hello.
    pub(super) held: Vec<ClientMessage>,
    /// Why this member is not let in.
    pub(super) refused: Option<(Reason, Duration)>,
}

impl Entering {
    pub(super) fn new(since: Instant) -> Self {
        Self { since, credentials: Credentials::default(), joining: None, held: Vec::new(), refused: None }
    }

    /// When it has said no hello for too long: it takes a place and does nothing with it.
    pub(super) fn is_late_at(&self) -> Instant {
        self.since + HELLO_PATIENCE
    }
}

/// What a member has to show.
#[derive(Debug, Default)]
pub(super) struct Credentials {
    pub(super) token: Option<Token>,
    pub(super) visitor: Option<Token>,
    pub(super) password: String,
}
