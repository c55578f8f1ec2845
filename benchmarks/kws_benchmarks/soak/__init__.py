"""Hours of sound with injected faults, faster than real time."""
