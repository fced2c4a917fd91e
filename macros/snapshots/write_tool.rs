#[allow(
    clippy::missing_errors_doc,
    clippy::unused_async,
    clippy::needless_pass_by_value,
    clippy::too_many_arguments,
    clippy::unnecessary_wraps
)]
/// Cuts a host off.
pub async fn isolate_host(
    call: Call<Edr, EdrContain>,
    host_id: HostId,
    order: Order,
    otp: Text,
) -> Answer<Isolation> {
    call.state().isolate(host_id, order, otp).await
}
///The tool `isolate_host`: Cuts a host off.
#[allow(non_camel_case_types)]
pub struct isolate_host {}
#[allow(
    private_interfaces,
    unused_qualifications,
    non_shorthand_field_patterns,
    clippy::all,
    clippy::pedantic
)]
const _: () = {
    use ::safe_tool::__private as p;
    static RULE_2: p::TextRule = p::TextRule::new(
        ::core::option::Option::Some("^[0-9]{6}$"),
        ::core::option::Option::None,
        false,
        ::core::option::Option::None,
        ::core::option::Option::None,
        ::core::option::Option::None,
    );
    static FIELDS: &[p::Field] = &[
        p::Field {
            name: "host_id",
            description: "Host.",
            required: true,
            shape: p::Shape::Type(<HostId as p::ToolInput>::schema),
        },
        p::Field {
            name: "order",
            description: "Order.",
            required: true,
            shape: p::Shape::Type(<Order as p::ToolInput>::schema),
        },
        p::Field {
            name: "otp",
            description: "One-time password.",
            required: true,
            shape: p::Shape::Text(&RULE_2),
        },
        p::Field {
            name: "again_after",
            description: "The id of the latest call on the same target, given only to do the same again on purpose.",
            required: false,
            shape: p::Shape::Text(&p::AGAIN_AFTER),
        },
    ];
    static DESCRIPTOR: p::Descriptor = p::Descriptor {
        name: "isolate_host",
        title: ::core::option::Option::None,
        description: "Cuts a host off.",
        effect: p::Effect::Write,
        scope: &HOSTS_ISOLATE,
        arguments: FIELDS,
        targets: &[
            p::Target {
                argument: 0usize,
                thing: "host",
            },
        ],
        key: p::Key::Parts {
            parts: &[
                p::Part::Argument(0usize, "host_id"),
                p::Part::Argument(1usize, "order.id"),
                p::Part::Turn,
            ],
            every: ::core::option::Option::None,
        },
        repeat: p::Repeat::Explicit,
        undo: p::Undo::Tool {
            tool: <release_host as p::SafeTool>::descriptor,
            arguments: &[
                p::UndoArgument {
                    name: "host_id",
                    from: p::UndoFrom::Argument(0usize),
                },
                p::UndoArgument {
                    name: "ticket",
                    from: p::UndoFrom::Output(0usize),
                },
            ],
        },
        approve: p::Approve::None(""),
        reconcile: true,
        timeout: p::Duration::from_millis(10000u64),
        retry: 0u32,
        rates: &[
            p::Rate {
                per: p::Per::Argument(2usize, "host_id"),
                count: 2u32,
                period: p::Duration::from_millis(3600000u64),
            },
        ],
        source: ::core::option::Option::None,
        output: <<Answer<Isolation> as p::ToolReturn>::Output as p::ToolOutput>::schema,
        errors: <<Answer<Isolation> as p::ToolReturn>::Error as p::ToolError>::CASES,
        credential: <Call<Edr, EdrContain> as p::CallContext>::CREDENTIAL,
        decode: decode,
    };
    pub struct Arguments {
        pub host_id: HostId,
        pub order: Order,
        pub otp: Text,
    }
    fn decode(
        decoder: &mut p::Decoder<'_>,
    ) -> ::core::option::Option<::std::boxed::Box<dyn p::Arguments>> {
        let mut field_0: ::core::option::Option<HostId> = ::core::option::Option::None;
        let mut field_1: ::core::option::Option<Order> = ::core::option::Option::None;
        let mut field_2: ::core::option::Option<Text> = ::core::option::Option::None;
        let mut walk = decoder.object(FIELDS)?;
        while let ::core::option::Option::Some(index) = decoder.member(&mut walk) {
            match index {
                0usize => field_0 = <HostId as p::ToolInput>::decode(decoder),
                1usize => field_1 = <Order as p::ToolInput>::decode(decoder),
                2usize => {
                    field_2 = p::plain_text(
                        decoder,
                        &RULE_2,
                        <Text as p::PlainText>::from_text,
                    );
                }
                3usize => decoder.again_after(),
                _ => decoder.skip(),
            }
        }
        ::core::option::Option::Some(
            ::std::boxed::Box::new(Arguments {
                host_id: field_0?,
                order: field_1?,
                otp: field_2?,
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
                    let value = &self.host_id;
                    <HostId as p::ToolInput>::encode(value, writer);
                    true
                }
                1usize => {
                    let value = &self.order;
                    <Order as p::ToolInput>::encode(value, writer);
                    true
                }
                2usize => {
                    let value = &self.otp;
                    let start = writer.hide();
                    RULE_2.encode(<Text as p::PlainText>::as_text(value), writer);
                    writer.hidden(start, false);
                    true
                }
                _ => false,
            }
        }
        #[allow(unused_variables)]
        fn part(&self, index: ::core::primitive::usize, writer: &mut p::Writer<'_>) {
            match index {
                0usize => p::KeyPart::part(&self.host_id, writer),
                1usize => p::KeyPart::part(&self.order.id, writer),
                2usize => p::KeyPart::part(&self.host_id, writer),
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
                Edr,
                EdrContain,
            > as p::CallContext>::from_context(context) else {
                return ::std::boxed::Box::pin(::core::future::ready(p::no_state()))
            };
            p::run(
                isolate_host(call, arguments.host_id, arguments.order, arguments.otp),
                <Answer<Isolation> as p::ToolReturn>::result,
                p::Ends {
                    encode: <<Answer<
                        Isolation,
                    > as p::ToolReturn>::Output as p::ToolOutput>::encode,
                    is_empty: <<Answer<
                        Isolation,
                    > as p::ToolReturn>::Output as p::ToolOutput>::is_empty,
                    is_truncated: <<Answer<
                        Isolation,
                    > as p::ToolReturn>::Output as p::ToolOutput>::is_truncated,
                    report: <<Answer<
                        Isolation,
                    > as p::ToolReturn>::Error as p::ToolError>::report,
                    undo: &[
                        |
                            out: &<Answer<Isolation> as p::ToolReturn>::Output,
                            writer: &mut p::Writer<'_>|
                        p::ToolOutput::encode(&out.ticket, writer),
                    ],
                },
            )
        }
        #[allow(unused_variables)]
        fn reconcile(
            self: ::std::boxed::Box<Self>,
            context: p::Context,
        ) -> ::core::option::Option<p::BoxFuture<'static, p::Reconciling>> {
            let arguments = *self;
            let ::core::option::Option::Some(call) = <Call<
                Edr,
                EdrContain,
            > as p::CallContext>::from_context(context) else {
                return p::no_state_to_reconcile()
            };
            p::reconcile::<
                <Answer<Isolation> as p::ToolReturn>::Output,
                <Answer<Isolation> as p::ToolReturn>::Error,
                _,
            >(
                edr::find_isolation(
                    call,
                    arguments.host_id,
                    arguments.order,
                    arguments.otp,
                ),
                p::Ends {
                    encode: <<Answer<
                        Isolation,
                    > as p::ToolReturn>::Output as p::ToolOutput>::encode,
                    is_empty: <<Answer<
                        Isolation,
                    > as p::ToolReturn>::Output as p::ToolOutput>::is_empty,
                    is_truncated: <<Answer<
                        Isolation,
                    > as p::ToolReturn>::Output as p::ToolOutput>::is_truncated,
                    report: <<Answer<
                        Isolation,
                    > as p::ToolReturn>::Error as p::ToolError>::report,
                    undo: &[
                        |
                            out: &<Answer<Isolation> as p::ToolReturn>::Output,
                            writer: &mut p::Writer<'_>|
                        p::ToolOutput::encode(&out.ticket, writer),
                    ],
                },
            )
        }
    }
    #[automatically_derived]
    impl p::RequiredNames for Arguments {
        const NAMES: &'static [&'static ::core::primitive::str] = &[
            "host_id",
            "order",
            "otp",
        ];
    }
    #[automatically_derived]
    impl p::SafeTool for isolate_host {
        type Effect = p::effect::Write;
        type Arguments = Arguments;
        const TAKES_AGAIN_AFTER: ::core::primitive::bool = true;
        fn descriptor() -> &'static p::Descriptor {
            &DESCRIPTOR
        }
    }
    #[automatically_derived]
    impl p::RunsOn<<Call<Edr, EdrContain> as p::CallContext>::State> for isolate_host {}
    const _: () = p::check_exact(<Order as p::Reachable>::INEXACT, "id");
    const _: () = p::check_effects(
        <<Answer<Isolation> as p::ToolReturn>::Error as p::ToolError>::CASES,
    );
    const _: () = p::check_target(<HostId as p::ToolInput>::FREE_TEXT);
    #[allow(unused_variables)]
    const _: fn(
        &Arguments,
        &<Answer<Isolation> as p::ToolReturn>::Output,
    ) -> <release_host as p::SafeTool>::Arguments = |arguments, out| {
        type Undo = <release_host as p::SafeTool>::Arguments;
        Undo {
            host_id: p::fits(&arguments.host_id),
            ticket: p::fits(&out.ticket),
            ..p::rest()
        }
    };
    const _: () = p::check_undo(
        <<release_host as p::SafeTool>::Arguments as p::RequiredNames>::NAMES,
        &["host_id", "ticket"],
    );
    const _: () = {
        <<release_host as p::SafeTool>::Effect as p::UndoEffect>::IS;
        p::check_undo_repeats(<release_host as p::SafeTool>::TAKES_AGAIN_AFTER)
    };
    const _: () = p::check_shown(<HostId as p::ToolInput>::HIDDEN);
};
