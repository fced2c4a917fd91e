//! Tools in the strictest crate we could think of: this crate is renamed, the prelude is gone, every lint denies.
//!
//! That it compiles is the test; `tests/run.rs` says that what compiled is right.
#![no_implicit_prelude]
#![deny(warnings, missing_docs, unreachable_pub, unused_qualifications, clippy::pedantic, clippy::nursery)]
#![allow(clippy::allow_attributes, reason = "the expansions' own allowances are not this crate's")]

extern crate std;

/// Tools in a module of their own.
pub mod nested {
    /// And deeper.
    pub mod deeper {
        use ::renamed::{Call, Done, Page, Scope};

        /// May look.
        pub const LOOK: Scope = Scope::new("lab:look");
        /// May change.
        pub const CHANGE: Scope = Scope::new("lab:change");

        /// A shelf; named like a keyword on the wire.
        #[derive(::renamed::ToolInput, ::renamed::ToolOutput)]
        #[text(pattern = "^[a-z]{1,8}$", example = "top", crate = ::renamed)]
        #[output(crate = ::renamed)]
        pub struct Shelf(::std::string::String);

        /// What it is.
        #[derive(::renamed::ToolInput, ::renamed::ToolOutput)]
        #[arg(crate = ::renamed)]
        #[output(crate = ::renamed)]
        pub enum Kind {
            /// A box.
            Box,
            /// A string, in case somebody says so.
            String,
            /// Nothing at all.
            None,
        }

        /// Where it is.
        #[derive(::renamed::ToolInput)]
        #[arg(crate = ::renamed)]
        pub enum Place {
            /// On a shelf.
            Shelf {
                /// Which one.
                r#type: Shelf,
            },
            /// Nowhere.
            Nowhere,
        }

        /// What was found.
        #[derive(::renamed::ToolOutput)]
        #[output(crate = ::renamed)]
        pub struct Found {
            /// The shelves.
            pub shelves: Page<Shelf>,
            /// What lies there.
            pub r#type: Kind,
        }

        /// Why not.
        #[derive(::renamed::ToolError)]
        #[tool_error(crate = ::renamed)]
        pub enum LabError {
            /// It is not there.
            #[tool_error(not_found, "nothing on `{shelf}`")]
            Nothing {
                /// Which one.
                shelf: Shelf,
            },
        }

        /// Looks for a thing.
        #[::renamed::safe_tool(crate = ::renamed, effect = read, scope = LOOK)]
        pub async fn look(
            call: Call<u32>,
            /// Where to look.
            r#in: Place,
            /// What to look for.
            r#type: Kind,
            // Names that an expansion might use itself.
            /// A decoder.
            #[arg(min = 0, max = 1)]
            decoder: u8,
            /// A walk.
            #[arg(min = 0, max = 1)]
            walk: u8,
            /// A writer.
            #[arg(min = 0, max = 1)]
            writer: u8,
            /// An index.
            #[arg(min = 0, max = 1)]
            index: u8,
            /// A value.
            #[arg(min = 0, max = 1)]
            value: ::std::option::Option<u8>,
        ) -> ::std::result::Result<Found, LabError> {
            let sum = decoder + walk + writer + index + value.unwrap_or(0);
            match r#in {
                Place::Shelf { r#type: shelf } if sum == 0 && *call.state() == 7 => {
                    ::std::result::Result::Ok(Found { shelves: Page::capped([shelf], 10), r#type })
                }
                Place::Shelf { r#type: shelf } => ::std::result::Result::Err(LabError::Nothing { shelf }),
                Place::Nowhere => ::std::result::Result::Ok(Found { shelves: Page::capped([], 10), r#type }),
            }
        }

        /// Puts a thing back.
        #[::renamed::safe_tool(crate = ::renamed, effect = write, scope = CHANGE, key(shelf), undo = by_hand("take it off"), reconcile = find_put)]
        pub async fn put(
            /// Where to put it.
            shelf: Shelf,
        ) -> ::std::result::Result<Done, LabError> {
            if shelf.as_str() == "top" {
                return ::std::result::Result::Ok(Done);
            }
            ::std::result::Result::Err(LabError::Nothing { shelf })
        }

        /// Whether it was put back.
        async fn find_put(shelf: Shelf) -> ::std::result::Result<::renamed::Reconciled<Done>, LabError> {
            ::std::future::ready(()).await;
            if shelf.as_str() == "top" {
                return ::std::result::Result::Ok(::renamed::Reconciled::Applied(Done));
            }
            ::std::result::Result::Err(LabError::Nothing { shelf })
        }

        /// A tool that no build has.
        #[cfg(any())]
        #[::renamed::safe_tool(crate = ::renamed, effect = read, scope = LOOK)]
        pub async fn gone() -> ::std::result::Result<Done, LabError> {
            defined_nowhere()
        }
    }
}

// Tools that a macro by example makes.
macro_rules! switches {
    ($($(#[$docs:meta])* $name:ident;)*) => {$(
        $(#[$docs])*
        #[::renamed::safe_tool(crate = ::renamed, effect = write, scope = nested::deeper::CHANGE, key(shelf), undo = by_hand("switch it back"))]
        pub async fn $name(
            /// Which shelf.
            shelf: nested::deeper::Shelf,
        ) -> ::std::result::Result<::renamed::Done, nested::deeper::LabError> {
            let _ = shelf;
            ::std::result::Result::Ok(::renamed::Done)
        }
    )*};
}

switches! {
    /// Lights a shelf.
    light;
    /// Darkens a shelf.
    darken;
}
