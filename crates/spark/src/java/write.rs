//! From a tree to bytes, as Java itself writes it: what was written once is referred to from then on, and so are the
//! types of fields, which Java has each but once.

use std::collections::BTreeMap;

use super::tag::{
    ARRAY, BLOCK, CLASS, CLASS_DESCRIPTION, END_OF_ANNOTATION, ENUM, FIRST_HANDLE, LONG_BLOCK, LONG_STRING, NULL,
    OBJECT, REFERENCE, START, STRING,
};
use super::tree::{Class, ClassId, Field, Kind, Node, NodeId, Part, Tree, Value};
use crate::utf;

/// Java writes what a class writes by itself in pieces of this size.
const BLOCK_BYTES: usize = 1024;

/// Writes a stream with the object of a tree, and whatever that leads to.
pub fn write(tree: &Tree) -> Vec<u8> {
    let (nodes, classes, types) = (BTreeMap::new(), BTreeMap::new(), BTreeMap::new());
    let mut writer = Writer { tree, bytes: START.to_vec(), next: FIRST_HANDLE, nodes, classes, types };
    writer.value(tree.root);
    writer.bytes
}

struct Writer<'t> {
    tree: &'t Tree,
    bytes: Vec<u8>,
    /// The handle of what comes next.
    next: u32,
    /// The handles of what was written.
    nodes: BTreeMap<usize, u32>,
    classes: BTreeMap<usize, u32>,
    types: BTreeMap<&'t str, u32>,
}

impl<'t> Writer<'t> {
    fn byte(&mut self, byte: u8) {
        self.bytes.push(byte);
    }

    fn reference(&mut self, handle: u32) {
        self.byte(REFERENCE);
        self.bytes.extend(handle.to_be_bytes());
    }

    fn handle(&mut self) -> u32 {
        let handle = self.next;
        self.next += 1;
        handle
    }

    /// Names and numbers of fields: they were read from two bytes of length, or stand in this crate.
    fn short_length(&mut self, length: usize) {
        self.bytes.extend(u16::try_from(length).unwrap_or(u16::MAX).to_be_bytes());
    }

    fn name(&mut self, name: &str) {
        let bytes = utf::encode(name);
        self.short_length(bytes.len());
        self.bytes.extend(bytes);
    }

    fn value(&mut self, value: Value) {
        match value {
            Value::Null => self.byte(NULL),
            Value::Boolean(value) => self.byte(u8::from(value)),
            Value::Byte(value) => self.bytes.extend(value.to_be_bytes()),
            Value::Char(value) => self.bytes.extend(value.to_be_bytes()),
            Value::Double(value) => self.bytes.extend(value.to_be_bytes()),
            Value::Float(value) => self.bytes.extend(value.to_be_bytes()),
            Value::Int(value) => self.bytes.extend(value.to_be_bytes()),
            Value::Long(value) => self.bytes.extend(value.to_be_bytes()),
            Value::Short(value) => self.bytes.extend(value.to_be_bytes()),
            Value::Node(id) => match self.nodes.get(&id.0) {
                Some(handle) => self.reference(*handle),
                None => self.node(id),
            },
        }
    }

    /// From now on it is known under the next handle.
    fn named(&mut self, id: NodeId) {
        let handle = self.handle();
        self.nodes.insert(id.0, handle);
    }

    fn node(&mut self, id: NodeId) {
        match self.tree.nodes.get(id.0) {
            None => self.byte(NULL),
            Some(Node::Text(text)) => {
                self.named(id);
                self.text(text);
            }
            Some(Node::Object(object)) => {
                self.byte(OBJECT);
                self.class(Some(object.class));
                self.named(id);
                for part in &object.parts {
                    self.part(part);
                }
            }
            Some(Node::Array(array)) => {
                self.byte(ARRAY);
                self.class(Some(array.class));
                self.named(id);
                self.bytes.extend(u32::try_from(array.elements.len()).unwrap_or(u32::MAX).to_be_bytes());
                for element in &array.elements {
                    self.value(*element);
                }
            }
            Some(Node::Constant(class, name)) => {
                self.byte(ENUM);
                self.class(Some(*class));
                self.named(id);
                self.value(*name);
            }
            Some(Node::Class(class)) => {
                self.byte(CLASS);
                self.class(Some(*class));
                self.named(id);
            }
            Some(Node::Block(bytes)) => self.block(bytes),
        }
    }

    fn text(&mut self, text: &str) {
        let bytes = utf::encode(text);
        if let Ok(length) = u16::try_from(bytes.len()) {
            self.byte(STRING);
            self.bytes.extend(length.to_be_bytes());
        } else {
            self.byte(LONG_STRING);
            self.bytes.extend((bytes.len() as u64).to_be_bytes());
        }
        self.bytes.extend(bytes);
    }

    fn block(&mut self, bytes: &[u8]) {
        for piece in bytes.chunks(BLOCK_BYTES) {
            if let Ok(length) = u8::try_from(piece.len()) {
                self.bytes.extend([BLOCK, length]);
            } else {
                self.byte(LONG_BLOCK);
                self.bytes.extend(u32::try_from(piece.len()).unwrap_or(u32::MAX).to_be_bytes());
            }
            self.bytes.extend(piece);
        }
    }

    fn part(&mut self, part: &Part) {
        for value in &part.values {
            self.value(*value);
        }
        if self.tree.class(part.class).is_some_and(Class::writes_more) {
            self.annotation(&part.annotation);
        }
    }

    fn annotation(&mut self, contents: &[Value]) {
        for content in contents {
            self.value(*content);
        }
        self.byte(END_OF_ANNOTATION);
    }

    fn class(&mut self, id: Option<ClassId>) {
        let Some((id, class)) = id.and_then(|id| Some((id, self.tree.class(id)?))) else { return self.byte(NULL) };
        if let Some(handle) = self.classes.get(&id.0) {
            return self.reference(*handle);
        }
        self.byte(CLASS_DESCRIPTION);
        self.name(&class.name);
        self.bytes.extend(class.uid.to_be_bytes());
        let handle = self.handle();
        self.classes.insert(id.0, handle);
        self.byte(class.flags);
        self.short_length(class.fields.len());
        for field in &class.fields {
            self.field(field);
        }
        self.annotation(&[]);
        self.class(class.parent);
    }

    fn field(&mut self, field: &'t Field) {
        let signature = self.tree.text(field.signature).filter(|_| field.kind == Kind::Reference);
        self.byte(signature.and_then(|text| text.bytes().next()).unwrap_or(field.kind.tag()));
        self.name(&field.name);
        let Some(signature) = signature else { return };
        if let Some(handle) = self.types.get(signature) {
            return self.reference(*handle);
        }
        let handle = self.handle();
        self.types.insert(signature, handle);
        self.text(signature);
    }
}
