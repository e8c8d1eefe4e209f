//! From the outcomes of a policy's authorities to what the policy says.

use super::model::Policy;
use super::outcome::AuthorityOutcome;
use super::verdict::PolicyOutcome;

/// Combines. `outcomes[i]` is that of authority `i`; `None` where it is not known yet. The answer is `None` while the known
/// outcomes do not decide.
pub fn evaluate(_policy: &Policy, _outcomes: &[Option<AuthorityOutcome>]) -> Option<PolicyOutcome> {
    todo!()
}
