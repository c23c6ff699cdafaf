//! From bytes to a tree: the Java Object Serialization Stream Protocol, version 5, as far as Spark uses it.
//!
//! The stream describes its own classes, so none is known here but one: see [`SENDS_NO_FIELDS`].

use super::tag::{
    ARRAY, BLOCK, CLASS, CLASS_DESCRIPTION, END_OF_ANNOTATION, ENUM, EXTERNALIZABLE, FIRST_HANDLE, LONG_BLOCK,
    LONG_STRING, NULL, OBJECT, REFERENCE, RESET, SERIALIZABLE, START, STRING,
};
use super::tree::{Array, Class, ClassId, Field, Kind, Node, NodeId, Object, Part, Tree, Value};
use crate::Error;
use crate::cursor::Cursor;

/// The one class whose description lists fields that it does not write; the stream does not tell. Scala 2.12 has it.
const SENDS_NO_FIELDS: &str = "scala.collection.mutable.ListBuffer";

/// How deep contents may stand in contents. Spark's own have some twenty levels.
pub(super) const MAX_DEPTH: usize = 100;
/// How many classes a class may be, with those it extends.
const MAX_LEVELS: usize = 32;
/// How many fields a class may have, with those it extends. Spark's own have a dozen.
const MAX_FIELDS: usize = 128;
/// Nodes, values, classes and fields of one stream together. Each takes at least a byte of the stream and at most some
/// hundred bytes of memory.
pub(crate) const MAX_ITEMS: usize = 1 << 18;

/// Reads a stream with one object.
///
/// # Errors
/// Where the stream is broken, or which limit it exceeds.
pub fn read(stream: &[u8]) -> Result<Tree, Error> {
    let mut cursor = Cursor::new(stream);
    if cursor.take(START.len(), "start of an object stream")? != START {
        return Err(Error::Stream { at: 0, problem: "it does not begin as one" });
    }
    let tree = Tree::empty();
    let mut reader = Reader { cursor, tree, handles: Vec::new(), depth: 0, items: 0 };
    reader.tree.root = reader.content()?;
    match reader.cursor.peek() {
        None => Ok(reader.tree),
        Some(_) => Err(reader.broken("something follows its object")),
    }
}

/// What a handle stands for.
#[derive(Debug, Clone, Copy)]
enum Handle {
    Node(NodeId),
    Class(ClassId),
}

struct Reader<'a> {
    cursor: Cursor<'a>,
    tree: Tree,
    handles: Vec<Handle>,
    depth: usize,
    items: usize,
}

