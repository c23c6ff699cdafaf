//! Trees that are made here, not read: new objects, and excerpts of what was read.

use std::collections::BTreeMap;

use super::read::MAX_DEPTH;
use super::tag::{SERIALIZABLE, WRITES_MORE};
use super::tree::{Array, Class, ClassId, Field, Kind, Node, NodeId, Object, Part, Tree, Value};

/// What anything costs of the limit of an excerpt, beside its text.
const LEAST_COST: usize = 16;

impl Tree {
    /// One that holds nothing.
    pub(crate) fn empty() -> Self {
        Self { root: Value::Null, nodes: Vec::new(), classes: Vec::new() }
    }

    /// Makes something what the stream holds.
    pub(crate) fn with_root(self, root: Value) -> Self {
        Self { root, ..self }
    }

    fn add(&mut self, node: Node) -> Value {
        self.nodes.push(node);
        Value::Node(NodeId(self.nodes.len() - 1))
    }

    pub(crate) fn add_text(&mut self, text: &str) -> Value {
        self.add(Node::Text(text.to_owned()))
    }

    /// A class with its fields: their names and types, the latter as class files have them.
    pub(crate) fn add_class(
        &mut self,
        name: &str,
        uid: i64,
        flags: u8,
        fields: &[(&str, &str)],
        parent: Option<ClassId>,
    ) -> ClassId {
        let mut field = |&(name, signature): &(&str, &str)| {
            let kind = signature.bytes().next().and_then(Kind::of).unwrap_or(Kind::Reference);
            let signature = if kind == Kind::Reference { self.add_text(signature) } else { Value::Null };
            Field { kind, name: name.to_owned(), signature }
        };
        let fields = fields.iter().map(&mut field).collect();
        let levels = 1 + parent.and_then(|parent| self.class(parent)).map_or(0, |parent| parent.levels);
        self.classes.push(Class { name: name.to_owned(), uid, flags, fields, parent, levels });
        ClassId(self.classes.len() - 1)
    }

    /// The first class of this name.
    pub(crate) fn find_class(&self, name: &str) -> Option<ClassId> {
        self.classes.iter().position(|class| class.name == name).map(ClassId)
    }

    /// An object with these fields, wherever its classes have them. A field that is not named, or is of another kind in
    /// this class, is as Java leaves it.
    pub(crate) fn add_object(&mut self, class: ClassId, values: &[(&str, Value)]) -> Value {
        self.add_object_with(class, values, Vec::new())
    }

    /// An object with these fields, whose own class writes something by itself too.
    pub(crate) fn add_object_with(
        &mut self,
        class: ClassId,
        values: &[(&str, Value)],
        annotation: Vec<Value>,
    ) -> Value {
        let mut parts = Vec::new();
        for id in self.levels(class) {
            let Some(level) = self.class(id) else { continue };
            let named = |field: &Field| values.iter().find(|(name, _)| *name == field.name).map(|(_, value)| *value);
            let fitting = |field: &Field| named(field).filter(|value| value.kind() == field.kind);
            let value = |field: &Field| fitting(field).unwrap_or(field.kind.nothing());
            if level.flags & SERIALIZABLE != 0 && (!level.fields.is_empty() || level.flags & WRITES_MORE != 0) {
                let values = level.fields.iter().map(value).collect();
                parts.push(Part { class: id, values, annotation: Vec::new() });
            }
        }
        if let Some(own) = parts.last_mut().filter(|part| part.class == class) {
            own.annotation = annotation;
        }
        self.add(Node::Object(Object { class, parts }))
    }

    /// Bytes that a class writes by itself.
    pub(crate) fn add_block(&mut self, bytes: &[u8]) -> Value {
        self.add(Node::Block(bytes.to_vec()))
    }

    /// An array.
    pub(crate) fn add_array(&mut self, class: ClassId, elements: Vec<Value>) -> Value {
        self.add(Node::Array(Array { class, elements }))
    }

