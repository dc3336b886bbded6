//! Access to a board, as data: roles, links, and orders of a host.

use serde::{Deserialize, Serialize};

use crate::enumeration::enumeration;

/// A secret of 16 random bytes, hex in JSON: that of a link, or that of a browser.
#[derive(Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Token(#[serde(with = "crate::json::hex_array")] pub [u8; 16]);

impl Token {
    /// Whether it is that of a link which a host has made for others: nobody begins to host a board by such a one. The first of its
    /// bits says so; the other 127 are the secret.
    pub fn is_for_others(&self) -> bool {
        self.0[0] & 0x80 != 0
    }

    /// The secret as the 32 hex digits of a link. There is no `Display`, so that it is not printed by mistake.
    pub fn digits(&self) -> String {
        crate::hex::encode(&self.0)
    }

    /// The secret of 32 hex digits.
    pub fn of_digits(digits: &str) -> Option<Self> {
        crate::hex::decode_array(digits).map(Self)
    }

    /// The same secret, for others or for whoever hosts.
    #[must_use]
    pub fn made(mut self, for_others: bool) -> Self {
        self.0[0] = (self.0[0] & 0x7f) | (u8::from(for_others) << 7);
        self
    }
}

impl std::fmt::Debug for Token {
    /// Shows nothing of the secret, so that it cannot end in a log.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Token(…)")
    }
}

enumeration! {
    /// A role on a board; each may do what those before it may.
    #[derive(PartialOrd, Ord)]
    Role {
        /// Sees everything and draws nothing, unless a host lends the pen.
        Viewer,
        /// Draws.
        Editor,
        /// Says who may do what.
        Host,
    }
}

enumeration! {
    /// A reaction, which the others see for a moment.
    Reaction {
        /// Agreed.
        ThumbUp,
        /// Not agreed.
        ThumbDown,
        /// Loved.
        Heart,
        /// Applause.
        Clap,
        /// Laughter.
        Laugh,
        /// Surprise.
        Wow,
        /// A question.
        Question,
    }
}

/// An order or a question of a host.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "do", rename_all = "camelCase")]
pub enum Action {
    /// Ends somebody's connections; they may come back.
    Remove {
        /// Whose.
        author: u32,
    },
    /// The same, and their browser is not let in again; by choice, neither is anybody at their address.
    Ban {
        /// The author.
        author: u32,
        /// Whether their address counts too.
        address: bool,
    },
    /// Lets somebody in again who was banned.
    Unban {
        /// The number of the ban, as `rules` lists it.
        ban: u64,
    },
    /// Mutes somebody, or no longer.
    Mute {
        /// The author.
        author: u32,
        /// Which of the two.
        muted: bool,
    },
    /// Lets somebody draw for a while who otherwise may not.
    Lend {
        /// The author.
        author: u32,
        /// For how long, in seconds; 0 takes the pen back.
        seconds: u64,
    },
    /// Only hosts draw, and who has a pen lent; or no longer.
    Lock {
        /// Which of the two.
        locked: bool,
    },
    /// Makes the link of a role; one that was there is revoked. The answer is `link`.
    MakeLink {
        /// Which role.
        role: Role,
        /// After how many seconds it expires; 0 for never.
        seconds: u64,
    },
    /// Revokes the link of a role: who came in by it is let go.
    RevokeLink {
        /// Which role.
        role: Role,
    },
    /// The role without a link; absent if nobody is let in without one.
    WithoutLink {
        /// The role; never `host`.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        role: Option<Role>,
    },
    /// The password that everybody but a host must give; empty for none.
    Password {
        /// The password.
        password: String,
    },
    /// Takes down somebody's raised hand.
    LowerHand {
        /// Whose.
        author: u32,
    },
    /// Asks for `rules`.
    Rules,
    /// Asks for `audit`.
    Audit,
}

/// A link of a board, without its secret.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct LinkRecord {
    /// The role of those who come by it.
    pub role: Role,
    /// When it was made, in milliseconds since 1970.
    pub made: u64,
    /// When it expires, in the same; 0 for never.
    pub expires: u64,
}

/// Somebody who is not let in.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct BanRecord {
    /// Its number on this board.
    pub ban: u64,
    /// The name of the person.
    pub name: String,
    /// Whether their address counts too.
    pub address: bool,
    /// Since when, in milliseconds since 1970.
    pub at: u64,
}

/// Something that was ordered on a board.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct AuditRecord {
    /// When, in milliseconds since 1970.
    pub at: u64,
    /// Its author, by name.
    pub who: String,
    /// The name of an [`Action`], with its value after it if it has one.
    pub what: String,
    /// To whom, by name; empty for nobody.
    pub whom: String,
}

/// When a part of the log was drawn.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Timestamp {
    /// The sequence number of its first operation.
    pub seq: u64,
    /// The time, in milliseconds since 1970.
    pub at: u64,
}

/// The name of an author.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct AuthorName {
    /// The author.
    pub author: u32,
    /// The name, cleaned.
    pub name: String,
}
