//! See tests/support.rs.
