//! The vault: identities and recipients, sealed files, a session's folder.
//!
//! Every sealed file is plain age v1 (<https://age-encryption.org/v1>), so that the `age` program
//! opens it without us. Each session has an X25519 identity of its own, kept in `key.age`, which
//! is sealed to the vault's recipients; everything else in the session is sealed to the session.
//! Recording therefore needs public keys only, and destroying `key.age` destroys the session.
//!
//! Which door to use:
//!
//! - to write a session: [`Vault::begin`], then [`NewSession`]; no passphrase is needed;
//! - to read one: [`Vault::unlock`], then [`Unlocked::session`], then [`OpenSession`];
//! - after a crash: [`Vault::sessions`] tells, [`Unlocked::recover`] mends.
//!
//! The module refuses to know what is inside a sealed file, to follow a symbolic link inside a
//! vault, to overwrite a file in place, and to remove what was recorded, [`Vault::delete`] apart.
//! It reads no clock, no environment and no terminal.

mod audit;
pub mod consent;
mod delete;
pub mod disk;
mod folder;
mod handover;
mod id;
mod keys;
mod list;
mod lock;
mod manifest;
mod names;
mod opened;
pub mod passphrase;
mod recover;
mod seal;
mod session;
mod settings;
mod told;
mod unlocked;
mod unseal;
mod vault_folder;

#[cfg(test)]
mod testing;

pub use audit::{AuditReport, Event};
pub use consent::{Basis, Consent, Purpose};
pub use handover::Handover;
pub use id::SessionId;
pub use keys::{MAX_WORK_FACTOR, WORK_FACTOR};
pub use list::{SessionEntry, SessionFile, State};
pub use manifest::{
    Beginning, ChannelInfo, ClockInfo, FileInfo, GapInfo, Manifest, ModelInfo, Origin, Role, SCHEMA,
};
pub use opened::OpenSession;
pub use recover::{Recovered, RecoveredFile};
pub use seal::{Digest, SealedWriter};
pub use session::NewSession;
pub use settings::{Recipient, RecipientKind, Retention};
pub use unlocked::{Check, FileCheck, Unlocked};
pub use unseal::SealedReader;
pub use vault_folder::{NewVault, Vault};
