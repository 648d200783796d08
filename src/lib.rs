//! arena-core
