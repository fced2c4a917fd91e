#[allow(
    private_interfaces,
    unused_qualifications,
    non_shorthand_field_patterns,
    clippy::all,
    clippy::pedantic
)]
const _: () = {
    use ::safe_tool::__private as p;
    const _: () = p::check_depth(<Target as p::ToolInput>::DEPTH);
    static FIELDS_0: &[p::Field] = &[
        p::Field {
            name: "kind",
            description: "",
            required: true,
            shape: p::Shape::Type(<::core::primitive::bool as p::ToolInput>::schema),
        },
    ];
    static RULE_1_0_EACH: p::TextRule = p::TextRule::new(
        ::core::option::Option::None,
        ::core::option::Option::None,
        true,
        ::core::option::Option::None,
        ::core::option::Option::Some(9u32),
        ::core::option::Option::None,
    );
    static RULE_1_0: p::ListRule = p::ListRule {
        min_items: 0u32,
        max_items: 3u32,
        unique: true,
    };
    static RULE_1_0_ITEM: p::Shape = p::Shape::Text(&RULE_1_0_EACH);
    static FIELDS_1: &[p::Field] = &[
        p::Field {
            name: "kind",
            description: "",
            required: true,
            shape: p::Shape::Type(<::core::primitive::bool as p::ToolInput>::schema),
        },
        p::Field {
            name: "names",
            description: "Hosts.",
            required: true,
            shape: p::Shape::List(&RULE_1_0, &RULE_1_0_ITEM),
        },
    ];
    static VARIANTS: &[p::Variant] = &[
        p::Variant {
            name: "all",
            description: "All.",
            fields: FIELDS_0,
        },
        p::Variant {
            name: "host",
            description: "One host.",
            fields: FIELDS_1,
        },
    ];
    #[automatically_derived]
    impl p::ToolInput for Target {
        fn decode(decoder: &mut p::Decoder<'_>) -> ::core::option::Option<Self> {
            match decoder.tag(VARIANTS)? {
                0usize => {
                    let mut walk = decoder.object(FIELDS_0)?;
                    while let ::core::option::Option::Some(index) = decoder
                        .member(&mut walk)
                    {
                        match index {
                            _ => decoder.skip(),
                        }
                    }
                    ::core::option::Option::Some(Self::All)
                }
                1usize => {
                    let mut field_0: ::core::option::Option<::std::vec::Vec<Text>> = ::core::option::Option::None;
                    let mut walk = decoder.object(FIELDS_1)?;
                    while let ::core::option::Option::Some(index) = decoder
                        .member(&mut walk)
                    {
                        match index {
                            1usize => {
                                field_0 = p::list(
                                    decoder,
                                    &RULE_1_0,
                                    |decoder| p::plain_text(
                                        decoder,
                                        &RULE_1_0_EACH,
                                        <Text as p::PlainText>::from_text,
                                    ),
                                    |value: &Text, writer: &mut p::Writer<'_>| {
                                        RULE_1_0_EACH
                                            .encode(<Text as p::PlainText>::as_text(value), writer);
                                    },
                                );
                            }
                            _ => decoder.skip(),
                        }
                    }
                    ::core::option::Option::Some(Self::Host { names: field_0? })
                }
                _ => ::core::option::Option::None,
            }
        }
        fn encode(&self, writer: &mut p::Writer<'_>) {
            writer.begin_object();
            match self {
                Self::All => {
                    writer.member("kind");
                    writer.str("all");
                    writer.end_member();
                }
                Self::Host { names: field_0 } => {
                    writer.member("kind");
                    writer.str("host");
                    writer.end_member();
                    {
                        let value = field_0;
                        writer.member("names");
                        writer.begin_list();
                        for value in value {
                            RULE_1_0_EACH
                                .encode(<Text as p::PlainText>::as_text(value), writer);
                        }
                        writer.end_list();
                        writer.end_member();
                    }
                }
            }
            writer.end_object();
        }
        fn schema() -> p::Schema {
            p::tagged_schema(VARIANTS)
        }
        const DEPTH: ::core::primitive::u32 = p::deeper(&[]);
        const HIDDEN: ::core::primitive::bool = true;
    }
    #[automatically_derived]
    impl p::Reachable for Target {
        const INEXACT: &'static [&'static ::core::primitive::str] = &[];
    }
};
