//! Lists and maps, in the form that collections of Scala have in a stream.

use super::Composer;
use crate::dialect::{Scala, classes};
use crate::java::Value;
use crate::message::Resources;

impl Composer<'_> {
    pub(super) fn texts(&mut self, texts: &[String]) -> Value {
        let elements = texts.iter().map(|text| self.text(text)).collect();
        self.list(elements)
    }

    /// A `List`.
    pub(super) fn list(&mut self, mut elements: Vec<Value>) -> Value {
        match self.dialect.scala {
            Scala::V2_12 => {
                elements.push(self.object(&classes::LIST_END_2_12, &[]));
                let class = self.class(&classes::LIST_PROXY_2_12);
                self.tree.add_object_with(class, &[], elements)
            }
            Scala::V2_13 => {
                let list = self.singleton(&classes::LIST);
                let factory = self.object(&classes::LIST_FACTORY, &[("factory", list)]);
                self.proxied(factory, elements)
            }
        }
    }

    /// A `Map`.
    pub(super) fn map(&mut self, entries: Vec<(Value, Value)>) -> Value {
        if entries.is_empty() {
            return self.singleton(&classes::EMPTY_MAP);
        }
        match self.dialect.scala {
            Scala::V2_12 => {
                let count = self.count(entries.len());
                let contents = entries.into_iter().flat_map(|(key, value)| [key, value]);
                let contents = std::iter::once(count).chain(contents).collect();
                let class = self.class(&classes::MAP_PROXY_2_12);
                self.tree.add_object_with(class, &[], contents)
            }
            Scala::V2_13 => {
                let map = self.singleton(&classes::HASH_MAP);
                let factory = self.object(&classes::MAP_FACTORY, &[("factory", map)]);
                let pair = |(key, value)| self.object(&classes::TUPLE, &[("_1", key), ("_2", value)]);
                let pairs = entries.into_iter().map(pair).collect();
                self.proxied(factory, pairs)
            }
        }
    }

    /// The resources of an executor or a driver, each under its name.
    pub(super) fn resources(&mut self, resources: &Resources) -> Value {
        let mut entries = Vec::new();
        for (name, addresses) in resources {
            let addresses = addresses.iter().map(|address| self.text(address)).collect();
            let class = self.class(&classes::STRINGS);
            let addresses = self.tree.add_array(class, addresses);
            let name = self.text(name);
            let fields = [("addresses", addresses), ("name", name)];
            entries.push((name, self.object(&classes::RESOURCE_INFORMATION, &fields)));
        }
        self.map(entries)
    }

    /// How many contents follow.
    fn count(&mut self, contents: usize) -> Value {
        self.tree.add_block(&i32::try_from(contents).unwrap_or(i32::MAX).to_be_bytes())
    }

    /// Any collection of Scala 2.13: what makes it, and its contents.
    fn proxied(&mut self, factory: Value, contents: Vec<Value>) -> Value {
        let count = self.count(contents.len());
        let contents = std::iter::once(count).chain(contents).collect();
        let class = self.class(&classes::PROXY);
        self.tree.add_object_with(class, &[("factory", factory)], contents)
    }
}
