"""An emulated Raspberry Pi: does the shipped wheel hear there what it hears here, and what does it cost."""
