//! The checked model: what the checks hand to the expansions. Nothing in it can be refused any more by syntax.

use proc_macro2::{Ident, TokenStream};
use syn::{Attribute, Expr, LitStr, Path, Type, Visibility};

/// A tool.
pub(crate) struct Tool {
    pub(crate) krate: Path,
    pub(crate) vis: Visibility,
    pub(crate) ident: Ident,
    pub(crate) cfgs: Vec<Attribute>,
    pub(crate) description: String,
    pub(crate) name: String,
    pub(crate) title: Option<String>,
    pub(crate) effect: Effect,
    pub(crate) scope: Expr,
    pub(crate) key: Key,
    pub(crate) repeat: Repeat,
    pub(crate) undo: Undo,
    pub(crate) approve: Approve,
    /// The function that finds out what became of an action in doubt.
    pub(crate) reconcile: Option<Path>,
    pub(crate) timeout_ms: u64,
    pub(crate) retry: u32,
    pub(crate) rates: Vec<Rate>,
    pub(crate) source: Option<String>,
    pub(crate) context: Option<Type>,
    pub(crate) arguments: Vec<Field>,
    pub(crate) answer: Answer,
}

/// What a tool does to the world.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Effect {
    Read,
    Write,
    Destroy,
}

/// The result type of a tool.
pub(crate) enum Answer {
    /// Spelled as `Result<T, E>`.
    Result(Box<Type>, Box<Type>),
    /// Spelled otherwise: an alias, or no result at all.
    Other(Box<Type>),
}

/// What names the intent.
pub(crate) enum Key {
    None,
    Client,
    Natural(String),
    Parts { parts: Vec<Part>, every_ms: Option<u64> },
}

/// The setting `repeat`: may a caller do the same again on purpose?
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Repeat {
    Never,
    Explicit,
}

impl Repeat {
    /// True if the tool publishes the argument `again_after`; see the runtime's `Descriptor::takes_again_after`.
    pub(crate) fn takes_again_after(self, effect: Effect, key: Option<&Key>) -> bool {
        effect != Effect::Read && (self == Repeat::Explicit || matches!(key, Some(Key::Natural(_))))
    }
}

/// One part of a key.
pub(crate) enum Part {
    Turn,
    Investigation,
    Principal,
    /// An argument, or a field of it.
    Argument(Reach),
}

/// An argument or a field of it, as written in the attribute.
pub(crate) struct Reach {
    /// The argument's name with the token's span.
    pub(crate) argument: Ident,
    /// The field inside it.
    pub(crate) field: Option<Ident>,
}

/// How an effect is undone.
pub(crate) enum Undo {
    None,
    ByHand(String),
    Tool { tool: Path, arguments: Vec<UndoArgument> },
}

/// One argument of an undo call.
pub(crate) struct UndoArgument {
    /// Its name at the undo tool.
    pub(crate) name: Ident,
    pub(crate) from: UndoFrom,
}

/// Where the value of an undo argument comes from.
pub(crate) enum UndoFrom {
    /// An argument of the tool, by place.
    Argument(usize),
    /// A field of the output, by its path.
    Output(TokenStream),
}

/// Who must agree.
pub(crate) enum Approve {
    None(String),
    Operator,
    User,
}

/// One limit.
pub(crate) struct Rate {
    pub(crate) per: Per,
    pub(crate) count: u32,
    pub(crate) period_ms: u64,
}

/// What a rate counts apart.
pub(crate) enum Per {
    Principal,
    All,
    Argument(Ident),
}

/// An argument of a tool, or a field of an input type.
pub(crate) struct Field {
    pub(crate) ident: Ident,
    pub(crate) wire: String,
    pub(crate) description: String,
    /// The type, without the `Option` around it.
    pub(crate) ty: Type,
    pub(crate) optional: bool,
    /// The thing that its value names, if the effect hits it.
    pub(crate) target: Option<String>,
    pub(crate) sensitive: bool,
    pub(crate) rule: Rule,
}

/// What values a field takes.
pub(crate) enum Rule {
    Text(TextRule),
    Number(NumberRule),
    List {
        min_items: u32,
        max_items: u32,
        unique: bool,
        item: Type,
        each: Box<Rule>,
    },
    /// The type's own.
    Type,
}

impl Rule {
    /// Whether any wording is taken.
    pub(crate) fn free_text(&self) -> bool {
        matches!(self, Rule::Text(rule) if rule.free_text)
    }

    /// Whether a duration is in it, which has several spellings and no canonical one.
    pub(crate) fn holds_duration(&self) -> bool {
        match self {
            Rule::List { each, .. } => each.holds_duration(),
            Rule::Text(rule) => rule.format == Some("Duration"),
            Rule::Number(_) | Rule::Type => false,
        }
    }

