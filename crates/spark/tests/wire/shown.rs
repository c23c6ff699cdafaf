//! A tree as lines of text, in the form of the index of captured frames.

use std::collections::BTreeSet;

use tanist_spark::java::{Node, NodeId, Tree, Value};

/// The lines of the whole tree.
pub(crate) fn lines(tree: &Tree) -> Vec<String> {
    let mut shown = Shown { tree, lines: Vec::new(), seen: BTreeSet::new() };
    shown.value("", tree.value(), 0);
    shown.lines
}

struct Shown<'t> {
    tree: &'t Tree,
    lines: Vec<String>,
    /// Objects and arrays are shown once.
    seen: BTreeSet<String>,
}

impl Shown<'_> {
    fn line(&mut self, depth: usize, text: &str) {
        self.lines.push(format!("{}{text}", "  ".repeat(depth)));
    }

    /// What is short stands behind its name, everything else below it.
    fn value(&mut self, name: &str, value: Value, depth: usize) {
        let scalar = match value {
            Value::Null => Some("None".to_owned()),
            Value::Boolean(value) => Some(if value { "True" } else { "False" }.to_owned()),
            Value::Byte(value) => Some(value.to_string()),
            Value::Char(value) => Some(value.to_string()),
            Value::Double(value) => Some(format!("{value:?}")),
            Value::Float(value) => Some(format!("{value:?}")),
            Value::Int(value) => Some(value.to_string()),
            Value::Long(value) => Some(value.to_string()),
            Value::Short(value) => Some(value.to_string()),
            Value::Node(id) => self.text(id),
        };
        match (scalar, name) {
            (Some(scalar), "") => self.line(depth, &scalar),
            (Some(scalar), name) => self.line(depth, &format!("{name}: {scalar}")),
            (None, "") => self.below(value, depth),
            (None, name) => {
                self.line(depth, &format!("{name}:"));
                self.below(value, depth + 1);
            }
        }
    }

    fn text(&self, id: NodeId) -> Option<String> {
        self.tree.text(Value::Node(id)).map(|text| format!("'{text}'"))
    }

    fn below(&mut self, value: Value, depth: usize) {
        let class = |id| self.tree.class(id).unwrap().name.clone();
        match self.tree.node(value).unwrap() {
            Node::Text(_) => unreachable!("shown by its name"),
            Node::Constant(of, name) => {
                let name = self.tree.text(*name).unwrap();
                self.line(depth, &format!("enum {}.{name}", class(*of)));
            }
            Node::Class(id) => self.line(depth, &format!("class {}", class(*id))),
            Node::Block(bytes) => {
                let hex: Vec<String> = bytes.iter().map(|byte| format!("{byte:02x}")).collect();
                self.line(depth, &format!("block {}", hex.concat()));
            }
            Node::Array(array) => {
                let name = class(array.class);
                if !self.seen.insert(format!("{value:?}")) {
                    return self.line(depth, &format!("^{name}"));
                }
                self.line(depth, &format!("array {name} x{}", array.elements.len()));
                for element in &array.elements {
                    self.value("", *element, depth + 1);
                }
            }
            Node::Object(object) => {
                let described = self.tree.class(object.class).unwrap();
                if !self.seen.insert(format!("{value:?}")) {
                    return self.line(depth, &format!("^{}", described.name));
                }
                self.line(depth, &format!("{} [{:016x}]", described.name, described.uid));
                for part in &object.parts {
                    let fields = &self.tree.class(part.class).unwrap().fields;
                    for (field, value) in fields.iter().zip(&part.values) {
                        self.value(&field.name, *value, depth + 1);
                    }
                    for content in &part.annotation {
                        self.value("", *content, depth + 2);
                    }
                }
            }
        }
    }
}
