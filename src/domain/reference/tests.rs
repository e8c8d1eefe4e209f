//! Tests of the reference parser.
