"""Independent programs that stand at the other end of a wire, as processes."""
