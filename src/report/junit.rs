//! Results of tests as JUnit XML, which CI systems show.

use super::sanitize;
use std::borrow::Cow;
use std::fmt::Write as _;

/// One test of one policy file.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Case {
    pub file: String,
    pub line: usize,
    pub name: String,
    /// Empty if it passed.
    pub failures: Vec<String>,
}

/// The whole document: one suite for each file, in the order of the cases.
pub fn render(cases: &[Case]) -> String {
    let failed = |cases: &[Case]| cases.iter().filter(|c| !c.failures.is_empty()).count();
    let mut out = String::from("<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n");
    let _ = writeln!(
        out,
        "<testsuites name=\"retain policy test\" tests=\"{}\" failures=\"{}\">",
        cases.len(),
        failed(cases)
    );
    for suite in cases.chunk_by(|a, b| a.file == b.file) {
        let file = text(&suite[0].file);
        let (tests, failures) = (suite.len(), failed(suite));
        let _ = writeln!(
            out,
            "  <testsuite name=\"{file}\" tests=\"{tests}\" failures=\"{failures}\">"
        );
        for case in suite {
            let (name, line) = (text(&case.name), case.line);
            let _ = write!(
                out,
                "    <testcase name=\"{name}\" classname=\"{file}\" file=\"{file}\" line=\"{line}\""
            );
            if case.failures.is_empty() {
                out.push_str("/>\n");
                continue;
            }
            out.push_str(">\n");
            for failure in &case.failures {
                let failure = text(failure);
                let _ = writeln!(out, "      <failure message=\"{failure}\"/>");
            }
            out.push_str("    </testcase>\n");
        }
        out.push_str("  </testsuite>\n");
    }
    out + "</testsuites>\n"
}

/// Markup is the same as HTML's; what XML cannot hold at all is written out by that door already.
fn text(text: &str) -> Cow<'_, str> {
    sanitize::html(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_document_with_a_suite_for_each_file() {
        let case = |file: &str, name: &str, failures: &[&str]| Case {
            file: file.to_owned(),
            line: 7,
            name: name.to_owned(),
            failures: failures.iter().map(|f| (*f).to_owned()).collect(),
        };
        let cases = [
            case("a.toml", "keeps <3>", &[]),
            case("a.toml", "\u{0}", &["x & y\n"]),
            case("b.toml", "z", &[]),
        ];
        let out = render(&cases);
        assert!(out.contains("tests=\"3\" failures=\"1\""), "{out}");
        assert_eq!(out.matches("<testsuite ").count(), 2);
        assert!(out.contains(
            "name=\"keeps &lt;3&gt;\" classname=\"a.toml\" file=\"a.toml\" line=\"7\"/>"
        ));
        assert!(out.contains("<failure message=\"x &amp; y\\n\"/>"), "{out}");
        assert!(!out.contains('\u{0}'));
    }
}
