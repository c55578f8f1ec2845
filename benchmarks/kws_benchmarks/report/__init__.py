"""The report: one self-contained HTML page about one model or several."""