    /// What another tree holds, with everything it leads to. Classes that are the same in both are one from then on.
    pub(crate) fn graft(&mut self, other: &Self) -> Value {
        let first = self.nodes.len();
        let moved = |value| match value {
            Value::Node(NodeId(at)) => Value::Node(NodeId(first + at)),
            value => value,
        };
        let same = |class: &Class| self.classes.iter().position(|known| self.is_same(known, other, class)).map(ClassId);
        let mut next = self.classes.len();
        let mut place = |class: &Class| {
            same(class).unwrap_or_else(|| {
                next += 1;
                ClassId(next - 1)
            })
        };
        let places: Vec<ClassId> = other.classes.iter().map(&mut place).collect();
        let moved_class = |id: ClassId| places.get(id.0).copied().unwrap_or(id);
        let known = self.classes.len();
        let new = other.classes.iter().zip(&places).filter(|(_, place)| place.0 >= known).map(|(class, _)| class);
        let field = |field: &Field| Field { signature: moved(field.signature), ..field.clone() };
        self.classes.extend(new.map(|class| Class {
            fields: class.fields.iter().map(field).collect(),
            parent: class.parent.map(moved_class),
            ..class.clone()
        }));
        let all = |values: &[Value]| values.iter().copied().map(moved).collect();
        let part = |part: &Part| Part {
            class: moved_class(part.class),
            values: all(&part.values),
            annotation: all(&part.annotation),
        };
        self.nodes.extend(other.nodes.iter().map(|node| match node {
            Node::Text(_) | Node::Block(_) => node.clone(),
            Node::Object(object) => Node::Object(Object {
                class: moved_class(object.class),
                parts: object.parts.iter().map(part).collect(),
            }),
            Node::Array(array) => {
                Node::Array(Array { class: moved_class(array.class), elements: all(&array.elements) })
            }
            Node::Constant(class, name) => Node::Constant(moved_class(*class), moved(*name)),
            Node::Class(class) => Node::Class(moved_class(*class)),
        }));
        moved(other.root)
    }

    /// Whether a class of this tree and one of another are written the same.
    fn is_same(&self, own: &Class, other: &Self, class: &Class) -> bool {
        let shown = |tree: &Self, class: &Class| {
            let field = |field: &Field| (field.kind, field.name.clone(), tree.text(field.signature).map(str::to_owned));
            let fields: Vec<_> = class.fields.iter().map(field).collect();
            (class.name.clone(), class.uid, class.flags, fields)
        };
        let parent = |tree: &Self, class: &Class| class.parent.and_then(|id| tree.class(id)).cloned();
        own.name == class.name
            && shown(self, own) == shown(other, class)
            && match (parent(self, own), parent(other, class)) {
                (Some(own), Some(class)) => self.is_same(&own, other, &class),
                (None, None) => true,
                _ => false,
            }
    }

    /// An object that differs from another one in one field. `None` = that is no object, or has no such field.
    pub(crate) fn add_changed(&mut self, object: Value, field: &str, value: Value) -> Option<Value> {
        let Node::Object(object) = self.node(object)? else { return None };
        let mut changed = object.clone();
        let place = changed.parts.iter_mut().find_map(|part| {
            let fields = &self.class(part.class)?.fields;
            let at = fields.iter().position(|known| known.name == field && known.kind == value.kind())?;
            part.values.get_mut(at)
        });
        *place? = value;
        Some(self.add(Node::Object(changed)))
    }

    /// A class itself, as a value.
    pub(crate) fn add_class_value(&mut self, class: ClassId) -> Value {
        self.add(Node::Class(class))
    }

    /// A class and those it extends, the last of them first.
    pub(super) fn levels(&self, class: ClassId) -> Vec<ClassId> {
        let parent = |id: &ClassId| self.class(*id).and_then(|class| class.parent);
        let mut levels: Vec<ClassId> = std::iter::successors(Some(class), parent).collect();
        levels.reverse();
        levels
    }

    /// A value with everything it leads to as a tree of its own. `None` = that takes more than about so many bytes, or is
    /// deeper than anything that is read.
    pub(crate) fn excerpt(&self, value: Value, limit: usize) -> Option<Self> {
        let (nodes, classes) = (BTreeMap::new(), BTreeMap::new());
        let mut excerpt = Excerpt { of: self, tree: Self::empty(), nodes, classes, left: limit, depth: 0 };
        let root = excerpt.value(value)?;
        Some(excerpt.tree.with_root(root))
    }
}

/// An excerpt that is being made. Everything costs something, so that it can be neither long nor deep.
struct Excerpt<'t> {
    of: &'t Tree,
    tree: Tree,
    nodes: BTreeMap<usize, Value>,
    classes: BTreeMap<usize, ClassId>,
    left: usize,
    depth: usize,
}

