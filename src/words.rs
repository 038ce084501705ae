//! Enums and numbers as people write them, in JSON as on the command line: `"h265"`, `"cuda:1"`,
//! `"30000/1001"`.

use crate::time::Rational;
use serde::{
    Deserialize, Deserializer,
    de::{
        self, DeserializeSeed, EnumAccess, MapAccess, SeqAccess, VariantAccess, Visitor,
        value::{MapAccessDeserializer, SeqAccessDeserializer},
    },
};
use std::{fmt, marker::PhantomData};

/// An enum whose variants are words but for one, which has content.
pub(crate) trait Words: Sized {
    const NAME: &'static str;
    /// In the order of the enum: formats without names have numbers.
    const VARIANTS: &'static [&'static str];
    /// The one with content.
    const WITH_CONTENT: Option<&'static str>;
    type Content: for<'de> Deserialize<'de>;

    /// Of a word, in all spellings that the command line takes.
    fn of_word(word: &str) -> Result<Self, String>;

    fn of_content(content: Self::Content) -> Self;
}

/// Reads one as derived code would, and any other word that stands for it.
pub(crate) fn read<'de, T: Words, D: Deserializer<'de>>(deserializer: D) -> Result<T, D::Error> {
    deserializer.deserialize_enum(T::NAME, T::VARIANTS, OfWords(PhantomData))
}

struct OfWords<T>(PhantomData<T>);

impl<'de, T: Words> Visitor<'de> for OfWords<T> {
    type Value = T;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "one of {}", T::VARIANTS.join(", "))
    }

    fn visit_enum<A: EnumAccess<'de>>(self, data: A) -> Result<T, A::Error> {
        let (word, content) = data.variant_seed(Word(T::VARIANTS))?;
        if T::WITH_CONTENT == Some(word.as_str()) {
            return content.newtype_variant().map(T::of_content);
        }
        content.unit_variant()?;
        T::of_word(&word).map_err(de::Error::custom)
    }
}

/// A variant's name, or its number.
struct Word(&'static [&'static str]);

impl<'de> DeserializeSeed<'de> for Word {
    type Value = String;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<String, D::Error> {
        deserializer.deserialize_identifier(self)
    }
}

impl Visitor<'_> for Word {
    type Value = String;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a word")
    }

    fn visit_str<E: de::Error>(self, word: &str) -> Result<String, E> {
        Ok(word.to_owned())
    }

    fn visit_u64<E: de::Error>(self, number: u64) -> Result<String, E> {
        let name = usize::try_from(number).ok().and_then(|number| self.0.get(number));
        name.map(ToString::to_string)
            .ok_or_else(|| E::invalid_value(de::Unexpected::Unsigned(number), &"the number of a variant"))
    }
}

/// Reads a frame rate: a number, a text such as `30000/1001`, or the two numbers by name; none is none.
pub(crate) fn rate<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<Rational>, D::Error> {
    if deserializer.is_human_readable() {
        deserializer.deserialize_any(Rate)
    } else {
        Option::deserialize(deserializer)
    }
}

struct Rate;

impl<'de> Visitor<'de> for Rate {
    type Value = Option<Rational>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a frame rate, such as 25, \"30000/1001\" or {\"num\": 30000, \"den\": 1001}")
    }

    fn visit_str<E: de::Error>(self, text: &str) -> Result<Self::Value, E> {
        text.parse().map(Some).map_err(E::custom)
    }

    fn visit_u64<E: de::Error>(self, number: u64) -> Result<Self::Value, E> {
        self.visit_str(&number.to_string())
    }

    fn visit_i64<E: de::Error>(self, number: i64) -> Result<Self::Value, E> {
        self.visit_str(&number.to_string())
    }

    fn visit_f64<E: de::Error>(self, number: f64) -> Result<Self::Value, E> {
        self.visit_str(&number.to_string())
    }

    fn visit_unit<E: de::Error>(self) -> Result<Self::Value, E> {
        Ok(None)
    }

    fn visit_none<E: de::Error>(self) -> Result<Self::Value, E> {
        Ok(None)
    }

    fn visit_some<D: Deserializer<'de>>(self, deserializer: D) -> Result<Self::Value, D::Error> {
        deserializer.deserialize_any(Self)
    }

    fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<Self::Value, A::Error> {
        Rational::deserialize(MapAccessDeserializer::new(map)).map(Some)
    }

    fn visit_seq<A: SeqAccess<'de>>(self, numbers: A) -> Result<Self::Value, A::Error> {
        Rational::deserialize(SeqAccessDeserializer::new(numbers)).map(Some)
    }
}
