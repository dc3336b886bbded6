//! What the relays on tokio share: rooms, and a queue for each of their members.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};

/// A message, shared by all that get it.
pub type Message = Arc<[u8]>;

/// The members of a room.
#[derive(Default)]
pub struct Room(Mutex<Vec<UnboundedSender<Message>>>);

impl Room {
    /// A member comes: what it is to be sent.
    pub fn join(&self) -> UnboundedReceiver<Message> {
        let (sender, receiver) = unbounded_channel();
        self.members().push(sender);
        receiver
    }

    /// Gives a message to everybody, and lets go of those who have gone.
    pub fn tell(&self, message: Message) {
        self.members().retain(|member| member.send(message.clone()).is_ok());
    }

    fn members(&self) -> std::sync::MutexGuard<'_, Vec<UnboundedSender<Message>>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Rooms by the path of the request.
#[derive(Default)]
pub struct Rooms(Mutex<HashMap<String, Arc<Room>>>);

impl Rooms {
    /// The room of a path.
    pub fn at(&self, path: &str) -> Arc<Room> {
        let mut rooms = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        rooms.entry(path.to_owned()).or_default().clone()
    }
}
