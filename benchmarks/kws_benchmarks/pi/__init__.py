"""An emulated Raspberry Pi: compares the installed wheel there with this machine, and measures its cost."""
