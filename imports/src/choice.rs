//! Members of a mapping that are written short, as a text, or long, as a table.

use std::fmt;
use std::marker::PhantomData;

use serde::de::value::{MapAccessDeserializer, SeqAccessDeserializer};
use serde::de::{DeserializeOwned, Error, MapAccess, SeqAccess, Visitor};
use serde::{Deserialize, Deserializer};

/// Columns of which the first that is set counts: `"a"` or `["a", "b"]`.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Columns(pub Vec<String>);

impl<'de> Deserialize<'de> for Columns {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        struct One;
        impl<'de> Visitor<'de> for One {
            type Value = Columns;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("the name of a column, or an array of names")
            }

            fn visit_str<E: Error>(self, name: &str) -> Result<Columns, E> {
                Ok(Columns(vec![name.to_owned()]))
            }

            fn visit_seq<A: SeqAccess<'de>>(self, names: A) -> Result<Columns, A::Error> {
                let names = Vec::<String>::deserialize(SeqAccessDeserializer::new(names))?;
                if names.is_empty() {
                    return Err(Error::custom("name at least one column"));
                }
                Ok(Columns(names))
            }
        }
        from.deserialize_any(One)
    }
}

/// What may be written as a text.
pub(crate) trait Short: DeserializeOwned {
    /// What both forms are, for an error.
    const EXPECTED: &'static str;

    /// What the text means.
    fn of_text(text: &str) -> Result<Self, String>;
}

/// A [`Short`], in either form.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Either<T>(pub T);

impl<'de, T: Short> Deserialize<'de> for Either<T> {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        struct Form<T>(PhantomData<T>);
        impl<'de, T: Short> Visitor<'de> for Form<T> {
            type Value = Either<T>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(T::EXPECTED)
            }

            fn visit_str<E: Error>(self, text: &str) -> Result<Either<T>, E> {
                T::of_text(text).map(Either).map_err(Error::custom)
            }

            fn visit_map<A: MapAccess<'de>>(self, table: A) -> Result<Either<T>, A::Error> {
                T::deserialize(MapAccessDeserializer::new(table)).map(Either)
            }
        }
        from.deserialize_any(Form(PhantomData))
    }
}
