//! Amounts of money with their currency.

use super::policy::rule_of;
use super::{made, read};
use crate::input::{Decoder, KeyPart, TextRule, ToolInput, Violation};
use crate::output::ToolOutput;
use crate::writer::Writer;
use schemars::Schema;
use std::fmt;
use std::marker::PhantomData;

pub use iso_currency::Currency;

/// Which amounts an argument takes.
#[diagnostic::on_unimplemented(
    message = "`{Self}` does not say which amounts are taken",
    label = "is no money policy",
    note = "write `impl MoneyPolicy for {Self} {{ const AT_MOST: &'static [(Currency, u32)] = &[(Currency::EUR, 500)]; }}`"
)]
pub trait MoneyPolicy: 'static {
    /// The currencies, each with the greatest amount in whole units: `(Currency::EUR, 500)` is up to 500.00 EUR.
    ///
    /// One for which ISO 4217 states no number of decimals, such as gold, is not taken.
    const AT_MOST: &'static [(Currency, u32)];
}

/// An amount from zero up to what its policy says: `12.50 EUR`, with exactly the currency's decimals.
///
/// ```
/// use safe_tool::input::{Currency, Money, MoneyPolicy};
///
/// /// What may be refunded without asking.
/// enum SmallRefund {}
///
/// impl MoneyPolicy for SmallRefund {
///     const AT_MOST: &'static [(Currency, u32)] = &[(Currency::EUR, 500), (Currency::JPY, 80_000)];
/// }
///
/// let amount = Money::<SmallRefund>::parse("12.50 EUR").unwrap();
/// assert_eq!((amount.minor(), amount.currency()), (1_250, Currency::EUR));
/// assert!(Money::<SmallRefund>::parse("500.01 EUR").is_err());
/// assert!(Money::<SmallRefund>::parse("12.50 USD").is_err());
/// ```
///
/// An amount never stands without a policy:
/// ```compile_fail,E0107
/// fn refund(amount: safe_tool::input::Money) {}
/// ```
pub struct Money<P> {
    minor: i64,
    currency: Currency,
    policy: PhantomData<fn() -> P>,
}

impl<P: MoneyPolicy> Money<P> {
    /// Checks a text and makes an amount of it.
    ///
    /// # Errors
    /// The first rule that the text breaks.
    pub fn parse(text: &str) -> Result<Self, Violation> {
        made(Self::rule(), text, Self::read)
    }

    fn read(text: &str) -> Option<Self> {
        let (amount, code) = text.split_once(' ')?;
        let minor = amount.replace('.', "").parse().ok()?;
        Some(Money { minor, currency: Currency::from_code(code)?, policy: PhantomData })
    }

    fn rule() -> &'static TextRule {
        const { assert!(!P::AT_MOST.is_empty(), "a money policy without a currency takes nothing") }
        rule_of::<Self>(None, || {
            let known =
                || P::AT_MOST.iter().filter_map(|(currency, most)| Some((currency, most, currency.exponent()?)));
            let each: Vec<String> = known()
                .map(|(currency, most, decimals)| format!("({}) {}", amounts(*most, decimals), currency.code()))
                .collect();
            let example = known().next().map(|(currency, most, decimals)| {
                let minor = i64::from((*most).min(1)) * 10_i64.pow(decimals.into());
                written(minor, decimals, currency.code())
            });
            (format!("^({})$", each.join("|")), example.unwrap_or_default())
        })
    }
}

impl<P> Money<P> {
    /// The amount in the currency's smallest unit: 1,250 for `12.50 EUR`, 12 for `12 JPY`.
    pub fn minor(&self) -> i64 {
        self.minor
    }

    /// The currency.
    pub fn currency(&self) -> Currency {
        self.currency
    }
}

/// The texts of all amounts up to `most` whole units.
fn amounts(most: u32, decimals: u16) -> String {
    match (decimals, most.checked_sub(1)) {
        (0, _) => whole(most),
        (_, None) => format!("0[.]0{{{decimals}}}"),
        (_, Some(below)) => format!("({})[.][0-9]{{{decimals}}}|{most}[.]0{{{decimals}}}", whole(below)),
    }
}

/// The texts of the integers from 0 to `most`, without leading zeros.
fn whole(most: u32) -> String {
    let text = most.to_string();
    let mut forms = match text.len() {
        1 => Vec::new(),
        2 => vec!["[0-9]".to_owned()],
        digits => vec!["[0-9]".to_owned(), format!("[1-9][0-9]{{1,{}}}", digits - 2)],
    };
    for (place, digit) in text.char_indices() {
        let least = if place == 0 && text.len() > 1 { '1' } else { '0' };
        let before = text.get(..place).unwrap_or_default();
        // Equal so far and less here: what follows is free.
        if let Some(less) = (least..digit).next_back() {
            let rest = match text.len() - place - 1 {
                0 => String::new(),
                digits => format!("[0-9]{{{digits}}}"),
            };
            forms.push(format!("{before}[{least}-{less}]{rest}"));
        }
    }
    forms.push(text);
    forms.join("|")
}

fn written(minor: i64, decimals: u16, code: &str) -> String {
    match decimals {
        0 => format!("{minor} {code}"),
        _ => {
            let unit = 10_i64.pow(decimals.into());
            format!("{}.{:0width$} {code}", minor / unit, minor % unit, width = decimals.into())
        }
    }
}

impl<P> fmt::Display for Money<P> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // Only currencies with decimals of their own get in.
        f.write_str(&written(self.minor, self.currency.exponent().unwrap_or_default(), self.currency.code()))
    }
}

impl<P> fmt::Debug for Money<P> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // The caller chose the amount.
        f.debug_struct("Money").finish_non_exhaustive()
    }
}

impl<P> Clone for Money<P> {
    fn clone(&self) -> Self {
        *self
    }
}

impl<P> Copy for Money<P> {}

impl<P> PartialEq for Money<P> {
    fn eq(&self, other: &Self) -> bool {
        (self.minor, self.currency) == (other.minor, other.currency)
    }
}

impl<P> Eq for Money<P> {}

impl<P: MoneyPolicy> ToolInput for Money<P> {
    const HIDDEN: bool = false;

    fn decode(decoder: &mut Decoder<'_>) -> Option<Self> {
        read(decoder, Self::rule(), Self::parse)
    }

    fn encode(&self, writer: &mut Writer<'_>) {
        writer.str(&self.to_string());
    }

    fn schema() -> Schema {
        Self::rule().schema()
    }
}

impl<P: MoneyPolicy> ToolOutput for Money<P> {
    fn encode(&self, writer: &mut Writer<'_>) {
        ToolInput::encode(self, writer);
    }

    fn schema() -> Schema {
        <Self as ToolInput>::schema()
    }
}

impl<P: MoneyPolicy> KeyPart for Money<P> {
    fn part(&self, writer: &mut Writer<'_>) {
        ToolInput::encode(self, writer);
    }
}
