//! How a session begins, whether it is recorded or imported.

use super::{Context, TOOL};
use crate::vault::{Beginning, ChannelInfo, Consent, NewSession, Origin, Role, SessionId, Vault};
use crate::{Error, Kind, Result};

/// What the therapist may say of a session when it begins.
#[derive(Debug, clap::Args)]
pub struct Labels {
    /// A title for the session; sealed with it
    #[arg(long)]
    title: Option<String>,
    /// Your code for the client; sealed with it
    #[arg(long, value_name = "CODE")]
    client_code: Option<String>,
}

/// Begins a session of two channels, the therapist's first, as every session is stored.
///
/// # Errors
/// What the vault gives.
pub fn begin(
    vault: &Vault,
    labels: &Labels,
    origin: Origin,
    devices: Option<&[String; 2]>,
    sample_rate: u32,
    consent: Option<Consent>,
    cx: &Context,
) -> Result<NewSession> {
    let channels = [Role::Therapist, Role::Client]
        .into_iter()
        .zip(0..)
        .map(|(role, channel)| ChannelInfo {
            channel,
            role,
            device: devices.map(|both| both[usize::from(channel).min(1)].clone()),
        })
        .collect();
    let created = cx.now();
    vault.begin(
        SessionId::new(created, random()?),
        Beginning {
            created,
            origin,
            title: labels.title.clone(),
            client_code: labels.client_code.clone(),
            sample_rate,
            channels,
            consent,
            tool: TOOL.to_owned(),
        },
    )
}

/// Randomness for a session's id, from the operating system.
fn random() -> Result<u128> {
    let mut bytes = [0u8; 16];
    getrandom::fill(&mut bytes)
        .map_err(|_| Error::new(Kind::Internal, "The system gives no random numbers."))?;
    Ok(u128::from_le_bytes(bytes))
}
