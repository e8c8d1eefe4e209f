//! Label selectors over namespaces, with the semantics of Kubernetes (`apimachinery/pkg/labels`).

use std::collections::BTreeMap;

/// The label that the API server itself keeps equal to the namespace's name: nobody who may label can change it.
const NAME_LABEL: &str = "kubernetes.io/metadata.name";

/// Labels of a namespace.
pub type Labels = BTreeMap<String, String>;

/// A Kubernetes label selector; empty matches everything.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct LabelSelector {
    /// All must hold.
    pub requirements: Vec<Requirement>,
}

/// One requirement of a selector; `matchLabels` entries are `In` with one value.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Requirement {
    /// The label key.
    pub key: String,
    /// How it is compared.
    pub operator: SelectorOperator,
    /// With what.
    pub values: Vec<String>,
}

/// The operators of Kubernetes label selectors.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SelectorOperator {
    /// The value is one of these.
    In,
    /// The value is none of these, or the label is absent.
    NotIn,
    /// The label is present.
    Exists,
    /// The label is absent.
    DoesNotExist,
}

impl LabelSelector {
    /// Whether a namespace is selected; nothing where that depends on labels that are not known. Any guess could open the
    /// gate: one policy denies what it governs, another one admits it.
    pub fn selects(&self, namespace: &str, labels: Option<&Labels>) -> Option<bool> {
        let mut answer = Some(true);
        for requirement in &self.requirements {
            match requirement.holds(namespace, labels) {
                Some(true) => {}
                Some(false) => return Some(false),
                None => answer = None,
            }
        }
        answer
    }

    /// Whether it looks at a label that anyone who may label the namespace can change.
    pub fn selects_by_mutable_label(&self) -> bool {
        self.requirements.iter().any(|r| r.key != NAME_LABEL)
    }
}

impl Requirement {
    /// Whether Kubernetes would accept it: a key, values for `In` and `NotIn`, and none for the others.
    pub fn is_well_formed(&self) -> bool {
        let compares = matches!(self.operator, SelectorOperator::In | SelectorOperator::NotIn);
        !self.key.is_empty() && compares != self.values.is_empty()
    }

    fn holds(&self, namespace: &str, labels: Option<&Labels>) -> Option<bool> {
        let value = if self.key == NAME_LABEL { Some(namespace) } else { labels?.get(&self.key).map(String::as_str) };
        let listed = value.is_some_and(|value| self.values.iter().any(|v| v == value));
        Some(match self.operator {
            SelectorOperator::In => listed,
            SelectorOperator::NotIn => !listed,
            SelectorOperator::Exists => value.is_some(),
            SelectorOperator::DoesNotExist => value.is_none(),
        })
    }
}

#[cfg(test)]
mod tests;
