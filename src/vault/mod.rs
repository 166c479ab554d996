//! The vault: identities and recipients, sealed files, a session's folder.
//!
//! Knows nothing about what is inside a sealed file.
