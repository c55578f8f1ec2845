"""The Wyoming protocol, by which Home Assistant and voice satellites use wake-word services."""
