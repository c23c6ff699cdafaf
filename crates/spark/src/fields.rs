//! Fields of messages: what a known class must hold. Whatever is wrong is told with its name.

use std::cell::Cell;

use crate::java::{Node, ObjectRef, Tree, Value};
use crate::{Address, Error, scala};

/// Spark counts cores, MiB, executors and ids in 31 bits.
const COUNT: &str = "0 to 2147483647";

/// What is told of a text that stands where it must not, in characters.
const MAX_SHOWN: usize = 40;

/// How much is copied out of one message, in bytes. What stands in it once may be referred to any number of times.
const MAX_COPIED: usize = 16 << 20;
/// What every value takes, beside its text.
const VALUE_BYTES: usize = 32;

/// A message, and how much may still be copied out of it.
pub(crate) struct Source {
    tree: Tree,
    left: Cell<usize>,
}

impl Source {
    pub(crate) fn new(tree: Tree) -> Self {
        Self { tree, left: Cell::new(MAX_COPIED) }
    }

    /// The object of the stream.
    pub(crate) fn root(&self) -> Result<Fields<'_>, Error> {
        let unexpected = || Error::Unexpected { found: describe(&self.tree, self.tree.value()), wanted: "a message" };
        self.tree.root().map(|object| Fields { source: self, object }).ok_or_else(unexpected)
    }
}

/// An object whose class is known.
#[derive(Clone, Copy)]
pub(crate) struct Fields<'t> {
    source: &'t Source,
    object: ObjectRef<'t>,
}

