//! The number of a class, from its class file: the one that stands in it, or else the hash of what it is made of (Java
//! Object Serialization Specification, 4.6).

use aws_lc_rs::digest::{SHA1_FOR_LEGACY_USE_ONLY, digest};

use crate::Error;
use crate::cursor::Cursor;

const MAGIC: u32 = 0xCAFE_BABE;

const PUBLIC: u16 = 0x0001;
const PRIVATE: u16 = 0x0002;
const PROTECTED: u16 = 0x0004;
const STATIC: u16 = 0x0008;
const FINAL: u16 = 0x0010;
const SYNCHRONIZED: u16 = 0x0020;
const VOLATILE: u16 = 0x0040;
const TRANSIENT: u16 = 0x0080;
const NATIVE: u16 = 0x0100;
const INTERFACE: u16 = 0x0200;
const ABSTRACT: u16 = 0x0400;
const STRICT: u16 = 0x0800;

const OF_CLASSES: u16 = PUBLIC | FINAL | INTERFACE | ABSTRACT;
const OF_FIELDS: u16 = PUBLIC | PRIVATE | PROTECTED | STATIC | FINAL | VOLATILE | TRANSIENT;
const OF_METHODS: u16 = PUBLIC | PRIVATE | PROTECTED | STATIC | FINAL | SYNCHRONIZED | NATIVE | ABSTRACT | STRICT;

/// The `serialVersionUID` that Java gives the class of a class file.
///
/// # Errors
/// It is no class file.
pub fn uid(class_file: &[u8]) -> Result<i64, Error> {
    let class = ClassFile::read(class_file)?;
    Ok(class.declared.unwrap_or_else(|| class.computed()))
}

/// A constant, as far as it matters here. Texts stay in the bytes they are in: the hash is made of the same ones.
#[derive(Clone, Copy)]
enum Constant<'a> {
    Text(&'a [u8]),
    /// Its name is this constant.
    Class(u16),
    Long(i64),
    Other,
}

/// A field or a method.
struct Member<'a> {
    name: &'a [u8],
    signature: &'a [u8],
    modifiers: u16,
}

struct ClassFile<'a> {
    name: &'a [u8],
    modifiers: u16,
    interfaces: Vec<&'a [u8]>,
    fields: Vec<Member<'a>>,
    methods: Vec<Member<'a>>,
    /// The number that stands in it.
    declared: Option<i64>,
}

struct Reader<'a> {
    cursor: Cursor<'a>,
    constants: Vec<Constant<'a>>,
}

impl<'a> Reader<'a> {
    fn broken(&self, problem: &'static str) -> Error {
        Error::ClassFile { at: self.cursor.at(), problem }
    }

    fn u16(&mut self) -> Result<u16, Error> {
        self.cursor.u16("class file")
    }

    fn take(&mut self, bytes: usize) -> Result<&'a [u8], Error> {
        self.cursor.take(bytes, "class file")
    }

    /// The constants are counted from 1, and the large ones count twice.
    fn constants(&mut self) -> Result<(), Error> {
        let count = usize::from(self.u16()?);
        self.constants.push(Constant::Other);
        while self.constants.len() < count {
            let (constant, more) = match self.cursor.u8("class file")? {
                1 => {
                    let length = self.u16()?;
                    (Constant::Text(self.take(length.into())?), 0)
                }
                5 => (Constant::Long(self.cursor.i64("class file")?), 0),
                7 => (Constant::Class(self.u16()?), 0),
                8 | 16 | 19 | 20 => (Constant::Other, 2),
                15 => (Constant::Other, 3),
                3 | 4 | 9 | 10 | 11 | 12 | 17 | 18 => (Constant::Other, 4),
                6 => (Constant::Other, 8),
                _ => return Err(self.broken("an unknown constant")),
            };
            self.take(more)?;
            self.constants.push(constant);
            if more == 8 || matches!(constant, Constant::Long(_)) {
                self.constants.push(Constant::Other);
            }
        }
        Ok(())
    }

    fn text(&mut self) -> Result<&'a [u8], Error> {
        let index = self.u16()?;
        self.text_at(index)
    }

    fn text_at(&self, index: u16) -> Result<&'a [u8], Error> {
        match self.constants.get(usize::from(index)) {
            Some(Constant::Text(text)) => Ok(text),
            _ => Err(self.broken("no text where one is expected")),
        }
    }

    fn class(&mut self) -> Result<&'a [u8], Error> {
        let index = self.u16()?;
        match self.constants.get(usize::from(index)) {
            Some(Constant::Class(name)) => self.text_at(*name),
            _ => Err(self.broken("no class where one is expected")),
        }
    }

    /// An attribute: its name and its content.
    fn attribute(&mut self) -> Result<(&'a [u8], &'a [u8]), Error> {
        let name = self.text()?;
        let length = self.cursor.u32("class file")?;
        Ok((name, self.take(usize::try_from(length).unwrap_or(usize::MAX))?))
    }

    /// The fields or the methods, and the number that one of them holds.
    fn members(&mut self) -> Result<(Vec<Member<'a>>, Option<i64>), Error> {
        let (mut members, mut declared) = (Vec::new(), None);
        for _ in 0..self.u16()? {
            let modifiers = self.u16()?;
            let member = Member { modifiers, name: self.text()?, signature: self.text()? };
            for _ in 0..self.u16()? {
                let (name, content) = self.attribute()?;
                let is_number = name == b"ConstantValue" && member.name == b"serialVersionUID";
                if is_number && modifiers & (STATIC | FINAL) == STATIC | FINAL {
                    let index = Cursor::new(content).u16("class file")?;
                    declared = match self.constants.get(usize::from(index)) {
                        Some(Constant::Long(number)) => Some(*number),
                        _ => None,
                    };
                }
            }
            members.push(member);
        }
        Ok((members, declared))
    }

    /// What a class in a class says about its modifiers: it stands apart from the others.
    fn inner(&mut self, name: &[u8]) -> Result<Option<u16>, Error> {
        let mut found = None;
        for _ in 0..self.u16()? {
            let (attribute, content) = self.attribute()?;
            if attribute != b"InnerClasses" {
                continue;
            }
            let mut inner = Reader { cursor: Cursor::new(content), constants: std::mem::take(&mut self.constants) };
            for _ in 0..inner.u16()? {
                let class = inner.class()?;
                inner.take(4)?;
                let modifiers = inner.u16()?;
                if class == name {
                    found = Some(modifiers);
                }
            }
            self.constants = inner.constants;
        }
        Ok(found)
    }
}

