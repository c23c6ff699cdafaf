//! Round trips through bytes, defaults, and bad input.

mod bad_input;
mod round_trips;
mod strategies;
mod views;

use prost::Message;

/// Through bytes and back, as over a network.
fn over_the_wire<W: Message + Default>(wire: &W) -> W {
    W::decode(wire.encode_to_vec().as_slice()).unwrap()
}