impl Excerpt<'_> {
    fn pay(&mut self, bytes: usize) -> Option<()> {
        self.left = self.left.checked_sub(bytes.checked_add(LEAST_COST)?)?;
        Some(())
    }

    fn value(&mut self, value: Value) -> Option<Value> {
        let Value::Node(id) = value else { return Some(value) };
        if let Some(copied) = self.nodes.get(&id.0) {
            return Some(*copied);
        }
        self.pay(0)?;
        // It may lead to itself: its place is there before its content.
        let place = NodeId(self.tree.nodes.len());
        let copied = self.tree.add(Node::Block(Vec::new()));
        self.nodes.insert(id.0, copied);
        self.depth += 1;
        if self.depth > MAX_DEPTH {
            return None;
        }
        let node = self.node(self.of.nodes.get(id.0)?)?;
        self.depth -= 1;
        *self.tree.nodes.get_mut(place.0)? = node;
        Some(copied)
    }

    fn node(&mut self, node: &Node) -> Option<Node> {
        Some(match node {
            Node::Text(text) => {
                self.pay(text.len())?;
                Node::Text(text.clone())
            }
            Node::Block(bytes) => {
                self.pay(bytes.len())?;
                Node::Block(bytes.clone())
            }
            Node::Object(object) => {
                let class = self.class(object.class)?;
                let parts = object.parts.iter().map(|part| self.part(part)).collect::<Option<_>>()?;
                Node::Object(Object { class, parts })
            }
            Node::Array(array) => {
                Node::Array(Array { class: self.class(array.class)?, elements: self.values(&array.elements)? })
            }
            Node::Constant(class, name) => Node::Constant(self.class(*class)?, self.value(*name)?),
            Node::Class(class) => Node::Class(self.class(*class)?),
        })
    }

    fn values(&mut self, values: &[Value]) -> Option<Vec<Value>> {
        self.pay(values.len())?;
        values.iter().map(|value| self.value(*value)).collect()
    }

    fn part(&mut self, part: &Part) -> Option<Part> {
        let class = self.class(part.class)?;
        Some(Part { class, values: self.values(&part.values)?, annotation: self.values(&part.annotation)? })
    }

    fn class(&mut self, id: ClassId) -> Option<ClassId> {
        if let Some(copied) = self.classes.get(&id.0) {
            return Some(*copied);
        }
        let class = self.of.class(id)?;
        self.pay(class.name.len())?;
        let mut fields = Vec::new();
        for field in &class.fields {
            self.pay(field.name.len())?;
            fields.push(Field { signature: self.value(field.signature)?, ..field.clone() });
        }
        let parent = match class.parent {
            Some(parent) => Some(self.class(parent)?),
            None => None,
        };
        let copied = ClassId(self.tree.classes.len());
        self.tree.classes.push(Class { fields, parent, ..class.clone() });
        self.classes.insert(id.0, copied);
        Some(copied)
    }
}

#[cfg(test)]
impl Tree {
    /// An array of 32 elements, each of which is itself.
    pub(crate) fn add_endless_array(&mut self) -> Value {
        let class = self.add_class("[Ljava.lang.Object;", 0, SERIALIZABLE, &[], None);
        let itself = Value::Node(NodeId(self.nodes.len()));
        self.add(Node::Array(Array { class, elements: vec![itself; 32] }))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::java;

    const LIMIT: usize = 8 * 1024;

    /// A tree whose arrays hold each other, the last one all others: back references make that of a flat stream.
    fn chain(length: usize) -> Tree {
        let mut tree = Tree::empty();
        let class = tree.add_class("[Ljava.lang.Object;", 0, SERIALIZABLE, &[], None);
        let mut last = tree.add_text("the end");
        for _ in 0..length {
            last = tree.add(Node::Array(Array { class, elements: vec![last] }));
        }
        tree.with_root(last)
    }

    #[test]
    fn an_excerpt_is_neither_long_nor_deep() {
        let fits = chain(MAX_DEPTH - 1);
        let excerpt = fits.excerpt(fits.root, LIMIT).unwrap();
        assert!(java::write(&excerpt) == java::write(&fits));
        for length in [MAX_DEPTH, 100_000] {
            let deep = chain(length);
            assert_eq!(deep.excerpt(deep.root, usize::MAX), None);
        }
        let mut long = Tree::empty();
        let text = long.add_text(&"x".repeat(LIMIT));
        assert_eq!(long.excerpt(text, LIMIT), None);
    }

    #[test]
    fn an_excerpt_keeps_what_refers_to_itself() {
        let mut tree = Tree::empty();
        tree.add_text("something else");
        let endless = tree.add_endless_array();
        let excerpt = tree.excerpt(endless, LIMIT).unwrap();
        assert_eq!((excerpt.nodes.len(), excerpt.classes.len()), (1, 1));
        let Some(Node::Array(array)) = excerpt.node(excerpt.root) else { panic!("{excerpt:?}") };
        assert_eq!(array.elements, [excerpt.root; 32]);
    }
}
