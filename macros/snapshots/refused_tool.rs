/// Cuts a host off.
async fn isolate_host(host_id: HostId, note: &str) -> Answer<Isolation> {
    isolate(host_id, note).await
}
///The tool `isolate_host`: refused.
#[allow(non_camel_case_types)]
struct isolate_host {}
#[allow(
    private_interfaces,
    unused_qualifications,
    non_shorthand_field_patterns,
    clippy::all,
    clippy::pedantic
)]
const _: () = {
    use ::safe_tool::__private as p;
    #[allow(dead_code)]
    pub struct Arguments {
        pub host_id: HostId,
    }
    #[automatically_derived]
    impl p::RequiredNames for Arguments {
        const NAMES: &'static [&'static ::core::primitive::str] = &[];
    }
    #[automatically_derived]
    impl p::SafeTool for isolate_host {
        type Effect = p::effect::Write;
        type Arguments = Arguments;
        const TAKES_AGAIN_AFTER: ::core::primitive::bool = true;
        fn descriptor() -> &'static p::Descriptor {
            loop {}
        }
    }
    #[automatically_derived]
    impl<S> p::RunsOn<S> for isolate_host {}
};
::core::compile_error! {
    "parameter `note` borrows (`&str`)\nhelp: use `String`\nnote: arguments are decoded into values that outlive the request"
}
::core::compile_error! {
    "tool `isolate_host` has `effect = write` and no idempotency key\nhelp: add `key(host_id)`, `key = client`, or `key = natural(\"why a repeat is harmless\")`\nnote: agents retry after timeouts; the key tells a retry from a second action"
}
::core::compile_error! {
    "tool `isolate_host` writes and does not say how that is undone\nhelp: add `undo = tool(argument, ..)` or `undo = by_hand(\"what a person does\")`; if it cannot be undone, it is `effect = destroy`"
}
