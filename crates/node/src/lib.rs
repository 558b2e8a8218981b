//! The node: a sans-IO state machine from board records and requests to effects.
