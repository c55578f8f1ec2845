"""The command line: options in, words for people out."""
