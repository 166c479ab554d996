//! Speech models on this machine: what is installed, importing, checking digests.
