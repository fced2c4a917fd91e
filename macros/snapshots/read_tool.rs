#[allow(
    clippy::missing_errors_doc,
    clippy::unused_async,
    clippy::needless_pass_by_value,
    clippy::too_many_arguments,
    clippy::unnecessary_wraps
)]
/// Searches logins.
async fn search_logins(call: Call<Siem>, user: UserId, hours: u32) -> Answer<Logins> {
    call.state().search(user, hours).await
}
///The tool `search_logins`: Searches logins.
#[allow(non_camel_case_types)]
struct search_logins {}
#[allow(
    private_interfaces,
    unused_qualifications,
    non_shorthand_field_patterns,
    clippy::all,
    clippy::pedantic
)]
const _: () = {
    use ::safe_tool::__private as p;
    static RULE_1: p::NumberRule = p::NumberRule {
        min: 1f64,
        max: 48f64,
        unit: ::core::option::Option::Some("hours"),
        example: ::core::option::Option::None,
    };
    const _: () = p::check_range(
        &RULE_1,
        <u32 as p::PlainNumber>::LEAST,
        <u32 as p::PlainNumber>::GREATEST,
        <u32 as p::PlainNumber>::INTEGER,
    );
    static FIELDS: &[p::Field] = &[
        p::Field {
            name: "user",
            description: "User.",
            required: true,
            shape: p::Shape::Type(<UserId as p::ToolInput>::schema),
        },
        p::Field {
            name: "hours",
            description: "How far to look back.",
            required: true,
            shape: p::Shape::Number(&RULE_1, <u32 as p::PlainNumber>::INTEGER),
        },
    ];
    static DESCRIPTOR: p::Descriptor = p::Descriptor {
        name: "search_logins",
        title: ::core::option::Option::None,
        description: "Searches logins.",
        effect: p::Effect::Read,
        scope: &LOGINS_READ,
        arguments: FIELDS,
        targets: &[],
        key: p::Key::None,
        repeat: p::Repeat::Never,
        undo: p::Undo::None,
        approve: p::Approve::None(""),
        reconcile: false,
        timeout: p::Duration::from_millis(30000u64),
        retry: 0u32,
        rates: &[
            p::Rate {
                per: p::Per::Principal,
                count: 30u32,
                period: p::Duration::from_millis(60000u64),
            },
        ],
        source: ::core::option::Option::None,
        output: <<Answer<Logins> as p::ToolReturn>::Output as p::ToolOutput>::schema,
        errors: <<Answer<Logins> as p::ToolReturn>::Error as p::ToolError>::CASES,
        credential: <Call<Siem> as p::CallContext>::CREDENTIAL,
        decode: decode,
    };
    pub struct Arguments {
        pub user: UserId,
        pub hours: u32,
    }
    fn decode(
        decoder: &mut p::Decoder<'_>,
    ) -> ::core::option::Option<::std::boxed::Box<dyn p::Arguments>> {
        let mut field_0: ::core::option::Option<UserId> = ::core::option::Option::None;
        let mut field_1: ::core::option::Option<u32> = ::core::option::Option::None;
        let mut walk = decoder.object(FIELDS)?;
        while let ::core::option::Option::Some(index) = decoder.member(&mut walk) {
            match index {
                0usize => field_0 = <UserId as p::ToolInput>::decode(decoder),
                1usize => {
                    field_1 = p::plain_number(
                        decoder,
                        &RULE_1,
                        <u32 as p::PlainNumber>::INTEGER,
                        <u32 as p::PlainNumber>::from_number,
                    );
                }
                _ => decoder.skip(),
            }
        }
        ::core::option::Option::Some(
            ::std::boxed::Box::new(Arguments {
                user: field_0?,
                hours: field_1?,
            }),
        )
    }
    #[automatically_derived]
    impl p::Arguments for Arguments {
        #[allow(unused_variables)]
        fn encode(
            &self,
            index: ::core::primitive::usize,
            writer: &mut p::Writer<'_>,
        ) -> ::core::primitive::bool {
            match index {
                0usize => {
                    let value = &self.user;
                    <UserId as p::ToolInput>::encode(value, writer);
                    true
                }
                1usize => {
                    let value = &self.hours;
                    <u32 as p::PlainNumber>::encode(value, writer);
                    true
                }
                _ => false,
            }
        }
        #[allow(unused_variables)]
        fn part(&self, index: ::core::primitive::usize, writer: &mut p::Writer<'_>) {
            match index {
                _ => {}
            }
        }
        #[allow(unused_variables)]
        fn run(
            self: ::std::boxed::Box<Self>,
            context: p::Context,
        ) -> p::BoxFuture<'static, p::Finished> {
            let arguments = *self;
            let ::core::option::Option::Some(call) = <Call<
                Siem,
            > as p::CallContext>::from_context(context) else {
                return ::std::boxed::Box::pin(::core::future::ready(p::no_state()))
            };
            p::run(
                search_logins(call, arguments.user, arguments.hours),
                <Answer<Logins> as p::ToolReturn>::result,
                p::Ends {
                    encode: <<Answer<
                        Logins,
                    > as p::ToolReturn>::Output as p::ToolOutput>::encode,
                    is_empty: <<Answer<
                        Logins,
                    > as p::ToolReturn>::Output as p::ToolOutput>::is_empty,
                    is_truncated: <<Answer<
                        Logins,
                    > as p::ToolReturn>::Output as p::ToolOutput>::is_truncated,
                    report: <<Answer<
                        Logins,
                    > as p::ToolReturn>::Error as p::ToolError>::report,
                    undo: &[],
                },
            )
        }
        #[allow(unused_variables)]
        fn reconcile(
            self: ::std::boxed::Box<Self>,
            context: p::Context,
        ) -> ::core::option::Option<p::BoxFuture<'static, p::Reconciling>> {
            p::nothing_to_ask(self, context)
        }
    }
    #[automatically_derived]
    impl p::RequiredNames for Arguments {
        const NAMES: &'static [&'static ::core::primitive::str] = &["user", "hours"];
    }
    #[automatically_derived]
    impl p::SafeTool for search_logins {
        type Effect = p::effect::Read;
        type Arguments = Arguments;
        const TAKES_AGAIN_AFTER: ::core::primitive::bool = false;
        fn descriptor() -> &'static p::Descriptor {
            &DESCRIPTOR
        }
    }
    #[automatically_derived]
    impl p::RunsOn<<Call<Siem> as p::CallContext>::State> for search_logins {}
};
