//! Which personal texts an event mentions, by number. Found by the type of a field and not by its name, so an event type
//! that is added is among them by itself.

use super::event::{self, Event};
use super::ids::TextNumber;
use serde::ser::{
    Error as _, Serialize, SerializeMap, SerializeSeq, SerializeStruct, SerializeStructVariant, SerializeTuple,
    SerializeTupleStruct, SerializeTupleVariant, Serializer,
};
use std::fmt;

/// Numbers of the texts that an event mentions, in the order of its fields, "none" left out. That a text was seen, or
/// erased, mentions none: these records are about the texts themselves.
pub fn mentioned_texts(event: &Event) -> Vec<TextNumber> {
    let mut found = Found(Vec::new());
    if matches!(event, Event::TextSeen(_) | Event::PersonalDataErased(_)) {
        // Who asked for an erasure is a mention like any other.
        if let Event::PersonalDataErased(event::PersonalDataErased { by, .. }) = event {
            found.look_at(by);
        }
        return found.0;
    }
    macro_rules! look_at_payload {
        ($($number:literal, $version:literal, $name:ident;)+) => {
            match event { $(Event::$name(payload) => found.look_at(payload),)+ }
        };
    }
    crate::with_event_types!(look_at_payload);
    found.0
}

struct Found(Vec<TextNumber>);

impl Found {
    fn look_at(&mut self, value: &impl Serialize) {
        // Only a value that has no bytes in a record could fail, and no payload holds one.
        let _ = value.serialize(Looking { found: &mut self.0, is_text: false });
    }
}

/// Passes through a value; a number under the type's name is one of a text.
struct Looking<'a> {
    found: &'a mut Vec<TextNumber>,
    is_text: bool,
}

impl Looking<'_> {
    fn inner(&mut self, value: &(impl Serialize + ?Sized)) -> fmt::Result {
        value.serialize(Looking { found: self.found, is_text: false })
    }
}

macro_rules! passed_over {
    ($($method:ident: $type:ty),+ $(,)?) => {
        $(fn $method(self, _: $type) -> fmt::Result { Ok(()) })+
    };
}

impl<'a> Serializer for Looking<'a> {
    type Ok = ();
    type Error = fmt::Error;
    type SerializeSeq = Looking<'a>;
    type SerializeTuple = Looking<'a>;
    type SerializeTupleStruct = Looking<'a>;
    type SerializeTupleVariant = Looking<'a>;
    type SerializeMap = Looking<'a>;
    type SerializeStruct = Looking<'a>;
    type SerializeStructVariant = Looking<'a>;

    passed_over! {
        serialize_bool: bool, serialize_i8: i8, serialize_i16: i16, serialize_i32: i32, serialize_i64: i64,
        serialize_u8: u8, serialize_u16: u16, serialize_u32: u32, serialize_f32: f32, serialize_f64: f64,
        serialize_char: char, serialize_str: &str, serialize_bytes: &[u8],
    }

    fn serialize_u64(self, number: u64) -> fmt::Result {
        if self.is_text && number != 0 {
            self.found.push(TextNumber(number));
        }
        Ok(())
    }

    fn serialize_none(self) -> fmt::Result {
        Ok(())
    }

    fn serialize_some<T: Serialize + ?Sized>(mut self, value: &T) -> fmt::Result {
        self.inner(value)
    }

    fn serialize_unit(self) -> fmt::Result {
        Ok(())
    }

    fn serialize_unit_struct(self, _: &'static str) -> fmt::Result {
        Ok(())
    }

    fn serialize_unit_variant(self, _: &'static str, _: u32, _: &'static str) -> fmt::Result {
        Ok(())
    }

    fn serialize_newtype_struct<T: Serialize + ?Sized>(self, name: &'static str, value: &T) -> fmt::Result {
        value.serialize(Looking { found: self.found, is_text: name == "TextNumber" })
    }

    fn serialize_newtype_variant<T: Serialize + ?Sized>(
        mut self,
        _: &'static str,
        _: u32,
        _: &'static str,
        value: &T,
    ) -> fmt::Result {
        self.inner(value)
    }

    fn serialize_seq(self, _: Option<usize>) -> Result<Self, fmt::Error> {
        Ok(self)
    }

    fn serialize_tuple(self, _: usize) -> Result<Self, fmt::Error> {
        Ok(self)
    }

    fn serialize_tuple_struct(self, _: &'static str, _: usize) -> Result<Self, fmt::Error> {
        Ok(self)
    }

    fn serialize_tuple_variant(self, _: &'static str, _: u32, _: &'static str, _: usize) -> Result<Self, fmt::Error> {
        Ok(self)
    }

    fn serialize_map(self, _: Option<usize>) -> Result<Self, fmt::Error> {
        Err(fmt::Error::custom("records have no maps"))
    }

    fn serialize_struct(self, _: &'static str, _: usize) -> Result<Self, fmt::Error> {
        Ok(self)
    }

    fn serialize_struct_variant(self, _: &'static str, _: u32, _: &'static str, _: usize) -> Result<Self, fmt::Error> {
        Ok(self)
    }
}

macro_rules! look_inside {
    ($($trait:ident, $method:ident $(, $key:ident)?;)+) => {$(
        impl $trait for Looking<'_> {
            type Ok = ();
            type Error = fmt::Error;

            fn $method<T: Serialize + ?Sized>(&mut self, $($key: &'static str,)? value: &T) -> fmt::Result {
                $(let _ = $key;)?
                self.inner(value)
            }

            fn end(self) -> fmt::Result {
                Ok(())
            }
        }
    )+};
}

look_inside! {
    SerializeSeq, serialize_element;
    SerializeTuple, serialize_element;
    SerializeTupleStruct, serialize_field;
    SerializeTupleVariant, serialize_field;
    SerializeStruct, serialize_field, _name;
    SerializeStructVariant, serialize_field, _name;
}

impl SerializeMap for Looking<'_> {
    type Ok = ();
    type Error = fmt::Error;

    fn serialize_key<T: Serialize + ?Sized>(&mut self, key: &T) -> fmt::Result {
        self.inner(key)
    }

    fn serialize_value<T: Serialize + ?Sized>(&mut self, value: &T) -> fmt::Result {
        self.inner(value)
    }

    fn end(self) -> fmt::Result {
        Ok(())
    }
}
