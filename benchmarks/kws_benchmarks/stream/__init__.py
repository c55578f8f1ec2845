"""Placed words and hours of sound without them: what is heard, missed and falsely accepted."""
