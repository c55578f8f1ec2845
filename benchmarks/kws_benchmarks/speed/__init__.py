"""The cost of listening: CPU time, memory and start-up, beside other engines."""
