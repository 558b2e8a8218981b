//! The document and the program name the same reasons.

use super::reason::Reason;

const DOCS: &str = include_str!("../../../../docs/vss-check.md");

#[test]
fn every_reason_is_in_the_documentation_and_no_other() {
    for reason in Reason::ALL {
        let row = format!("| `{}` | {} |", reason.text(), reason.meaning());
        assert!(DOCS.contains(&row), "docs/vss-check.md lacks the row\n{row}");
    }
    let table = DOCS.split("<!-- reasons").nth(1).and_then(|rest| rest.split("<!-- end of reasons").next()).unwrap();
    let rows = table.lines().filter(|line| line.starts_with("| `")).count();
    assert_eq!(rows, Reason::ALL.len(), "docs/vss-check.md has a row too many");
}
