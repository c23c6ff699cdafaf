//! What is offered and what is taken (WL-05, RS-02). The master books too; this is what really runs.

use crate::model::{Addresses, Booking};
use crate::units::{Cores, Memory};

/// Offered and free amounts. Taken from when a launch is accepted, given back at its final state.
#[derive(Debug, Clone)]
pub(super) struct Books {
    pub(super) offered: Booking,
    pub(super) free: Booking,
}

impl Books {
    pub(super) fn new(cores: Cores, memory: Memory, resources: Addresses) -> Self {
        let offered = Booking { cores, memory, resources };
        Self { free: offered.clone(), offered }
    }

    pub(super) fn used(&self) -> Booking {
        let mut resources = self.offered.resources.clone();
        resources.take_exact(&self.free.resources);
        Booking {
            cores: self.offered.cores.minus(self.free.cores),
            memory: self.offered.memory.minus(self.free.memory),
            resources,
        }
    }

    /// Takes all of it, or nothing and says what is short.
    pub(super) fn take(&mut self, wanted: &Booking) -> Result<(), String> {
        let free = &mut self.free;
        if wanted.cores > free.cores {
            return Err(format!("it takes cores = {}, free are {}", wanted.cores, free.cores));
        }
        if wanted.memory > free.memory {
            return Err(format!("it takes memory = {}, free is {}", wanted.memory, free.memory));
        }
        let taken = free.resources.take_exact(&wanted.resources);
        if taken.counts() != wanted.resources.counts() {
            free.resources.put_back(taken);
            return Err("some of the resource addresses it takes are not offered or not free".to_owned());
        }
        free.cores = free.cores.minus(wanted.cores);
        free.memory = free.memory.minus(wanted.memory);
        Ok(())
    }

    /// Gives back what was taken.
    pub(super) fn release(&mut self, booking: Booking) {
        self.free.cores = self.free.cores.plus(booking.cores);
        self.free.memory = self.free.memory.plus(booking.memory);
        self.free.resources.put_back(booking.resources);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn booking(cores: u32, mib: u64, gpus: &[&str]) -> Booking {
        let gpus = gpus.iter().map(|&gpu| gpu.to_owned()).collect();
        Booking { cores: Cores(cores), memory: Memory::mib(mib), resources: Addresses::new([("gpu".to_owned(), gpus)]) }
    }

    #[test]
    fn a_booking_is_taken_whole_or_not_at_all() {
        let Booking { cores, memory, resources } = booking(4, 1000, &["0", "1"]);
        let mut books = Books::new(cores, memory, resources);
        let before = books.free.clone();
        for (too_much, field) in [
            (booking(5, 1, &[]), "cores"),
            (booking(1, 1001, &[]), "memory"),
            (booking(1, 1, &["1", "2"]), "resource addresses"),
        ] {
            assert!(books.take(&too_much).unwrap_err().contains(field));
            assert_eq!(books.free.counts_for_test(), before.counts_for_test(), "a refusal takes nothing");
        }
        books.take(&booking(3, 600, &["1"])).unwrap();
        assert_eq!(books.used(), booking(3, 600, &["1"]));
        assert!(books.take(&booking(1, 1, &["1"])).is_err(), "an address is given once");
        books.release(booking(3, 600, &["1"]));
        assert_eq!(books.used(), Booking::default());
    }

    trait Counts {
        fn counts_for_test(&self) -> (Cores, Memory, crate::model::Amounts);
    }

    impl Counts for Booking {
        fn counts_for_test(&self) -> (Cores, Memory, crate::model::Amounts) {
            (self.cores, self.memory, self.resources.counts())
        }
    }
}
