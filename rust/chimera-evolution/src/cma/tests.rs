//! Behaviour of the strategy and the search: learning, bounds, restarts, bits.
