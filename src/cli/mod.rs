//! The command line: one file a command. The only module that prints, asks, or reads the
//! environment.
