//! The objects of a stream. They refer to each other by number, so that cycles and repetitions are nothing special.

use super::tag::{EXTERNALIZABLE, IN_BLOCKS, WRITES_MORE};

/// Number of a node in its [`Tree`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct NodeId(pub(super) usize);

/// Number of a class in its [`Tree`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ClassId(pub(super) usize);

/// All objects of one stream.
#[derive(Debug, Clone, PartialEq)]
pub struct Tree {
    pub(super) root: Value,
    pub(super) nodes: Vec<Node>,
    pub(super) classes: Vec<Class>,
}

/// What a field, an element or an annotation can be.
#[derive(Debug, Clone, Copy, PartialEq)]
#[allow(missing_docs, reason = "named like Java's types")]
pub enum Value {
    Null,
    Boolean(bool),
    Byte(i8),
    Char(u16),
    Double(f64),
    Float(f32),
    Int(i32),
    Long(i64),
    Short(i16),
    /// A reference.
    Node(NodeId),
}

/// What a reference can lead to.
#[derive(Debug, Clone, PartialEq)]
pub enum Node {
    /// A string.
    Text(String),
    /// An object.
    Object(Object),
    /// An array.
    Array(Array),
    /// A constant of an enum: its class, and the string that is its name.
    Constant(ClassId, Value),
    /// A class itself, as a value.
    Class(ClassId),
    /// Bytes that a class has written by itself; only in annotations.
    Block(Vec<u8>),
}

/// A class, as the stream describes it.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Class {
    /// Its full name.
    pub name: String,
    /// Its `serialVersionUID`. A fingerprint: nothing is found by it.
    pub uid: i64,
    pub(super) flags: u8,
    /// Its own fields, as they stand in the stream.
    pub fields: Vec<Field>,
    /// What it extends, if that can be serialized.
    pub parent: Option<ClassId>,
    /// How many classes it is, with those it extends; 0 = its description is being read.
    pub(super) levels: usize,
}

impl Class {
    /// Whether its objects hold more than its fields.
    pub(super) fn writes_more(&self) -> bool {
        match self.flags & EXTERNALIZABLE {
            0 => self.flags & WRITES_MORE != 0,
            _ => self.flags & IN_BLOCKS != 0,
        }
    }
}

/// A field of a class.
#[derive(Debug, Clone, PartialEq)]
pub struct Field {
    /// What it holds.
    pub kind: Kind,
    /// Its name.
    pub name: String,
    /// Of a reference: the string that is its type in the words of class files, such as `Ljava/lang/String;`.
    pub(super) signature: Value,
}

/// What a field or an element holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[allow(missing_docs, reason = "named like Java's types")]
pub enum Kind {
    Boolean,
    Byte,
    Char,
    Double,
    Float,
    Int,
    Long,
    Short,
    /// An object, an array, a string, or nothing.
    Reference,
}

impl Kind {
    /// What a type holds that begins so in the words of class files.
    pub(super) fn of(tag: u8) -> Option<Self> {
        Some(match tag {
            b'Z' => Self::Boolean,
            b'B' => Self::Byte,
            b'C' => Self::Char,
            b'D' => Self::Double,
            b'F' => Self::Float,
            b'I' => Self::Int,
            b'J' => Self::Long,
            b'S' => Self::Short,
            b'L' | b'[' => Self::Reference,
            _ => return None,
        })
    }

    /// How a primitive type begins in the words of class files; a reference has its own.
    pub(super) fn tag(self) -> u8 {
        match self {
            Self::Boolean => b'Z',
            Self::Byte => b'B',
            Self::Char => b'C',
            Self::Double => b'D',
            Self::Float => b'F',
            Self::Int => b'I',
            Self::Long => b'J',
            Self::Short => b'S',
            Self::Reference => b'L',
        }
    }

    /// What Java has in such a field that nobody has set.
    pub(super) fn nothing(self) -> Value {
        match self {
            Self::Boolean => Value::Boolean(false),
            Self::Byte => Value::Byte(0),
            Self::Char => Value::Char(0),
            Self::Double => Value::Double(0.0),
            Self::Float => Value::Float(0.0),
            Self::Int => Value::Int(0),
            Self::Long => Value::Long(0),
            Self::Short => Value::Short(0),
            Self::Reference => Value::Null,
        }
    }
}

