"""The study of 2018, row by row: spectrograms of words and scenes added by weight, one network, two heads."""
