//! What the model is told about the server before it calls anything.

/// Teaches the envelope; `more` is what the server's author adds.
pub(super) fn text(more: Option<&str>) -> String {
    let mut text = String::from(
        "Every tool answers with one JSON envelope; read `status` first.\n\
         - `ok`: it worked, `data` is the answer. `truncated: true` means there is more than you see.\n\
         - `empty`: it worked and found nothing. Only this is a negative finding.\n\
         - `error`: it did not work. An error is never a negative finding. `retryable: true` means that exactly this call \
         can help later (after `retry_after_ms`); otherwise change what `violations` or `suggested_action` say.\n\
         - `pending`: a person has to agree first; call again with the same arguments after `retry_after_ms`.\n\
         `effect` says what is known about the world: `none`, `applied` or `unknown`. `in_doubt` is not failed: the effect \
         may have happened, so look before you ask again.\n\
         Repeating a call with the same arguments is safe: it is answered again (`replayed: true`) and does not run twice. \
         `undo` holds the ready call that takes an effect back. \
         `conflict` with code `superseded` means that another call on the same target came after it: read the state first. To do \
         the same again on purpose, give `again_after` the id of the latest call on the target, where the tool offers it.",
    );
    if let Some(more) = more {
        text.push_str("\n\n");
        text.push_str(more);
    }
    text
}
