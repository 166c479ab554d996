//! The transcript: its data model, how channels become turns, and the forms it is handed on in.
//!
//! Pure data: no model is run here, no file is opened, nothing is printed.

mod assemble;
pub mod convert;
mod data;
pub mod export;
pub mod moments;
mod parse;
pub(crate) mod spans;
mod talk;
#[cfg(test)]
#[allow(clippy::unwrap_used)]
pub(crate) mod testing;
pub(crate) mod text;
mod timeline;
pub mod view;
mod voices;

pub use assemble::{
    AssembleInput, BACKCHANNEL_PAUSE, BACKCHANNEL_SECONDS, BACKCHANNEL_WORDS, BREATH, OWN_PAUSE,
    assemble,
};
pub use data::*;
pub use moments::Moments;
pub use parse::parse;
pub use talk::{GAP_SECONDS, OVERLAP_SECONDS, PAUSE_SECONDS};
pub use timeline::SHOWN_PAUSE_SECONDS;

/// The JSON Schema (draft 2020-12) of [`Transcript`], for other tools.
#[must_use]
pub fn schema() -> serde_json::Value {
    named(schemars::schema_for!(Transcript), SCHEMA)
}

/// A schema whose `schema` field must hold this name.
pub(crate) fn named(schema: schemars::Schema, name: &str) -> serde_json::Value {
    let mut value = schema.to_value();
    if let Some(field) = value.pointer_mut("/properties/schema")
        && let Some(field) = field.as_object_mut()
    {
        field.insert("const".into(), name.into());
    }
    value
}

/// Every place in a schema that has properties must say what each of them is.
#[cfg(test)]
pub(crate) fn undocumented(schema: &serde_json::Value, path: &str, found: &mut Vec<String>) {
    if let Some(fields) = schema.get("properties").and_then(|p| p.as_object()) {
        for (name, field) in fields {
            if field.get("description").is_none() {
                found.push(format!("{path}/{name}"));
            }
        }
    }
    if let Some(fields) = schema.as_object() {
        for (name, inner) in fields {
            undocumented(inner, &format!("{path}/{name}"), found);
        }
    }
}

/// The blocks of JSON in the page that describes the schema.
#[cfg(test)]
pub(crate) fn documented() -> Vec<&'static str> {
    include_str!("../../docs/transcript.md")
        .split("```json\n")
        .skip(1)
        .filter_map(|block| block.split("```").next())
        .collect()
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn the_documented_example_is_a_transcript() {
        let read = parse(documented()[0].as_bytes(), 1 << 16).unwrap();
        assert_eq!(read.turns.len(), 3);
        assert!(read.turns[1].words.iter().any(|word| word.suspect));
    }

    #[test]
    fn the_schema_names_itself_and_says_what_every_field_is() {
        let schema = schema();
        assert_eq!(schema["properties"]["schema"]["const"], SCHEMA);
        let mut found = Vec::new();
        undocumented(&schema, "", &mut found);
        assert!(found.is_empty(), "{found:?}");
        for field in ["turns", "speakers", "session", "activity"] {
            let required = schema["required"].as_array().unwrap();
            assert!(required.contains(&field.into()));
        }
    }
}
