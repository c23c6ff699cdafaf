//! Custom resources (GPU, FPGA …): how many are asked for, and which ones were given (RS-01 … RS-06).

use std::collections::{BTreeMap, BTreeSet};

/// Wanted amounts by resource name. Names with amount 0 are never kept.
#[derive(Debug, Clone, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Amounts(BTreeMap<String, u32>);

impl Amounts {
    /// From pairs; a name given twice keeps the last amount.
    pub fn new(pairs: impl IntoIterator<Item = (String, u32)>) -> Self {
        Self(pairs.into_iter().filter(|(_, amount)| *amount > 0).collect())
    }

    /// Nothing wanted.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Wanted of this name, 0 if none.
    pub fn of(&self, name: &str) -> u32 {
        self.0.get(name).copied().unwrap_or(0)
    }

    /// Names and amounts, by name.
    pub fn iter(&self) -> impl Iterator<Item = (&str, u32)> {
        self.0.iter().map(|(name, amount)| (name.as_str(), *amount))
    }
}

/// Concrete addresses by resource name, e.g. `gpu → ["0", "1"]`. Names without addresses are never kept.
#[derive(Debug, Clone, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Addresses(BTreeMap<String, Vec<String>>);

impl Addresses {
    /// From pairs; the order of addresses is kept, repeated ones are dropped.
    pub fn new(pairs: impl IntoIterator<Item = (String, Vec<String>)>) -> Self {
        let mut all = Self::default();
        for (name, addresses) in pairs {
            all.give(name, addresses);
        }
        all
    }

    /// No resource at all.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The addresses of a resource, none if unknown.
    pub fn of(&self, name: &str) -> &[String] {
        self.0.get(name).map_or(&[], Vec::as_slice)
    }

    /// Names and addresses, by name.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &[String])> {
        self.0.iter().map(|(name, addresses)| (name.as_str(), addresses.as_slice()))
    }

    /// How many there are of each.
    pub fn counts(&self) -> Amounts {
        Amounts::new(self.0.iter().map(|(name, all)| (name.clone(), u32::try_from(all.len()).unwrap_or(u32::MAX))))
    }

    /// Whether the wanted amounts are there.
    pub fn covers(&self, wanted: &Amounts) -> bool {
        wanted.iter().all(|(name, amount)| self.of(name).len() >= amount as usize)
    }

    /// Takes the first addresses of each wanted resource, or nothing if one is short.
    pub fn take(&mut self, wanted: &Amounts) -> Option<Addresses> {
        if !self.covers(wanted) {
            return None;
        }
        let mut taken = BTreeMap::new();
        for (name, amount) in wanted.iter() {
            if let Some(free) = self.0.get_mut(name) {
                taken.insert(name.to_owned(), free.drain(..amount as usize).collect());
            }
        }
        self.0.retain(|_, free| !free.is_empty());
        Some(Addresses(taken))
    }

    /// Takes exactly these addresses out; those that are not here are left out of the answer.
    pub fn take_exact(&mut self, wanted: &Addresses) -> Addresses {
        let mut taken = Addresses::default();
        for (name, addresses) in wanted.iter() {
            if let Some(free) = self.0.get_mut(name) {
                let (out, rest) = std::mem::take(free).into_iter().partition(|address| addresses.contains(address));
                *free = rest;
                taken.give(name.to_owned(), out);
            }
        }
        self.0.retain(|_, free| !free.is_empty());
        taken
    }

    /// Puts addresses back behind the ones that are here; ones already here stay single.
    pub fn put_back(&mut self, returned: Addresses) {
        for (name, addresses) in returned.0 {
            self.give(name, addresses);
        }
    }

    fn give(&mut self, name: String, addresses: Vec<String>) {
        if addresses.is_empty() {
            return;
        }
        let all = self.0.entry(name).or_default();
        let mut known: BTreeSet<String> = all.iter().cloned().collect();
        all.extend(addresses.into_iter().filter(|address| known.insert(address.clone())));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn gpus(addresses: &[&str]) -> Addresses {
        Addresses::new([("gpu".to_owned(), addresses.iter().map(|&a| a.to_owned()).collect())])
    }

    #[test]
    fn taking_is_all_or_nothing_and_in_order() {
        let mut free = gpus(&["0", "1", "2"]);
        let two = Amounts::new([("gpu".to_owned(), 2)]);
        assert_eq!(free.take(&two), Some(gpus(&["0", "1"])));
        assert_eq!(free.take(&two), None);
        assert_eq!(free, gpus(&["2"]), "a refusal takes nothing");
        free.put_back(gpus(&["0"]));
        assert_eq!(free.take(&two), Some(gpus(&["2", "0"])));
        assert!(free.is_empty());
        assert_eq!(free.take(&Amounts::default()), Some(Addresses::default()));
    }

    #[test]
    fn exact_addresses_are_taken_once() {
        let mut free = gpus(&["0", "1", "2"]);
        assert_eq!(free.take_exact(&gpus(&["1", "7"])), gpus(&["1"]));
        assert_eq!(free, gpus(&["0", "2"]));
        free.put_back(gpus(&["0", "1"]));
        assert_eq!(free, gpus(&["0", "2", "1"]));
    }
}
