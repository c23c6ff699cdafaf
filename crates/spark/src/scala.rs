//! Scala's values in object streams: options, sequences and maps, as versions 2.12 and 2.13 write them. `None` = it is
//! none that Spark uses here.

use crate::java::{MAX_ITEMS, Node, ObjectRef, Tree, Value};

/// Serializable form of any collection of Scala 2.13.
pub(crate) const PROXY: &str = "scala.collection.generic.DefaultSerializationProxy";
/// Serializable form of any singleton of Scala 2.13.
pub(crate) const MODULE_PROXY: &str = "scala.runtime.ModuleSerializationProxy";
/// Serializable form of a list of Scala 2.12.
pub(crate) const LIST_PROXY: &str = "scala.collection.immutable.List$SerializationProxy";
/// The map without entries.
pub(crate) const EMPTY_MAP: &str = "scala.collection.immutable.Map$EmptyMap$";

/// Bits of an index that each level of a vector of Scala 2.12 takes.
const VECTOR_BITS: u32 = 5;
/// Levels such a vector can have.
const VECTOR_LEVELS: i32 = 6;

/// What an object of a class for a primitive value holds; anything else is itself.
pub(crate) fn unboxed(tree: &Tree, value: Value) -> Value {
    let boxed = tree.object(value).filter(|object| matches!(object.class(), "java.lang.Integer" | "java.lang.Long"));
    boxed.and_then(|object| object.field("value")).unwrap_or(value)
}

/// Which singleton it is, if it is one.
fn singleton<'t>(tree: &'t Tree, object: ObjectRef<'t>) -> Option<&'t str> {
    if object.class() != MODULE_PROXY {
        return Some(object.class()).filter(|class| class.ends_with('$'));
    }
    match tree.node(object.field("moduleClass")?)? {
        Node::Class(class) => tree.class(*class).map(|class| class.name.as_str()),
        _ => None,
    }
}

/// What an `Option` holds.
#[allow(clippy::option_option, reason = "the outer one says whether it is an Option at all")]
pub(crate) fn option(tree: &Tree, value: Value) -> Option<Option<Value>> {
    let object = tree.object(value)?;
    if object.class() == "scala.Some" {
        return Some(Some(object.field("value")?));
    }
    (singleton(tree, object)? == "scala.None$").then_some(None)
}

/// The number of a constant of an enumeration.
pub(crate) fn constant(tree: &Tree, value: Value) -> Option<i32> {
    let constant = tree.object(value).filter(|object| object.class() == "scala.Enumeration$Val")?;
    match constant.field("i")? {
        Value::Int(number) => Some(number),
        _ => None,
    }
}

/// The elements of a `Seq`.
pub(crate) fn elements(tree: &Tree, value: Value) -> Option<Vec<Value>> {
    let object = tree.object(value)?;
    match object.class() {
        PROXY => proxied(tree, object),
        "scala.collection.immutable.ArraySeq$ofRef" => array(tree, object, "unsafeArray").map(<[Value]>::to_vec),
        "scala.collection.mutable.ArraySeq$ofRef" | "scala.collection.mutable.WrappedArray$ofRef" => {
            array(tree, object, "array").map(<[Value]>::to_vec)
        }
        LIST_PROXY => Some(object.annotation()?.split_last()?.1.to_vec()),
        // The rest of the array is not in use.
        "scala.collection.mutable.ArrayBuffer" => first(array(tree, object, "array")?, object.field("size0")?),
        "scala.collection.mutable.ArraySeq" => first(array(tree, object, "array")?, object.field("length")?),
        "scala.collection.immutable.Vector" => vector(tree, object),
        // Behind the elements stand the mark of the end and what the buffer has counted.
        "scala.collection.mutable.ListBuffer" => Some(object.annotation()?.split_last()?.1.split_last()?.1.to_vec()),
        "scala.collection.immutable.Queue" => queue(tree, object),
        _ => None,
    }
}

/// Keys and values of a `Map`.
pub(crate) fn entries(tree: &Tree, value: Value) -> Option<Vec<(Value, Value)>> {
    let mut object = tree.object(value)?;
    if object.class() == "scala.collection.immutable.Map$WithDefault" {
        object = tree.object(object.field("underlying")?)?;
    }
    match object.class() {
        PROXY => proxied(tree, object)?.into_iter().map(|pair| tuple(tree, pair)).collect(),
        "scala.collection.immutable.Map$Map1" => small_map(object, 1),
        "scala.collection.immutable.Map$Map2" => small_map(object, 2),
        "scala.collection.immutable.Map$Map3" => small_map(object, 3),
        "scala.collection.immutable.Map$Map4" => small_map(object, 4),
        "scala.collection.immutable.HashMap$SerializationProxy" => table(tree, object, 0),
        // Before its size stands its load factor.
        "scala.collection.mutable.HashMap" | "scala.collection.mutable.LinkedHashMap" => table(tree, object, 4),
        "scala.collection.immutable.ListMap$Node" => chain(tree, object),
        _ => match singleton(tree, object)? {
            EMPTY_MAP | "scala.collection.immutable.ListMap$EmptyListMap$" => Some(Vec::new()),
            _ => None,
        },
    }
}