    /// Whether free text is in it.
    pub(crate) fn holds_free_text(&self) -> bool {
        match self {
            Rule::List { each, .. } => each.holds_free_text(),
            Rule::Text(_) | Rule::Number(_) | Rule::Type => self.free_text(),
        }
    }
}

/// Bounds of a text.
pub(crate) struct TextRule {
    pub(crate) pattern: Option<LitStr>,
    /// The variant of the runtime's `Format`.
    pub(crate) format: Option<&'static str>,
    pub(crate) free_text: bool,
    pub(crate) min_len: Option<u32>,
    pub(crate) max_len: Option<u32>,
    pub(crate) example: Option<String>,
}

/// Bounds of a number.
pub(crate) struct NumberRule {
    pub(crate) min: f64,
    pub(crate) max: f64,
    pub(crate) unit: Option<String>,
    pub(crate) example: Option<String>,
    /// The token that an error about the range points to.
    pub(crate) at: proc_macro2::Span,
}

/// A type with `#[derive(ToolInput)]`.
pub(crate) struct Input {
    pub(crate) krate: Path,
    pub(crate) ident: Ident,
    pub(crate) form: InputForm,
}

/// The forms of an input type.
pub(crate) enum InputForm {
    Struct(Vec<Field>),
    Text {
        vis: Visibility,
        ty: Type,
        rule: TextRule,
    },
    Number {
        vis: Visibility,
        ty: Type,
        rule: NumberRule,
    },
    /// A closed set of strings.
    Words(Vec<Variant>),
    /// Objects told apart by `kind`.
    Tagged(Vec<Variant>),
}

/// One variant of an input type.
pub(crate) struct Variant {
    pub(crate) ident: Ident,
    pub(crate) wire: String,
    pub(crate) description: String,
    pub(crate) fields: Vec<Field>,
    /// Written without braces.
    pub(crate) unit: bool,
}

/// A type with `#[derive(ToolOutput)]`.
pub(crate) struct Output {
    pub(crate) krate: Path,
    pub(crate) ident: Ident,
    pub(crate) form: OutputForm,
}

/// The forms of an output type.
pub(crate) enum OutputForm {
    Struct(Members),
    /// One value without a name; `ruled` when the type is an input under `#[text]` or `#[number]` too.
    Newtype {
        ty: Box<Type>,
        ruled: bool,
    },
    Words(Vec<OutputVariant>),
    Tagged(Vec<OutputVariant>),
}

/// One variant of an output type.
pub(crate) struct OutputVariant {
    pub(crate) ident: Ident,
    pub(crate) wire: String,
    pub(crate) description: String,
    pub(crate) members: Members,
    pub(crate) unit: bool,
}

/// The members of an output object.
pub(crate) struct Members {
    pub(crate) fields: Vec<OutputField>,
    /// The place of the field whose emptiness is the answer's.
    pub(crate) empty_when: Option<usize>,
}

/// A field of an output type.
pub(crate) struct OutputField {
    pub(crate) ident: Ident,
    pub(crate) wire: String,
    pub(crate) description: String,
    pub(crate) ty: Type,
    pub(crate) optional: bool,
}

/// A type with `#[derive(ToolError)]`.
pub(crate) struct ToolError {
    pub(crate) krate: Path,
    pub(crate) ident: Ident,
    pub(crate) cases: Vec<ErrorCase>,
}

/// One variant of an error type.
pub(crate) struct ErrorCase {
    pub(crate) ident: Ident,
    pub(crate) code: String,
    /// The variant of the runtime's `Kind`.
    pub(crate) kind: &'static str,
    pub(crate) message: LitStr,
    pub(crate) suggest: Option<String>,
    pub(crate) retry_after_ms: Option<u64>,
    /// The variant of the runtime's `EffectKnown`, where one is stated.
    pub(crate) effect: Option<&'static str>,
    /// The action's answer, kept under its key.
    pub(crate) stored: bool,
    pub(crate) fields: Vec<ErrorField>,
}

/// A field of an error's variant.
pub(crate) struct ErrorField {
    /// The name, or the place in a tuple.
    pub(crate) name: String,
    /// The same as a token of a pattern.
    pub(crate) member: TokenStream,
    /// Goes to operators only.
    pub(crate) detail: bool,
    /// The message shows it.
    pub(crate) shown: bool,
}

impl ErrorField {
    /// The variable that the expansion binds it to. Neither a place nor a keyword could be one.
    pub(crate) fn binding(&self) -> String {
        let usable = syn::parse_str::<Ident>(&self.name).is_ok();
        if usable { self.name.clone() } else { format!("field_{}", self.name) }
    }
}

/// A type with `#[derive(Credential)]`.
pub(crate) struct Credential {
    pub(crate) krate: Path,
    pub(crate) ident: Ident,
    pub(crate) audience: String,
    pub(crate) scopes: Vec<String>,
    pub(crate) env: Option<String>,
}
