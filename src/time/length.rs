//! Lengths of time in JSON: seconds, as points on the clock are.

use super::Timestamp;
use serde::{Deserialize, Deserializer, Serialize, Serializer, de::Error};
use std::time::Duration;

fn checked<E: Error>(time: Timestamp) -> Result<Duration, E> {
    if time < Timestamp::ZERO {
        return Err(E::custom("a length of time is 0 or more"));
    }
    Ok(time.length())
}

/// For `#[serde(with)]`: a number of seconds.
pub(crate) mod seconds {
    use super::*;

    pub fn serialize<S: Serializer>(length: &Duration, serializer: S) -> Result<S::Ok, S::Error> {
        Timestamp::from(*length).serialize(serializer)
    }

    pub fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Duration, D::Error> {
        checked(Timestamp::deserialize(deserializer)?)
    }
}

/// For `#[serde(with)]`: a number of milliseconds, with their fractions.
pub(crate) mod millis {
    use super::*;

    pub fn serialize<S: Serializer>(length: &Duration, serializer: S) -> Result<S::Ok, S::Error> {
        (length.as_secs_f64() * 1e3).serialize(serializer)
    }

    pub fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Duration, D::Error> {
        let millis = f64::deserialize(deserializer)?;
        Duration::try_from_secs_f64(millis / 1e3).map_err(D::Error::custom)
    }
}

/// For `#[serde(with)]`: a number of seconds, or null.
pub(crate) mod seconds_or_none {
    use super::*;

    pub fn serialize<S: Serializer>(length: &Option<Duration>, serializer: S) -> Result<S::Ok, S::Error> {
        length.map(Timestamp::from).serialize(serializer)
    }

    pub fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<Duration>, D::Error> {
        Option::<Timestamp>::deserialize(deserializer)?.map(checked).transpose()
    }
}
