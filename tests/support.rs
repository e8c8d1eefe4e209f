//! What the integration and end-to-end tests share.

pub mod builders;
pub mod registry;
pub mod signer;
