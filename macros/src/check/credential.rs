//! Credentials.

use super::foreign;
use crate::messages;
use crate::model::Credential;
use crate::parse;
use crate::parse::credential::CredentialAttr;
use crate::sink::Sink;
use syn::{Data, DeriveInput, Fields, LitStr};

/// Checks a type with `#[derive(Credential)]`.
pub(crate) fn check(item: DeriveInput, sink: &Sink<'_>) -> Option<Credential> {
    foreign(&item.attrs, sink);
    super::input::generics(&item, sink);
    let name = item.ident;
    if !matches!(&item.data, Data::Struct(data) if matches!(data.fields, Fields::Unit)) {
        sink.push(messages::item_not_a_credential(&name, &name));
    }
    let attr = CredentialAttr::read(&item.attrs, sink);
    let krate = parse::crate_of(attr.krate.as_ref(), sink);
    if attr.audience.is_none() && !sink.failed() {
        sink.push(messages::item_credential_without_audience(&name, &name));
    }
    if sink.failed() {
        return None;
    }
    Some(Credential {
        krate,
        ident: name,
        audience: attr.audience?.value(),
        scopes: attr.scopes.iter().map(LitStr::value).collect(),
        env: attr.env.as_ref().map(LitStr::value),
    })
}
