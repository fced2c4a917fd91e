#[allow(
    private_interfaces,
    unused_qualifications,
    non_shorthand_field_patterns,
    clippy::all,
    clippy::pedantic
)]
const _: () = {
    use ::safe_tool::__private as p;
    static RULE: p::TextRule = p::TextRule::new(
        ::core::option::Option::Some("^[a-z]{1,9}$"),
        ::core::option::Option::None,
        false,
        ::core::option::Option::None,
        ::core::option::Option::None,
        ::core::option::Option::Some("web"),
    );
    #[automatically_derived]
    impl p::ToolInput for HostId {
        fn decode(decoder: &mut p::Decoder<'_>) -> ::core::option::Option<Self> {
            p::plain_text(decoder, &RULE, <Text as p::PlainText>::from_text).map(Self)
        }
        fn encode(&self, writer: &mut p::Writer<'_>) {
            RULE.encode(<Text as p::PlainText>::as_text(&self.0), writer);
        }
        fn schema() -> p::Schema {
            RULE.schema()
        }
        const HIDDEN: ::core::primitive::bool = false;
        const FREE_TEXT: ::core::primitive::bool = false;
    }
    #[automatically_derived]
    impl p::Reachable for HostId {
        const INEXACT: &'static [&'static ::core::primitive::str] = &[];
    }
    #[automatically_derived]
    impl p::KeyPart for HostId {
        fn part(&self, writer: &mut p::Writer<'_>) {
            <Self as p::ToolInput>::encode(self, writer)
        }
    }
    #[automatically_derived]
    impl p::Ruled for HostId {
        fn schema() -> p::Schema {
            <Self as p::ToolInput>::schema()
        }
    }
    #[allow(dead_code)]
    #[automatically_derived]
    impl HostId {
        ///Checks a text and makes a `HostId` of it.
        ///
        /// # Errors
        /// The first rule that the text breaks.
        pub fn parse(
            text: impl ::core::convert::Into<::std::string::String>,
        ) -> ::core::result::Result<Self, p::Violation> {
            p::parse_text(
                    &RULE,
                    ::core::convert::Into::into(text),
                    <Text as p::PlainText>::from_text,
                )
                .map(Self)
        }
        ///The text.
        #[must_use]
        pub fn as_str(&self) -> &::core::primitive::str {
            <Text as p::PlainText>::as_text(&self.0)
        }
    }
    #[automatically_derived]
    impl ::core::fmt::Display for HostId {
        fn fmt(&self, f: &mut ::core::fmt::Formatter<'_>) -> ::core::fmt::Result {
            f.write_str(<Text as p::PlainText>::as_text(&self.0))
        }
    }
};