fn array<'t>(tree: &'t Tree, object: ObjectRef<'t>, field: &str) -> Option<&'t [Value]> {
    match tree.node(object.field(field)?)? {
        Node::Array(array) => Some(&array.elements),
        _ => None,
    }
}

fn first(elements: &[Value], count: Value) -> Option<Vec<Value>> {
    let Value::Int(count) = count else { return None };
    elements.get(..usize::try_from(count).ok()?).map(<[Value]>::to_vec)
}

/// The number that stands at a place of a block.
fn number(tree: &Tree, block: Value, at: usize) -> Option<i32> {
    let Node::Block(bytes) = tree.node(block)? else { return None };
    bytes.get(at..)?.first_chunk().copied().map(i32::from_be_bytes)
}

/// Contents after their number; a collection that did not know it has a mark behind its last one.
fn proxied(tree: &Tree, object: ObjectRef<'_>) -> Option<Vec<Value>> {
    let (block, contents) = object.annotation()?.split_first()?;
    match number(tree, *block, 0)? {
        -1 => Some(contents.split_last()?.1.to_vec()),
        count => Some(contents.to_vec()).filter(|contents| Ok(contents.len()) == usize::try_from(count)),
    }
}

fn tuple(tree: &Tree, pair: Value) -> Option<(Value, Value)> {
    let pair = tree.object(pair)?;
    Some((pair.field("_1")?, pair.field("_2")?))
}

/// Maps of one to four entries have a field for each key and each value. Version 2.13 puts the class before the names.
fn small_map(object: ObjectRef<'_>, size: usize) -> Option<Vec<(Value, Value)>> {
    let field = |name: String| object.field_named(|field| field.rsplit('$').next() == Some(name.as_str()));
    (1..=size).map(|at| Some((field(format!("key{at}"))?, field(format!("value{at}"))?))).collect()
}

/// Keys and values in turn, after a block in which their number stands.
fn table(tree: &Tree, object: ObjectRef<'_>, at: usize) -> Option<Vec<(Value, Value)>> {
    let (block, contents) = object.annotation()?.split_first()?;
    let (pairs, rest) = contents.as_chunks();
    let count = usize::try_from(number(tree, *block, at)?).ok()?;
    (rest.is_empty() && pairs.len() == count).then(|| pairs.iter().map(|&[key, value]| (key, value)).collect())
}

/// Each entry is an object that holds the map it was added to.
fn chain<'t>(tree: &'t Tree, mut node: ObjectRef<'t>) -> Option<Vec<(Value, Value)>> {
    let mut entries = Vec::new();
    while node.class() == "scala.collection.immutable.ListMap$Node" {
        // Nodes that hold each other are no map.
        if entries.len() > tree.len() {
            return None;
        }
        entries.push((node.field("key")?, node.field("value")?));
        node = tree.object(node.field("$outer")?)?;
    }
    entries.reverse();
    Some(entries)
}

/// What goes out, and what came in since, the last one first.
fn queue(tree: &Tree, object: ObjectRef<'_>) -> Option<Vec<Value>> {
    let list = |name| {
        let list = tree.object(object.field(name)?)?;
        if list.class() == LIST_PROXY { Some(list.annotation()?.split_last()?.1.to_vec()) } else { None }
    };
    let (mut elements, last_first): (Vec<Value>, Vec<Value>) = (list("out")?, list("in")?);
    elements.extend(last_first.into_iter().rev());
    Some(elements)
}

/// A tree of arrays: each level takes some bits of the index, the topmost the highest.
fn vector(tree: &Tree, object: ObjectRef<'_>) -> Option<Vec<Value>> {
    let int = |name| match object.field(name)? {
        Value::Int(number) => Some(number),
        _ => None,
    };
    let (start, end, depth) = (int("startIndex")?, int("endIndex")?, int("depth")?);
    if start == end {
        return Some(Vec::new());
    }
    // Arrays may stand in several places, and in themselves: what is there says nothing about how many elements it gives.
    let count = end.checked_sub(start).and_then(|count| usize::try_from(count).ok())?;
    if !(1..=VECTOR_LEVELS).contains(&depth) || start < 0 || count > MAX_ITEMS {
        return None;
    }
    let top = object.field(&format!("display{}", depth - 1))?;
    let element = |index: i32| {
        (0..u32::try_from(depth).ok()?).rev().try_fold(top, |node, level| {
            let Node::Array(array) = tree.node(node)? else { return None };
            let slot = index >> (VECTOR_BITS * level) & ((1 << VECTOR_BITS) - 1);
            array.elements.get(usize::try_from(slot).ok()?).copied()
        })
    };
    (start..end).map(element).collect()
}

#[cfg(test)]
mod tests;
