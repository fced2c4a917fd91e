#[allow(
    private_interfaces,
    unused_qualifications,
    non_shorthand_field_patterns,
    clippy::all,
    clippy::pedantic
)]
const _: () = {
    use ::safe_tool::__private as p;
    #[automatically_derived]
    impl p::ToolError for ContainError {
        const CASES: &'static [p::ErrorCase] = &[
            p::ErrorCase {
                code: "NO_HOST",
                kind: p::Kind::NotFound,
                effect: ::core::option::Option::None,
                stored: true,
            },
            p::ErrorCase {
                code: "DOWN",
                kind: p::Kind::Transient,
                effect: ::core::option::Option::Some(p::EffectKnown::Unknown),
                stored: false,
            },
        ];
        fn report(&self) -> p::ErrorReport {
            match self {
                Self::NoHost { host: host, .. } => {
                    p::ErrorReport {
                        code: p::Cow::Borrowed("NO_HOST"),
                        kind: p::Kind::NotFound,
                        message: ::std::format!("no host `{host}`"),
                        suggest: ::core::option::Option::Some("find_host"),
                        retry_after: ::core::option::Option::None,
                        effect: p::EffectKnown::None,
                        stored: true,
                        detail: ::core::option::Option::None,
                    }
                }
                Self::Down { 0: field_0, .. } => {
                    p::ErrorReport {
                        code: p::Cow::Borrowed("DOWN"),
                        kind: p::Kind::Transient,
                        message: ::std::format!("no answer"),
                        suggest: ::core::option::Option::None,
                        retry_after: ::core::option::Option::Some(
                            p::Duration::from_millis(5000u64),
                        ),
                        effect: p::EffectKnown::Unknown,
                        stored: false,
                        detail: ::core::option::Option::Some(
                            ::std::format!("0: {field_0:?}"),
                        ),
                    }
                }
            }
        }
    }
};