impl<'t> Fields<'t> {
    fn tree(&self) -> &'t Tree {
        &self.source.tree
    }

    /// Takes so many values and bytes out of what may be copied.
    fn pay(&self, name: &str, values: usize, bytes: usize) -> Result<(), Error> {
        let left = self.source.left.get().checked_sub(bytes).and_then(|left| left.checked_sub(values * VALUE_BYTES));
        let too_much = || {
            let allowed = "16 MiB in all fields together";
            Error::Field { field: self.path(name), found: "too much".to_owned(), allowed }
        };
        left.map(|left| self.source.left.set(left)).ok_or_else(too_much)
    }

    fn path(&self, name: &str) -> String {
        let class = self.class().rsplit(['.', '$']).next().unwrap_or_default();
        format!("{}.{name}", class.chars().take(MAX_SHOWN).collect::<String>())
    }

    /// Full name of its class.
    pub(crate) fn class(&self) -> &'t str {
        self.object.class()
    }

    fn value(&self, name: &str) -> Value {
        self.object.field(name).unwrap_or(Value::Null)
    }

    /// This value must not be there.
    fn wrong(&self, name: &str, value: Value, allowed: &'static str) -> Error {
        Error::Field { field: self.path(name), found: describe(self.tree(), value), allowed }
    }

    pub(crate) fn object(&self, name: &str) -> Result<Self, Error> {
        self.object_of(name, self.value(name))
    }

    /// The object of a value that was found in this field.
    pub(crate) fn object_of(&self, name: &str, value: Value) -> Result<Self, Error> {
        let object = self.tree().object(value).map(|object| Self { object, ..*self });
        object.ok_or_else(|| self.wrong(name, value, "an object"))
    }

    fn text_of(&self, name: &str, value: Value) -> Result<String, Error> {
        let text = self.tree().text(value).ok_or_else(|| self.wrong(name, value, "a string"))?;
        self.pay(name, 1, text.len())?;
        Ok(text.to_owned())
    }

    pub(crate) fn text(&self, name: &str) -> Result<String, Error> {
        self.text_of(name, self.value(name))
    }

    /// A text that need not be there.
    pub(crate) fn text_or_null(&self, name: &str) -> Result<Option<String>, Error> {
        match self.value(name) {
            Value::Null => Ok(None),
            value => self.text_of(name, value).map(Some),
        }
    }

    pub(crate) fn boolean(&self, name: &str) -> Result<bool, Error> {
        match self.value(name) {
            Value::Boolean(value) => Ok(value),
            value => Err(self.wrong(name, value, "a boolean")),
        }
    }

    /// A number that counts something, in whatever form.
    pub(crate) fn count_of(&self, name: &str, value: Value) -> Result<u32, Error> {
        let number = match scala::unboxed(self.tree(), value) {
            Value::Int(number) => i64::from(number),
            Value::Long(number) => number,
            _ => return Err(self.wrong(name, value, COUNT)),
        };
        let count = u32::try_from(number).ok().filter(|_| i32::try_from(number).is_ok());
        count.ok_or_else(|| self.wrong(name, scala::unboxed(self.tree(), value), COUNT))
    }

    pub(crate) fn count(&self, name: &str) -> Result<u32, Error> {
        self.count_of(name, self.value(name))
    }

    /// What an `Option` holds.
    pub(crate) fn option(&self, name: &str) -> Result<Option<Value>, Error> {
        let value = self.value(name);
        scala::option(self.tree(), value).ok_or_else(|| self.wrong(name, value, "an Option of Scala"))
    }

    pub(crate) fn optional_count(&self, name: &str) -> Result<Option<u32>, Error> {
        self.option(name)?.map(|value| self.count_of(name, value)).transpose()
    }

    pub(crate) fn optional_text(&self, name: &str) -> Result<Option<String>, Error> {
        self.option(name)?.map(|value| self.text_of(name, value)).transpose()
    }

    /// The elements of a `Seq`.
    pub(crate) fn elements(&self, name: &str) -> Result<Vec<Value>, Error> {
        let value = self.value(name);
        let elements = scala::elements(self.tree(), value).ok_or_else(|| self.wrong(name, value, "a Seq of Scala"))?;
        self.pay(name, elements.len(), 0)?;
        Ok(elements)
    }

    pub(crate) fn texts(&self, name: &str) -> Result<Vec<String>, Error> {
        self.elements(name)?.into_iter().map(|value| self.text_of(name, value)).collect()
    }

    /// Keys and values of a `Map`.
    pub(crate) fn entries(&self, name: &str) -> Result<Vec<(Value, Value)>, Error> {
        let value = self.value(name);
        let entries = scala::entries(self.tree(), value).ok_or_else(|| self.wrong(name, value, "a Map of Scala"))?;
        self.pay(name, entries.len(), 0)?;
        Ok(entries)
    }

    pub(crate) fn text_entries(&self, name: &str) -> Result<Vec<(String, String)>, Error> {
        let entries = self.entries(name)?.into_iter();
        entries.map(|(key, value)| Ok((self.text_of(name, key)?, self.text_of(name, value)?))).collect()
    }

    /// A number, whatever it means.
    pub(crate) fn optional_int(&self, name: &str) -> Result<Option<i32>, Error> {
        let Some(value) = self.option(name)? else { return Ok(None) };
        match scala::unboxed(self.tree(), value) {
            Value::Int(number) => Ok(Some(number)),
            _ => Err(self.wrong(name, value, "an integer")),
        }
    }

    /// The elements of an array of strings.
    pub(crate) fn array_of_texts(&self, name: &str) -> Result<Vec<String>, Error> {
        let value = self.value(name);
        let Some(Node::Array(array)) = self.tree().node(value) else {
            return Err(self.wrong(name, value, "an array of strings"));
        };
        array.elements.iter().map(|element| self.text_of(name, *element)).collect()
    }

    /// A constant of an enumeration, known by its number.
    pub(crate) fn constant<T>(&self, name: &str, of: fn(i32) -> Option<T>, allowed: &'static str) -> Result<T, Error> {
        let value = self.value(name);
        let number = scala::constant(self.tree(), value).ok_or_else(|| self.wrong(name, value, allowed))?;
        of(number).ok_or_else(|| self.wrong(name, Value::Int(number), allowed))
    }

    /// What went wrong, as Java shows it: the class, and what it says.
    pub(crate) fn optional_exception(&self, name: &str) -> Result<Option<String>, Error> {
        let Some(value) = self.option(name)? else { return Ok(None) };
        let exception = self.object_of(name, value)?;
        let class = exception.class();
        self.pay(name, 1, class.len())?;
        let message = exception.text_or_null("detailMessage")?;
        Ok(Some(message.map_or_else(|| class.to_owned(), |message| format!("{class}: {message}"))))
    }

    /// A port.
    pub(crate) fn port(&self, name: &str) -> Result<u16, Error> {
        let value = self.value(name);
        let number = match value {
            Value::Int(number) => u16::try_from(number).ok(),
            _ => None,
        };
        number.ok_or_else(|| self.wrong(name, value, "0 to 65535"))
    }

    /// An `RpcAddress`.
    pub(crate) fn rpc_address(&self, name: &str) -> Result<Address, Error> {
        let address = self.object(name)?;
        Ok(Address { port: address.port("port")?, host: address.text("host")? })
    }

    /// The address an `RpcEndpointRef` leads to, which must be there.
    pub(crate) fn listening_address(&self, name: &str) -> Result<Address, Error> {
        self.object(name)?.object("endpointAddress")?.rpc_address("rpcAddress")
    }

    /// The address an `RpcEndpointRef` leads to; none, if nobody listens there.
    pub(crate) fn address(&self, name: &str) -> Result<Option<Address>, Error> {
        const ADDRESS: &str = "rpcAddress";
        let endpoint = self.object(name)?.object("endpointAddress")?;
        let listens = endpoint.value(ADDRESS) != Value::Null;
        listens.then(|| endpoint.rpc_address(ADDRESS)).transpose()
    }
}

/// What a value is, for people. Of texts only a part: they may be secret, and long.
fn describe(tree: &Tree, value: Value) -> String {
    match (value, tree.node(value)) {
        (Value::Null, _) => "nothing".to_owned(),
        (Value::Int(number), _) => number.to_string(),
        (Value::Long(number), _) => number.to_string(),
        (Value::Node(_), Some(Node::Text(_))) => "a string".to_owned(),
        (Value::Node(_), Some(Node::Object(_))) => {
            let class = tree.object(value).map_or("", |object| object.class());
            format!("an object of {:?}", class.chars().take(MAX_SHOWN).collect::<String>())
        }
        (Value::Node(_), Some(Node::Array(_))) => "an array".to_owned(),
        (Value::Node(_), Some(Node::Constant(..))) => "a constant".to_owned(),
        (Value::Node(_), Some(Node::Class(_))) => "a class".to_owned(),
        (Value::Node(_), Some(Node::Block(_)) | None) => "bytes".to_owned(),
        (Value::Boolean(flag), _) => flag.to_string(),
        (Value::Byte(_) | Value::Short(_) | Value::Char(_) | Value::Float(_) | Value::Double(_), _) => {
            "a number of another kind".to_owned()
        }
    }
}