impl Reader<'_> {
    fn broken(&self, problem: &'static str) -> Error {
        Error::Stream { at: self.cursor.at(), problem }
    }

    fn limit(&self, what: &'static str, count: usize, limit: usize) -> Result<(), Error> {
        if count > limit { Err(Error::Limit { what, at: self.cursor.at(), limit }) } else { Ok(()) }
    }

    /// One more of whatever takes memory.
    fn count(&mut self) -> Result<(), Error> {
        self.items += 1;
        self.limit("objects and values", self.items, MAX_ITEMS)
    }

    /// Everything that can stand in itself goes through here.
    fn nested<T>(&mut self, read: impl FnOnce(&mut Self) -> Result<T, Error>) -> Result<T, Error> {
        self.limit("contents in each other", self.depth + 1, MAX_DEPTH)?;
        self.depth += 1;
        let found = read(self);
        self.depth -= 1;
        found
    }

    fn node(&mut self, node: Node) -> Result<NodeId, Error> {
        self.count()?;
        self.tree.nodes.push(node);
        Ok(NodeId(self.tree.nodes.len() - 1))
    }

    /// A node that can be referred to from now on, itself included.
    fn named(&mut self, node: Node) -> Result<NodeId, Error> {
        let id = self.node(node)?;
        self.handles.push(Handle::Node(id));
        Ok(id)
    }

    fn put(&mut self, id: NodeId, node: Node) {
        if let Some(place) = self.tree.nodes.get_mut(id.0) {
            *place = node;
        }
    }

    fn content(&mut self) -> Result<Value, Error> {
        self.nested(|reader| {
            let mut tag = reader.cursor.u8("tag of a content")?;
            while tag == RESET {
                reader.handles.clear();
                tag = reader.cursor.u8("tag of a content")?;
            }
            match tag {
                NULL => Ok(Value::Null),
                REFERENCE => match reader.reference()? {
                    Handle::Node(id) => Ok(Value::Node(id)),
                    Handle::Class(_) => Err(reader.broken("a description of a class where a value is expected")),
                },
                STRING => reader.string().map(Value::Node),
                LONG_STRING => reader.long_string().map(Value::Node),
                OBJECT => reader.object().map(Value::Node),
                ARRAY => reader.array().map(Value::Node),
                ENUM => reader.constant().map(Value::Node),
                CLASS => {
                    let class = reader.class()?;
                    reader.named(Node::Class(class)).map(Value::Node)
                }
                _ => Err(reader.broken("unknown tag of a content")),
            }
        })
    }

    fn reference(&mut self) -> Result<Handle, Error> {
        let at = self.cursor.at();
        let number = self.cursor.u32("handle")?;
        let found = number.checked_sub(FIRST_HANDLE).and_then(|index| self.handles.get(usize::try_from(index).ok()?));
        found.copied().ok_or(Error::Stream { at, problem: "a reference to what has not come yet" })
    }

    fn string(&mut self) -> Result<NodeId, Error> {
        let text = self.cursor.utf("string")?;
        self.named(Node::Text(text))
    }

    fn long_string(&mut self) -> Result<NodeId, Error> {
        let bytes = usize::try_from(self.cursor.u64("length of a string")?).unwrap_or(usize::MAX);
        let text = self.cursor.text(bytes, "string")?;
        self.named(Node::Text(text))
    }

    fn object(&mut self) -> Result<NodeId, Error> {
        let class = self.class()?;
        let id = self.named(Node::Object(Object { class, parts: Vec::new() }))?;
        let mut parts = Vec::new();
        for class in self.tree.levels(class) {
            parts.extend(self.part(class)?);
        }
        self.put(id, Node::Object(Object { class, parts }));
        Ok(id)
    }

    /// What one class has written of an object; nothing where it has nothing to write.
    fn part(&mut self, id: ClassId) -> Result<Option<Part>, Error> {
        let Some(class) = self.tree.class(id) else { return Ok(None) };
        let (sends_fields, more) = match (class.flags & SERIALIZABLE != 0, class.flags & EXTERNALIZABLE != 0) {
            (false, false) => return Ok(None),
            (true, false) => (class.name != SENDS_NO_FIELDS, class.writes_more()),
            (false, true) if class.writes_more() => (false, true),
            _ => return Err(self.broken("a class that writes itself in an unknown form")),
        };
        let kinds: Vec<Kind> = class.fields.iter().filter(|_| sends_fields).map(|field| field.kind).collect();
        if kinds.is_empty() && !more {
            return Ok(None);
        }
        let mut values = Vec::new();
        for kind in kinds {
            values.push(self.value(kind)?);
        }
        let annotation = if more { self.annotation()? } else { Vec::new() };
        self.count()?;
        Ok(Some(Part { class: id, values, annotation }))
    }

    fn value(&mut self, kind: Kind) -> Result<Value, Error> {
        self.count()?;
        let cursor = &mut self.cursor;
        Ok(match kind {
            Kind::Boolean => Value::Boolean(cursor.u8("boolean")? != 0),
            Kind::Byte => Value::Byte(i8::from_be_bytes([cursor.u8("byte")?])),
            Kind::Char => Value::Char(cursor.u16("char")?),
            Kind::Double => Value::Double(f64::from_bits(cursor.u64("double")?)),
            Kind::Float => Value::Float(f32::from_bits(cursor.u32("float")?)),
            Kind::Int => Value::Int(cursor.i32("int")?),
            Kind::Long => Value::Long(cursor.i64("long")?),
            Kind::Short => Value::Short(i16::from_be_bytes(cursor.u16("short")?.to_be_bytes())),
            Kind::Reference => self.content()?,
        })
    }

    /// Contents up to their end. Blocks that follow each other are one.
    fn annotation(&mut self) -> Result<Vec<Value>, Error> {
        let mut contents: Vec<Value> = Vec::new();
        loop {
            let length = match self.cursor.peek() {
                Some(END_OF_ANNOTATION) => {
                    self.cursor.u8("end of an annotation")?;
                    return Ok(contents);
                }
                Some(BLOCK) => {
                    self.cursor.u8("tag of a block")?;
                    usize::from(self.cursor.u8("length of a block")?)
                }
                Some(LONG_BLOCK) => {
                    self.cursor.u8("tag of a block")?;
                    usize::try_from(self.cursor.u32("length of a block")?).unwrap_or(usize::MAX)
                }
                _ => {
                    self.count()?;
                    contents.push(self.content()?);
                    continue;
                }
            };
            let bytes = self.cursor.take(length, "block")?;
            let last = contents.last().and_then(|last| match last {
                Value::Node(id) => self.tree.nodes.get_mut(id.0),
                _ => None,
            });
            if let Some(Node::Block(block)) = last {
                block.extend(bytes);
            } else {
                let block = self.node(Node::Block(bytes.to_vec()))?;
                contents.push(Value::Node(block));
            }
        }
    }

    fn array(&mut self) -> Result<NodeId, Error> {
        let class = self.class()?;
        let kind = match self.tree.class_name(class).as_bytes() {
            [b'[', element, ..] => Kind::of(*element),
            _ => None,
        };
        let kind = kind.ok_or_else(|| self.broken("an array of a class that is none of arrays"))?;
        let id = self.named(Node::Array(Array { class, elements: Vec::new() }))?;
        let at = self.cursor.at();
        let length = self.cursor.i32("length of an array")?;
        let negative = Error::Number { what: "length of an array", value: length.into(), at, allowed: "0 or more" };
        let length = usize::try_from(length).map_err(|_| negative)?;
        let mut elements = Vec::new();
        for _ in 0..length {
            elements.push(self.value(kind)?);
        }
        self.put(id, Node::Array(Array { class, elements }));
        Ok(id)
    }

    fn constant(&mut self) -> Result<NodeId, Error> {
        let class = self.class()?;
        let id = self.named(Node::Constant(class, Value::Null))?;
        let name = self.text("a constant whose name is no string")?;
        self.put(id, Node::Constant(class, name));
        Ok(id)
    }

    /// A content that must be a string.
    fn text(&mut self, problem: &'static str) -> Result<Value, Error> {
        let value = self.content()?;
        if self.tree.text(value).is_some() { Ok(value) } else { Err(self.broken(problem)) }
    }

    /// A class that must be there.
    fn class(&mut self) -> Result<ClassId, Error> {
        self.class_description()?.ok_or_else(|| self.broken("no class where one is expected"))
    }

    fn class_description(&mut self) -> Result<Option<ClassId>, Error> {
        self.nested(|reader| match reader.cursor.u8("tag of a class")? {
            NULL => Ok(None),
            CLASS_DESCRIPTION => reader.new_class().map(Some),
            REFERENCE => match reader.reference()? {
                Handle::Class(id) if reader.tree.class(id).is_some_and(|class| class.levels > 0) => Ok(Some(id)),
                Handle::Class(_) => Err(reader.broken("a class that is a part of itself")),
                Handle::Node(_) => Err(reader.broken("a value where a class is expected")),
            },
            _ => Err(reader.broken("unknown tag of a class")),
        })
    }

    fn new_class(&mut self) -> Result<ClassId, Error> {
        self.count()?;
        let mut class = Class {
            name: self.cursor.utf("name of a class")?,
            uid: self.cursor.i64("serialVersionUID")?,
            ..Class::default()
        };
        let id = ClassId(self.tree.classes.len());
        self.tree.classes.push(Class { name: class.name.clone(), ..Class::default() });
        self.handles.push(Handle::Class(id));
        class.flags = self.cursor.u8("flags of a class")?;
        for _ in 0..self.cursor.u16("number of fields")? {
            class.fields.push(self.field()?);
            self.limit("fields in a class", class.fields.len(), MAX_FIELDS)?;
        }
        // What a class adds to its own description is of no use here.
        self.annotation()?;
        class.parent = self.class_description()?;
        let above = class.parent.map_or_else(Vec::new, |parent| self.tree.levels(parent));
        class.levels = above.len() + 1;
        self.limit("classes that extend each other", class.levels, MAX_LEVELS)?;
        let inherited = above.iter().filter_map(|id| self.tree.class(*id)).map(|class| class.fields.len());
        self.limit("fields in a class", inherited.sum::<usize>() + class.fields.len(), MAX_FIELDS)?;
        if let Some(place) = self.tree.classes.get_mut(id.0) {
            *place = class;
        }
        Ok(id)
    }

    fn field(&mut self) -> Result<Field, Error> {
        self.count()?;
        let tag = self.cursor.u8("type of a field")?;
        let kind = Kind::of(tag).ok_or_else(|| self.broken("unknown type of a field"))?;
        let name = self.cursor.utf("name of a field")?;
        let signature = match kind {
            Kind::Reference => self.text("a field whose type is no string")?,
            _ => Value::Null,
        };
        if self.tree.text(signature).is_some_and(|text| !text.as_bytes().starts_with(&[tag])) {
            return Err(self.broken("a field whose type is of another kind"));
        }
        Ok(Field { kind, name, signature })
    }
}