impl<'a> ClassFile<'a> {
    fn read(bytes: &'a [u8]) -> Result<Self, Error> {
        let mut reader = Reader { cursor: Cursor::new(bytes), constants: Vec::new() };
        if reader.cursor.u32("class file")? != MAGIC {
            return Err(reader.broken("it does not begin as one"));
        }
        reader.take(4)?;
        reader.constants()?;
        let modifiers = reader.u16()?;
        let name = reader.class()?;
        reader.u16()?;
        let mut interfaces = Vec::new();
        for _ in 0..reader.u16()? {
            interfaces.push(reader.class()?);
        }
        let (fields, declared) = reader.members()?;
        let (methods, _) = reader.members()?;
        let modifiers = reader.inner(name)?.unwrap_or(modifiers);
        Ok(Self { name, modifiers, interfaces, fields, methods, declared })
    }

    fn modifiers(&self) -> u16 {
        let is_method = |method: &Member<'_>| !method.name.starts_with(b"<");
        match self.modifiers & OF_CLASSES {
            other if other & INTERFACE == 0 => other,
            // An interface is abstract if it has methods: a mistake of an early compiler, kept ever since.
            interface if self.methods.iter().any(is_method) => interface | ABSTRACT,
            interface => interface & !ABSTRACT,
        }
    }

    fn computed(&self) -> i64 {
        let mut hashed = Hashed(Vec::new());
        hashed.text(&dotted(self.name));
        hashed.number(self.modifiers());
        let mut interfaces: Vec<Vec<u8>> = self.interfaces.iter().map(|name| dotted(name)).collect();
        interfaces.sort();
        for name in &interfaces {
            hashed.text(name);
        }

        let mut fields: Vec<&Member<'_>> = self.fields.iter().collect();
        fields.sort_by_key(|field| field.name);
        let counts = |field: &Member<'_>| field.modifiers & PRIVATE == 0 || field.modifiers & (STATIC | TRANSIENT) == 0;
        for field in fields.into_iter().filter(|field| counts(field)) {
            hashed.member(field.name, field.modifiers & OF_FIELDS, field.signature);
        }

        let mut methods: Vec<&Member<'_>> = self.methods.iter().collect();
        methods.sort_by_key(|method| (method.name, method.signature));
        let (special, others): (Vec<_>, Vec<_>) = methods.into_iter().partition(|method| method.name.starts_with(b"<"));
        // `<clinit>` comes before `<init>`, and counts however it is declared.
        for method in special.into_iter().chain(others) {
            if method.name == b"<clinit>" {
                hashed.member(method.name, STATIC, b"()V");
            } else if method.modifiers & PRIVATE == 0 {
                hashed.member(method.name, method.modifiers & OF_METHODS, &dotted(method.signature));
            }
        }
        let hash = digest(&SHA1_FOR_LEGACY_USE_ONLY, &hashed.0);
        hash.as_ref().first_chunk().copied().map_or(0, i64::from_le_bytes)
    }
}

/// Class files have slashes where Java's own texts have dots.
fn dotted(name: &[u8]) -> Vec<u8> {
    name.iter().map(|byte| if *byte == b'/' { b'.' } else { *byte }).collect()
}

/// What the hash is made of, as Java writes it.
struct Hashed(Vec<u8>);

impl Hashed {
    /// It has come out of two bytes of length.
    fn text(&mut self, text: &[u8]) {
        self.0.extend(u16::try_from(text.len()).unwrap_or(u16::MAX).to_be_bytes());
        self.0.extend(text);
    }

    fn number(&mut self, number: u16) {
        self.0.extend(u32::from(number).to_be_bytes());
    }

    fn member(&mut self, name: &[u8], modifiers: u16, signature: &[u8]) {
        self.text(name);
        self.number(modifiers);
        self.text(signature);
    }
}
