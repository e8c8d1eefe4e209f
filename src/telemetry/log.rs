//! The log: one line a decision, never an object, never a credential.
