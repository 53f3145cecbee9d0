//! Rules that need Rust to be parsed.

use std::path::Path;

use syn::spanned::Spanned;
use syn::visit::{self, Visit};

use super::{Complaint, over_rust};

const FUNCTION_LINES_MAX: usize = 70;

#[test]
fn functions_fit_a_screen() {
    over_rust(long_functions);
}

fn long_functions(file: &Path, text: &str) -> Vec<Complaint> {
    let syntax = match syn::parse_file(text) {
        Ok(syntax) => syntax,
        Err(error) => {
            return vec![Complaint::new(
                file,
                error.span().start().line,
                error.to_string(),
            )];
        }
    };
    let mut functions = Functions {
        file,
        complaints: vec![],
    };
    functions.visit_file(&syntax);
    functions.complaints
}

struct Functions<'a> {
    file: &'a Path,
    complaints: Vec<Complaint>,
}

impl Functions<'_> {
    /// Counts from the line of the name to that of the closing brace.
    fn check(&mut self, signature: &syn::Signature, body: &syn::Block) {
        let first = signature.ident.span().start().line;
        let count = body.span().end().line - first + 1;
        if count > FUNCTION_LINES_MAX {
            let what = format!(
                "`{}` has {count} lines, more than {FUNCTION_LINES_MAX}",
                signature.ident
            );
            self.complaints.push(Complaint::new(self.file, first, what));
        }
    }
}

impl<'ast> Visit<'ast> for Functions<'_> {
    fn visit_item_fn(&mut self, function: &'ast syn::ItemFn) {
        self.check(&function.sig, &function.block);
        visit::visit_item_fn(self, function);
    }

    fn visit_impl_item_fn(&mut self, function: &'ast syn::ImplItemFn) {
        self.check(&function.sig, &function.block);
        visit::visit_impl_item_fn(self, function);
    }

    fn visit_trait_item_fn(&mut self, function: &'ast syn::TraitItemFn) {
        if let Some(body) = &function.default {
            self.check(&function.sig, body);
        }
        visit::visit_trait_item_fn(self, function);
    }
}

#[test]
fn a_function_of_one_line_too_many_is_found_wherever_it_stands() {
    let long = format!(
        "/// Does.\nfn long() {{{}}}",
        "\n".repeat(FUNCTION_LINES_MAX)
    );
    let fits = long.replacen("{\n", "{", 1);
    let found = |text: String| long_functions(Path::new("a.rs"), &text).len();
    for (before, after) in [
        ("", ""),
        ("impl A {", "}"),
        ("trait A {", "}"),
        ("mod a {", "}"),
    ] {
        assert_eq!(found(format!("{before}{long}{after}")), 1, "{before}");
        assert_eq!(found(format!("{before}{fits}{after}")), 0, "{before}");
    }
}

#[test]
fn a_file_that_cannot_be_parsed_is_found() {
    assert_eq!(long_functions(Path::new("a.rs"), "fn a( {}").len(), 1);
}
