//! Regular expressions that mean the same to Go's RE2, which the engines match with, as here.

use regex_syntax::ast::parse::Parser;
use regex_syntax::ast::{
    AssertionKind, Ast, ClassSetBinaryOp, Flag, FlagsItemKind, RepetitionKind, RepetitionRange,
    Visitor, visit,
};

/// The most that RE2 repeats.
const MOST_REPEATS: u32 = 1000;

/// Whether the text is one, or what is wrong with it.
///
/// # Errors
/// The engine would refuse it, and with it every container, or would read it otherwise.
pub(super) fn check(text: &str) -> Result<(), String> {
    let ast = Parser::new().parse(text).map_err(|error| error.kind().to_string())?;
    visit(&ast, OfGo)
}

/// Goes through an expression and stops at what Go has not.
struct OfGo;

impl Visitor for OfGo {
    type Output = ();
    type Err = String;

    fn finish(self) -> Result<(), String> {
        Ok(())
    }

    fn visit_pre(&mut self, ast: &Ast) -> Result<(), String> {
        let flags = match ast {
            Ast::Flags(set) => Some(&set.flags),
            Ast::Group(group) => group.flags(),
            _ => None,
        };
        let known = |item: &FlagsItemKind| match item {
            FlagsItemKind::Negation => true,
            FlagsItemKind::Flag(flag) => matches!(
                flag,
                Flag::CaseInsensitive | Flag::MultiLine | Flag::DotMatchesNewLine | Flag::SwapGreed
            ),
        };
        if flags.is_some_and(|flags| !flags.items.iter().all(|item| known(&item.kind))) {
            return Err("the engine has no such flag".to_owned());
        }
        match ast {
            Ast::Assertion(assertion) if !is_assertion_of_go(&assertion.kind) => {
                Err("the engine has no such assertion".to_owned())
            }
            Ast::Repetition(repetition) if repeats(&repetition.op.kind) > MOST_REPEATS => {
                Err(format!("more than {MOST_REPEATS} repetitions"))
            }
            _ => Ok(()),
        }
    }

    fn visit_class_set_binary_op_pre(&mut self, _: &ClassSetBinaryOp) -> Result<(), String> {
        Err("the engine has no operations on classes".to_owned())
    }
}

fn is_assertion_of_go(kind: &AssertionKind) -> bool {
    matches!(
        kind,
        AssertionKind::StartLine
            | AssertionKind::EndLine
            | AssertionKind::StartText
            | AssertionKind::EndText
            | AssertionKind::WordBoundary
            | AssertionKind::NotWordBoundary
    )
}

fn repeats(kind: &RepetitionKind) -> u32 {
    match kind {
        RepetitionKind::Range(
            RepetitionRange::Exactly(most)
            | RepetitionRange::AtLeast(most)
            | RepetitionRange::Bounded(_, most),
        ) => *most,
        _ => 0,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_both_take() {
        for text in [".*", "^(high|low=er)$", "(?i)a", r"\bx\d{3,5}[^a-c[:alpha:]]", "(?P<n>a)"] {
            assert_eq!(check(text), Ok(()), "{text}");
        }
    }

    #[test]
    fn what_one_of_them_does_not() {
        for text in
            ["(", "*", "(?=a)", r"(a)\1", "(?x)a", "(?x:a)", r"\<a", "x{1001}", "[a&&b]", "[a--b]"]
        {
            assert!(check(text).is_err(), "{text}");
        }
    }
}
