//! The sealer on a database of each test's own.