impl Value {
    pub(super) fn kind(self) -> Kind {
        match self {
            Self::Boolean(_) => Kind::Boolean,
            Self::Byte(_) => Kind::Byte,
            Self::Char(_) => Kind::Char,
            Self::Double(_) => Kind::Double,
            Self::Float(_) => Kind::Float,
            Self::Int(_) => Kind::Int,
            Self::Long(_) => Kind::Long,
            Self::Short(_) => Kind::Short,
            Self::Null | Self::Node(_) => Kind::Reference,
        }
    }
}

/// An object.
#[derive(Debug, Clone, PartialEq)]
pub struct Object {
    /// Its class.
    pub class: ClassId,
    /// What its classes have written, the one that extends none first.
    pub parts: Vec<Part>,
}

/// What one class has written of an object.
#[derive(Debug, Clone, PartialEq)]
pub struct Part {
    /// Which class.
    pub class: ClassId,
    /// The values of its fields, in their order.
    pub values: Vec<Value>,
    /// What it has written by itself.
    pub annotation: Vec<Value>,
}

/// An array.
#[derive(Debug, Clone, PartialEq)]
pub struct Array {
    /// Its class, such as `[Ljava.lang.String;`.
    pub class: ClassId,
    /// Its elements.
    pub elements: Vec<Value>,
}

/// An object with the tree it is in.
#[derive(Debug, Clone, Copy)]
pub struct ObjectRef<'t> {
    tree: &'t Tree,
    object: &'t Object,
}

impl Tree {
    /// What the stream holds.
    pub fn value(&self) -> Value {
        self.root
    }

    /// What the stream holds, if that is an object.
    pub fn root(&self) -> Option<ObjectRef<'_>> {
        self.object(self.root)
    }

    /// How many nodes it has.
    pub(crate) fn len(&self) -> usize {
        self.nodes.len()
    }

    /// The node of a reference.
    pub fn node(&self, value: Value) -> Option<&Node> {
        match value {
            Value::Node(id) => self.nodes.get(id.0),
            _ => None,
        }
    }

    /// The object of a reference.
    pub fn object(&self, value: Value) -> Option<ObjectRef<'_>> {
        match self.node(value)? {
            Node::Object(object) => Some(ObjectRef { tree: self, object }),
            _ => None,
        }
    }

    /// The string of a reference.
    pub fn text(&self, value: Value) -> Option<&str> {
        match self.node(value)? {
            Node::Text(text) => Some(text),
            _ => None,
        }
    }

    /// A class.
    pub fn class(&self, id: ClassId) -> Option<&Class> {
        self.classes.get(id.0)
    }

    /// The first class of this name, whoever is of it.
    pub fn class_named(&self, name: &str) -> Option<&Class> {
        self.classes.iter().find(|class| class.name == name)
    }

    pub(super) fn class_name(&self, id: ClassId) -> &str {
        self.class(id).map_or("", |class| &class.name)
    }
}

impl<'t> ObjectRef<'t> {
    /// The tree it is in.
    pub fn tree(&self) -> &'t Tree {
        self.tree
    }

    /// The full name of its class.
    pub fn class(&self) -> &'t str {
        self.tree.class_name(self.object.class)
    }

    /// The value of a field of its class or of one that this extends, the nearest first.
    pub fn field(&self, name: &str) -> Option<Value> {
        self.field_named(|field| field == name)
    }

    /// The value of the field whose name is the one, as [`Self::field`].
    pub fn field_named(&self, is_it: impl Fn(&str) -> bool) -> Option<Value> {
        self.object.parts.iter().rev().find_map(|part| {
            let fields = &self.tree.class(part.class)?.fields;
            let at = fields.iter().position(|field| is_it(&field.name))?;
            part.values.get(at).copied()
        })
    }

    /// What its own class has written by itself.
    pub fn annotation(&self) -> Option<&'t [Value]> {
        self.object.parts.last().map(|part| part.annotation.as_slice())
    }

    /// What its classes have written, the one that extends none first.
    pub fn parts(&self) -> &'t [Part] {
        &self.object.parts
    }
}
