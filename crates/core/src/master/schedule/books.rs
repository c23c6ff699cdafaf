//! The books of one worker: what it offers, what is taken, what is left.

use super::demand::Free;
use crate::model::{Addresses, Amounts, Booking};
use crate::units::{Cores, Memory};

/// Offered = booked + free, exactly, for cores and memory; where more is booked than offered (a worker came back
/// smaller, or an adopted executor did not fit) nothing is free until enough has been returned.
#[derive(Debug, Clone, Default)]
pub(super) struct Books {
    cores: Cores,
    memory: Memory,
    booked_cores: u64,
    booked_memory: u64,
    resources: Option<Box<ResourceBooks>>,
}

/// Most workers have no custom resources, so theirs are kept apart.
#[derive(Debug, Clone, Default)]
struct ResourceBooks {
    offered: Addresses,
    booked: Addresses,
    free: Addresses,
}

impl Books {
    /// Offers this from now on; bookings stay.
    pub(super) fn offer(&mut self, cores: Cores, memory: Memory, resources: &Addresses) {
        self.cores = cores;
        self.memory = memory;
        if self.resources.is_none() && resources.is_empty() {
            return;
        }
        let books = self.resources.get_or_insert_default();
        books.offered.clone_from(resources);
        books.free.clone_from(resources);
        books.free.take_exact(&books.booked);
    }

    /// Cores that are not booked.
    pub(super) fn free_cores(&self) -> Cores {
        let booked = u32::try_from(self.booked_cores).unwrap_or(u32::MAX);
        self.cores.minus(Cores(booked))
    }

    /// Memory that is not booked.
    pub(super) fn free_memory(&self) -> Memory {
        self.memory.minus(Memory::mib(self.booked_memory))
    }

    /// All that is not booked.
    pub(super) fn free(&self) -> Free {
        let resources = self.resources.as_ref().map(|books| books.free.clone()).unwrap_or_default();
        Free { cores: self.free_cores(), memory: self.free_memory(), resources }
    }

    /// How often these amounts are free; without limit where nothing is wanted.
    pub(super) fn room_for(&self, wanted: &Amounts) -> u32 {
        let times = |(name, amount): (&str, u32)| {
            let free = self.resources.as_ref().map_or(0, |books| books.free.of(name).len());
            u32::try_from(free).unwrap_or(u32::MAX) / amount.max(1)
        };
        wanted.iter().map(times).min().unwrap_or(u32::MAX)
    }

    /// Books what was checked to be free, choosing addresses in order (RS-02).
    pub(super) fn take(&mut self, cores: Cores, memory: Memory, wanted: &Amounts) -> Booking {
        self.booked_cores += u64::from(cores.0);
        self.booked_memory += memory.as_mib();
        let mut resources = Addresses::default();
        if let Some(books) = &mut self.resources {
            resources = books.free.take(wanted).unwrap_or_default();
            books.booked.put_back(resources.clone());
        }
        Booking { cores, memory, resources }
    }

    /// Books exactly this, fitting or not; addresses that are not free are left out of the answer.
    pub(super) fn take_exact(&mut self, booking: &Booking) -> Booking {
        self.booked_cores += u64::from(booking.cores.0);
        self.booked_memory += booking.memory.as_mib();
        let mut resources = Addresses::default();
        if let Some(books) = &mut self.resources {
            resources = books.free.take_exact(&booking.resources);
            books.booked.put_back(resources.clone());
        }
        Booking { cores: booking.cores, memory: booking.memory, resources }
    }

    /// Returns a booking. Addresses that are no longer offered do not become free.
    pub(super) fn put_back(&mut self, booking: Booking) {
        let Booking { cores, memory, resources } = booking;
        self.booked_cores = self.booked_cores.saturating_sub(u64::from(cores.0));
        self.booked_memory = self.booked_memory.saturating_sub(memory.as_mib());
        if let Some(books) = &mut self.resources {
            let returned = books.booked.take_exact(&resources);
            let mut offered = books.offered.clone();
            books.free.put_back(offered.take_exact(&returned));
        }
    }
}
