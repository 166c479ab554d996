//! Takes away from the process what it does not need: the network first.
//!
//! Refuses to fail silently: every call says what is really in force.
