//! The page about conditions: every expression on it is one.

use sealgate::policy::Condition;

#[test]
fn every_expression_of_the_page_is_read() {
    let page = include_str!("../../docs/reference/conditions.md");
    let expressions: Vec<&str> = page.split("```cel\n").skip(1).map(|rest| rest.split("```").next().unwrap()).collect();
    assert!(expressions.len() > 2);
    for expression in expressions {
        assert!(Condition::cel(expression, None).is_ok(), "{expression}: {:?}", Condition::cel(expression, None));
    }
}
