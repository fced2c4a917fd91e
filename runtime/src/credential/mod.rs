//! The secret a body needs for its backend, minted for one call.

mod broker;

pub(crate) use broker::FromEnvironment;
pub use broker::{CredentialBroker, CredentialError};

use secrecy::{ExposeSecret, SecretString};
use std::marker::PhantomData;

/// What a credential is for.
#[derive(Debug)]
pub struct CredentialSpec {
    /// The type's name, for operators.
    pub name: &'static str,
    /// The backend that takes it.
    pub audience: &'static str,
    /// What it allows there.
    pub scopes: &'static [&'static str],
    /// The environment variable that holds it where no broker mints it.
    pub env: Option<&'static str>,
}

/// A credential that bodies can declare: derive it on a unit struct.
///
/// ```
/// use safe_tool::prelude::*;
///
/// /// Isolates and releases hosts.
/// #[derive(Credential)]
/// #[credential(audience = "https://edr.example", scopes("host:contain"), env = "EDR_CONTAIN_TOKEN")]
/// struct EdrContain;
/// ```
#[diagnostic::on_unimplemented(
    message = "`{Self}` is not a credential",
    label = "the second type of `Call<State, Credential>` names a credential",
    note = "write `#[derive(Credential)] #[credential(audience = \"..\", env = \"..\")] struct Name;`"
)]
pub trait Credential: Send + Sync + 'static {
    /// What it is for.
    const SPEC: &'static CredentialSpec;
}

/// The secret of a credential. It has [`expose`](Secret::expose) and nothing that prints it.
pub struct Secret<C> {
    value: SecretString,
    credential: PhantomData<fn() -> C>,
}

impl<C> Secret<C> {
    pub(crate) fn new(value: SecretString) -> Self {
        Secret { value, credential: PhantomData }
    }

    /// The secret itself: hand it to the backend and to nothing else.
    pub fn expose(&self) -> &str {
        self.value.expose_secret()
    }
}
