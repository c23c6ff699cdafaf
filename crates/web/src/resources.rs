//! Custom resources, such as GPUs, as the original's JSON has them (UI-12).

use crate::tree::Json;

/// Addresses by name: `{"gpu" : {"name" : "gpu", "addresses" : [ "0", "1" ]}}`.
pub fn addresses<'a>(each: impl IntoIterator<Item = (&'a str, &'a [String])>) -> Json {
    Json::named(each.into_iter().map(|(name, addresses)| {
        let addresses = Json::list(addresses.iter());
        (name.to_owned(), Json::object([("name", name.into()), ("addresses", addresses)]))
    }))
}

/// How many of each: `[ {"name" : "gpu", "amount" : 1} ]`.
pub fn amounts<'a>(each: impl IntoIterator<Item = (&'a str, u32)>) -> Json {
    let amount = |(name, amount): (&str, u32)| Json::object([("name", name.into()), ("amount", amount.into())]);
    Json::list(each.into_iter().map(amount))
}
