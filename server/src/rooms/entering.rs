//! A member that has not joined yet: its credentials, and messages after its hello.

use std::time::{Duration, Instant};

use inkwire_protocol::{ClientMessage, Reason, Token};
use inkwire_room::Hello;

/// Maximum time of a new connection for its hello: a person may type it.
const HELLO_PATIENCE: Duration = Duration::from_secs(60);

/// A member that has not joined yet.
#[derive(Debug)]
pub(super) struct Entering {
    pub(super) since: Instant,
    pub(super) credentials: Credentials,
    /// The hello that waits until the password is checked.
    pub(super) joining: Option<Hello>,
    /// Messages after that hello.
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

/// The credentials of a member.
#[derive(Debug, Default)]
pub(super) struct Credentials {
    pub(super) token: Option<Token>,
    pub(super) visitor: Option<Token>,
    pub(super) password: String,
}
