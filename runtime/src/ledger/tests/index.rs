//! What is kept of the index, and what it is worth when it is not what was written.
