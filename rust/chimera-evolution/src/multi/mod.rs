//! Multi-objective searches.
