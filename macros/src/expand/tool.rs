//! The tool: its type, one static descriptor, and thin shims.

use super::input::{Object, hold, object};
use super::wrap::{private, wrap};
use super::{at, option, qualified};
use crate::model::{Answer, Approve, Effect, Field, Key, Part, Per, Reach, Repeat, Rule, Tool, Undo, UndoFrom};
use crate::names::{Names, local, member};
use proc_macro2::{Ident, Span, TokenStream};
use quote::{ToTokens, format_ident, quote, quote_spanned};
use syn::spanned::Spanned;

/// The function as written. What its signature looks like was demanded here, so lints about that are silenced.
pub(crate) fn function(written: TokenStream) -> TokenStream {
    quote! {
        #[allow(clippy::missing_errors_doc, clippy::unused_async, clippy::needless_pass_by_value, clippy::too_many_arguments, clippy::unnecessary_wraps)]
        #written
    }
}

/// What the expansion of a tool is made of besides its model.
struct Context<'a> {
    tool: &'a Tool,
    names: &'a Names,
    p: Ident,
    arguments: Ident,
    fields: Ident,
    /// The output and the error, as types on the user's tokens.
    output: TokenStream,
    error: TokenStream,
}

/// Expands a tool.
pub(crate) fn expand(tool: &Tool, names: &Names) -> TokenStream {
    let p = private(names);
    let (output, error) = match &tool.answer {
        Answer::Result(output, error) => (output.to_token_stream(), error.to_token_stream()),
        Answer::Other(ty) => (qualified(&p, ty, "ToolReturn", "Output"), qualified(&p, ty, "ToolReturn", "Error")),
    };
    let context =
        Context { tool, names, arguments: names.fresh("Arguments"), fields: names.fresh("FIELDS"), p, output, error };
    let body = context.body();
    let handle = handle(&tool.vis, &tool.ident, &tool.cfgs, &tool.name, &tool.description);
    let wrapped = wrap(&tool.krate, &tool.cfgs, names, &body);
    quote!(#handle #wrapped)
}

/// The type that servers and undo settings name.
pub(super) fn handle(
    vis: &syn::Visibility,
    ident: &Ident,
    cfgs: &[syn::Attribute],
    name: &str,
    description: &str,
) -> TokenStream {
    let docs = format!("The tool `{name}`: {description}");
    quote! {
        #(#cfgs)*
        #[doc = #docs]
        #[allow(non_camel_case_types)]
        #vis struct #ident {}
    }
}

/// The field of `Arguments` for an argument: its wire name, which is what undo settings name.
pub(super) fn argument_field(field: &Field) -> Ident {
    member(&field.wire, field.ident.span())
}

impl Context<'_> {
    fn body(&self) -> TokenStream {
        let Context { tool, names, p, arguments, fields, .. } = self;
        let Object { rules, mut table, variables, mut arms, values, encodes } = object(&tool.arguments, 0, "", names);
        let decoder = local("decoder");
        if matches!(tool.key, Key::Client) {
            let index = table.len();
            table.push(quote! {
                #p::Field {
                    name: "idempotency_key",
                    description: "Names this action. Repeat the value to retry, take a new one for another action.",
                    required: false,
                    shape: #p::Shape::Text(&#p::CLIENT_KEY),
                }
            });
            arms.extend(quote!(#index => #decoder.idempotency_key(),));
        }
        let takes_again_after = tool.repeat.takes_again_after(tool.effect, Some(&tool.key));
        if takes_again_after {
            let index = table.len();
            table.push(quote! {
                #p::Field {
                    name: "again_after",
                    description: "The id of the latest call on the same target, given only to do the same again on purpose.",
                    required: false,
                    shape: #p::Shape::Text(&#p::AGAIN_AFTER),
                }
            });
            arms.extend(quote!(#index => #decoder.again_after(),));
        }
        let members: Vec<Ident> = tool.arguments.iter().map(argument_field).collect();
        let types = tool.arguments.iter().map(|field| {
            let ty = &field.ty;
            if field.optional { quote!(::core::option::Option<#ty>) } else { quote!(#ty) }
        });
        let required = tool.arguments.iter().filter(|field| !field.optional).map(|field| &field.wire);
        let (walk, index) = (local("walk"), local("index"));
        let decode = names.fresh("decode");
        let descriptor = self.descriptor(&decode);
        let encode = self.encode(&members, &encodes);
        let (parts, checks) = self.parts();
        let run = self.run(&members);
        let reconcile = self.reconcile(&members);
        let undo = self.undo_check();
        let effect = effect_name(tool.effect);
        let effect_check = if tool.effect == Effect::Read { TokenStream::new() } else { self.effect_check() };
        let target_checks = self.target_checks();
        let runs_on = self.runs_on();
        let ident = &tool.ident;
        let static_name = names.fresh("DESCRIPTOR");
        quote! {
            #rules
            static #fields: &[#p::Field] = &[#(#table),*];
            #descriptor
            pub struct #arguments { #(pub #members: #types),* }
            fn #decode(#decoder: &mut #p::Decoder<'_>) -> ::core::option::Option<::std::boxed::Box<dyn #p::Arguments>> {
                #variables
                let mut #walk = #decoder.object(#fields)?;
                while let ::core::option::Option::Some(#index) = #decoder.member(&mut #walk) {
                    match #index { #arms _ => #decoder.skip(), }
                }
                ::core::option::Option::Some(::std::boxed::Box::new(#arguments { #(#members: #values),* }))
            }
            #[automatically_derived]
            impl #p::Arguments for #arguments {
                #encode
                #parts
                #run
                #reconcile
            }
            #[automatically_derived]
            impl #p::RequiredNames for #arguments {
                const NAMES: &'static [&'static ::core::primitive::str] = &[#(#required),*];
            }
            #[automatically_derived]
            impl #p::SafeTool for #ident {
                type Effect = #p::effect::#effect;
                type Arguments = #arguments;
                const TAKES_AGAIN_AFTER: ::core::primitive::bool = #takes_again_after;
                fn descriptor() -> &'static #p::Descriptor { &#static_name }
            }
            #runs_on
            #checks
            #effect_check
            #target_checks
            #undo
        }
    }

    fn descriptor(&self, decode: &Ident) -> TokenStream {
        let Context { tool, names, p, fields, output, error, .. } = self;
        let Tool { name, description, scope, timeout_ms, retry, .. } = tool;
        let static_name = names.fresh("DESCRIPTOR");
        let title = option(tool.title.as_ref());
        let source = option(tool.source.as_ref());
        let effect = effect_name(tool.effect);
        let targets = tool.arguments.iter().enumerate().filter_map(|(place, field)| {
            let thing = field.target.as_ref()?;
            Some(quote!(#p::Target { argument: #place, thing: #thing }))
        });
        let key = self.key();
        let repeat = match tool.repeat {
            Repeat::Never => quote!(Never),
            Repeat::Explicit => quote!(Explicit),
        };
        let undo = self.undo();
        let approve = match &tool.approve {
            Approve::None(reason) => quote!(None(#reason)),
            Approve::Operator => quote!(Operator),
            Approve::User => quote!(User),
        };
        let reconcile = tool.reconcile.is_some();
        let rates = self.rates();
        let credential = match &tool.context {
            Some(context) => qualified(p, context, "CallContext", "CREDENTIAL"),
            None => quote!(::core::option::Option::None),
        };
        let schema = qualified(p, output, "ToolOutput", "schema");
        let cases = qualified(p, error, "ToolError", "CASES");
        let scope = {
            let place = scope.span();
            quote_spanned!(place=> &#scope)
        };
        quote! {
            static #static_name: #p::Descriptor = #p::Descriptor {
                name: #name,
                title: #title,
                description: #description,
                effect: #p::Effect::#effect,
                scope: #scope,
                arguments: #fields,
                targets: &[#(#targets),*],
                key: #key,
                repeat: #p::Repeat::#repeat,
                undo: #undo,
                approve: #p::Approve::#approve,
                reconcile: #reconcile,
                timeout: #p::Duration::from_millis(#timeout_ms),
                retry: #retry,
                rates: &[#(#rates),*],
                source: #source,
                output: #schema,
                errors: #cases,
                credential: #credential,
                decode: #decode,
            };
        }
    }

    /// The arguments whose exact values are asked for: those of the key, then those that are rated.
    fn reached(&self) -> Vec<(Ident, Option<Ident>)> {
        let keyed = match &self.tool.key {
            Key::Parts { parts, .. } => parts.as_slice(),
            Key::None | Key::Client | Key::Natural(_) => &[],
        };
        let keyed = keyed.iter().filter_map(|part| match part {
            Part::Argument(Reach { argument, field }) => Some((argument.clone(), field.clone())),
            Part::Turn | Part::Investigation | Part::Principal => None,
        });
        let rated = self.tool.rates.iter().filter_map(|rate| match &rate.per {
            Per::Argument(argument) => Some((argument.clone(), None)),
            Per::Principal | Per::All => None,
        });
        keyed.chain(rated).collect()
    }

    fn key(&self) -> TokenStream {
        let p = &self.p;
        match &self.tool.key {
            Key::None => quote!(#p::Key::None),
            Key::Client => quote!(#p::Key::Client),
            Key::Natural(reason) => quote!(#p::Key::Natural(#reason)),
            Key::Parts { parts, every_ms } => {
                let mut place = 0usize;
                let parts = parts.iter().map(|part| match part {
                    Part::Turn => quote!(#p::Part::Turn),
                    Part::Investigation => quote!(#p::Part::Investigation),
                    Part::Principal => quote!(#p::Part::Principal),
                    Part::Argument(Reach { argument, field }) => {
                        let text = field.as_ref().map_or_else(
                            || crate::names::plain(argument),
                            |field| format!("{}.{}", crate::names::plain(argument), crate::names::plain(field)),
                        );
                        let at = place;
                        place += 1;
                        quote!(#p::Part::Argument(#at, #text))
                    }
                });
                let parts: Vec<TokenStream> = parts.collect();
                let every = option(every_ms.map(|millis| quote!(#p::Duration::from_millis(#millis))));
                quote!(#p::Key::Parts { parts: &[#(#parts),*], every: #every })
            }
        }
    }

    fn rates(&self) -> Vec<TokenStream> {
        let p = &self.p;
        let rated = self.tool.rates.iter().filter(|rate| matches!(rate.per, Per::Argument(_))).count();
        let mut place = self.reached().len() - rated;
        let mut rates = Vec::new();
        for rate in &self.tool.rates {
            let (count, period) = (rate.count, rate.period_ms);
            let per = match &rate.per {
                Per::Principal => quote!(Principal),
                Per::All => quote!(All),
                Per::Argument(argument) => {
                    let (at, text) = (place, crate::names::plain(argument));
                    place += 1;
                    quote!(Argument(#at, #text))
                }
            };
            rates.push(
                quote!(#p::Rate { per: #p::Per::#per, count: #count, period: #p::Duration::from_millis(#period) }),
            );
        }
        rates
    }

    fn encode(&self, members: &[Ident], encodes: &[TokenStream]) -> TokenStream {
        let p = &self.p;
        let (index, value, writer) = (local("index"), local("value"), local("writer"));
        let arms = self.tool.arguments.iter().zip(members).zip(encodes).enumerate().map(
            |(place, ((field, member), encode))| {
                if field.optional {
                    quote! {
                        #place => {
                            let ::core::option::Option::Some(#value) = &self.#member else { return false };
                            #encode
                            true
                        }
                    }
                } else {
                    quote! {
                        #place => {
                            let #value = &self.#member;
                            #encode
                            true
                        }
                    }
                }
            },
        );
        quote! {
            #[allow(unused_variables)]
            fn encode(&self, #index: ::core::primitive::usize, #writer: &mut #p::Writer<'_>) -> ::core::primitive::bool {
                match #index {
                    #(#arms)*
                    _ => false,
                }
            }
        }
    }

    /// `Arguments::part`, and the checks of parts that reach into an argument.
    fn parts(&self) -> (TokenStream, TokenStream) {
        let p = &self.p;
        let (index, writer) = (local("index"), local("writer"));
        let mut arms = TokenStream::new();
        let mut checks = TokenStream::new();
        for (place, (argument, field)) in self.reached().iter().enumerate() {
            // Real field accesses on the attribute's own tokens: rustc suggests the similar name.
            let span = field.as_ref().unwrap_or(argument).span();
            let name = member(&crate::names::plain(argument), argument.span());
            let path = field.as_ref().map(|field| quote!(.#field));
            let q = at(p, span);
            let part = quote_spanned!(span=> #q::KeyPart::part(&self.#name #path, #writer));
            arms.extend(quote!(#place => #part,));
            let holder = self.tool.arguments.iter().find(|other| other.wire == crate::names::plain(argument));
            if let (Some(field), Some(holder)) = (field, holder.filter(|holder| matches!(holder.rule, Rule::Type))) {
                let (inexact, text) = (qualified(p, &holder.ty, "Reachable", "INEXACT"), crate::names::plain(field));
                let check = quote_spanned!(span=> #q::check_exact(#inexact, #text));
                checks.extend(quote!(const _: () = #check;));
            }
        }
        let part = quote! {
            #[allow(unused_variables)]
            fn part(&self, #index: ::core::primitive::usize, #writer: &mut #p::Writer<'_>) {
                match #index {
                    #arms
                    _ => {}
                }
            }
        };
        (part, checks)
    }

    fn run(&self, members: &[Ident]) -> TokenStream {
        let Context { tool, p, .. } = self;
        let context = local("context");
        let no_state = quote!(::std::boxed::Box::pin(::core::future::ready(#p::no_state())));
        // On the function's name: a body that cannot move between threads is reported there.
        let (take, body) = self.call(tool.ident.to_token_stream(), members, &no_state);
        let result = match &tool.answer {
            Answer::Result(..) => quote!(::core::convert::identity),
            Answer::Other(ty) => qualified(p, ty, "ToolReturn", "result"),
        };
        let ends = self.ends();
        quote! {
            #[allow(unused_variables)]
            fn run(self: ::std::boxed::Box<Self>, #context: #p::Context) -> #p::BoxFuture<'static, #p::Finished> {
                #take
                #p::run(#body, #result, #ends)
            }
        }
    }

    fn reconcile(&self, members: &[Ident]) -> TokenStream {
        let Context { tool, p, output, error, .. } = self;
        let context = local("context");
        let body = match &tool.reconcile {
            Some(hook) => {
                let (take, call) = self.call(hook.to_token_stream(), members, &quote!(#p::no_state_to_reconcile()));
                let ends = self.ends();
                let q = at(p, hook.span());
                let reconcile = quote_spanned!(hook.span()=> #q::reconcile::<#output, #error, _>(#call, #ends));
                quote!(#take #reconcile)
            }
            None => quote!(#p::nothing_to_ask(self, #context)),
        };
        quote! {
            #[allow(unused_variables)]
            fn reconcile(
                self: ::std::boxed::Box<Self>,
                #context: #p::Context,
            ) -> ::core::option::Option<#p::BoxFuture<'static, #p::Reconciling>> {
                #body
            }
        }
    }

    /// Statements that take the arguments and the call context apart, and a call of `function` with them, all of it at
    /// the function's name: that is what there is to edit when they do not fit.
    fn call(&self, function: TokenStream, members: &[Ident], no_state: &TokenStream) -> (TokenStream, TokenStream) {
        let p = &self.p;
        let place = function.span();
        let here = |name: &str| Ident::new(name, place.resolved_at(Span::mixed_site()));
        let (call, arguments, context) = (here("call"), here("arguments"), local("context"));
        let values = members.iter().map(|member| {
            let mut member = member.clone();
            member.set_span(place.resolved_at(member.span()));
            quote_spanned!(place=> #arguments.#member)
        });
        let (take, first) = match &self.tool.context {
            Some(ty) => {
                let from = qualified(p, ty, "CallContext", "from_context");
                let take = quote! {
                    let ::core::option::Option::Some(#call) = #from(#context) else { return #no_state };
                };
                (take, quote_spanned!(place=> #call,))
            }
            None => (TokenStream::new(), TokenStream::new()),
        };
        let take = quote!(let #arguments = *self; #take);
        (take, quote_spanned!(place=> #function(#first #(#values),*)))
    }

    /// How the output and the error are told.
    fn ends(&self) -> TokenStream {
        let Context { p, output, error, .. } = self;
        let [encode, is_empty, is_truncated] =
            ["encode", "is_empty", "is_truncated"].map(|item| qualified(p, output, "ToolOutput", item));
        let report = qualified(p, error, "ToolError", "report");
        let undo = self.undo_writers();
        quote! {
            #p::Ends {
                encode: #encode,
                is_empty: #is_empty,
                is_truncated: #is_truncated,
                report: #report,
                undo: &[#(#undo),*],
            }
        }
    }

    fn runs_on(&self) -> TokenStream {
        let p = &self.p;
        let ident = &self.tool.ident;
        match &self.tool.context {
            Some(context) => {
                let state = qualified(p, context, "CallContext", "State");
                quote! {
                    #[automatically_derived]
                    impl #p::RunsOn<#state> for #ident {}
                }
            }
            None => {
                let state = self.names.fresh("S");
                quote! {
                    #[automatically_derived]
                    impl<#state> #p::RunsOn<#state> for #ident {}
                }
            }
        }
    }

    /// What the effect hits is compared, which free text cannot be; the model knows it of plain text, a constant of a type.
    fn target_checks(&self) -> TokenStream {
        let p = &self.p;
        let mut held = Vec::new();
        for field in self.tool.arguments.iter().filter(|field| field.target.is_some()) {
            hold(&field.rule, &field.ty, &mut held);
        }
        let checks = held.into_iter().map(|ty| {
            let place = ty.span();
            let q = at(p, place);
            let free = qualified(p, ty, "ToolInput", "FREE_TEXT");
            let check = quote_spanned!(place=> #q::check_target(#free));
            quote!(const _: () = #check;)
        });
        quote!(#(#checks)*)
    }

    /// An error that may come after an effect has to say so.
    fn effect_check(&self) -> TokenStream {
        let (p, error) = (&self.p, &self.error);
        let cases = qualified(p, error, "ToolError", "CASES");
        let place = error.span();
        let q = at(p, place);
        let check = quote_spanned!(place=> #q::check_effects(#cases));
        quote!(const _: () = #check;)
    }

    fn undo(&self) -> TokenStream {
        let p = &self.p;
        match &self.tool.undo {
            Undo::None => quote!(#p::Undo::None),
            Undo::ByHand(what) => quote!(#p::Undo::ByHand(#what)),
            Undo::Tool { tool, arguments } => {
                let mut place = 0usize;
                let mut entries = Vec::new();
                for argument in arguments {
                    let name = crate::names::plain(&argument.name);
                    let from = match &argument.from {
                        UndoFrom::Argument(index) => quote!(Argument(#index)),
                        UndoFrom::Output(_) => {
                            let at = place;
                            place += 1;
                            quote!(Output(#at))
                        }
                    };
                    entries.push(quote!(#p::UndoArgument { name: #name, from: #p::UndoFrom::#from }));
                }
                let descriptor = qualified(p, tool, "SafeTool", "descriptor");
                quote!(#p::Undo::Tool { tool: #descriptor, arguments: &[#(#entries),*] })
            }
        }
    }

    /// Closures that write what the undo call takes from the output.
    fn undo_writers(&self) -> Vec<TokenStream> {
        let Context { tool, p, output, .. } = self;
        let Undo::Tool { arguments, .. } = &tool.undo else { return Vec::new() };
        let writer = local("writer");
        let mut writers = Vec::new();
        for argument in arguments {
            if let UndoFrom::Output(path) = &argument.from {
                // What an output holds is an output; that the undo tool takes it, `undo_check` proves.
                let span = argument.name.span();
                let (q, out) = (at(p, span), Ident::new("out", span));
                let write = quote_spanned!(span=> #q::ToolOutput::encode(&#out #path, #writer));
                writers.push(quote!(|#out: &#output, #writer: &mut #p::Writer<'_>| #write));
            }
        }
        writers
    }

    /// That the undo tool is a write tool and takes these values, which are not hidden; never called.
    fn undo_check(&self) -> TokenStream {
        let Context { tool, names, p, arguments, output, .. } = self;
        let Undo::Tool { tool: undo, arguments: given } = &tool.undo else { return TokenStream::new() };
        let alias = names.fresh("Undo");
        let place = undo.span();
        let (args, out) = (Ident::new("arguments", place), Ident::new("out", place));
        let takes = qualified(p, undo, "SafeTool", "Arguments");
        let effect = qualified(p, undo, "SafeTool", "Effect");
        let values = given.iter().map(|argument| {
            let name = &argument.name;
            // All on the argument's name, so that a type that does not fit is reported there.
            let (q, args, out) =
                (at(p, name.span()), Ident::new("arguments", name.span()), Ident::new("out", name.span()));
            let access = match &argument.from {
                UndoFrom::Argument(index) => {
                    let member = tool.arguments.get(*index).map(argument_field).map(|mut member| {
                        member.set_span(name.span());
                        member
                    });
                    quote_spanned!(name.span()=> #args.#member)
                }
                UndoFrom::Output(path) => quote!(#out #path),
            };
            quote_spanned!(name.span()=> #name: #q::fits(&#access))
        });
        let shown = given.iter().filter_map(|argument| match &argument.from {
            UndoFrom::Argument(index) => tool.arguments.get(*index).map(|field| (argument.name.span(), field)),
            UndoFrom::Output(_) => None,
        });
        let mut shown_checks = TokenStream::new();
        for (span, field) in shown {
            let mut held = Vec::new();
            hold(&field.rule, &field.ty, &mut held);
            for ty in held {
                let (q, hidden) = (at(p, span), qualified(p, ty, "ToolInput", "HIDDEN"));
                let check = quote_spanned!(span=> #q::check_shown(#hidden));
                shown_checks.extend(quote!(const _: () = #check;));
            }
        }
        let texts = given.iter().map(|argument| crate::names::plain(&argument.name));
        let q = at(p, place);
        let required = qualified(p, &takes, "RequiredNames", "NAMES");
        let is_write = qualified(p, &effect, "UndoEffect", "IS");
        let check = quote_spanned!(place=> #q::check_undo(#required, &[#(#texts),*]));
        let takes_again_after = qualified(p, undo, "SafeTool", "TAKES_AGAIN_AFTER");
        // Behind the proof of the effect, so that a tool that does not write is one error.
        let repeats = quote_spanned!(place=> #q::check_undo_repeats(#takes_again_after));
        quote! {
            #[allow(unused_variables)]
            const _: fn(&#arguments, &#output) -> #takes = |#args, #out| {
                type #alias = #takes;
                #alias { #(#values,)* ..#p::rest() }
            };
            const _: () = #check;
            const _: () = { #is_write; #repeats };
            #shown_checks
        }
    }
}

/// The type in the runtime's `effect`, and the variant of its `Effect`.
pub(super) fn effect_name(effect: Effect) -> Ident {
    format_ident!(
        "{}",
        match effect {
            Effect::Read => "Read",
            Effect::Write => "Write",
            Effect::Destroy => "Destroy",
        }
    )
}
