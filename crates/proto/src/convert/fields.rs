//! One field at a time: the small readers and writers that all conversions are made of.

use std::str::FromStr;

use tanist_core::ids::{InvalidId, MAX_ID_BYTES};

use super::enums::Enumerated;
use super::{DecodeError, Problem};
use crate::limits::{MAX_MESSAGE_TEXT_BYTES, MAX_NAME_BYTES};

type Result<T> = std::result::Result<T, DecodeError>;

/// A oneof or message that must be there.
pub(super) fn present<T>(field: &str, value: Option<T>) -> Result<T> {
    value.ok_or_else(|| DecodeError::new(field, Problem::Missing))
}

/// A message field, with the path of what is wrong inside it.
pub(super) fn inside<W, C>(field: &str, value: W) -> Result<C>
where
    C: TryFrom<W, Error = DecodeError>,
{
    C::try_from(value).map_err(|error| error.within(field))
}

/// A message field that must be there.
pub(super) fn required<W, C>(field: &str, value: Option<W>) -> Result<C>
where
    C: TryFrom<W, Error = DecodeError>,
{
    inside(field, present(field, value)?)
}

/// A message field that may be absent.
pub(super) fn optional<W, C>(field: &str, value: Option<W>) -> Result<Option<C>>
where
    C: TryFrom<W, Error = DecodeError>,
{
    value.map(|value| inside(field, value)).transpose()
}

/// Messages in a row, at most `max`.
pub(super) fn list<W, C>(field: &str, max: usize, values: Vec<W>) -> Result<Vec<C>>
where
    C: TryFrom<W, Error = DecodeError>,
{
    at_most(field, values.len(), max)?;
    let read = |(index, value)| C::try_from(value).map_err(|e: DecodeError| e.within(&format!("{field}[{index}]")));
    values.into_iter().enumerate().map(read).collect()
}

/// That a list or map is not too long.
pub(super) fn at_most(field: &str, count: usize, max: usize) -> Result<()> {
    if count > max { Err(DecodeError::new(field, Problem::TooMany { count, max })) } else { Ok(()) }
}

/// That a text or an encoded message is not too long.
pub(super) fn fits(field: &str, bytes: usize, max: usize) -> Result<()> {
    if bytes > max { Err(DecodeError::new(field, Problem::TooLong { bytes, max })) } else { Ok(()) }
}

/// A text id. Its length is checked first, so that no error repeats a huge text.
pub(super) fn id<T: FromStr<Err = InvalidId>>(field: &str, text: &str) -> Result<T> {
    fits(field, text.len(), MAX_ID_BYTES)?;
    text.parse().map_err(|error: InvalidId| DecodeError::new(field, error))
}

/// A text id that may be absent.
pub(super) fn optional_id<T: FromStr<Err = InvalidId>>(field: &str, text: Option<&str>) -> Result<Option<T>> {
    text.map(|text| id(field, text)).transpose()
}

/// A name, host, address, URL or path.
pub(super) fn name(field: &str, text: String) -> Result<String> {
    fits(field, text.len(), MAX_NAME_BYTES)?;
    Ok(text)
}

/// A name that may be absent.
pub(super) fn optional_name(field: &str, text: Option<String>) -> Result<Option<String>> {
    text.map(|text| name(field, text)).transpose()
}

/// A text for people.
pub(super) fn prose(field: &str, text: String) -> Result<String> {
    fits(field, text.len(), MAX_MESSAGE_TEXT_BYTES)?;
    Ok(text)
}

/// A text for people that may be absent.
pub(super) fn optional_prose(field: &str, text: Option<String>) -> Result<Option<String>> {
    text.map(|text| prose(field, text)).transpose()
}

/// A port of the internet protocols.
pub(super) fn port(field: &str, value: u32) -> Result<u16> {
    let too_large = |_| Problem::TooLarge { value: value.into(), max: u16::MAX.into() };
    u16::try_from(value).map_err(|error| DecodeError::new(field, too_large(error)))
}

/// An enumeration's value.
pub(super) fn choice<C: Enumerated>(field: &str, value: i32) -> Result<C> {
    C::from_number(value).map_err(|problem| DecodeError::new(field, problem))
}

/// A text for people as it may be sent: cut at a character where it is too long.
pub(super) fn cut(text: &str) -> String {
    text[..text.floor_char_boundary(MAX_MESSAGE_TEXT_BYTES)].to_owned()
}

/// The same for a text that may be absent.
pub(super) fn optional_cut(text: Option<&String>) -> Option<String> {
    text.map(|text| cut(text))
}

/// A count for show; the largest number stands for all larger ones.
pub(super) fn count(number: usize) -> u32 {
    u32::try_from(number).unwrap_or(u32::MAX)
}
