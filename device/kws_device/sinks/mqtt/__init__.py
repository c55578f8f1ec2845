"""Events, state and settings over MQTT, as a device that Home Assistant finds by itself."""
