//! The words both servers share.

use safe_tool::prelude::*;

/// A host in the fleet.
#[derive(ToolInput, ToolOutput, Clone)]
#[text(pattern = "^[a-z][a-z0-9-]{0,62}$", example = "web-01")]
pub(super) struct HostId(String);

/// A user account.
#[derive(ToolInput, ToolOutput, Clone)]
#[text(pattern = "^[a-z][a-z0-9-]{0,31}$", example = "alice")]
pub(super) struct User(String);

/// An alert in the SIEM.
#[derive(ToolInput)]
#[text(pattern = "^AL-[0-9]{1,9}$", example = "AL-2291")]
pub(super) struct AlertId(String);

/// A reason in a person's words.
#[derive(ToolInput)]
#[text(free_text, max_len = 500)]
pub(super) struct Reason(String);
