//! An address with its first client in one record, so that most requests take one read and one write.
//!
//! Most addresses have one client at a time; further ones, and sessions, which move between addresses, have
//! records of their own in the clients' table.

use sallyport_core::{AddressState, ClientState};

use crate::state::{Record, STILL_USEFUL_MS, is_worthy, worth_ms};

/// Clients that live with their address. One is the cheapest: each room is copied with every request.
pub const ROOMS: usize = 1;

/// The address's record and those of its first clients.
#[derive(Clone, Debug, PartialEq)]
pub struct House {
    /// The address.
    pub address: AddressState,
    rooms: [Option<ClientState>; ROOMS],
    /// Whether a client had to live elsewhere since the house was new: only then others are looked for there.
    overflowed: bool,
}

/// Where a client's record is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Home {
    /// In this room, or it may move in.
    Room(usize),
    /// In the clients' table, if anywhere; if nowhere, it may have the room.
    Elsewhere(Option<usize>),
}

impl House {
    /// Where the client with this key is, or may be.
    pub fn home(&self, client: u64, now_ms: u64) -> Home {
        if let Some(room) = self.room_of(client) {
            return Home::Room(room);
        }
        let useful = |state: &ClientState| {
            let seen_ms = state.last_seen_ms();
            now_ms.abs_diff(seen_ms) < STILL_USEFUL_MS
                || is_worthy(seen_ms, worth_ms(seen_ms, state.worth_until_ms()), now_ms)
        };
        let free = self.rooms.iter().position(|room| !room.as_ref().is_some_and(useful));
        match free {
            Some(room) if !self.overflowed => Home::Room(room),
            _ => Home::Elsewhere(free),
        }
    }

    /// The room where the client with this key lives.
    pub fn room_of(&self, client: u64) -> Option<usize> {
        let lives = |room: &Option<ClientState>| room.as_ref().is_some_and(|state| state.key() == client);
        self.rooms.iter().position(lives)
    }

    /// The record in a room, if it is this client's; a new one otherwise.
    pub fn client(&self, room: usize, key: u64) -> ClientState {
        let here = self.rooms.get(room).and_then(Option::as_ref).filter(|state| state.key() == key);
        here.cloned().unwrap_or_else(|| ClientState::new(key))
    }

    /// Lets a client's record move in, or replaces it.
    pub fn settle(&mut self, room: usize, client: ClientState) {
        if let Some(place) = self.rooms.get_mut(room) {
            *place = Some(client);
        }
    }

    /// Remembers that a client lives elsewhere.
    pub fn overflow(&mut self) {
        self.overflowed = true;
    }
}

impl Record for House {
    const BYTES: usize = AddressState::BYTES + ROOMS * ClientState::BYTES + 1;
    const WAYS: usize = 6;
    const TABLE: &'static str = "sallyport/4/address/";

    fn new(key: u64) -> Self {
        Self { address: AddressState::new(key), rooms: [const { None }; ROOMS], overflowed: false }
    }

    /// The address, the rooms (an empty one is a record of zeroes), 1 where it overflowed.
    fn read(bytes: &[u8]) -> Option<Self> {
        let (address, rest) = bytes.split_at_checked(AddressState::BYTES)?;
        let (rooms, overflowed) = rest.split_at_checked(ROOMS * ClientState::BYTES)?;
        let mut house = Self::new(0);
        house.address = AddressState::from_bytes(address)?;
        for (room, bytes) in house.rooms.iter_mut().zip(rooms.chunks_exact(ClientState::BYTES)) {
            *room = ClientState::from_bytes(bytes).filter(|state| !state.is_new());
        }
        house.overflowed = match overflowed {
            [0] => false,
            [1] => true,
            _ => return None,
        };
        Some(house)
    }

    fn write(&self, out: &mut [u8]) {
        let Some((address, rest)) = out.split_at_mut_checked(AddressState::BYTES) else { return };
        address.copy_from_slice(&self.address.to_bytes());
        let mut places = rest.chunks_exact_mut(ClientState::BYTES);
        for (room, place) in self.rooms.iter().zip(&mut places) {
            match room {
                Some(state) => place.copy_from_slice(&state.to_bytes()),
                None => place.fill(0),
            }
        }
        if let Some(last) = out.last_mut() {
            *last = u8::from(self.overflowed);
        }
    }

    fn last_seen_ms(&self) -> u64 {
        self.address.last_seen_ms()
    }

    fn worth_until_ms(&self) -> u64 {
        let of_rooms = self.rooms.iter().flatten().map(ClientState::worth_until_ms);
        of_rooms.fold(self.address.worth_until_ms(), u64::max)
    }
}
