//! Placeholder of the build: filled with its part.
